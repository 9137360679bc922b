#!/usr/bin/env python3
"""BCM and Hebb layers as feature extractors under a supervised head: results/features by one command.

    benches/features.py [--work DIR]

An extractor is a hidden layer trained without targets. The head is a softmax layer on it, trained while the layer stays as it is
(`--freeze-layers 1`). The search takes, for every extractor, the settings with the lowest mean validation error over two seeds, and
writes results/features/picked.json. If that file exists it is taken as it is. The test trains the picked settings with fresh seeds,
writes results/features/records.jsonl, and prints its tables. Runs are kept in DIR (default runs/study-features), where the same
command resumes.

Needs Python 3 alone. Environment: HOMEOSTAT, path of a built program (default target/release/homeostat)."""

import argparse
import hashlib
import json
import os
import statistics
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from compared import PROGRAM, difference, holm

FOLDER = Path("results/features")
TUNE, TEST = [1, 2], list(range(6001, 6011))
HELD_OUT = 1 / 6
LETTER = ["--data", "results/rules/letter-train.csv.gz", "--test-data", "results/rules/letter-test.csv.gz", "--label", "lettr"]
# Data, width, epochs of the extractor and of the head, and the standard deviation of He's weights.
SETS = {
    "mnist": (["--data", "mnist"], 256, 5, 15, (2 / 784) ** 0.5),
    "letter": (LETTER, 256, 20, 40, (2 / 16) ** 0.5),
}
RATES = [3e-6, 1e-5, 3e-5, 1e-4]
# From 1/255 on, the inhibition by the 255 others outweighs what they have in common.
INHIBITIONS = [0.001, 0.002, 0.004]
HEADS = [0.03, 0.1, 0.3, 1.0]
# The head's rate while extractors are searched.
HEAD = 0.3


def bcm(rate, tau, inhibition=0.0):
    return ["--rule", "bcm", "--theta-sliding", f"1:{tau}", "--clock", "steps:1", "--alpha0", rate, "--inhibition", inhibition]


def hebb(rate, inhibition=0.0):
    return ["--rule", "hebb", "--max-norm", 1, "--alpha0", rate, "--inhibition", inhibition]


# For every extractor the settings that are tried; those of random features scale the weights.
EXTRACTORS = {
    "random": [{"scale": scale} for scale in (0.1, 0.3, 1.0, 3.0)],
    "bcm": [{"layer": bcm(rate, tau)} for rate in RATES for tau in (10, 100)],
    "bcm, inhibited": [{"layer": bcm(rate, tau, eta)} for rate in RATES for tau in (10, 100) for eta in INHIBITIONS],
    "hebb": [{"layer": hebb(rate)} for rate in RATES],
    "hebb, inhibited": [{"layer": hebb(rate, eta)} for rate in RATES for eta in INHIBITIONS],
    "back-propagation": [{}],
}


class Diverged(Exception):
    """A run whose numbers were no longer finite."""


def train(work, arguments):
    """The folder of a run of these arguments. A finished run is not trained again."""
    words = [str(word) for word in arguments]
    out = work / hashlib.sha256(" ".join(words).encode()).hexdigest()[:16]
    if not (out / "result.json").exists():
        command = [PROGRAM, "train", *words, "--device", "cpu", "--train-metrics", "running", "--quiet", "--force", "--out", str(out)]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode == 5:
            raise Diverged
        if done.returncode:
            raise SystemExit(f"{' '.join(command)}\n{done.stderr}")
    return out


def run(work, name, extractor, settings, seed):
    """The final metrics of a head on an extractor, or None if either diverged. `settings` has the rate of the head."""
    data, width, extract, epochs, deviation = SETS[name]
    shared = [*data, "--seed", seed, "--val-fraction", HELD_OUT]
    head = ["--rule", "constant", "--schedule", "linear", "--alpha0", settings["rate"], "--epochs", epochs]
    if extractor != "back-propagation":
        head += ["--freeze-layers", 1]
    begin = ["--hidden", width]
    try:
        if "scale" in settings:
            begin += ["--init-scheme", f"normal:{settings['scale'] * deviation:.6g}"]
        if "layer" in settings:
            layer = train(work, [*shared, *begin, *settings["layer"], "--epochs", extract])
            begin = ["--init", layer / "model.safetensors", "--fresh-alpha"]
        return json.loads((train(work, [*shared, *begin, *head]) / "result.json").read_text())["final"]
    except Diverged:
        return None


