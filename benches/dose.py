#!/usr/bin/env python3
"""Tests the hypotheses of results/dose on its records, and prints two tables in Markdown for each metric.

    benches/dose.py results/dose

The first table has the hypotheses, the second compares ψ with its two controls. Nine conditions: three sets of data, three rates.
Holm corrects each column of p over the nine. Needs Python 3 alone. Environment: HOMEOSTAT, path of a built program (default
target/release/homeostat)."""

import sys
from pathlib import Path

from compared import compare, holm

SETS = {"mnist": "MNIST, 20 % false labels", "fashion": "Fashion-MNIST", "letter-quantile": "Letter Recognition"}
RATES = ["0.03", "0.1", "0.3"]
LEVEL = 0.05


def difference(records, baseline, arm, metric):
    """Mean of each arm, and the paired difference arm − baseline with its interval and p."""
    report = compare(records, "--metric", metric, "--baseline", baseline, "--arms", arm)
    (found,) = report["comparisons"]
    means = {of["arm"]: of["mean"] for of in report["arms"]}
    return means[baseline], means[arm], found["difference"], found["interval"], found["p"]


def points(interval):
    return f"{100 * interval['low']:.2f} to {100 * interval['high']:.2f}"


def controls(rows):
    """Prints ψ against its controls: homeostasis is supported where ψ beats both."""
    columns = [[against[arm] for _, _, against in rows] for arm in ("shuffle", "layer")]
    print("\n| data | α0 | `shuffle` − `psi` | p | `layer` − `psi` | p | ψ beats both |\n|---|---|---:|---:|---:|---:|---|")
    ps = [holm([found[4] for found in column]) for column in columns]
    for place, (words, rate, _) in enumerate(rows):
        found = [(column[place], corrected[place]) for column, corrected in zip(columns, ps)]
        cells = [f"{100 * change:+.2f} ({points(interval)}) | {p:.2g}" for (_, _, change, interval, _), p in found]
        beaten = all(change > 0 and p < LEVEL for (_, _, change, _, _), p in found)
        print(f"| {words} | {rate} | {' | '.join(cells)} | {'yes' if beaten else 'no'} |")


def main():
    folder = Path(sys.argv[1])
    for metric, title in [("val_error_mean", "validation error, mean of the epochs"), ("test_error", "test error at the end")]:
        rows, against = [], []
        for name, words in SETS.items():
            for rate in RATES:
                records = folder / f"{name}.jsonl"
                of = lambda arm: f"{arm} alpha0={rate}"
                who = difference(records, of("psi"), of("reverse"), metric)
                control = {arm: difference(records, of("psi"), of(arm), metric) for arm in ("shuffle", "layer")}
                dose = difference(records, of("layer"), f"less {rate}", metric)
                rows.append((words, rate, who, control["shuffle"][1], dose))
                against.append((words, rate, control))
        ps, dose_ps = holm([row[2][4] for row in rows]), holm([row[4][4] for row in rows])
        print(f"\n{title}, in per cent; differences in points\n")
        print("| data | α0 | `psi` | `shuffle` | `reverse` | `reverse` − `psi` | p | `layer` | `less` | `less` − `layer` | p | differ | between | as the dose |")
        print("|---|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---|---|---|")
        for (words, rate, who, middle, dose), p, dose_p in zip(rows, ps, dose_ps):
            psi, reverse, later, interval, _ = who
            layer, less, change, change_interval, _ = dose
            differ = p < LEVEL
            between = min(psi, reverse) <= middle <= max(psi, reverse)
            # psi is better if and only if a smaller dose is.
            agrees = (later > 0) == (change < 0)
            told = lambda holds: ("yes" if holds else "**no**") if differ else "–"
            print(
                f"| {words} | {rate} | {100 * psi:.2f} | {100 * middle:.2f} | {100 * reverse:.2f} | {100 * later:+.2f} ({points(interval)}) | {p:.2g} | "
                f"{100 * layer:.2f} | {100 * less:.2f} | {100 * change:+.2f} ({points(change_interval)}) | {dose_p:.2g} | "
                f"{'yes' if differ else 'no'} | {told(between)} | {told(agrees)} |"
            )
        controls(against)


main()
