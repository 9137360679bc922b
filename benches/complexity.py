#!/usr/bin/env python3
"""What a step costs: time and memory against width, depth, batch, scope, basis and the share of living neurons.

    benches/complexity.py run LINES.jsonl [DEVICE ...]   measures (default: cpu gpu) and appends a line per point
    benches/complexity.py table LINES.jsonl              fits the model and prints the tables in Markdown

Needs Python 3 alone. Environment: HOMEOSTAT, path of a built program (default target/release/homeostat)."""

import json
import os
import resource
import subprocess
import sys
import tempfile

PROGRAM = os.environ.get("HOMEOSTAT", "target/release/homeostat")
WIDTHS = [32, 64, 128, 256, 512, 1024]
DEPTHS = [1, 2, 4, 8]
BATCHES = [8, 32, 128, 512]
LIVING = [0.75, 0.5, 0.25, 0.1]
SCOPES = ["layer", "neuron", "weight"]
BASES = ["act", "act2", "net2", "delta", "delta2", "coactivation"]


def points():
    """Every bench: what varies, the hidden widths, B, scope and living share."""
    for width in WIDTHS:
        yield "width", [width], 128, "neuron", 1.0
    for depth in DEPTHS:
        yield "depth", [256] * depth, 128, "neuron", 1.0
    for batch in BATCHES:
        yield "batch", [256], batch, "neuron", 1.0
    for scope in SCOPES:
        yield "scope", [256], 128, scope, 1.0
    for living in LIVING:
        yield "living", [1024], 128, "neuron", living
    for living in LIVING:
        yield "living, two layers", [512, 512], 128, "neuron", living


def bench(device, hidden, batch, scope, living):
    workload = ",".join(map(str, [784, *hidden, 10])) + f":{batch}"
    command = [PROGRAM, "bench", "--device", device, "--scope", scope, "--living", str(living), "--no-autotune", "--runs", "3", "--json", workload]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    row = json.loads(done.stdout.splitlines()[-1])
    return {"samples_per_second": row["samples_per_second"], "adapter": row["device"]["adapter"], "driver": row["device"]["driver"]}


def train(device, basis):
    """Samples per second of the second epoch, with a threshold that nothing reaches."""
    with tempfile.TemporaryDirectory() as folder:
        out = os.path.join(folder, "run")
        theta = "1e30" if not basis.startswith("delta") else "1e-30"
        scope = "weight" if basis == "coactivation" else "neuron"
        command = [PROGRAM, "train", "--device", device, "--hidden", "64", "--batch-size", "128", "--epochs", "2", "--quiet"]
        command += ["--train-metrics", "running", "--no-autotune", "--basis", basis, "--scope", scope, "--theta", theta, "--val-fraction", "0",
                    "--out", out]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        return json.loads(open(os.path.join(out, "metrics.jsonl")).readlines()[-1])["samples_per_second"]


def memory(hidden, batch):
    """Bytes that a dry run plans on the CPU, and the largest resident size of one epoch."""
    flags = ["--device", "cpu", "--hidden", ",".join(map(str, hidden)), "--batch-size", str(batch), "--epochs", "1",
             "--val-fraction", "0"]
    plan = subprocess.run([PROGRAM, "train", *flags, "--dry-run", "--json"], check=True, capture_output=True, text=True)
    plan = json.loads(plan.stdout)
    peak = subprocess.run(
        [sys.executable, "-c", "import resource, subprocess, sys\nsubprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL)\n"
         "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)", PROGRAM, "train", *flags, "--quiet", "--no-save"],
        check=True, capture_output=True, text=True)
    return {"planned": plan["host_bytes"] + plan["device_bytes"], "resident": 1024 * int(peak.stdout)}


def run(lines, devices):
    def keep(line):
        with open(lines, "a") as file:
            file.write(json.dumps(line) + "\n")

    for device in devices:
        for what, hidden, batch, scope, living in points():
            measured = bench(device, hidden, batch, scope, living)
            keep({"what": what, "device": device, "hidden": hidden, "batch": batch, "scope": scope, "living": living, **measured})
        for basis in BASES:
            keep({"what": "basis", "device": device, "basis": basis, "samples_per_second": train(device, basis)})
    for hidden, batch in [([64], 32), ([256], 32), ([1024], 32), ([2048], 32), ([1024, 1024], 32), ([256], 512)]:
        keep({"what": "memory", "hidden": hidden, "batch": batch, **memory(hidden, batch)})


