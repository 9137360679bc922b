//! `environment.json`: what a run was made on.

use crate::gpu::{AdapterSummary, Context};
use crate::train::engine::DeviceInfo;
use serde::Serialize;

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
        let commit = std::process::Command::new("git").args(["rev-parse", "HEAD"]).output();
        let commit = commit.ok().filter(|output| output.status.success()).map(|output| output.stdout);
        Self {
            device,
            adapter: adapters.into_iter().find(|adapter| adapter.name == device.adapter),
            version: env!("CARGO_PKG_VERSION"),
            system: std::env::consts::OS,
            architecture: std::env::consts::ARCH,
            threads: std::thread::available_parallelism().map_or(1, usize::from),
            git: commit.and_then(|bytes| String::from_utf8(bytes).ok()).map(|text| text.trim().to_owned()),
        }
    }
}
