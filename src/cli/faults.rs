//! Runs and sweeps whose device fails, for the tests; see `gpu/device/fault.rs`.

use super::program::run;
use crate::error::{Error, Failure};
use crate::gpu::fault::{Fault, mend, plan};
use std::path::Path;

fn train(arguments: &[&str]) -> crate::error::Result<()> {
    run(["homeostat", "train", "--quiet"].iter().chain(arguments).map(Into::into))
}

/// A run whose device fails in the middle keeps its checkpoint and says how it failed. Once resumed, it ends with the same
/// bytes as a run whose device did not fail.
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
        assert!(matches!(&error, Error::DeviceFailed { failure: found, .. } if *found == failure), "{name}: {error}");
        assert_eq!(error.exit_code(), code, "{error}");
        let log = std::fs::read_to_string(out.join("train.log")).unwrap();
        assert!(log.contains(&error.to_string()) && log.contains("is kept") && log.contains("can be resumed"), "{log}");
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
    let sweep = |arguments: &[&str]| run(["homeostat", "sweep"].iter().chain(arguments).map(Into::into));
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
