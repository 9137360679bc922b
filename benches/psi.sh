#!/usr/bin/env bash
# Measures the cost of ψ: both scopes against constant rates, in alternating rounds. Prints one line per round, then the
# median ratio of samples/s to `constant` in the same round, for each scope.
#
#   benches/psi.sh "WORKLOAD..." DEVICE [ROUNDS]
#
# Environment: HOMEOSTAT, path of a built program (else the script builds one).
set -euo pipefail
cd "$(dirname "$0")/.."
workloads=${1:?workloads, for instance \"small mid\"}
device=${2:?cpu or gpu}
rounds=${3:-7}
if [ -z "${HOMEOSTAT:-}" ]; then
    cargo build --release --locked --quiet
    HOMEOSTAT=target/release/homeostat
fi
lines=$(mktemp)
trap 'rm -f "$lines"' EXIT
speed() { # options of bench
    "$HOMEOSTAT" bench "$@" --device "$device" --runs 3 --json 2>/dev/null |
        sed -E 's/.*"samples_per_second":([0-9.]+).*/\1/'
}
for round in $(seq "$rounds"); do
    for workload in $workloads; do
        echo "$workload $round $(speed "$workload" --rule constant) $(speed "$workload" --rule psi --scope neuron)" \
            "$(speed "$workload" --rule psi --scope weight)" |
            awk '{ printf "%-6s round %d: constant %8.0f, neuron %8.0f = %.3f, weight %8.0f = %.3f\n",
                   $1, $2, $3, $4, $4 / $3, $5, $5 / $3 }' | tee -a "$lines"
    done
done
for workload in $workloads; do
    for column in neuron:9 weight:13; do
        tr -d , <"$lines" | awk -v w="$workload" -v c="${column#*:}" '$1 == w { print $c }' | sort -n |
            awk -v w="$workload" -v s="${column%:*}" '{ v[NR] = $1 } END {
                printf "%-6s %s scope: median %.3f of constant\n", w, s, (v[int((NR + 1) / 2)] + v[int(NR / 2) + 1]) / 2 }'
    done
done
