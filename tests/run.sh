#!/usr/bin/env bash
# Runs every test. First installs missing prerequisites (on Debian or Ubuntu), because tests without them fail and never
# skip: Mesa's software Vulkan on machines without an adapter, and Khronos's SPIR-V validator.
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
exec cargo test --locked "$@"
