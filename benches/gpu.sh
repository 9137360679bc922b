#!/usr/bin/env bash
# Runs all measurements on a machine with a GPU: the tests, every workload by rule and scope, a population, and the same
# step in PyTorch. Writes results/gpu-NAME.md and results/gpu-NAME.jsonl.
#
#   benches/gpu.sh NAME [TORCH_MLP.PY]
#
# Environment, with defaults: DEVICE=gpu, PYTHON=python3, TORCH_MLP=path of torch_mlp.py (none), SKIP_TESTS= (empty: run
# the tests).
set -euo pipefail
cd "$(dirname "$0")/.."
name=${1:?name of the GPU, for the file names}
peer=${2:-${TORCH_MLP:-}}
device=${DEVICE:-gpu}
markdown=results/gpu-$name.md
rows=results/gpu-$name.jsonl
table=$(mktemp)
trap 'rm -f "$table"' EXIT

[ -n "${SKIP_TESTS:-}" ] || tests/run.sh
cargo build --release --locked
printf '# %s\n\n`benches/gpu.sh %s`, %s, commit %s.\n' \
    "$name" "$name" "$(date +%F)" "$(git rev-parse --short HEAD)" >"$markdown"
: >"$rows"

# Runs one benchmark and appends its figures. A failure is noted, and the script continues.
measure() {
    printf '\n## `homeostat bench %s`\n\n' "$*" >>"$markdown"
    if target/release/homeostat bench "$@" --json --export-markdown "$table" >>"$rows"; then
        cat "$table" >>"$markdown"
    else
        echo "failed" | tee -a "$markdown" >&2
    fi
}
measure --device "$device" --device cpu --rule constant
measure --device "$device" --rule psi --scope neuron
measure --device "$device" --rule psi --scope weight
measure small --device "$device" --rule constant --members 1
measure small --device "$device" --rule constant --members 64

if [ -z "$peer" ] || [ ! -f "$peer" ]; then
    echo "no torch_mlp.py (second argument or TORCH_MLP): PyTorch is left out" >&2
    exit
fi
printf '\n## PyTorch, `torch_mlp.py --device cuda`\n\n```\n' >>"$markdown"
while read -r layers batch; do
    for rule in sgd psi-post; do
        for mode in eager compile graph; do
            "${PYTHON:-python3}" "$peer" --device cuda --layers "$layers" --batch "$batch" --rule "$rule" --mode "$mode" |
                tee -a "$markdown" || echo "$layers $rule $mode: failed" | tee -a "$markdown" >&2
        done
    done
done <<'END'
784,256,10 128
784,1024,1024,10 128
784,2500,2000,1500,1000,500,10 512
784,100,10 1
END
printf '```\n' >>"$markdown"
