#!/usr/bin/env python3
"""Trains MNIST for ten epochs on the CPU engine and on a GPU, and compares the two runs. The test errors may differ by 0.2
points. With psi, each learning rate may begin to fall one tick earlier or later.

A third run shows how far two runs drift apart by rounding alone: on the CPU engine, with the next larger f32 as alpha0.
Rounding alone moves triggers of single neurons and weights by more than a tick, so their rows miss the second bound. Rows of
whole layers keep the bound (results/numbers.md).

Not part of the ordinary tests, because the script takes a quarter of an hour on software Vulkan. A rerun skips finished runs.

    cargo build --release && tests/numbers.py target/release/homeostat DIR [DEVICE [RULE...]]

DEVICE is the GPU (default `gpu`). Prints a Markdown table. The exit code is 1 if a bound is missed. Needs only Python."""

import json
import struct
import subprocess
import sys
from pathlib import Path

POINTS = 0.2
TICKS = 1
# Spelled out, so that results/numbers.md stays comparable whatever the defaults are.
TO_END = "--rule psi --decay-ticks to-end"
# Settings besides the defaults: 784-256-10, relu and softmax, batches of 32, seed 0.
RULES = {
    "psi": f"{TO_END} --basis act --theta 0.1",
    "psi, 50 ticks": f"{TO_END} --basis act --theta 0.1 --clock steps:375",
    "psi, scope weight": f"{TO_END} --basis act --theta 0.1 --scope weight",
    "psi, scope layer": f"{TO_END} --basis act --theta 0.2 --scope layer",
    "psi, coactivation": f"{TO_END} --basis coactivation --theta 0.02 --scope weight",
    "constant": "--rule constant --alpha0 0.1",
    "momentum": "--rule constant --alpha0 0.01 --momentum 0.9",
    "replay of psi": "--rule replay --replay layer --trace {psi}",
    "delta-bar-delta": "--rule delta-bar-delta --alpha0 0.05 --dbd-kappa 0.0001 --dbd-phi 0.1",
    "rprop": "--rule rprop --alpha0 0.001 --batch-size 1000",
    "irprop-": "--rule irprop- --alpha0 0.001 --batch-size 1000",
    "adam": "--rule adam --alpha0 0.001",
}


def next_larger(x):
    (bits,) = struct.unpack("<I", struct.pack("<f", x))
    (y,) = struct.unpack("<f", struct.pack("<I", bits + 1))
    return repr(y)


def folder(out, rule, which):
    return out / f"{rule.replace(', ', '-').replace(' ', '-')}.{which}"


def train(homeostat, out, rule, which, device):
    """Trains one run, unless the run is finished already."""
    run = folder(out, rule, which)
    if (run / "result.json").exists():
        return
    options = RULES[rule].format(psi=folder(out, "psi", "cpu") / "trace.safetensors").split()
    if which == "ulp":
        if "--alpha0" not in options:
            options += ["--alpha0", "0.3"]
        place = options.index("--alpha0") + 1
        options[place] = next_larger(float(options[place]))
    # Running metrics save a pass over the training samples per epoch and do not change the weights.
    common = "--epochs 10 --val-fraction 0 --train-metrics running --checkpoint-every 10 --force --quiet --out".split()
    subprocess.run([homeostat, "train", *options, "--device", device, *common, run], check=True, stdout=sys.stderr)


def onsets(path):
    """The tick at which each alpha began to fall, layer after layer. An alpha that never fell has the tick after the last."""
    if not path.exists():
        return []
    data = path.read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + length])
    never = int(header["__metadata__"]["ticks"]) + 1
    found = []
    for name in sorted(key for key in header if key != "__metadata__"):
        assert header[name]["dtype"] == "U32", name
        begin, end = (8 + length + offset for offset in header[name]["data_offsets"])
        found += [tick or never for (tick,) in struct.iter_unpack("<I", data[begin:end])]
    return found


def compare(out, rule, which):
    """The final metrics of two runs, and their difference in points of test error. Then the number of alphas that begin to
    fall at different ticks, by how many ticks at most, and the number of all alphas."""
    results = [json.loads((folder(out, rule, w) / "result.json").read_text())["final"] for w in ("cpu", which)]
    ticks = [onsets(folder(out, rule, w) / "trace.safetensors") for w in ("cpu", which)]
    assert len(ticks[0]) == len(ticks[1])
    apart = [abs(a - b) for a, b in zip(*ticks)]
    points = 100 * (results[1]["test_error"] - results[0]["test_error"])
    return results, points, sum(d > 0 for d in apart), max(apart, default=0), len(apart)


def main():
    homeostat, out, device = sys.argv[1], Path(sys.argv[2]), (sys.argv[3:] or ["gpu"])[0]
    out.mkdir(parents=True, exist_ok=True)
    missed = False
    rows = []
    for rule in sys.argv[4:] or RULES:
        for which, on in [("cpu", "cpu"), ("ulp", "cpu"), ("gpu", device)]:
            train(homeostat, out, rule, which, on)
        (cpu, gpu), points, differ, furthest, alphas = compare(out, rule, "gpu")
        _, ulp_points, ulp_differ, ulp_furthest, _ = compare(out, rule, "ulp")
        keeps = abs(points) <= POINTS + 1e-9 and furthest <= TICKS
        missed |= not keeps
        ticks = f"{differ} of {alphas}, by ≤ {furthest} | {ulp_differ}, by ≤ {ulp_furthest}" if alphas else "– | –"
        errors = f"{100 * cpu['test_error']:.2f} | {100 * gpu['test_error']:.2f} | {points:+.2f} | {ulp_points:+.2f}"
        rows.append(f"| {rule} | {errors} | {ticks} | {'yes' if keeps else '**no**'} |")
    print("| rule | CPU, % | GPU, % | GPU − CPU | CPU, α0 + 1 ulp | triggers that differ | α0 + 1 ulp | within |")
    print("|---|---:|---:|---:|---:|---|---|---|")
    print("\n".join(rows))
    sys.exit(missed)


main()
