#!/usr/bin/env python3
"""Prints in which epochs the neurons of `psi short` triggered in results/overtraining, as a table in Markdown.

    benches/overtraining.py [WORK]

WORK is the folder in which `benches/study.py results/overtraining` trained, by default runs/study-overtraining. Its traces are
WORK/sweep/traces/ID.safetensors, by the ids in its plan, WORK/sweep.jsonl. Traces are not committed, so the study must be trained
first. Needs Python 3 alone."""

import json
import struct
import sys
from pathlib import Path

ARM = "psi short label-noise="
LAYERS = ["hidden", "output"]
# A tick is an epoch. Name of a column, and its first and last tick; tick 0 stands for never.
COLUMNS = [("epoch 1", 1, 1), ("2", 2, 2), ("3 to 8", 3, 8), ("later", 9, 2**32 - 1), ("never", 0, 0)]


def onsets(path):
    """The trigger times of every layer in a trace.safetensors: the length of the header, the header as JSON, then the tensors."""
    content = path.read_bytes()
    (length,) = struct.unpack_from("<Q", content)
    header, tensors = json.loads(content[8 : 8 + length]), content[8 + length :]
    layers = []
    for layer in range(len(LAYERS)):
        tensor = header[f"layers.{layer}.onset"]
        if tensor["dtype"] != "U32" or len(tensor["shape"]) != 1:
            raise SystemExit(f"{path}: layers.{layer}.onset is not one U32 per neuron")
        start, end = tensor["data_offsets"]
        layers.append([tick for (tick,) in struct.iter_unpack("<I", tensors[start:end])])
    return layers


def main():
    work = Path(sys.argv[1] if len(sys.argv) > 1 else "runs/study-overtraining")
    triggers = {}
    plan = work / "sweep.jsonl"
    if not plan.exists():
        raise SystemExit(f"{plan} is missing: train first, with benches/study.py results/overtraining")
    for record in map(json.loads, plan.open()):
        if not record.get("arm", "").startswith(ARM):
            continue
        path = work / "sweep" / "traces" / f"{record['id']}.safetensors"
        if not path.exists():
            raise SystemExit(f"{path} is missing: train first, with benches/study.py results/overtraining")
        for layer, ticks in zip(LAYERS, onsets(path)):
            triggers.setdefault((float(record["arm"].removeprefix(ARM)), layer), []).extend(ticks)
    print(f"| false labels | layer | {' | '.join(name for name, _, _ in COLUMNS)} |\n|---|---|{'---:|' * len(COLUMNS)}")
    for (noise, layer), ticks in sorted(triggers.items()):
        counts = [sum(first <= tick <= last for tick in ticks) for _, first, last in COLUMNS]
        cells = [f" {count / len(ticks):.0%} |".replace("%", " %") if count else " |" for count in counts]
        print(f"| {noise:.0%} | {layer} |".replace("%", " %") + "".join(cells))


main()
