//! The golden cases: every engine reproduces them to 2e-3 relative.

use crate::cases::golden;
use crate::harness::{ENGINES, Make};
use homeostat::gpu::{Context, GpuEngine, Pick};
use homeostat::train::blocking::Blocking;

#[test]
fn the_engines_reproduce_them() {
    let mut failures = vec![];
    for (name, make) in ENGINES {
        for case in golden() {
            failures.extend(case.check(make, 2e-3, 1e-5).err().map(|e| format!("{name}: {e}")));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// The engine as a user gets it: the family that fits the adapter, unchecked. On software Vulkan its big tiles take long
/// to compile, so a few cases must do.
#[test]
fn the_default_gpu_engine_reproduces_some() {
    let make: Make = |population, state| {
        let context = Context::open(&Pick::Any).expect("the GPU tests need an adapter; tests/run.sh installs one");
        Blocking(Box::new(GpuEngine::new(context, population, state).unwrap()))
    };
    let failures: Vec<String> =
        golden().iter().step_by(4).filter_map(|case| case.check(make, 2e-3, 1e-5).err()).collect();
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}
