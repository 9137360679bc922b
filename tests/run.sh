#!/usr/bin/env bash
# Runs every test. Where no Vulkan adapter is found, first installs Mesa's software Vulkan (Debian, Ubuntu), because the
# GPU tests fail without an adapter and never skip.
set -euo pipefail
cd "$(dirname "$0")/.."

have_adapter() {
    # A driver manifest is what the Vulkan loader looks for; the loader itself must be there too.
    ldconfig -p | grep -q 'libvulkan\.so\.1' &&
        { [ -n "${VK_DRIVER_FILES:-}${VK_ICD_FILENAMES:-}" ] ||
            compgen -G '/usr/share/vulkan/icd.d/*.json' >/dev/null ||
            compgen -G '/etc/vulkan/icd.d/*.json' >/dev/null; }
}

if [ "$(uname -s)" = Linux ] && ! have_adapter; then
    if ! command -v apt-get >/dev/null; then
        echo "No Vulkan driver found. Install your distribution's Mesa software Vulkan (lavapipe) and run again." >&2
        exit 1
    fi
    as_root=()
    [ "$(id -u)" -eq 0 ] || as_root=(sudo)
    "${as_root[@]}" apt-get update -qq
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
        mesa-vulkan-drivers libvulkan1 >/dev/null
fi

# Mesa's device-select layer complains on machines without a desktop; it has nothing to select here.
export NODEVICE_SELECT=1
exec cargo test --locked "$@"
