#!/usr/bin/env bash
# Fuzzes every target for SECONDS_EACH seconds (default 120) and prints a table: executions, coverage, corpus and time
# per target. Arguments select targets by name. Needs nightly Rust, a C++ compiler and `cargo install cargo-fuzz`.
set -euo pipefail
cd "$(dirname "$0")/../.."
seconds=${SECONDS_EACH:-120}
here=tests/fuzz
# Fuzz the dependency versions that the program is built with.
cp Cargo.lock $here/Cargo.lock
HOMEOSTAT_SEEDS=$PWD/$here/corpus cargo test --locked --quiet --test readers damage:: >/dev/null
cargo +nightly fuzz build --fuzz-dir $here

if [ $# -eq 0 ]; then
    mapfile -t names < <(cargo +nightly fuzz list --fuzz-dir $here)
    set -- "${names[@]}"
fi
echo "| target | executions | per second | coverage (edges) | corpus | seconds |"
echo "|---|---|---|---|---|---|"
for target in "$@"; do
    log=$here/corpus/$target.log
    # Limits for one input: 10 s, 1 GiB of memory in all, 256 MiB in one allocation.
    if ! cargo +nightly fuzz run --fuzz-dir $here "$target" -- -max_total_time="$seconds" -max_len=4096 -timeout=10 \
        -rss_limit_mb=1024 -malloc_limit_mb=256 -print_final_stats=1 >"$log" 2>&1; then
        echo "$target: found something, see $log" >&2
        exit 1
    fi
    executions=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
    rate=$(sed -n 's/^stat::average_exec_per_sec: *//p' "$log")
    coverage=$(grep -o 'cov: [0-9]*' "$log" | tail -1 | cut -d' ' -f2)
    corpus=$(find "$here/corpus/$target" -type f | wc -l)
    echo "| \`$target\` | $executions | $rate | $coverage | $corpus | $seconds |"
done
