//! The files of a run: `metrics.jsonl` as it goes, `model.safetensors` and `result.json` at the end, or one record among
//! many. Other programs rely on their contents; a file that exists under its final name is complete.

mod confusion;
mod model;
mod predict;
mod record;
mod result;
mod trace;

pub use confusion::{ClassScore, Confusion};
pub use model::{Alpha, Model, ModelLayer, Tensor};
pub use predict::Predictions;
pub use record::Record;
pub use result::RunResult;
pub use trace::Trace;

use crate::config::Config;
use crate::error::{Error, Result};
use crate::population::MemberState;
use crate::topology::Topology;
use crate::trainer::EpochMetrics;
use serde::Serialize;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

/// Name of the metrics file.
pub const METRICS: &str = "metrics.jsonl";
/// Name of the trained model.
pub const MODEL: &str = "model.safetensors";
/// Name of the record written last.
pub const RESULT: &str = "result.json";
/// Name of the trigger trace of a run of ψ.
pub const TRACE: &str = "trace.safetensors";

/// A directory that one run writes to.
#[derive(Debug)]
pub struct RunDirectory {
    path: PathBuf,
    metrics: File,
}

impl RunDirectory {
    /// Refuses a directory that holds another run, unless `force`; changes nothing, so that it can be asked before the
    /// costly parts of starting a run.
    ///
    /// # Errors
    /// Names the files in the way.
    pub fn check(path: &Path, force: bool) -> Result<()> {
        if path.exists() && !path.is_dir() {
            return Err(Error::file(path, "--out needs a directory, and this is a file"));
        }
        let taken: Vec<&str> = [METRICS, MODEL, RESULT].into_iter().filter(|name| path.join(name).exists()).collect();
        if taken.is_empty() || force {
            return Ok(());
        }
        Err(Error::file(
            path,
            format!("already holds a run ({}); give another --out, or --force to replace it", taken.join(", ")),
        ))
    }

    /// Creates the directory, removes the files of an earlier run if `force`, and starts `metrics.jsonl`.
    ///
    /// # Errors
    /// As [`Self::check`], or if the file system refuses.
    pub fn create(path: &Path, force: bool) -> Result<Self> {
        Self::check(path, force)?;
        fs::create_dir_all(path).map_err(|e| Error::file(path, format!("cannot create the directory: {e}")))?;
        for name in [RESULT, MODEL, TRACE] {
            let file = path.join(name);
            match fs::remove_file(&file) {
                Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(Error::file(file, e)),
                _ => {}
            }
        }
        let file = path.join(METRICS);
        let metrics = File::create(&file).map_err(|e| Error::file(file, e))?;
        Ok(Self { path: path.to_owned(), metrics })
    }

    /// The directory.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Appends one line to `metrics.jsonl`.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn append(&mut self, metrics: &EpochMetrics) -> Result<()> {
        let line = to_json(metrics)? + "\n";
        self.metrics
            .write_all(line.as_bytes())
            .and_then(|()| self.metrics.flush())
            .map_err(|e| Error::file(self.path.join(METRICS), e))
    }

    /// Writes `model.safetensors`.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn save_model(&self, config: &Config, topology: &Topology, state: &MemberState) -> Result<()> {
        Model::from_state(config, topology, state)?.write(&self.path.join(MODEL))
    }

    /// Writes `result.json`, which says that the run is complete.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn finish(self, result: &RunResult) -> Result<()> {
        self.metrics.sync_all().map_err(|e| Error::file(self.path.join(METRICS), e))?;
        write_atomic(&self.path.join(RESULT), (to_json(result)? + "\n").as_bytes())
    }
}

/// One line of JSON.
///
/// # Errors
/// Never for the types of this crate.
pub fn to_json(value: &impl Serialize) -> Result<String> {
    serde_json::to_string(value).map_err(|e| Error::Run(format!("cannot be written as JSON: {e}")))
}

/// Writes a file so that under its name there is the old content or the new, never a part of it.
///
/// # Errors
/// If it cannot be written; the old file is then still there.
pub fn write_atomic(path: &Path, bytes: &[u8]) -> Result<()> {
    let directory = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    // Two machines may share a directory, and in containers every program is process 1: the time tells them apart.
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    let temporary = directory.join(format!(".{name}.{}.{:x}.tmp", std::process::id(), now.as_nanos()));
    let write = || -> std::io::Result<()> {
        let mut file = File::create(&temporary)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&temporary, path)?;
        // The new name is durable once the directory is; only Unix lets a directory be opened for that.
        #[cfg(unix)]
        File::open(directory)?.sync_all()?;
        Ok(())
    };
    write().map_err(|e| {
        let _ = fs::remove_file(&temporary);
        Error::file(path, format!("cannot be written: {e}"))
    })
}
