#!/usr/bin/env bash
# Compares the GPU engine with burn's wgpu backend on the same adapter, in alternating rounds. Prints one line per round
# and workload, then medians.
#
#   benches/burn.sh BURN_PEER [ROUNDS]
#
# BURN_PEER is a program: `BURN_PEER BACKEND LAYERS BATCH STEPS` prints a line with "samples_per_s".
# Environment: HOMEOSTAT, path of a built program (else the script builds one).
set -euo pipefail
cd "$(dirname "$0")/.."
peer=${1:?path of burn-peer}
rounds=${2:-5}
if [ -z "${HOMEOSTAT:-}" ]; then
    cargo build --release --locked --quiet
    HOMEOSTAT=target/release/homeostat
fi
lines=$(mktemp)
trap 'rm -f "$lines"' EXIT
for round in $(seq "$rounds"); do
    for workload in mid:784,1024,1024,10:128:15 small:784,256,10:128:60; do
        IFS=: read -r name layers batch steps <<<"$workload"
        ours=$("$HOMEOSTAT" bench "$name" --device gpu --rule constant --runs 3 --json 2>/dev/null |
            sed -E 's/.*"samples_per_second":([0-9.]+).*"gflops":([0-9.]+).*/\1 \2/')
        theirs=$("$peer" vulkan "$layers" "$batch" "$steps" | sed -E 's/.*"samples_per_s":([0-9.]+).*/\1/')
        awk -v n="$name" -v k="$round" -v a="$ours" -v b="$theirs" 'BEGIN { split(a, o, " ");
            printf "%-5s round %d: %6.0f (%4.1f GFLOP/s) / %6.0f = %.2f\n", n, k, o[1], o[2], b, o[1] / b }' | tee -a "$lines"
    done
done
for name in mid small; do
    for column in "$name":4:samples/s "$name":5:GFLOP/s "$name":8:burn "$name":10:ratio; do
        IFS=: read -r _ place what <<<"$column"
        tr -d '(' <"$lines" | awk -v n="$name" -v p="$place" '$1 == n { print $p }' | sort -n | awk -v n="$name" -v w="$what" '
            { v[NR] = $1 } END { printf "%-5s median %-9s %8.2f\n", n, w, (v[int((NR + 1) / 2)] + v[int(NR / 2) + 1]) / 2 }'
    done
done
