#!/usr/bin/env bash
# Packs all that a machine with a GPU needs to measure homeostat, in one folder: the program, its tests of the kernels, the
# peer in PyTorch, the Vulkan loader and what NVIDIA's driver opens. That machine needs a driver, Python 3 and, where it has no
# loader, dpkg-deb; it needs neither Rust nor a network.
#
#   benches/gpu/pack.sh FOLDER [OLDER]      builds, then fills FOLDER (default .gpu-kit); OLDER: a second program to compare
#
# On the other machine: OUT=results-folder FOLDER/run.sh. Then, in a clone: benches/gpu/table.py NAME results-folder.
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
kit=$(realpath -m "${1:-$root/.gpu-kit}")
older=${2:+$(realpath "$2")}
cd "$root"
# Only a kit is replaced.
if [ -e "$kit" ] && [ ! -f "$kit/built-in" ]; then
    echo "$kit exists and is no kit; name another folder" >&2
    exit 1
fi
case $older in "$kit"/*) echo "$older lies in $kit, which is replaced; move it" >&2; exit 1 ;; esac
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
        libx11-6 libxext6 libxcb1 libxau6 libxdmcp6 libbsd0 libmd0) ||
        echo "these libraries could not be packed; the other machine must have them" >&2
fi
du -sm "$kit"
