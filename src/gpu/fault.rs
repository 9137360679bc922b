//! Devices that fail, for the tests: the real calls of a real run, of which one goes wrong.

use super::context::Context;
use std::cell::Cell;

thread_local! {
    /// What this thread's queue is to do wrong, after so many more submits.
    static PLANNED: Cell<Option<(u32, Fault)>> = const { Cell::new(None) };
    /// What it does when it is polled.
    static POLLED: Cell<Option<Fault>> = const { Cell::new(None) };
}

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    /// The device is destroyed.
    Destroyed,
    /// wgpu finds the device lost while it polls, and panics as it does.
    Panics,
    /// The driver says that it has done what it never got.
    Dropped,
    /// It never answers.
    Silent,
    /// A call makes no sense.
    Refused,
    /// It has no memory left for a call. Only reported: software Vulkan promises memory without end.
    Exhausted,
}

/// Has the submit after `submits` others of this thread go wrong.
fn plan(submits: u32, fault: Fault) {
    PLANNED.set(Some((submits, fault)));
}

/// Nothing goes wrong any more.
fn mend() {
    PLANNED.set(None);
    POLLED.set(None);
}

/// Called when a device is polled.
pub fn polled() -> Result<(), wgpu::PollError> {
    match POLLED.get() {
        Some(Fault::Panics) => panic!("Error in Device::poll: Parent device is lost"),
        Some(Fault::Silent) => Err(wgpu::PollError::Timeout),
        _ => Ok(()),
    }
}

/// Called before a submit; returns what is submitted in the place of `encoder`.
pub fn strike(context: &Context, mut encoder: wgpu::CommandEncoder) -> wgpu::CommandEncoder {
    let Some((submits, fault)) = PLANNED.get() else { return encoder };
    PLANNED.set(submits.checked_sub(1).map(|left| (left, fault)));
    if submits > 0 {
        return encoder;
    }
    let device = &context.device;
    match fault {
        Fault::Destroyed => device.destroy(),
        Fault::Panics | Fault::Silent => POLLED.set(Some(fault)),
        Fault::Dropped => return device.create_command_encoder(&Default::default()),
        Fault::Exhausted => context.hear(&wgpu::Error::OutOfMemory { source: "nothing left".into() }),
        Fault::Refused => {
            let [from, to] = [16, 16].map(|size| {
                let usage = wgpu::BufferUsages::COPY_SRC | wgpu::BufferUsages::COPY_DST;
                device.create_buffer(&wgpu::BufferDescriptor { label: None, size, usage, mapped_at_creation: false })
            });
            encoder.copy_buffer_to_buffer(&from, 0, &to, 0, 32);
        }
    }
    encoder
}

mod tests {
    use super::*;
    use crate::cli;
    use crate::config::Config;
    use crate::data::DataSet;
    use crate::error::{Error, Failure};
    use crate::gpu::{GpuEngine, Options, Pick, Plan, Product};
    use crate::train::population::Population;
    use crate::train::trainer::order;
    use std::path::Path;
    use std::sync::Arc;

    fn train(arguments: &[&str]) -> crate::error::Result<()> {
        cli::run(["homeostat", "train", "--quiet"].iter().chain(arguments).map(Into::into))
    }

