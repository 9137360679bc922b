//! The program started as its users start it, and a folder of its own for what it reads and writes.

use crate::isolated::program;
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

/// What the program does with these arguments, started in a folder that goes when it ends: runs are kept by default.
pub fn homeostat(arguments: &[&str]) -> Output {
    let folder = tempfile::tempdir().expect("a folder");
    command(arguments).current_dir(folder.path()).output().expect("the program starts")
}

pub fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("UTF-8")
}

/// stdout of an outcome that must be a success.
pub fn success(arguments: &[&str], output: &Output) -> String {
    assert!(output.status.success(), "{arguments:?}: {}", text(&output.stderr));
    text(&output.stdout)
}

/// stderr of an outcome that must be a failure with `code`, and no panic.
pub fn failure(arguments: &[&str], code: i32, output: &Output) -> String {
    let stderr = text(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {stderr}");
    assert!(!stderr.contains("panicked"), "{stderr}");
    stderr
}

/// stdout of a run that must succeed.
pub fn succeed(arguments: &[&str]) -> String {
    success(arguments, &homeostat(arguments))
}

/// stdout and stderr of a run that must succeed.
pub fn both(arguments: &[&str]) -> (String, String) {
    let output = homeostat(arguments);
    (success(arguments, &output), text(&output.stderr))
}

/// stderr of a run that must end with `code`.
pub fn fail(arguments: &[&str], code: i32) -> String {
    failure(arguments, code, &homeostat(arguments))
}

/// A run that must end with `code` and a message that contains all `parts`.
pub fn refused(arguments: &[&str], code: i32, parts: &[&str]) {
    let message = fail(arguments, code);
    for part in parts {
        assert!(message.contains(part), "{arguments:?}: `{part}` is not in `{message}`");
    }
}

/// The objects in a file of lines.
pub fn lines(path: &Path) -> Vec<Value> {
    std::fs::read_to_string(path).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The metrics of the run in a directory.
pub fn metrics(run: &Path) -> Vec<Value> {
    lines(&run.join("metrics.jsonl"))
}

/// Names of the checkpoints of the run in a directory, the oldest first.
pub fn checkpoints(run: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(run.join("checkpoints")).unwrap();
    let mut names: Vec<String> = entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.retain(|name| !name.starts_with('.'));
    names.sort();
    names
}

/// What must not differ between two runs of the same settings.
pub fn without_times(mut metrics: Vec<Value>) -> Vec<Value> {
    for line in &mut metrics {
        let object = line.as_object_mut().unwrap();
        object.remove("seconds");
        object.remove("samples_per_second");
    }
    metrics
}

/// A folder that goes with the test.
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

    /// Writes a file, in a folder of its own where `name` says so; returns its path.
    pub fn write(&self, name: &str, content: &str) -> String {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
        self.name(name)
    }
}
