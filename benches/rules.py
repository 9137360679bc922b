#!/usr/bin/env python3
"""Plans the study of rules in results/rules, selects what the search found, and prints its tables.

    benches/rules.py arms      writes search-*.toml
    benches/rules.py select    writes test-*.toml, with the best draw of each rule by the records of the search
    benches/rules.py table     tests the hypotheses on the records of the test, and prints Markdown

`benches/study.py results/rules` trains both. Needs Python 3.11 alone. Environment: HOMEOSTAT, path of a built program (default
target/release/homeostat)."""

import json
import math
import random
import statistics
import sys
from pathlib import Path

from compared import difference, holm

FOLDER = Path("results/rules")
DRAWS, TUNE, TEST = 12, [4001, 4002], list(range(5001, 5031))
# Data and settings of all arms.
SETS = {
    "mnist": {"data": "mnist", "epochs": 15},
    "fashion": {"data": "fashion-mnist", "epochs": 15},
    "letter": {"data": "results/rules/letter-train.csv.gz", "test-data": "results/rules/letter-test.csv.gz", "label": "lettr", "epochs": 40},
    "satellite": {"data": "results/rules/satellite-train.csv.gz", "test-data": "results/rules/satellite-test.csv.gz", "label": "classes", "epochs": 40},
}
# Error of always answering the largest class: MNIST and Fashion-MNIST by their test sets, the others by their test files.
BLIND = {"mnist": 0.8865, "fashion": 0.9, "letter": 0.954, "satellite": 0.757}
MARGIN = {"mnist": 0.001, "fashion": 0.003, "letter": 0.003, "satellite": 0.005}
ALL = 60000


def log(low, high):
    return {"min": low, "max": high, "log": True}


def choice(*values):
    return {"choice": list(values)}


RATES, STEPS = log(0.003, 3.0), log(1e-6, 0.01)
RULES = {
    "constant": {"rule": "constant", "alpha0": RATES},
    "momentum": {"rule": "constant", "momentum": 0.9, "alpha0": log(0.0003, 0.3)},
    "linear": {"rule": "constant", "schedule": "linear", "alpha0": RATES},
    "cosine": {"rule": "constant", "schedule": "cosine", "alpha0": RATES},
    "one-cycle": {"rule": "constant", "schedule": "one-cycle", "alpha0": RATES, "schedule-low": log(0.01, 0.3)},
    "warm-restarts": {"rule": "constant", "schedule": "warm-restarts", "alpha0": RATES, "schedule-ticks": choice("20%", "33%", "50%"), "schedule-mult": choice(1.0, 2.0)},
    "freeze-out": {"rule": "constant", "alpha0": RATES, "freeze-out": choice("0.3", "0.5", "0.7", "0.3:cubed", "0.5:cubed", "0.7:cubed")},
    "psi": {"rule": "psi", "alpha0": RATES, "theta": log(0.1, 30.0), "decay-ticks": choice("20%", "40%", "80%", "to-end")},
    "neq": {"rule": "neq", "alpha0": RATES, "neq-epsilon": log(1e-6, 0.01)},
    "delta-bar-delta": {"rule": "delta-bar-delta", "alpha0": log(0.0003, 0.3), "dbd-kappa": log(1e-5, 0.1), "dbd-phi": log(0.1, 0.7)},
    "rprop": {"rule": "rprop", "alpha0": STEPS, "rprop-max": log(1e-4, 1.0), "batch-size": choice(32, 512, ALL)},
    "irprop-": {"rule": "irprop-", "alpha0": STEPS, "rprop-max": log(1e-4, 1.0), "batch-size": choice(32, 512, ALL)},
    "irprop+": {"rule": "irprop+", "alpha0": STEPS, "rprop-max": log(1e-4, 1.0), "batch-size": ALL},
    "lipschitz": {"rule": "lipschitz", "alpha0": log(0.001, 1.0), "lipschitz-max": log(0.1, 10.0), "batch-size": choice(32, 512, ALL)},
    "lipschitz-armijo": {"rule": "lipschitz-armijo", "alpha0": log(0.001, 1.0), "lipschitz-max": log(0.1, 100.0), "batch-size": ALL},
    "lipschitz-wolfe": {"rule": "lipschitz-wolfe", "alpha0": log(0.001, 1.0), "lipschitz-max": log(0.1, 100.0), "batch-size": ALL},
    "idbd": {"rule": "idbd", "alpha0": log(1e-4, 0.1), "idbd-rate": log(1e-5, 0.1)},
    "adam": {"rule": "adam", "alpha0": log(1e-5, 0.03), "adam-beta2": choice(0.99, 0.999)},
    "adamw": {"rule": "adamw", "alpha0": log(1e-5, 0.03), "adam-beta2": choice(0.99, 0.999), "weight-decay": log(1e-3, 1.0)},
}
OPPONENTS = ["constant", "momentum", "linear", "cosine", "adam"]


def toml(value):
    """A value as TOML."""
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {toml(of)}" for key, of in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(map(toml, value)) + "]"
    return {True: "true", False: "false"}[value] if isinstance(value, bool) else json.dumps(value)


