"""What the studies' analyses share: the program, its comparisons, and Holm's correction over comparisons with several baselines."""

import json
import os
import subprocess

PROGRAM = os.environ.get("HOMEOSTAT", "target/release/homeostat")


def compare(*arguments):
    """The object that `homeostat compare … --json` prints."""
    done = subprocess.run([PROGRAM, "compare", *map(str, arguments), "--json"], check=True, capture_output=True, text=True)
    return json.loads(done.stdout)


def holm(ps):
    """Holm's step-down correction."""
    order = sorted(range(len(ps)), key=ps.__getitem__)
    corrected, most = [0.0] * len(ps), 0.0
    for rank, place in enumerate(order):
        most = max(most, min(1.0, (len(ps) - rank) * ps[place]))
        corrected[place] = most
    return corrected
