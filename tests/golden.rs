//! The golden cases: the oracle to 1e-10, every engine to 2e-3 relative.

mod common;

use common::oracle::Network;
use common::{ENGINES, Make, close, golden};
use homeostat::gpu::{Context, GpuEngine, Pick};

#[test]
fn the_oracle_reproduces_them() {
    let mut failures = vec![];
    for case in golden() {
        let mut network = Network::new(&case.config, &case.initial, case.x.len());
        let after = network.run(&case.x, &case.labels);
        let mut compare = |what: String, got: Vec<f64>, want: Vec<f64>| {
            failures.extend(close(&format!("{}: {what}", case.name), &got, &want, 1e-10, 1e-12).err());
        };
        for (l, layer) in network.layers.iter().enumerate() {
            compare(format!("weights {l}"), layer.w.concat(), case.weights[l].concat());
            compare(format!("α {l}"), network.alphas(l).concat(), case.alpha[l].concat());
        }
        for (epoch, (got, want)) in after.iter().zip(&case.after).enumerate() {
            compare(format!("epoch {epoch}"), vec![got.loss, got.error], vec![want.loss, want.error]);
            compare(format!("mean α, epoch {epoch}"), got.alpha_mean.clone(), want.alpha_mean.clone());
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

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
        Box::new(GpuEngine::new(context, population, state).unwrap())
    };
    let failures: Vec<String> =
        golden().iter().step_by(4).filter_map(|case| case.check(make, 2e-3, 1e-5).err()).collect();
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}
