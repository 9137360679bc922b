"""What the studies' analyses share: the program, its comparisons, and Holm's correction over comparisons with several baselines."""

import json
import os
import subprocess
import tempfile

PROGRAM = os.environ.get("HOMEOSTAT", "target/release/homeostat")


def compare(*arguments):
    """The object that `homeostat compare … --json` prints."""
    done = subprocess.run([PROGRAM, "compare", *map(str, arguments), "--json"], check=True, capture_output=True, text=True)
    return json.loads(done.stdout)


def difference(errors, baseline, arm):
    """The paired difference arm − baseline of the test errors `errors[arm][seed]`."""
    with tempfile.NamedTemporaryFile("w", suffix=".jsonl") as file:
        for of in (baseline, arm):
            for seed, value in errors[of].items():
                print(json.dumps({"id": f"{of}-{seed}", "arm": of, "seed": seed, "final": {"test_error": value}}), file=file)
        file.flush()
        return compare(file.name, "--metric", "test_error", "--baseline", baseline)["comparisons"][0]


def holm(ps):
    """Holm's step-down correction."""
    order = sorted(range(len(ps)), key=ps.__getitem__)
    corrected, most = [0.0] * len(ps), 0.0
    for rank, place in enumerate(order):
        most = max(most, min(1.0, (len(ps) - rank) * ps[place]))
        corrected[place] = most
    return corrected
