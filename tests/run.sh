#!/usr/bin/env bash
# Runs every test, or those that the arguments of `cargo test` select, and ends with the number of tests that passed and
# failed and the time they took. A failing test binary does not keep the others from running.
#
# First installs missing prerequisites (on Debian or Ubuntu), because tests without them fail and never skip: Mesa's software
# Vulkan on machines without an adapter, and Khronos's SPIR-V validator.
set -euo pipefail
cd "$(dirname "$0")/.."

have_adapter() {
    # Vulkan needs its loader and a driver manifest, which the loader searches for.
    ldconfig -p | grep -q 'libvulkan\.so\.1' &&
        { [ -n "${VK_DRIVER_FILES:-}${VK_ICD_FILENAMES:-}" ] ||
            compgen -G '/usr/share/vulkan/icd.d/*.json' >/dev/null ||
            compgen -G '/etc/vulkan/icd.d/*.json' >/dev/null; }
}

missing=()
[ "$(uname -s)" != Linux ] || have_adapter || missing+=(mesa-vulkan-drivers libvulkan1)
command -v spirv-val >/dev/null || missing+=(spirv-tools)
if [ ${#missing[@]} -gt 0 ]; then
    if ! command -v apt-get >/dev/null; then
        echo "Missing, by their Debian names: ${missing[*]} (software Vulkan is also called lavapipe). Install and run again." >&2
        exit 1
    fi
    as_root=()
    [ "$(id -u)" -eq 0 ] || as_root=(sudo)
    "${as_root[@]}" apt-get update -qq
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
fi

# Mesa's device-select layer prints warnings on machines without a desktop, and has nothing to select here.
export NODEVICE_SELECT=1
# Nothing that the user has set or installed may decide a test: neither data sets nor the choice among adapters. The
# choice of a back end stays, because it is what `tests/backends.sh` chooses. Programs that tests start are isolated by
# `tests/common/isolated.rs`.
unset HOMEOSTAT_DATA WGPU_ADAPTER_NAME WGPU_POWER_PREF
folder=${CARGO_TARGET_DIR:-$PWD/target}/tests
export HOMEOSTAT_SYSTEM_DATA=$folder/no-data-sets XDG_DATA_HOME=$folder/home XDG_CACHE_HOME=$folder/home
# Shaders that Mesa has compiled stay: on software Vulkan most of the time of a GPU test goes into compiling them.
export MESA_SHADER_CACHE_DIR=${MESA_SHADER_CACHE_DIR:-$folder/mesa}
mkdir -p "$MESA_SHADER_CACHE_DIR"

log=$(mktemp)
trap 'rm -f "$log"' EXIT
SECONDS=0
code=0
cargo test --locked --no-fail-fast "$@" 2>&1 | tee "$log" || code=$?

# What cargo prints at the end of each binary, and the names of failed tests.
read -r passed failed ignored < <(awk '
    /^test result: / { for (i = 2; i <= NF; i++) count[$i] += $(i - 1) }
    END { print count["passed;"] + 0, count["failed;"] + 0, count["ignored;"] + 0 }' "$log")
echo
grep -E '^test .* \.\.\. FAILED$' "$log" | sed 's/^test \(.*\) \.\.\. FAILED$/failed: \1/' || true
# A binary that does not build, or crashes, prints no result.
[ "$code" -eq 0 ] || [ "$failed" -gt 0 ] || echo "cargo test failed with code $code before a test did"
echo "$passed passed, $failed failed, $ignored ignored in $((SECONDS / 60)) min $((SECONDS % 60)) s"
exit "$code"
