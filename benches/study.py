#!/usr/bin/env python3
"""Trains a study of results/ and writes its records: the same bytes on every machine whose CPU engine computes the same bits.

    benches/study.py results/overtraining [--work DIR] [--only SWEEP]

Each FOLDER/SWEEP.toml is planned and trained in DIR/SWEEP (default runs/study-FOLDER), where the same command resumes it. Its
records go to FOLDER/SWEEP.jsonl, one line per run. They are what `sweep merge` writes, and three metrics of whole runs in
`final`, so that `homeostat compare --metric` knows them:

    gflop           arithmetic of all training steps
    val_error_mean  mean over the epochs, where there is a validation set
    val_error_best  lowest of all epochs

FOLDER/SWEEP.epochs.csv has the means over the seeds for each arm and epoch, but for a SWEEP called search-…, whose table
would be long and of no use.

    benches/study.py results/compute --frontier

Trains nothing. For every arm it makes the error of a linear schedule for the same arithmetic, seed by seed: on the straight line
between the two arms `linear` of the nearest cost. FOLDER/SWEEP.frontier.jsonl has the differences as metric `excess`, which
`homeostat compare` tests against 0.

Needs Python 3 alone. Environment: HOMEOSTAT, path of
a built program (default target/release/homeostat)."""

import argparse
import json
import statistics
import subprocess
from pathlib import Path

from compared import PROGRAM

EPOCH_METRICS = ["val_error", "train_error", "living_fraction", "gflop_per_epoch"]


def homeostat(*arguments):
    subprocess.run([PROGRAM, *map(str, arguments)], check=True)


def train(sweep, work):
    """The records of a sweep with the metrics of every epoch."""
    work.mkdir(parents=True, exist_ok=True)
    plan, merged = work / f"{sweep.stem}.jsonl", work / f"{sweep.stem}.all.jsonl"
    homeostat("sweep", "plan", sweep, "-o", plan)
    homeostat("sweep", "run", plan, "--keep-epochs")
    homeostat("sweep", "merge", plan, "--epochs", "-o", merged)
    records = [json.loads(line) for line in merged.open()]
    for record in records:
        # Merged records leave out what a run took. The arithmetic is counted, so it is the same whatever the machine.
        own = json.loads((work / sweep.stem / "runs" / f"{record['id']}.json").read_text())
        for epoch, whole in zip(record.get("epochs", []), own.get("epochs") or []):
            epoch["gflop_per_epoch"] = whole["gflop_per_epoch"]
    return records


def whole_run(record):
    """The record without its epochs, and with metrics of the whole run."""
    epochs = record.pop("epochs", [])
    if not record.get("final"):
        return record
    final = record["final"]
    if epochs:
        final["gflop"] = round(sum(epoch["gflop_per_epoch"] for epoch in epochs), 6)
    errors = [epoch["val_error"] for epoch in epochs if epoch.get("val_error") is not None]
    if errors:
        final["val_error_mean"] = round(statistics.fmean(errors), 9)
        final["val_error_best"] = min(errors)
    return record


def means(records):
    """Rows of the table of epochs: arm, epoch, runs, and the mean of each metric."""
    table = {}
    for record in records:
        for epoch in record.get("epochs", []):
            table.setdefault((record["arm"], epoch["epoch"]), []).append(epoch)
    for (arm, epoch), of_seeds in table.items():
        row = [f'"{arm}"', epoch, len(of_seeds)]
        for metric in EPOCH_METRICS:
            values = [metrics[metric] for metrics in of_seeds if metrics.get(metric) is not None]
            row.append(f"{statistics.fmean(values):.6g}" if values else "")
        yield row


def at_price(price_list, gflop):
    """The error for this arithmetic on the line through (arithmetic, error), or at its nearest end."""
    below = [point for point in price_list if point[0] <= gflop] or price_list[:1]
    above = [point for point in price_list if point[0] >= gflop] or price_list[-1:]
    (x0, y0), (x1, y1) = below[-1], above[0]
    return y0 if x1 == x0 else y0 + (y1 - y0) * (gflop - x0) / (x1 - x0)


def frontier(folder, name):
    """Compares every arm with the linear schedules of its network, and prints the comparisons."""
    networks = {}
    for record in map(json.loads, (folder / f"{name}.jsonl").open()):
        if record.get("final") and not record.get("diverged"):
            networks.setdefault(str(record["config"]["hidden"]), []).append(record)
    for hidden, records in networks.items():
        arms = {}
        for record in records:
            arms.setdefault(record["arm"], {})[record["seed"]] = (record["final"]["gflop"], record["final"]["test_error"])
        cost = {arm: statistics.fmean(gflop for gflop, _ in runs.values()) for arm, runs in arms.items()}
        prices = sorted((arm for arm in arms if arm.startswith("linear ")), key=cost.get)
        seeds = sorted(set.intersection(*(set(arms[arm]) for arm in prices)))
        path = folder / f"{name}-{hidden.strip('[]')}.frontier.jsonl"
        with path.open("w") as lines:
            baseline = "linear at the same arithmetic"
            for arm in [baseline, *(arm for arm in arms if arm not in prices)]:
                for seed in seeds if arm == baseline else sorted(set(seeds) & set(arms[arm])):
                    price_list = [(cost[price], arms[price][seed][1]) for price in prices]
                    excess = 0.0 if arm == baseline else arms[arm][seed][1] - at_price(price_list, cost[arm])
                    final = {"excess": round(excess, 12)}
                    print(json.dumps({"id": f"{arm}-{seed}", "arm": arm, "seed": seed, "final": final}), file=lines)
        most = max(cost.values())
        print(f"\n{name}, hidden {hidden}: " + ", ".join(f"{arm} {gflop / most:.1%}" for arm, gflop in cost.items()))
        homeostat("compare", path, "--metric", "excess", "--margin", "0.001")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--work", type=Path)
    parser.add_argument("--only", help="name of the one sweep to train")
    parser.add_argument("--frontier", action="store_true", help="compare with linear schedules of the same cost")
    arguments = parser.parse_args()
    work = arguments.work or Path("runs") / f"study-{arguments.folder.name}"
    for sweep in sorted(arguments.folder.glob("*.toml")):
        if arguments.only not in (None, sweep.stem):
            continue
        if arguments.frontier:
            frontier(arguments.folder, sweep.stem)
            continue
        records = train(sweep, work)
        if not sweep.stem.startswith("search-"):
            with (arguments.folder / f"{sweep.stem}.epochs.csv").open("w") as table:
                print("arm", "epoch", "runs", *EPOCH_METRICS, sep=",", file=table)
                for row in means(records):
                    print(*row, sep=",", file=table)
        with (arguments.folder / f"{sweep.stem}.jsonl").open("w") as lines:
            for record in records:
                print(json.dumps(whole_run(record), ensure_ascii=False, separators=(",", ":")), file=lines)


main()
