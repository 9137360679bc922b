#!/usr/bin/env python3
"""Writes results/gpu-NAME.md from the folder that benches/gpu/run.sh filled.

usage: benches/gpu/table.py NAME FOLDER
"""
import json
import pathlib
import sys

name, folder = sys.argv[1], pathlib.Path(sys.argv[2])
root = pathlib.Path(__file__).resolve().parents[2]


def lines(file):
    path = folder / file
    return [json.loads(line) for line in path.read_text().splitlines() if line.startswith("{")] if path.exists() else []


bench, torch = lines("bench.jsonl"), [row for row in lines("torch.jsonl") if "failed" not in row]
machine = (folder / "machine.txt").read_text().splitlines()
gpus = [row for row in bench if row["device"]["engine"] == "gpu"]
if not gpus:
    sys.exit(f"{folder}: no measurement of a GPU")
device = gpus[0]["device"]


def step(row):
    """Microseconds of one training step of all members together."""
    return 1e6 * row["members"] * row["batch_size"] / row["samples_per_second"]


def own(part, workload):
    found = [row for row in bench if row["part"] == part and row["workload"] == workload]
    return step(found[-1]) if found else None


def peer(workload, mode, precision="f32", rule="constant"):
    wanted = dict(workload=workload, mode=mode, precision=precision, rule=rule)
    found = [row["microseconds_per_step"] for row in torch if all(row.get(k) == v for k, v in wanted.items())]
    return found[-1] if found else None


def micro(value):
    return "–" if value is None else f"{value:.1f}"


def ratio(value, to):
    return "–" if value is None or to is None else f"{to / value:.2f} ×"


text = [f"# {device['adapter']}", ""]
text += [f"`benches/gpu/run.sh`, {machine[0]}. Driver: {device['driver']}."]
if torch:
    text += [f"PyTorch {torch[0]['peer'].split()[1]} ran on the same machine; `benches/gpu/peer.py` holds its steps."]
text += [
    f"The GPU reaches {gpus[0]['peak_gflops'] / 1000:.1f} TFLOP/s of f32 FMAs and copies "
    f"{gpus[0]['peak_gigabytes_per_second'] / 1000:.2f} TB/s, by `homeostat bench`.",
    "",
    "All times are microseconds per training step, the median of three windows. A ratio says how many times as fast homeostat is.",
    "",
    "## One network, constant rate, f32",
    "",
    "| workload | default tiles | measured tiles | TFLOP/s | of peak | PyTorch, CUDA graph | ratio | compiled, CUDA graph | ratio |",
    "|---|---:|---:|---:|---:|---:|---:|---:|---:|",
]
for workload in ("small", "mid", "big", "online"):
    best = own("tuned", workload)
    tuned = [row for row in bench if row["part"] == "tuned" and row["workload"] == workload]
    speed = f"{tuned[-1]['gflops'] / 1000:.3g} | {100 * tuned[-1]['fraction_of_peak']:.0f} %" if tuned else "– | –"
    graph, compiled = peer(workload, "graph"), peer(workload, "compile and graph")
    text += [
        f"| {workload} | {micro(own('plain', workload))} | {micro(best)} | {speed} | {micro(graph)} | {ratio(best, graph)} "
        f"| {micro(compiled)} | {ratio(best, compiled)} |"
    ]
half = {workload: own("half", workload) for workload in ("mid", "big")}
if any(half.values()):
    text += ["", "## Half precision", ""]
    text += ["| workload | homeostat f16 | PyTorch TF32, CUDA graph | ratio | PyTorch TF32, compiled, CUDA graph | ratio |"]
    text += ["|---|---:|---:|---:|---:|---:|"]
    for workload, time in half.items():
        graph, compiled = peer(workload, "graph", "tf32"), peer(workload, "compile and graph", "tf32")
        text += [
            f"| {workload} | {micro(time)} | {micro(graph)} | {ratio(time, graph)} | {micro(compiled)} | {ratio(time, compiled)} |"
        ]
split = {workload: own("split", workload) for workload in ("mid", "big")}
if any(split.values()):
    text += ["", "## Three products in half precision", "", "Factors of nearly single precision, against PyTorch in f32.", ""]
    text += ["| workload | homeostat f16x3 | homeostat f32 | PyTorch, CUDA graph | ratio | compiled, CUDA graph | ratio |"]
    text += ["|---|---:|---:|---:|---:|---:|---:|"]
    for workload, time in split.items():
        graph, compiled = peer(workload, "graph"), peer(workload, "compile and graph")
        text += [
            f"| {workload} | {micro(time)} | {micro(own('tuned', workload))} | {micro(graph)} | {ratio(time, graph)} "
            f"| {micro(compiled)} | {ratio(time, compiled)} |"
        ]
rows = [row for row in bench if row["part"] == "psi"]
if rows:
    text += ["", "## ψ", "", "PyTorch tests its triggers in every step. homeostat sums what it observes, and tests at the end of an epoch.", ""]
    text += ["| workload | scope | homeostat | PyTorch, CUDA graph | ratio | compiled, CUDA graph | ratio |"]
    text += ["|---|---|---:|---:|---:|---:|---:|"]
    for row in rows:
        rule = f"psi {row['scope']}"
        graph, compiled = peer(row["workload"], "graph", rule=rule), peer(row["workload"], "compile and graph", rule=rule)
        text += [
            f"| {row['workload']} | {row['scope']} | {micro(step(row))} | {micro(graph)} | {ratio(step(row), graph)} "
            f"| {micro(compiled)} | {ratio(step(row), compiled)} |"
        ]
rows = [row for row in bench if row["part"] == "members"]
if rows:
    text += ["", "## Networks trained together", "", "| workload | networks | a step of all | a step of each | TFLOP/s |"]
    text += ["|---|---:|---:|---:|---:|"]
    singles = [row for row in bench if row["part"] == "tuned" and row["workload"] in {r["workload"] for r in rows}]
    for row in sorted(singles + rows, key=lambda row: (row["workload"] != "small", row["members"])):
        text += [
            f"| {row['workload']} | {row['members']} | {step(row):.1f} | {step(row) / row['members']:.2f} | {row['gflops'] / 1000:.1f} |"
        ]
rows = [row for row in bench if row["part"] == "cpu"]
if rows:
    text += ["", f"## The CPU of that machine, {rows[0]['device']['adapter']} ({rows[0]['device']['driver']})", ""]
    text += ["| workload | CPU engine | GPU, measured tiles | GPU to CPU |", "|---|---:|---:|---:|"]
    for row in rows:
        tuned = own("tuned", row["workload"])
        text += [f"| {row['workload']} | {micro(step(row))} | {micro(tuned)} | {ratio(tuned, step(row))} |"]
text += ["", "## Kernels of one step", "", "By the GPU's timestamps, which add some microseconds to each kernel.", ""]
text += ["| part | workload | networks | kernel | µs |", "|---|---|---:|---|---:|"]
for row in gpus:
    for kernel in row.get("kernels", []):
        text += [
            f"| {row['part']} | {row['workload']} | {row['members']} | {kernel['kernel']} | {kernel['microseconds']:.1f} |"
        ]
tests = folder / "tests.txt"
if tests.exists():
    results = [line for line in tests.read_text().splitlines() if line.startswith(("test result", "test error"))]
    text += ["", "## Tests and training on that machine", "", "```text", *results, "```"]
steps = folder / "steps.txt"
if steps.exists():
    text += ["", "## Steps", "", "```text", *steps.read_text().splitlines(), "```"]
target = root / "results" / f"gpu-{name}.md"
target.write_text("\n".join(text) + "\n")
print(target)