def sweep(kind, name, seeds, arms):
    base = {**SETS[name], "hidden": [100], "val-fraction": 1 / 6, "train-metrics": "running", "device": "cpu"}
    lines = [f"# Written by benches/rules.py. {kind}: see README.md.", f'name = "rules, {kind}, {name}"', f"seeds = {toml(seeds)}", "", "[base]"]
    lines += [f"{key} = {toml(value)}" for key, value in base.items()]
    for arm, settings in arms.items():
        lines += ["", "[[arm]]", f"name = {toml(arm)}", *(f"{key} = {toml(value)}" for key, value in settings.items())]
    (FOLDER / f"{kind}-{name}.toml").write_text("\n".join(lines) + "\n")


def arms():
    for name in SETS:
        sweep("search", name, TUNE, {arm: {**settings, "random": DRAWS} for arm, settings in RULES.items()})


def records(kind, name):
    return [json.loads(line) for line in (FOLDER / f"{kind}-{name}.jsonl").open()]


def error(record, metric, name):
    """The error of a run; one that diverged answers blindly."""
    value = (record.get("final") or {}).get(metric)
    return BLIND[name] if record.get("diverged") or value is None else value


def rule_of(arm):
    """The rule of an arm, which is named `RULE draw=K KEY=VALUE …` in the search."""
    return arm.split(" draw=")[0]


def searched(name):
    """For every rule its draws as (mean validation error, settings), in the order of the draws."""
    draws = {}
    for record in records("search", name):
        draws.setdefault(rule_of(record["arm"]), {}).setdefault(record["arm"], []).append(record)
    mean = lambda runs: statistics.fmean(error(run, "val_error", name) for run in runs)
    return {rule: [(mean(runs), runs[0]["config"]) for runs in of.values()] for rule, of in draws.items()}


def best(draws):
    """The settings of the draw with the lowest error; of equal ones the first."""
    return min(draws, key=lambda draw: draw[0])[1]


def select():
    for name in SETS:
        picked = {}
        for rule, draws in searched(name).items():
            config = best(draws)
            picked[rule] = {key: config[key] if isinstance(value, dict) else value for key, value in RULES[rule].items()}
        sweep("test", name, TEST, picked)


def is_outer(value, of):
    """Whether a selected value lies in the outer tenth of its range."""
    if "choice" in of:
        return False
    place = math.log(value / of["min"]) / math.log(of["max"] / of["min"])
    return not 0.1 <= place <= 0.9


def mean_interval(values):
    """Bootstrap interval of a mean, from a fixed seed."""
    draw = random.Random(1)
    means = sorted(statistics.fmean(draw.choices(values, k=len(values))) for _ in range(2000))
    return means[49], means[1949]


def table():
    rows = []
    for name in SETS:
        runs, cost, failed = {}, {}, {}
        for record in records("test", name):
            arm = record["arm"]
            runs.setdefault(arm, {})[record["seed"]] = error(record, "test_error", name)
            cost.setdefault(arm, []).append((record.get("final") or {}).get("gflop"))
            failed[arm] = failed.get(arm, 0) + bool(record.get("diverged"))
        search = searched(name)
        ranking = sorted(runs, key=lambda arm: statistics.fmean(runs[arm].values()))
        whole = statistics.fmean(value for value in cost["constant"] if value)
        print(f"\n### {name}\n\n| rank | rule | test error, % | 95 % | from `constant` | arithmetic | diverged | selected |\n|---:|---|---:|---|---:|---:|---:|---|")
        plain = statistics.fmean(runs["constant"].values())
        for rank, arm in enumerate(ranking, 1):
            values = list(runs[arm].values())
            low, high = mean_interval(values)
            config = best(search[arm])
            chosen = [
                f"{key} {config[key]:.3g}{' (outer)' if is_outer(config[key], of) else ''}" if isinstance(config[key], float) else f"{key} {config[key]}"
                for key, of in RULES[arm].items()
                if isinstance(of, dict)
            ]
            known = [value for value in cost[arm] if value]
            share = f"{statistics.fmean(known) / whole:.0%}" if known else "–"
            mean = statistics.fmean(values)
            print(f"| {rank} | `{arm}` | {100 * mean:.2f} | {100 * low:.2f} to {100 * high:.2f} | {100 * (mean - plain):+.2f} | {share} | {failed[arm]} | {', '.join(chosen)} |")
        for opponent in OPPONENTS:
            rows.append((name, opponent, difference(runs, opponent, "psi")))
        second, tenth = (sorted(draw[0] for draw in search["constant"])[k] for k in (1, 9))
        print(f"\n`constant`: the second and the tenth best draw are {100 * (tenth - second):.2f} points apart on validation.")
    print("\n### `psi` against five rules\n\n| data | against | difference, points | 95 % | p | Holm | hypothesis 2 |\n|---|---|---:|---|---:|---:|---|")
    for (name, opponent, found), p in zip(rows, holm([row[2]["p"] for row in rows])):
        interval = found["interval"]
        second = "–"
        if opponent in ("linear", "cosine"):
            better = found["difference"] < 0 and p < 0.05
            second = "fails" if better else "holds" if interval["low"] > -MARGIN[name] else "undecided"
        print(f"| {name} | `{opponent}` | {100 * found['difference']:+.2f} | {100 * interval['low']:.2f} to {100 * interval['high']:.2f} | {found['p']:.2g} | {p:.2g} | {second} |")


{"arms": arms, "select": select, "table": table}[sys.argv[1]]()
