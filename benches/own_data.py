#!/usr/bin/env python3
"""Compares a default run of homeostat with scikit-learn's default networks on tables that packages carry.

Part `small` makes the table of docs/own-data.md: both programs train on the same ten random 70/30 splits of each table,
stratified for classes. Part `large` trains three epochs on a generated table of covertype's size, whole process.

    python3 benches/own_data.py small --program target/release/homeostat
    python3 benches/own_data.py large --program target/release/homeostat

The environment variables FLAGS and REGRESSION_FLAGS give `homeostat train` more flags.

Needs scikit-learn, pandas and vega_datasets. Nothing is downloaded.
"""

import argparse
import io
import math
import os
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path

# On two shared cores a second BLAS thread does not help scikit-learn, and can cost it a factor of ten.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pandas as pd
from sklearn import datasets
from sklearn.compose import TransformedTargetRegressor, make_column_transformer
from sklearn.exceptions import ConvergenceWarning
from sklearn.impute import SimpleImputer
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

# More flags for `homeostat train`, and still more where the task is a regression.
FLAGS, REGRESSION_FLAGS = (os.environ.get(name, "") for name in ("FLAGS", "REGRESSION_FLAGS"))

LARGE_ROWS, LARGE_FEATURES, LARGE_CLASSES = 581_012, 54, 7


class Table:
    """A table, its label columns, and the flags that the data demand."""

    def __init__(self, name, frame, labels, regression=False, flags=()):
        self.name, self.frame, self.labels, self.regression = name, frame, labels, regression
        self.flags = list(flags)

    def features(self, frame):
        return frame.drop(columns=self.labels)


def bundled(name, load, regression=False, flags=()):
    bunch = load(as_frame=True)
    labels = list(bunch.target.columns) if isinstance(bunch.target, pd.DataFrame) else [bunch.target.name]
    return Table(name, bunch.frame, labels, regression, flags)


def cars():
    from vega_datasets import data

    frame = data.cars().drop(columns="Name")
    frame["Year"] = pd.to_datetime(frame["Year"]).dt.year
    return frame


def tables():
    frame = cars()
    with_target = frame.dropna(subset="Miles_per_Gallon")
    impute = ["--missing", "impute"]
    regression = ["--task", "regression"]
    mileage = ["--label", "Miles_per_Gallon"]
    exercises = ["--label", "Weight,Waist,Pulse"]
    return [
        bundled("iris", datasets.load_iris),
        bundled("wine", datasets.load_wine),
        bundled("breast cancer", datasets.load_breast_cancer),
        bundled("digits", datasets.load_digits),
        Table("cars: origin", frame, ["Origin"], flags=["--label", "Origin"] + impute),
        bundled("diabetes", datasets.load_diabetes, True, regression),
        Table("cars: mileage", with_target, ["Miles_per_Gallon"], True, mileage + regression + impute),
        bundled("linnerud", datasets.load_linnerud, True, exercises + regression),
    ]


def run(command):
    start = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True)
    seconds = time.perf_counter() - start
    if done.returncode != 0:
        sys.exit(f"{' '.join(map(str, command))}\n{done.stdout}{done.stderr}")
    return done.stdout, seconds


def score(table, answers, truth):
    """The error, or the RMSE; of several targets, the root of the mean square of RMSE / standard deviation."""
    if not table.regression:
        return float(np.mean(np.asarray(answers) != np.asarray(truth)))
    squares = np.mean((np.asarray(answers) - np.asarray(truth)) ** 2, axis=0)
    if len(table.labels) > 1:
        squares = squares / table.frame[table.labels].var(ddof=0).to_numpy()
    return float(np.sqrt(np.mean(squares)))


def ours(program, table, train, test, seed, extra, folder):
    train.to_csv(folder / "train.csv", index=False)
    test.to_csv(folder / "test.csv", index=False)
    files = ["--data", folder / "train.csv", "--test-data", folder / "test.csv"]
    place = ["--out", folder / "run", "--force", "--quiet", "--device", "cpu", "--seed", str(seed), "--val-fraction", "0"]
    _, seconds = run([program, "train", *files, *table.flags, *extra, *place])
    model = folder / "run" / "model.safetensors"
    answers = pd.read_csv(io.StringIO(run([program, "predict", model, "--data", folder / "test.csv", "--csv"])[0]))
    answers = answers[table.labels] if table.regression else answers["class"].astype(test[table.labels[0]].dtype)
    return score(table, answers.to_numpy(), target(table, test, table.regression)), seconds


def target(table, frame, as_columns):
    return frame[table.labels].to_numpy() if as_columns else frame[table.labels[0]].to_numpy()


def theirs(table, train, test, seed, scale_targets=False):
    features = table.features(train)
    text = [name for name in features if not pd.api.types.is_numeric_dtype(features[name])]
    numbers = [name for name in features if name not in text]
    has_gaps = features[numbers].isna().any(axis=None)
    scale = make_pipeline(SimpleImputer(), StandardScaler()) if has_gaps else StandardScaler()
    encode = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
    prepare = make_column_transformer((scale, numbers), (encode, text))
    network = MLPRegressor(random_state=seed) if table.regression else MLPClassifier(random_state=seed)
    if scale_targets:
        network = TransformedTargetRegressor(network, transformer=StandardScaler())
    several = len(table.labels) > 1
    start = time.perf_counter()
    fitted = make_pipeline(prepare, network).fit(features, target(table, train, several))
    seconds = time.perf_counter() - start
    answers = fitted.predict(table.features(test))
    return score(table, answers, target(table, test, several)), seconds