def error(final, metric):
    """A run that diverged has learnt nothing."""
    return final[metric] if final else 1.0


def picked(pool, work, name, extractor, tried):
    """Of the tried settings those with the lowest mean validation error, the first of equal ones."""
    runs = [[pool.submit(run, work, name, extractor, settings, seed) for seed in TUNE] for settings in tried]
    means = [statistics.fmean(error(of.result(), "val_error") for of in seeds) for seeds in runs]
    best = min(range(len(tried)), key=means.__getitem__)
    return tried[best], means


def search(pool, work):
    found = {}
    for name in SETS:
        for extractor, grid in EXTRACTORS.items():
            settings, first = picked(pool, work, name, extractor, [{**settings, "rate": HEAD} for settings in grid])
            settings, second = picked(pool, work, name, extractor, [{**settings, "rate": rate} for rate in HEADS])
            found[f"{name}: {extractor}"] = {"settings": settings, "val_errors": first, "val_errors_of_heads": second}
            print(f"{name}: {extractor}: {min(second):.4f} with {settings}", flush=True)
    (FOLDER / "picked.json").write_text(json.dumps(found, indent=1) + "\n")


def test(pool, work):
    chosen = json.loads((FOLDER / "picked.json").read_text())
    runs = {}
    for key, of in chosen.items():
        name, extractor = key.split(": ")
        for seed in TEST:
            runs[name, extractor, seed] = pool.submit(run, work, name, extractor, of["settings"], seed)
    with (FOLDER / "records.jsonl").open("w") as lines:
        for (name, extractor, seed), future in runs.items():
            final = future.result()
            record = {"id": f"{name}-{extractor}-{seed}", "data": name, "arm": extractor, "seed": seed, "diverged": final is None}
            record["final"] = {metric: error(final, metric) for metric in ("val_error", "test_error")}
            print(json.dumps(record), file=lines)


def table():
    runs, diverged = {}, {}
    for record in map(json.loads, (FOLDER / "records.jsonl").open()):
        name, arm = record["data"], record["arm"]
        runs.setdefault(name, {}).setdefault(arm, {})[record["seed"]] = record["final"]["test_error"]
        diverged[name, arm] = diverged.get((name, arm), 0) + record["diverged"]
    for name in SETS:
        print(f"\n{name}:\n\n| features | test error, % | sd | diverged |\n|---|---:|---:|---:|")
        for extractor in EXTRACTORS:
            errors = [100 * error for error in runs[name][extractor].values()]
            print(f"| {extractor} | {statistics.fmean(errors):.2f} | {statistics.stdev(errors):.2f} | {diverged[name, extractor]} |")
    # The comparisons of the hypotheses, in their order.
    pairs = [("random", "bcm"), ("random", "bcm, inhibited"), ("random", "hebb"), ("random", "hebb, inhibited")]
    pairs += [("bcm", "bcm, inhibited"), ("hebb", "hebb, inhibited"), ("back-propagation", "bcm"), ("back-propagation", "bcm, inhibited")]
    found = [(name, baseline, arm, difference(runs[name], baseline, arm)) for name in SETS for baseline, arm in pairs]
    print("\n| data | features | against | difference, points | 95 % | p | Holm |\n|---|---|---|---:|---|---:|---:|")
    for (name, baseline, arm, of), p in zip(found, holm([row[3]["p"] for row in found])):
        low, high = (100 * of["interval"][end] for end in ("low", "high"))
        print(f"| {name} | {arm} | {baseline} | {100 * of['difference']:+.2f} | {low:.2f} to {high:.2f} | {of['p']:.2g} | {p:.2g} |")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, default=Path("runs/study-features"))
    work = parser.parse_args().work
    work.mkdir(parents=True, exist_ok=True)
    # A run this small uses one core well; results do not depend on the number of threads.
    os.environ["RAYON_NUM_THREADS"] = "1"
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        if not (FOLDER / "picked.json").exists():
            search(pool, work)
        test(pool, work)
    table()


main()
