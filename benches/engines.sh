#!/usr/bin/env bash
# Training speed of devices on real MNIST: one JSON object per line on stdout. Two epochs each, of which the second
# counts, because in the first a driver may still compile.
#
#   benches/engines.sh [DEVICE...] > results/NAME.jsonl      (default: cpu gpu)
set -euo pipefail
cd "$(dirname "$0")/.."
cargo build --release --locked --quiet
devices=("$@")
[ $# -gt 0 ] || devices=(cpu gpu)
for hidden in 256 1024,1024; do
    for device in "${devices[@]}"; do
        target/release/homeostat train --hidden "$hidden" --batch-size 128 --epochs 2 --train-metrics running \
            --device "$device" --json 2>/dev/null |
            sed -nE 's/^\{"final":.*"samples_per_second":([0-9.]+).*"device":(\{[^}]*\}).*/\1 \2/p' |
            while read -r rate description; do
                printf '{"layers":"784,%s,10","batch_size":128,"rule":"psi","scope":"neuron","samples_per_second":%.0f,"device":%s}\n' \
                    "$hidden" "$rate" "$description"
            done
    done
done
