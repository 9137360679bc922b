#!/usr/bin/env bash
# Compares the CPU engine with eager PyTorch on the same machine, in alternating rounds. Prints one ratio per round,
# workload and rule, then their medians.
#
#   benches/peers.sh TORCH_MLP.PY [ROUNDS]
#
# Environment: PYTHON (default python3), MNIST (folder of unpacked IDX files), HOMEOSTAT (path of a built program, else
# the script builds one).
set -euo pipefail
cd "$(dirname "$0")/.."
peer=${1:?path of torch_mlp.py}
rounds=${2:-5}
if [ -z "${HOMEOSTAT:-}" ]; then
    cargo build --release --locked --quiet
    HOMEOSTAT=target/release/homeostat
fi
ratios=$(mktemp)
trap 'rm -f "$ratios"' EXIT
for round in $(seq "$rounds"); do
    for workload in small:784,256,10:128:200 mid:784,1024,1024,10:128:40 online:784,100,10:1:2000; do
        IFS=: read -r name layers batch steps <<<"$workload"
        for rule in constant psi; do
            theirs=sgd
            [ "$rule" = constant ] || theirs=psi-post
            ours=$("$HOMEOSTAT" bench "$name" --device cpu --rule "$rule" --scope weight --runs 3 --json \
                2>/dev/null | sed -E 's/.*"samples_per_second":([0-9.]+).*/\1/')
            torch=$("${PYTHON:-python3}" "$peer" ${MNIST:+--mnist "$MNIST"} --layers "$layers" --batch "$batch" \
                --steps "$steps" --rule "$theirs" | sed -E 's/.*"samples_per_s": ([0-9.]+).*/\1/')
            awk -v n="$name" -v r="$rule" -v k="$round" -v a="$ours" -v b="$torch" \
                'BEGIN { printf "%-7s %-9s round %d: %8.0f / %8.0f = %.2f\n", n, r, k, a, b, a / b }' | tee -a "$ratios"
        done
    done
done
sort -k1,1 -k2,2 "$ratios" | awk '{ print $1, $2, $NF }' | sort -k1,1 -k2,2 -k3,3n | awk '
    function flush() { if (n) printf "%-7s %-9s median %.2f\n", substr(key, 1, index(key, " ") - 1), \
        substr(key, index(key, " ") + 1), (v[int((n + 1) / 2)] + v[int(n / 2) + 1]) / 2 }
    $1 " " $2 != key { flush(); key = $1 " " $2; n = 0 }
    { v[++n] = $3 }
    END { flush() }'
