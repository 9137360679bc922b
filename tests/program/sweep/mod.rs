//! Tests sweeps. A packed run equals the same run alone, bit for bit. No run is lost or trained twice, however the
//! sweep is shared or interrupted.

mod cluster;
mod plan;
mod run;

use crate::isolated::program;
use crate::program::{Folder, failure, is_cost, success, text};
use homeostat::config::Config;
use homeostat::data::Search;
use homeostat::files::to_json;
use homeostat::sweep::{Plan, Shard, Sweep};
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

impl Folder {
    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = program();
        command.args(arguments).current_dir(self.0.path());
        command
    }

    fn output(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().expect("the program starts")
    }

    /// Runs the program in this folder, asserts success and returns stdout.
    fn succeed(&self, arguments: &[&str]) -> String {
        success(arguments, &self.output(arguments))
    }

    /// Runs the program in this folder, asserts exit code `code` and returns stderr.
    fn fail(&self, arguments: &[&str], code: i32) -> String {
        failure(arguments, code, &self.output(arguments))
    }

    /// Writes the file `sweep` and plans the sweep.
    fn plan(&self, sweep: &str) -> Plan {
        std::fs::write(self.path("s.toml"), sweep).unwrap();
        self.succeed(&["sweep", "plan", "s.toml", "-o", "s.jsonl"]);
        Plan::read(&self.path("s.jsonl")).unwrap()
    }

    fn record(&self, results: &str, id: &str) -> Value {
        json(&self.path(&format!("{results}/runs/{id}.json")))
    }

    fn runs(&self, results: &str) -> BTreeSet<String> {
        let entries = std::fs::read_dir(self.path(results).join("runs")).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    fn merged(&self, results: &str) -> String {
        self.succeed(&["sweep", "merge", "s.jsonl", "--results", results])
    }
}

fn json(path: &Path) -> Value {
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn without_costs(value: &Value) -> Value {
    let mut value = value.clone();
    let object = value.as_object_mut().unwrap();
    object.retain(|key, _| !is_cost(key));
    value
}

const IRIS: &str = "name = \"test\"\n[base]\npreset = \"author-2026\"\nepochs = 6\ndevice = \"cpu\"\n";

fn iris(seeds: &str, arms: &str) -> String {
    format!("seeds = {seeds}\n{IRIS}{arms}")
}

/// The error of planning `sweep`.
fn refusal(sweep: &str) -> String {
    let folder = Folder::new();
    std::fs::write(folder.path("s.toml"), sweep).unwrap();
    match Sweep::read(&folder.path("s.toml")).and_then(|sweep| Plan::new(&sweep, &Search::new(None))) {
        Ok(_) => panic!("not refused: {sweep}"),
        Err(error) => error.to_string(),
    }
}

const MIXED: &str = r#"
[random]
alpha0 = { min = 0.01, max = 1.0, log = true }
warmup = { min = 0, max = 3 }
[[arm]]
name = "control"
trace-of = "psi"
replay = ["layer", "shuffle"]
[[arm]]
name = "psi"
theta = [10.0, 20.0]
decay = ["linear", "log"]
[[arm]]
name = "one control"
trace-of = "psi decay=log theta=20.0"
replay = "global"
[[arm]]
name = "tuned"
rule = "constant"
random = 3
hidden = [[9], [5, 4]]
[[arm]]
name = "chosen"
rule = "constant"
random = 2
alpha0 = 0.25
momentum = { choice = [0.5, 0.9] }
"#;
