#!/usr/bin/env python3
"""Whole runs on MNIST: time, arithmetic and test error of ψ with four decays, FreezeOut, a constant rate and a linear
schedule.

    benches/living.py run LINES.jsonl [FIRST-LAST] [HIDDEN ...]   appends a line per run; all arms of a seed (0-9) follow one another
    benches/living.py table LINES.jsonl                           prints the table in Markdown

Needs Python 3 alone. Environment: HOMEOSTAT, path of a built program (default target/release/homeostat)."""

import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time

# ψ triggers where the mean |y| of an epoch exceeds 0.1, and takes N ticks to fall.
PSI = ["--basis", "act", "--theta", "0.1", "--decay-ticks"]
ARMS = {
    "constant": ["--rule", "constant"],
    "linear schedule": ["--rule", "constant", "--schedule", "linear"],
    "FreezeOut 0.5": ["--rule", "constant", "--freeze-out", "0.5"],
    "ψ, to the end": [*PSI, "to-end"],
    "ψ, 8 ticks": [*PSI, "8"],
    "ψ, 4 ticks": [*PSI, "4"],
    "ψ, 2 ticks": [*PSI, "2"],
}


def run(lines, seeds, nets):
    program = os.environ.get("HOMEOSTAT", "target/release/homeostat")
    first, last = map(int, seeds.split("-"))
    for seed in range(first, last + 1):
        for hidden in nets:
            for arm, flags in ARMS.items():
                with tempfile.TemporaryDirectory() as folder:
                    out = os.path.join(folder, "run")
                    command = [program, "train", "--device", "cpu", "--hidden", hidden, "--seed", str(seed), "--val-fraction", "0"]
                    command += ["--train-metrics", "running", "--quiet", "--out", out, *flags]
                    before, begun = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
                    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
                    wall, after = time.monotonic() - begun, resource.getrusage(resource.RUSAGE_CHILDREN)
                    epochs = [json.loads(line) for line in open(os.path.join(out, "metrics.jsonl"))]
                line = {
                    "hidden": hidden,
                    "arm": arm,
                    "seed": seed,
                    "wall_s": wall,
                    "processor_s": after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime,
                    "gflop": sum(epoch["gflop_per_epoch"] for epoch in epochs),
                    "gflop_full": sum(epoch["gflop_full"] for epoch in epochs),
                    "living": [epoch["living_fraction"] for epoch in epochs],
                    "test_error": epochs[-1]["test_error"],
                }
                with open(lines, "a") as file:
                    file.write(json.dumps(line, ensure_ascii=False) + "\n")


def table(lines):
    runs = [json.loads(line) for line in open(lines)]
    for hidden in dict.fromkeys(run["hidden"] for run in runs):
        of_net = [run for run in runs if run["hidden"] == hidden]
        seeds = len({run["seed"] for run in of_net})
        print(f"\n### 784-{hidden}-10, {seeds} seeds\n")
        print("| arm | test error, % | arithmetic, % | processor time, % | wall clock, % | living at epoch 4 | at the end |")
        print("|---|---:|---:|---:|---:|---:|---:|")
        constant = {run["seed"]: run for run in of_net if run["arm"] == "constant"}
        for arm in ARMS:
            of_arm = [run for run in of_net if run["arm"] == arm]
            share = lambda key: 100 * statistics.median(run[key] / constant[run["seed"]][key] for run in of_arm)
            errors = [100 * run["test_error"] for run in of_arm]
            arithmetic = 100 * statistics.mean(run["gflop"] / run["gflop_full"] for run in of_arm)
            living = [100 * statistics.mean(run["living"][epoch] for run in of_arm) for epoch in (3, -1)]
            spread = statistics.stdev(errors) if len(errors) > 1 else 0
            print(
                f"| {arm} | {statistics.mean(errors):.2f} ± {spread:.2f} | {arithmetic:.0f} | {share('processor_s'):.0f} "
                f"| {share('wall_s'):.0f} | {living[0]:.0f} % | {living[1]:.0f} % |"
            )


if __name__ == "__main__":
    if len(sys.argv) > 2 and sys.argv[1] == "run":
        run(sys.argv[2], sys.argv[3] if len(sys.argv) > 3 else "0-9", sys.argv[4:] or ["256", "1024"])
    elif len(sys.argv) == 3 and sys.argv[1] == "table":
        table(sys.argv[2])
    else:
        sys.exit(__doc__)
