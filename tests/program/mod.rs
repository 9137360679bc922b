//! The program started as its users start it, and a folder of its own for what it reads and writes.

#![allow(dead_code)]

use std::path::PathBuf;
use std::process::{Command, Output};
use tempfile::TempDir;

/// What the program does with these arguments.
pub fn homeostat(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_homeostat")).args(arguments).output().expect("the program starts")
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

/// stderr of a run that must end with `code`.
pub fn fail(arguments: &[&str], code: i32) -> String {
    failure(arguments, code, &homeostat(arguments))
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

    pub fn write(&self, name: &str, content: &str) -> String {
        std::fs::write(self.path(name), content).unwrap();
        self.name(name)
    }
}
