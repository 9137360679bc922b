#!/usr/bin/env bash
# Runs the GPU tests on drivers other than the default one, and prints one line per group of tests. Not part of the
# ordinary tests, because the script takes up to an hour and needs the Debian packages in parentheses.
#
#   tests/backends.sh BACKEND...    validation    the default Vulkan driver, under Khronos's validation layer with
#                                                 synchronisation validation; its messages count as failures
#                                                 (vulkan-validationlayers)
#                                   gl            wgpu's GL backend on EGL (libegl1 libgles2 libgl1-mesa-dri)
#                                   swiftshader   Chromium's software Vulkan (chromium)
#                                   lavapipe:N    Mesa's software Vulkan in N threads
#
# Environment: GPU_TESTS selects groups, for example "lib/gpu engines/golden": a test binary, then a prefix of test names.
# LOGS is the directory of the logs (default: a new one), LIMIT the seconds per group (default 3600).
set -uo pipefail
cd "$(dirname "$0")/.."
engines=(promises kernels golden rules bits learning regularisers divergence bytes autotune half)
program=(resume reliability limits sweep bench)
read -ra groups <<<"${GPU_TESTS:-lib/gpu ${engines[*]/#/engines/} ${program[*]/#/program/}}"
logs=${LOGS:-$(mktemp -d)}
export NODEVICE_SELECT=1

failed=0
for backend in "$@"; do
    settings=()
    case $backend in
        validation)
            cat >"$logs/vk_layer_settings.txt" <<END
khronos_validation.debug_action = VK_DBG_LAYER_ACTION_LOG_MSG
khronos_validation.log_filename = $logs/messages
khronos_validation.report_flags = error,warn
khronos_validation.enables = VK_VALIDATION_FEATURE_ENABLE_SYNCHRONIZATION_VALIDATION_EXT
END
            # Without debug information, because Debian 12's layer does not know WGSL's number as a source language.
            settings=(WGPU_VALIDATION=1 WGPU_DEBUG=0 "VK_LAYER_SETTINGS_PATH=$logs/vk_layer_settings.txt") ;;
        # wgpu's OpenGL serves one thread at a time, and panics where another one waits for a second.
        gl) settings=(WGPU_BACKEND=gl EGL_PLATFORM=surfaceless RUST_TEST_THREADS=1) ;;
        swiftshader) settings=(VK_DRIVER_FILES="${SWIFTSHADER:-/usr/lib/chromium/vk_swiftshader_icd.json}") ;;
        lavapipe:*) settings=(LP_NUM_THREADS="${backend#*:}") ;;
        *) echo "$backend: no such backend; see the top of $0" >&2; exit 2 ;;
    esac
    for group in "${groups[@]}"; do
        rm -f "$logs/messages"
        name=${group//\//.}
        log=$logs/$backend.$name.log
        # SwiftShader and GL have no f16, so the tests of half precision are skipped there.
        [[ $group != engines/half || ($backend != swiftshader && $backend != gl) ]] || continue
        case $group in
            lib/*) target=(--lib "${group#*/}::" -- $([[ $backend != swiftshader && $backend != gl ]] || echo --skip gpu::half)) ;;
            *) target=(--test "${group%%/*}" "${group#*/}::") ;;
        esac
        SECONDS=0
        env "${settings[@]}" timeout "${LIMIT:-3600}" cargo test --locked --quiet "${target[@]}" >"$log" 2>&1
        code=$?
        [ ! -s "$logs/messages" ] || { mv "$logs/messages" "$logs/$backend.$name.messages"; code=1; }
        [ $code -eq 0 ] || failed=1
        echo "$backend $group $([ $code -eq 0 ] && echo passed || echo FAILED) $(grep '^test result' "$log" | tail -1 | cut -d. -f2 | cut -d\; -f1-3) ${SECONDS} s"
    done
done
echo "logs: $logs"
exit $failed
