#!/usr/bin/env bash
# Measures homeostat on the GPU of this machine, from a folder that benches/gpu/pack.sh filled. Needs a Vulkan driver and
# Python 3; PyTorch is measured if Python has it.
#
#   OUT=FOLDER run.sh        results go to FOLDER as they come, each step under its own time limit
#
# Environment, with defaults: DEVICE=gpu, SECONDS_LEFT=360 (the whole ends by then: a step is cut short or left out).
set -u
kit=$(cd "$(dirname "$0")" && pwd)
out=${OUT:?a folder for the results}
device=${DEVICE:-gpu}
limit=${SECONDS_LEFT:-360}
if [ -e "$out/bench.jsonl" ]; then
    echo "$out has results already; name another folder" >&2
    exit 1
fi
mkdir -p "$out"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export XDG_CACHE_HOME=$work/cache XDG_RUNTIME_DIR=$work NODEVICE_SELECT=1 NVIDIA_DRIVER_CAPABILITIES=all

unpack() {
    python3 -c 'import lzma, shutil, sys; shutil.copyfileobj(lzma.open(sys.argv[1]), open(sys.argv[2], "wb"))' \
        "$kit/$1.xz" "$work/$1" && chmod +x "$work/$1"
}
unpack homeostat
homeostat=$work/homeostat
if ! ldconfig -p | grep -q 'libvulkan\.so\.1'; then
    for package in $(compgen -G "$kit/loader/*.deb"); do
        dpkg-deb -x "$package" "$work/loader"
    done
    library=$(find "$work/loader" -name libvulkan.so.1 | head -1)
    [ -z "$library" ] || export LD_LIBRARY_PATH=${library%/*}:/usr/local/nvidia/lib64${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
fi
# Some containers have NVIDIA's driver without a manifest where the loader looks.
if ! "$homeostat" devices --json 2>/dev/null | grep -q '"is_hardware":true'; then
    manifest=/usr/local/nvidia/share/vulkan/icd.d/nvidia_icd.json
    [ ! -f "$manifest" ] || export VK_DRIVER_FILES=$manifest
fi

# step SECONDS NAME COMMAND...: one step; leaves it out if the whole would take too long.
step() {
    local most=$1 name=$2 began=$SECONDS code=0
    shift 2
    if [ $((began + 5)) -gt "$limit" ]; then
        echo "$name: left out at $began s" | tee -a "$out/steps.txt"
        return
    fi
    [ "$most" -le $((limit - began)) ] || most=$((limit - began))
    timeout --kill-after 5 "$most" "$@" || code=$?
    echo "$name: exit $code, $((SECONDS - began)) s, at $SECONDS s" | tee -a "$out/steps.txt"
}
# measure SECONDS PART ARGUMENTS...: one call of `homeostat bench`; its lines go to bench.jsonl with the name of the part.
measure() {
    local most=$1 part=$2
    shift 2
    echo "## $part: bench $*" >>"$out/bench.log"
    step "$most" "$part: bench $*" bash -o pipefail -c \
        '"$0" bench "${@:3}" --json 2>>"$1/bench.log" | sed -u "s/^{/{\"part\":\"$2\",/" >>"$1/bench.jsonl"' \
        "${program:-$homeostat}" "$out" "$part" "$@"
}
constant=(--device "$device" --rule constant --runs 3)

{
    echo "commit $(cat "$kit/commit"), $(date -u +%F)"
    nvidia-smi 2>/dev/null
    uname -srm
    grep -m 1 'model name' /proc/cpuinfo
    echo "$(nproc) processors"
    "$homeostat" devices
} >"$out/machine.txt" 2>&1
"$homeostat" devices --json >>"$out/machine.txt" 2>&1
cat "$out/machine.txt"

measure 60 plain small mid big online "${constant[@]}" --no-autotune
train() {
    "$homeostat" train --device "$1" --hidden 256 --batch-size 128 --epochs 2 --no-save --seed 1 >>"$out/tests.txt" 2>&1
}
export -f train
export homeostat out
step 30 'train on the GPU' bash -c 'train "$1"' _ "$device"
step 30 'train on the CPU' bash -c 'train cpu'
if unpack engines; then
    # The tests read tests/golden below the folder that they were built in.
    built=$(cat "$kit/built-in")
    [ -e "$built/tests/golden" ] || { mkdir -p "$built/tests" && ln -sfn "$kit/golden" "$built/tests/golden"; }
    step 60 'golden and kernel tests' bash -c '"$0" --test-threads 8 golden:: kernels:: >>"$1/tests.txt" 2>&1' "$work/engines" "$out"
fi
measure 90 tuned mid big small online "${constant[@]}"
[ ! -f "$work/cache/homeostat/autotune.json" ] || cp "$work/cache/homeostat/autotune.json" "$out/"
if unpack older 2>/dev/null; then
    program=$work/older measure 60 older small mid big online "${constant[@]}" --no-autotune
fi
step 75 'PyTorch' python3 "$kit/peer.py" "$out/torch.jsonl" 65 2>"$out/torch.log"
for members in 8 64 256; do
    measure 30 members small "${constant[@]}" --members $members
done
measure 30 members mid "${constant[@]}" --members 16
measure 40 half mid big "${constant[@]}" --precision f16
measure 40 split mid big "${constant[@]}" --precision f16x3
measure 60 psi mid big small --device "$device" --rule psi --scope weight --runs 3
measure 20 psi mid --device "$device" --rule psi --scope neuron --runs 3
measure 40 cpu small mid online big --device cpu --rule constant --runs 3
measure 30 shapes 784,4096,4096,10:1024 "${constant[@]}" --no-autotune
cat "$out/steps.txt"