def mean_and_error(values):
    return statistics.fmean(values), statistics.stdev(values) / math.sqrt(len(values))


def small(options):
    print("| table | samples | homeostat | scikit-learn | difference | not worse | s, homeostat | s, scikit-learn |")
    print("|---|---|---|---|---|---|---|---|")
    for table in tables():
        if options.only and table.name not in options.only.split(","):
            continue
        extra = (FLAGS + " " + (REGRESSION_FLAGS if table.regression else "")).split()
        mine, other, scaled = [], [], []
        for seed in range(options.splits):
            stratify = None if table.regression else table.frame[table.labels[0]]
            train, test = train_test_split(table.frame, test_size=0.3, random_state=seed, stratify=stratify)
            with tempfile.TemporaryDirectory() as folder:
                mine.append(ours(options.program, table, train, test, seed, extra, Path(folder)))
            other.append(theirs(table, train, test, seed))
            if table.regression:
                scaled.append(theirs(table, train, test, seed, scale_targets=True))
        print(row(table, table.name, mine, other), flush=True)
        if scaled:
            print(row(table, table.name + ", targets scaled", mine, scaled), flush=True)


def row(table, name, mine, other):
    """A row of the table, from pairs of a score and seconds."""
    factor, digits, unit = (1, 3, "") if table.regression else (100, 2, " %")

    def shown(values):
        mean, error = mean_and_error([factor * value for value in values])
        return f"{mean:.{digits}f} ± {error:.{digits}f}{unit}"

    (ours_, seconds), (theirs_, their_seconds) = zip(*mine), zip(*other)
    differences = [a - b for a, b in zip(ours_, theirs_)]
    difference, error = mean_and_error(differences)
    # Both are multiples of one wrong answer, so equal ones may differ in the last bit.
    verdict = "yes" if difference <= error * (1 + 1e-9) else "NO"
    times = [f"{statistics.median(values):.2f}" for values in (seconds, their_seconds)]
    cells = [name, len(table.frame), shown(ours_), shown(theirs_), shown(differences), verdict, *times]
    return "| " + " | ".join(map(str, cells)) + " |"


def covertype_like(rows):
    """Ten whole numbers, 44 columns of 0 and 1 in two one-hot blocks, and seven classes, as covertype has them."""
    random = np.random.default_rng(0)
    numbers = random.normal(size=(rows, 10))
    area, soil = random.integers(4, size=rows), random.integers(40, size=rows)
    weights = [random.normal(size=(count, 20)) for count in (10, 4, 40)]
    hidden = np.tanh(numbers @ weights[0] + weights[1][area] + weights[2][soil])
    classes = np.argmax(hidden @ random.normal(size=(20, LARGE_CLASSES)), axis=1) + 1
    columns = [np.round(1000 + 300 * numbers).astype(int), np.eye(4, dtype=int)[area], np.eye(40, dtype=int)[soil]]
    frame = pd.DataFrame(np.hstack(columns), columns=[f"f{k}" for k in range(LARGE_FEATURES)])
    frame["class"] = classes
    return frame


THEIRS = """
import sys, warnings, pandas as pd
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
warnings.simplefilter("ignore")
table = pd.read_csv(sys.argv[1])
make_pipeline(StandardScaler(), MLPClassifier(max_iter=3, random_state=0)).fit(table.drop(columns="class"), table["class"])
"""


def large(options):
    presented = 3 * LARGE_ROWS
    print("| program | s | samples/s | ratio |\n|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "large.csv"
        covertype_like(LARGE_ROWS).to_csv(file, index=False)
        mine = [options.program, "train", "--data", file, "--epochs", "3", "--test-fraction", "0", "--val-fraction", "0",
                "--no-save", "--quiet", "--device", "cpu", *FLAGS.split()]
        same = ["--hidden", "100", "--batch-size", "200"]
        programs = {
            "scikit-learn": [sys.executable, "-c", THEIRS, file],
            "homeostat": mine,
            "homeostat with scikit-learn's layer and batch": [*mine, *same],
        }
        first = None
        for name, command in programs.items():
            seconds = statistics.median(run(command)[1] for _ in range(options.repeats))
            first = first or seconds
            print(f"| {name} | {seconds:.1f} | {presented / seconds:,.0f} | {first / seconds:.1f} |", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", choices=["small", "large"])
    parser.add_argument("--program", default="homeostat", help="path of homeostat")
    parser.add_argument("--splits", type=int, default=10, help="splits of each small table")
    parser.add_argument("--only", help="names of small tables, with commas between")
    parser.add_argument("--repeats", type=int, default=3, help="runs of the large table, of which the median counts")
    options = parser.parse_args()
    warnings.simplefilter("ignore", ConvergenceWarning)
    os.environ["PYTHONWARNINGS"] = "ignore"
    small(options) if options.part == "small" else large(options)
