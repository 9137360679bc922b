//! Sweeps that are killed and run again; each must end like the same sweep left alone.

use super::Soak;
use super::faults::{signal, wait_for};
use crate::isolated::program;
use crate::program::succeed;
use serde_json::json;
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

const SWEEP: &str = r#"
seeds = 6
[base]
data = "iris"
epochs = EPOCHS
val-fraction = 0.2
[[arm]]
name = "psi"
theta = [0.2, 0.4]
[[arm]]
name = "weight"
scope = "weight"
momentum = 0.5
[[arm]]
name = "echo"
rule = "replay"
replay = "shuffle"
trace-of = "psi"
[[arm]]
name = "rprop"
rule = "rprop"
alpha0 = 0.001
"#;

/// A planned sweep, and its results when left alone.
struct Sweep {
    device: &'static str,
    plan: String,
    merged: Vec<u8>,
    time: Duration,
}

/// One sweep for each device.
pub struct Sweeps(Vec<Sweep>);

impl Sweeps {
    pub fn new(soak: &mut Soak) -> Self {
        let sweep = |(device, epochs)| {
            let spec = soak.folder.write("sweep.toml", &SWEEP.replace("EPOCHS", epochs));
            let plan = soak.folder.name(&format!("sweep-{device}.jsonl"));
            succeed(&["sweep", "plan", &spec, "-o", &plan]);
            let mut sweep = Sweep { device, plan, merged: vec![], time: Duration::ZERO };
            let out = soak.folder.path(&format!("sweep-{device}"));
            let started = Instant::now();
            assert!(sweep.start(&out).wait().expect("a sweep").success(), "sweep on {device}");
            sweep.time = started.elapsed();
            println!("sweep on {device}: {:.1?}", sweep.time);
            sweep.merged = sweep.merge(&out);
            sweep
        };
        Self(vec![sweep(("cpu", "400")), sweep(("gpu", "20"))])
    }

    /// Breaks one of the sweeps.
    pub fn break_one(&self, soak: &mut Soak) {
        self.0[soak.choose(self.0.len())].broken(soak);
    }
}

impl Sweep {
    fn start(&self, out: &Path) -> Child {
        let mut command = program();
        command.args(["sweep", "run", &self.plan, "--device", self.device, "-o"]).arg(out);
        command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("the program starts")
    }

    fn merge(&self, out: &Path) -> Vec<u8> {
        let merged = out.with_extension("merged");
        let name = |path: &Path| path.to_str().expect("UTF-8").to_owned();
        succeed(&["sweep", "merge", &self.plan, "--results", &name(out), "-o", &name(&merged)]);
        std::fs::read(merged).expect("merged results")
    }

    /// Kills or stops the sweep up to five times, damages one result, and compares the outcome with the sweep left
    /// alone.
    fn broken(&self, soak: &mut Soak) {
        let device = self.device;
        let out = soak.folder.path("broken-sweep");
        let mut story = vec![];
        for round in 0..=soak.choose(5) {
            let mut child = self.start(&out);
            let after = soak.part_of(self.time);
            if wait_for(&mut child, after).is_some() {
                break;
            }
            let name = ["KILL", "TERM"][soak.choose(2)];
            signal(&child, name);
            if wait_for(&mut child, Duration::from_secs(60)).is_none() {
                soak.wrong(format!("sweep on {device}: SIG{name} was not answered in a minute"));
                child.kill().expect("kill");
            }
            soak.tally.processes += 1;
            soak.tally.fault(&format!("SIG{name} to a sweep"), "run again: continues where it was");
            story.push(json!([name, after.as_secs_f64()]));
            if round == 1 {
                self.damage(soak, &out);
            }
        }
        let finished = self.start(&out).wait().expect("a sweep");
        soak.tally.processes += 1;
        if finished.success() {
            if self.merge(&out) != self.merged {
                soak.wrong(format!("sweep on {device}: {story:?} merged to other bytes"));
            }
        } else {
            soak.wrong(format!("sweep on {device}: {story:?} ended with {finished}"));
        }
        // Leftover files are not checked here: a killed process may leave a hidden unfinished file. Another process
        // cannot tell whether its writer still lives, because processes share the directory.
        soak.tally.sweeps += 1;
        soak.note(&json!({ "sweep": device, "story": story }));
        std::fs::remove_dir_all(&out).expect("the results of a sweep");
    }

    /// Cuts a result short, as a power failure may do.
    fn damage(&self, soak: &mut Soak, out: &Path) {
        let files: Vec<_> = std::fs::read_dir(out.join("runs")).into_iter().flatten().flatten().collect();
        if files.is_empty() {
            return;
        }
        let path = files[soak.choose(files.len())].path();
        let bytes = std::fs::read(&path).expect("a result");
        let place = soak.choose(bytes.len());
        std::fs::write(&path, &bytes[..place]).expect("a result");
        soak.tally.fault("result of a sweep cut short", "trained again");
    }
}
