//! `environment.json`: what a run was made on.

use crate::gpu::{AdapterSummary, Context};
use crate::train::engine::DeviceInfo;
use serde::Serialize;
use std::io::Read;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Time for git to answer. A folder of a stranger may hold a repository that makes git wait for ever.
const PATIENCE: Duration = Duration::from_secs(2);

/// The contents of `environment.json`.
#[derive(Serialize)]
pub(super) struct Environment<'a> {
    device: &'a DeviceInfo,
    /// Limits and kind of the adapter, where the engine is the GPU's.
    adapter: Option<AdapterSummary>,
    version: &'static str,
    system: &'static str,
    architecture: &'static str,
    threads: usize,
    /// Commit of the working directory, where that is a repository.
    git: Option<String>,
}

impl<'a> Environment<'a> {
    pub async fn new(device: &'a DeviceInfo) -> Self {
        let adapters = if device.engine == "gpu" { Context::adapters().await.unwrap_or_default() } else { vec![] };
        Self {
            device,
            adapter: adapters.into_iter().find(|adapter| adapter.name == device.adapter),
            version: env!("CARGO_PKG_VERSION"),
            system: std::env::consts::OS,
            architecture: std::env::consts::ARCH,
            threads: std::thread::available_parallelism().map_or(1, usize::from),
            git: commit(Path::new(".")),
        }
    }
}

/// The commit of the repository around `folder`, if git answers in time.
pub fn commit(folder: &Path) -> Option<String> {
    let mut git = Command::new("git");
    git.current_dir(folder)
        .args(["rev-parse", "HEAD"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    let mut git = git.spawn().ok()?;
    let started = Instant::now();
    let ended = loop {
        match git.try_wait() {
            Ok(None) if started.elapsed() < PATIENCE => std::thread::sleep(Duration::from_millis(5)),
            Ok(Some(status)) => break status.success(),
            _ => break false,
        }
    };
    if !ended {
        let _ = git.kill();
        let _ = git.wait();
        return None;
    }
    // A hash has 40 or 64 digits.
    let mut text = String::new();
    git.stdout.take()?.take(65).read_to_string(&mut text).ok()?;
    Some(text.trim().to_owned()).filter(|text| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_hexdigit()))
}
