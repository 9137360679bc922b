#!/usr/bin/env bash
# Packs all that a machine with a GPU needs to measure homeostat, in one folder: the program, its tests of the kernels, the
# peer in PyTorch and the Vulkan loader. That machine needs a driver and Python 3, and neither Rust nor a network.
#
#   benches/gpu/pack.sh FOLDER [OLDER]      builds, then fills FOLDER (default .gpu-kit); OLDER: a second program to compare
#
# On the other machine: OUT=results-folder FOLDER/run.sh. Then, anywhere: benches/gpu/table.py NAME results-folder.
set -euo pipefail
cd "$(dirname "$0")/../.."
kit=${1:-.gpu-kit}
older=${2:-}
target=${CARGO_TARGET_DIR:-target}

cargo build --release --locked
tests=$(cargo test --locked --no-run --test engines --message-format json |
    python3 -c 'import json, sys
for line in sys.stdin:
    built = json.loads(line)
    if built.get("executable") and built["target"]["name"] == "engines": print(built["executable"])')

rm -rf "$kit"
mkdir -p "$kit/loader"
compress() { # FROM NAME: stripped and compressed; Python's standard library unpacks it
    strip -o "$kit/$2" "$1"
    xz --threads 2 -6 "$kit/$2"
}
compress "$target/release/homeostat" homeostat
compress "$tests" engines
[ -z "$older" ] || compress "$older" older
cp -r tests/golden "$kit/golden"
cp benches/gpu/run.sh benches/gpu/peer.py "$kit/"
git describe --always --dirty >"$kit/commit"
pwd >"$kit/built-in"
# Servers have the driver, but often neither Vulkan's loader nor the libraries of GL and X11 that the driver opens.
if command -v apt-get >/dev/null; then
    (cd "$kit/loader" && apt-get -qq download libvulkan1 libegl1 libglvnd0 libopengl0 libgl1 libglx0 libgles2 \
        libx11-6 libxext6 libxcb1 libxau6 libxdmcp6 libbsd0 libmd0 2>/dev/null)
fi
du -sm "$kit"
