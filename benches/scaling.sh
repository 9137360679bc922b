#!/usr/bin/env bash
# Measures speed against width, batch size and members. Prints one JSON line of `homeostat bench` per point.
#
#   benches/scaling.sh DEVICE [MOST] > FILE
#
# MOST is the widest hidden layer (default 2048).
set -euo pipefail
cd "$(dirname "$0")/.."
device=${1:?device}
most=${2:-2048}
cargo build --release --locked --quiet
points=()
for ((width = 32; width <= most; width *= 2)); do points+=("784,$width,10:128"); done
for ((batch = 1; batch <= 512; batch *= 2)); do points+=("784,256,10:$batch"); done
target/release/homeostat bench "${points[@]}" --device "$device" --rule constant --runs 3 --json
for ((members = 2; members <= 16; members *= 2)); do
    target/release/homeostat bench small --device "$device" --rule constant --members "$members" --runs 3 --json
done
