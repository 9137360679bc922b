#!/usr/bin/env bash
# Runs every test, or the tests that the arguments of `cargo test` select. Ends with the numbers of passed and failed
# tests and the time they took. A failing test binary does not keep the others from running.
#
# First installs missing prerequisites on Debian or Ubuntu, because tests without them fail and never skip. These are Mesa's
# software Vulkan on machines without an adapter, and Khronos's SPIR-V validator.
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
# Settings and data sets of the user must not decide a test. The choice of a back end stays, because `tests/backends.sh`
# sets it. `tests/common/isolated.rs` isolates the programs that tests start.
unset HOMEOSTAT_DATA WGPU_ADAPTER_NAME WGPU_POWER_PREF
folder=${CARGO_TARGET_DIR:-$PWD/target}/tests
export HOMEOSTAT_SYSTEM_DATA=$folder/no-data-sets XDG_DATA_HOME=$folder/home XDG_CACHE_HOME=$folder/home
# Mesa's compiled shaders are kept, because on software Vulkan a GPU test spends most of its time on compiling shaders.
export MESA_SHADER_CACHE_DIR=${MESA_SHADER_CACHE_DIR:-$folder/mesa}
mkdir -p "$MESA_SHADER_CACHE_DIR"
# Without LLVM's optimisations they compile in three quarters of the time.
[ -n "${THOROUGH:-}" ] || export GALLIVM_PERF=${GALLIVM_PERF:-nopt}

log=$(mktemp)
trap 'rm -f "$log"' EXIT
SECONDS=0
code=0
cargo test --locked --no-fail-fast "$@" 2>&1 | tee "$log" || code=$?

# Sums the results that cargo prints for each binary, and names the failed tests.
read -r passed failed ignored < <(awk '
    /^test result: / { for (i = 2; i <= NF; i++) count[$i] += $(i - 1) }
    END { print count["passed;"] + 0, count["failed;"] + 0, count["ignored;"] + 0 }' "$log")
echo
grep -E '^test .* \.\.\. FAILED$' "$log" | sed 's/^test \(.*\) \.\.\. FAILED$/failed: \1/' || true
# A binary that does not build, or crashes, prints no result.
[ "$code" -eq 0 ] || [ "$failed" -gt 0 ] || echo "cargo test failed with code $code before a test did"
echo "$passed passed, $failed failed, $ignored ignored in $((SECONDS / 60)) min $((SECONDS % 60)) s"
exit "$code"
