//! Tests with drivers that lose work, see `device/fault.rs`.

use crate::config::Config;
use crate::data::DataSet;
use crate::error::{Error, Failure};
use crate::gpu::device::fault::{Fault, plan};
use crate::gpu::{Context, GpuEngine, Options, Persistent, Pick, Plan, Product};
use crate::train::blocking::Blocking;
use crate::train::population::Population;
use crate::train::trainer::order;
use std::sync::Arc;

/// The next readback notices lost work, for every kind of kernel and every member.
#[test]
fn no_kernel_loses_work_in_silence() {
    let config = Config::default().hidden([9, 6]).batch_size(4);
    let data = Arc::new(DataSet::open("iris").unwrap());
    let members = vec![config.clone(), config.seed(7)];
    let population = Arc::new(Population::new(members, data, None).unwrap());
    let state = population.initial_state();
    let plans = [Product::TILED, Product::Register].map(|product| Plan::guess(product, &population));
    let forms = [Persistent::SERIAL, Persistent { workgroup: 256, parallel: true }];
    let persistent = forms.map(|form| Plan { persistent: Some(form), ..plans[1].clone() });
    for chosen in plans.into_iter().chain(persistent) {
        let options = Options { plan: Some(chosen.clone()), checked: true, ..Options::default() };
        let context = Context::open(&Pick::Any).expect("the GPU tests need an adapter");
        let engine = GpuEngine::with_options(context, Arc::clone(&population), &state, options).unwrap();
        let mut engine = Blocking(Box::new(engine));
        for lost in [false, true, false] {
            engine.set_state(&state).unwrap();
            engine.train(0..3, None).unwrap();
            engine.state().unwrap();
            if lost {
                plan(0, Fault::Dropped);
            }
            engine.train(3..4, Some(1)).unwrap();
            // Submits the recorded work, so that only this step is lost.
            engine.set_order(&order(&population, 1)).unwrap();
            engine.train(4..6, None).unwrap();
            match (engine.observed_means().err().or_else(|| engine.state().err()), lost) {
                (None, false) => {}
                (Some(Error::DeviceFailed { failure: Failure::Incomplete, reason, .. }), true) => {
                    let told = "layer 1 of member 0 has counted 5 forward passes instead of 6";
                    assert!(reason.contains(told), "{reason}");
                }
                (error, _) => panic!("{lost}, {error:?}, {chosen:?}"),
            }
        }
    }
}