def counts(line):
    """Per step: operations of the products, values that pass a function, weights that are written."""
    widths, batch, living = [784, *line["hidden"], 10], line["batch"], line["living"]
    alive = [784] + [round(living * width) for width in line["hidden"]] + [10]
    flops = 0
    for l in range(1, len(widths)):
        n_in, n_out = widths[l - 1], widths[l]
        nets = alive[l] if l == 1 else n_out
        errors = 0 if l == 1 else alive[l - 1] if l == 2 else n_in
        flops += 2 * batch * (n_in * nets + n_out * errors + n_in * alive[l])
    values = batch * sum(widths)
    weights = sum(widths[l - 1] * alive[l] for l in range(1, len(widths)))
    return [1, flops, values, weights]


def fit(rows):
    """Coefficients that are not negative and make the least squares of the relative errors, by coordinate descent."""
    scaled = [[count / seconds for count in counts] for counts, seconds in rows]
    size = len(scaled[0])
    coefficients = [0.0] * size
    for _ in range(20000):
        for k in range(size):
            square = sum(row[k] ** 2 for row in scaled)
            rest = [1 - sum(c * x for j, (c, x) in enumerate(zip(coefficients, row)) if j != k) for row in scaled]
            coefficients[k] = max(0.0, sum(r * row[k] for r, row in zip(rest, scaled)) / square)
    return coefficients


def table(lines):
    data = [json.loads(line) for line in open(lines)]
    for device in dict.fromkeys(line["device"] for line in data if "device" in line):
        of = [line for line in data if line.get("device") == device]
        timed = [line for line in of if "hidden" in line and line["scope"] == "neuron"]
        seconds = [line["batch"] / line["samples_per_second"] for line in timed]
        c = fit([(counts(line), s) for line, s in zip(timed, seconds)])
        print(f"\n## {device}: {of[0]['adapter']}, {of[0]['driver']}\n")
        print(f"Fit: {1e6 * c[0]:.0f} µs a step + products at {1e-9 / c[1] if c[1] else float('inf'):.0f} GFLOP/s"
              f" + {1e9 * c[2]:.2f} ns a value + {1e9 * c[3]:.3f} ns a weight\n")
        print("| what varies | net | B | living | µs a step | model | off |\n|---|---|---:|---:|---:|---:|---:|")
        worst = 0
        for line, s in zip(timed, seconds):
            model = sum(a * b for a, b in zip(c, counts(line)))
            worst = max(worst, abs(model / s - 1))
            net = "-".join(map(str, [784, *line["hidden"], 10]))
            print(f"| {line['what']} | {net} | {line['batch']} | {100 * line['living']:.0f} % | {1e6 * s:.0f} | {1e6 * model:.0f} | {100 * (model / s - 1):+.0f} % |")
        mean = sum(s for s in seconds) / len(seconds)
        total = sum((s - mean) ** 2 for s in seconds)
        left = sum((sum(a * b for a, b in zip(c, counts(line))) - s) ** 2 for line, s in zip(timed, seconds))
        print(f"\nR² {1 - left / total:.3f}; farthest off {100 * worst:.0f} %.")
        for what, key in [("scope", "scope"), ("basis", "basis")]:
            rows = [line for line in of if line["what"] == what]
            first = rows[1 if what == "scope" else 0]["samples_per_second"]
            cells = [f"{line[key]} {first / line['samples_per_second']:.2f}" for line in rows]
            print(f"\nTime of a step by {what}, {rows[1 if what == 'scope' else 0][key]} = 1: " + ", ".join(cells) + ".")
    print("\n## Memory of the CPU engine\n\n| net | B | planned, MiB | resident, MiB |\n|---|---:|---:|---:|")
    for line in (line for line in data if line["what"] == "memory"):
        net = "-".join(map(str, [784, *line["hidden"], 10]))
        print(f"| {net} | {line['batch']} | {line['planned'] / 2**20:.0f} | {line['resident'] / 2**20:.0f} |")


if __name__ == "__main__":
    if len(sys.argv) > 2 and sys.argv[1] == "run":
        run(sys.argv[2], sys.argv[3:] or ["cpu", "gpu"])
    elif len(sys.argv) == 3 and sys.argv[1] == "table":
        table(sys.argv[2])
    else:
        sys.exit(__doc__)
