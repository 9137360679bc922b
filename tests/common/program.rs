//! The program, started as users start it, and a temporary folder for its files.

use crate::isolated::program;
use homeostat::train::metrics::Metric;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use tempfile::TempDir;

/// The program with these arguments, not yet started.
pub fn command(arguments: &[&str]) -> Command {
    let mut command = program();
    command.args(arguments);
    command
}

/// Runs the program with these arguments, in a temporary folder because `train` writes its run into the current folder.
pub fn homeostat(arguments: &[&str]) -> Output {
    let folder = tempfile::tempdir().expect("a folder");
    command(arguments).current_dir(folder.path()).output().expect("the program starts")
}

pub fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("UTF-8")
}

/// Asserts success and returns stdout.
pub fn success(arguments: &[&str], output: &Output) -> String {
    assert!(output.status.success(), "{arguments:?}: {}", text(&output.stderr));
    text(&output.stdout)
}

/// Asserts exit code `code` and no panic, and returns stderr.
pub fn failure(arguments: &[&str], code: i32, output: &Output) -> String {
    let stderr = text(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {stderr}");
    assert!(!stderr.contains("panicked"), "{stderr}");
    stderr
}

/// Runs the program, asserts success and returns stdout.
pub fn succeed(arguments: &[&str]) -> String {
    success(arguments, &homeostat(arguments))
}

/// Runs the program, asserts success and returns stdout and stderr.
pub fn both(arguments: &[&str]) -> (String, String) {
    let output = homeostat(arguments);
    (success(arguments, &output), text(&output.stderr))
}

/// Runs the program, asserts exit code `code` and returns stderr.
pub fn fail(arguments: &[&str], code: i32) -> String {
    failure(arguments, code, &homeostat(arguments))
}

/// Runs the program and asserts exit code `code` and a message that contains all `parts`.
pub fn refused(arguments: &[&str], code: i32, parts: &[&str]) {
    let message = fail(arguments, code);
    for part in parts {
        assert!(message.contains(part), "{arguments:?}: `{part}` is not in `{message}`");
    }
}

/// The objects in a JSON Lines file.
pub fn lines(path: &Path) -> Vec<Value> {
    std::fs::read_to_string(path).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The metrics of the run in directory `run`.
pub fn metrics(run: &Path) -> Vec<Value> {
    lines(&run.join("metrics.jsonl"))
}

/// Names of the checkpoints of the run in directory `run`, oldest first.
pub fn checkpoints(run: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(run.join("checkpoints")).unwrap();
    let mut names: Vec<String> = entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.retain(|name| !name.starts_with('.'));
    names.sort();
    names
}

/// Whether the value of this key tells what a run took, not what the run gave.
pub fn is_cost(key: &str) -> bool {
    Metric::named(key).is_some_and(|metric| metric.is_cost)
}

/// The metrics without times and operations. Two runs of the same settings may differ in these only.
pub fn without_costs(mut metrics: Vec<Value>) -> Vec<Value> {
    for line in &mut metrics {
        line.as_object_mut().unwrap().retain(|key, _| !is_cost(key));
    }
    metrics
}

/// A temporary folder, deleted at the end of the test.
pub struct Folder(pub TempDir);

impl Folder {
    pub fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub fn name(&self, name: &str) -> String {
        self.path(name).to_str().unwrap().to_owned()
    }

    /// Writes a file, with the folders that `name` contains, and returns its path.
    pub fn write(&self, name: &str, content: &str) -> String {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
        self.name(name)
    }
}
