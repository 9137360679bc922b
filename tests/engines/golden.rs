//! The golden cases: every engine reproduces them to 2e-3 relative plus 1e-5.

use crate::cases::golden;
use crate::harness::{ENGINES, Make};
use homeostat::gpu::{Context, GpuEngine, Pick};
use homeostat::train::blocking::Blocking;

#[test]
fn every_engine_reproduces_golden_cases() {
    let mut failures = vec![];
    for (name, make) in ENGINES {
        for case in golden() {
            failures.extend(case.check(make, 2e-3, 1e-5).err().map(|e| format!("{name}: {e}")));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// The GPU engine with a user's defaults: the kernel family that fits the adapter, without bounds checks. Only every
/// fourth case runs, because big tiles take long to compile on software Vulkan.
#[test]
fn the_default_gpu_engine_reproduces_some_golden_cases() {
    let make: Make = |population, state| {
        let context = Context::open(&Pick::Any).expect("the GPU tests need an adapter; tests/run.sh installs one");
        Blocking(Box::new(GpuEngine::new(context, population, state).unwrap()))
    };
    let failures: Vec<String> =
        golden().iter().step_by(4).filter_map(|case| case.check(make, 2e-3, 1e-5).err()).collect();
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}