    /// A run whose device fails in the middle keeps its checkpoint, says how it failed, and goes on to the bytes of a run whose
    /// device did not.
    #[test]
    fn a_run_survives_its_device() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
        let model = |name: &str| std::fs::read(Path::new(&path(name)).join("model.safetensors")).unwrap();
        let options = |out: &str| -> Vec<String> {
            let fixed = ["--data", "iris", "--device", "gpu", "--hidden", "9", "--batch-size", "4", "--epochs", "12"];
            fixed.iter().chain(&["--alpha0", "0.1", "--theta", "0.3", "--out", out]).map(|&s| s.to_owned()).collect()
        };
        let run = |out: &str| train(&options(&path(out)).iter().map(String::as_str).collect::<Vec<_>>());
        run("whole").unwrap();
        for (fault, failure, code) in [
            (Fault::Destroyed, Failure::Lost, 6),
            (Fault::Panics, Failure::Lost, 6),
            (Fault::Dropped, Failure::Incomplete, 6),
            (Fault::Silent, Failure::TimedOut, 6),
            (Fault::Refused, Failure::Refused, 4),
            (Fault::Exhausted, Failure::OutOfMemory, 4),
        ] {
            let name = format!("{fault:?}");
            let out = Path::new(&path(&name)).to_owned();
            plan(30, fault);
            let error = run(&name).expect_err(&name);
            mend();
            assert!(
                matches!(&error, Error::DeviceFailed { failure: found, .. } if *found == failure),
                "{name}: {error}"
            );
            assert_eq!(error.exit_code(), code, "{error}");
            let log = std::fs::read_to_string(out.join("train.log")).unwrap();
            assert!(log.contains(&error.to_string()) && log.contains("go on with --resume"), "{log}");
            let kept = std::fs::read_dir(out.join("checkpoints")).unwrap().count();
            assert!(kept > 0 && !out.join("result.json").exists(), "{name}");
            train(&["--resume", &path(&name)]).unwrap();
            assert!(model(&name) == model("whole"), "{name}");
        }
    }

    /// A population that the device has no memory for is trained in parts, with the records of one that was not cut.
    #[test]
    fn a_sweep_cuts_what_does_not_fit() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
        let sweep = |arguments: &[&str]| cli::run(["homeostat", "sweep"].iter().chain(arguments).map(Into::into));
        let toml = "name = \"cut\"\nseeds = 5\n[base]\ndata = \"iris\"\nhidden = [9]\nepochs = 3\ndevice = \"gpu\"\n[[arm]]\nname = \"a\"\n";
        std::fs::write(path("cut.toml"), toml).unwrap();
        let plan_file = path("plan.jsonl");
        sweep(&["plan", &path("cut.toml"), "--out", &plan_file]).unwrap();
        let results = |name: &str, fault: Option<Fault>| {
            if let Some(fault) = fault {
                plan(2, fault);
            }
            let done = sweep(&["run", &plan_file, "--out", &path(name)]);
            mend();
            done.map(|()| {
                let merged = path(&format!("{name}.merged"));
                sweep(&["merge", &plan_file, "--results", &path(name), "--out", &merged]).unwrap();
                std::fs::read_to_string(merged).unwrap()
            })
        };
        let whole = results("whole", None).unwrap();
        assert_eq!(whole.lines().count(), 5);
        assert!(results("cut", Some(Fault::Exhausted)).unwrap() == whole);
        // What no smaller population would mend is not tried again.
        let error = results("refused", Some(Fault::Refused)).unwrap_err();
        assert!(matches!(error, Error::DeviceFailed { failure: Failure::Refused, .. }), "{error}");
    }

    /// Work that was never done is noticed at the next readback, whatever kernels do it and in a population too.
    #[test]
    fn no_kernel_loses_work_in_silence() {
        let config = Config::default().hidden([9, 6]).batch_size(4);
        let data = Arc::new(DataSet::open("iris").unwrap());
        let members = vec![config.clone(), config.seed(7)];
        let population = Arc::new(Population::new(members, data, None).unwrap());
        let state = population.initial_state();
        let plans = [Product::Tiled, Product::Register].map(|product| Plan::guess(product, &population));
        let persistent = Plan { persistent: true, ..plans[1].clone() };
        for chosen in plans.into_iter().chain([persistent]) {
            let options = Options { plan: Some(chosen.clone()), checked: true, ..Options::default() };
            let context = Context::open(&Pick::Any).expect("the GPU tests need an adapter");
            let mut engine = GpuEngine::with_options(context, Arc::clone(&population), &state, options).unwrap();
            for lost in [false, true, false] {
                engine.set_state(&state).unwrap();
                engine.train(0..3, None).unwrap();
                engine.state().unwrap();
                if lost {
                    plan(0, Fault::Dropped);
                }
                engine.train(3..4, Some(1)).unwrap();
                // Submits what is recorded, so that this step alone is lost.
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
}
