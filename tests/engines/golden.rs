//! The golden cases: every engine reproduces them to 2e-3 relative plus 1e-5.

use crate::cases::golden;
use crate::harness::{ENGINES, Make};
use crate::thorough::is_thorough;
use homeostat::gpu::{Context, GpuEngine, Pick};
use homeostat::train::blocking::Blocking;

/// Without `THOROUGH` each GPU engine takes every third case, because software Vulkan compiles kernels for every case. The
/// CPU engine, which computes the same table of rules, takes all.
#[test]
fn every_engine_reproduces_golden_cases() {
    let mut failures = vec![];
    for (place, (name, make)) in ENGINES.into_iter().enumerate() {
        let (first, step) = if place == 0 || is_thorough() { (0, 1) } else { (place - 1, 3) };
        for case in golden().into_iter().skip(first).step_by(step) {
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
