//! The results directory: one file per finished run.
//!
//! Files are written atomically, so that any number of processes may share the directory and any of them may die.
//!
//! ```text
//! plan.id                name, hash and arms of the plan; the results of another plan are refused
//! runs/ID.json           the record of a finished run
//! models/ID.safetensors  its network, with --keep-models
//! traces/ID.safetensors  its trigger times, if another run replays them
//! ```

use super::plan::{Plan, PlannedRun, TRACES, tensors};
use crate::config::Config;
use crate::error::{Error, Result};
use crate::files::{self, Entry, Folder, to_json};
use crate::run::{PLAN_ID, failure};
use crate::text::{named, quoted};
use crate::train::engine::{DeviceInfo, NonFinite};
use crate::train::metrics::EpochMetrics;
use serde::{Deserialize, Serialize};
use std::collections::{HashMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The folder of the records.
pub const RUNS: &str = "runs";
const MODELS: &str = "models";
/// Everything that results have in their directory.
pub const PARTS: [&str; 4] = [PLAN_ID, RUNS, MODELS, TRACES];

/// Age after which an unfinished file is deleted. No process takes so long to write a file, so its process has died.
const UNFINISHED: Duration = Duration::from_secs(24 * 60 * 60);

/// The contents of `runs/ID.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunRecord {
    /// Id of the run, from the plan.
    pub id: String,
    /// Arm of the run, from the plan.
    pub arm: String,
    /// Seed of the run, from the plan.
    pub seed: u64,
    /// Whether the loss stopped being finite. `last` then holds the last epoch before that.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub diverged: bool,
    /// The epoch in which the run diverged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epoch: Option<u32>,
    /// The step and the layer in which the run diverged, as far as they are known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first: Option<NonFinite>,
    /// Why the run could not be trained: its source run diverged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub skipped: Option<String>,
    /// Metrics of the last epoch; `None` if the run diverged in its first epoch.
    #[serde(rename = "final", default, skip_serializing_if = "Option::is_none")]
    pub last: Option<EpochMetrics>,
    /// Configuration of the run, from the plan.
    pub config: Config,
    /// Checksums of the samples and, after a space, of the file of `init`, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sources: Option<String>,
    /// The device that trained the run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<DeviceInfo>,
    /// Version of the program.
    pub version: String,
    /// Wall-clock seconds of the population in which the run trained.
    pub seconds: f64,
    /// Number of runs in that population.
    pub members: usize,
    /// Metrics of all epochs, with `--keep-epochs`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epochs: Option<Vec<EpochMetrics>>,
}

impl RunRecord {
    /// Why the run has no outcome; `None` if it has one.
    #[must_use]
    pub fn failure(&self) -> Option<String> {
        failure(self.diverged, self.epoch, self.first, self.skipped.is_some())
    }

    /// The record of a run that was never trained, because of `reason`.
    pub(super) fn skipped(run: &PlannedRun, reason: String) -> Self {
        Self {
            id: run.id.clone(),
            arm: run.arm.clone(),
            seed: run.seed,
            diverged: false,
            epoch: None,
            first: None,
            skipped: Some(reason),
            last: None,
            config: run.config.clone(),
            sources: None,
            device: None,
            version: env!("CARGO_PKG_VERSION").into(),
            seconds: 0.0,
            members: 0,
            epochs: None,
        }
    }
}

/// The checksum of each data set and of each file of `init` in the records. All runs of a plan must agree on them.
#[derive(Debug, Default)]
pub(super) struct Sources(HashMap<String, String>);

impl Sources {
    /// Checks that the checksums in `sources` equal those of other runs with the same data set or file of `init`.
    pub fn hold(&mut self, results: &Path, config: &Config, sources: &str) -> Result<()> {
        let names = [format!("samples of {}", config.data.source)].into_iter();
        let names = names.chain(config.network.init.as_ref().map(|init| format!("weights of {}", init.display())));
        for (name, checksum) in names.zip(sources.split(' ')) {
            let known = self.0.entry(name.clone()).or_insert_with(|| checksum.to_owned());
            if known != checksum {
                return Err(Error::file(
                    results,
                    format!(
                        "holds records of runs on other {name}; put back what they were trained on, or train all runs anew with \
                         another `results`"
                    ),
                ));
            }
        }
        Ok(())
    }
}

#[derive(PartialEq, Serialize, Deserialize)]
struct Owner {
    name: String,
    hash: String,
    /// The arms in order. Readers of the records need the order, because the names of files have none.
    #[serde(default)]
    arms: Vec<String>,
}

impl Owner {
    fn of(plan: &Plan) -> Self {
        let arms = plan.arms().into_iter().map(str::to_owned).collect();
        Self { name: plan.name.clone(), hash: plan.hash.clone(), arms }
    }
}

/// The directory of results of one plan.
#[derive(Clone, Debug)]
pub struct Results {
    path: PathBuf,
}

impl Results {
    /// The default directory: beside the plan, with its name without `.jsonl`.
    #[must_use]
    pub fn beside(plan: &Path) -> PathBuf {
        match plan.extension() {
            Some(_) => plan.with_extension(""),
            None => plan.with_extension("results"),
        }
    }

    /// Claims `path` for the results of `plan` and creates missing directories. Deletes files that dead processes left
    /// unfinished.
    ///
    /// # Errors
    /// If the directory holds the results of another plan, or if the file system refuses.
    pub fn create(path: &Path, plan: &Plan) -> Result<Self> {
        if path.to_str().is_none() {
            return Err(Error::file(
                path,
                "its name is no UTF-8, as records need it; give `results` another directory",
            ));
        }
        let results = Self { path: path.to_owned() };
        for part in [RUNS, MODELS, TRACES] {
            let folder = results.folder(part);
            folder.make()?;
            folder.remove_unfinished(UNFINISHED)?;
        }
        if !results.belongs_to(plan)? {
            results.claim(plan)?;
        }
        Ok(results)
    }

    /// Passes the directory on from the plan `from` to `plan`, which has all runs of `from` and more.
    ///
    /// # Errors
    /// If a run is missing from `plan`, if the directory holds the results of a third plan, or if the file system refuses.
    pub fn grow(path: &Path, from: &Plan, plan: &Plan) -> Result<()> {
        let results = Self { path: path.to_owned() };
        if !plan.covers(from) {
            return Err(Error::file(path, "holds the results of a plan with other runs; give another directory"));
        }
        // A process that was killed right after this call has claimed the directory already.
        if results.belongs_to(plan).is_err() {
            results.belongs_to(from)?;
        }
        results.claim(plan)
    }

    fn claim(&self, plan: &Plan) -> Result<()> {
        let folder = Folder::at(&self.path);
        folder.entry(PLAN_ID).write((to_json(&Owner::of(plan))? + "\n").as_bytes())
    }

    /// Opens the results of `plan` in `path`, which may not exist yet.
    ///
    /// # Errors
    /// If the directory holds the results of another plan.
    pub fn open(path: &Path, plan: &Plan) -> Result<Self> {
        let results = Self { path: path.to_owned() };
        results.belongs_to(plan).map(|_| results)
    }

    /// Whether the directory is recorded as that of the plan; `false` if the record is missing or has no arms; an error if
    /// the directory belongs to another plan.
    fn belongs_to(&self, plan: &Plan) -> Result<bool> {
        let path = self.path.join(PLAN_ID);
        let Some(text) = files::text_if_present(&path, files::RECORD)? else { return Ok(false) };
        let owner: Owner = serde_json::from_str(&text).map_err(|e| Error::file(&path, e))?;
        if owner.hash == plan.hash {
            // Older versions recorded no arms.
            return Ok(owner.arms == plan.arms());
        }
        Err(Error::file(
            &self.path,
            format!(
                "holds the results of another plan ({}, hash {}; this one has {}); give another directory",
                quoted(&owner.name),
                named(&owner.hash),
                plan.hash
            ),
        ))
    }

    /// Path of the directory.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Ids of the finished runs.
    ///
    /// # Errors
    /// If the directory cannot be read.
    pub fn finished(&self) -> Result<HashSet<String>> {
        let folder = self.path.join(RUNS);
        let entries = match fs::read_dir(&folder) {
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(HashSet::new()),
            entries => entries.and_then(Iterator::collect::<std::io::Result<Vec<_>>>),
        };
        let entries = entries.map_err(|e| Error::file(&folder, e))?;
        // Names that begin with a dot are files that another process is writing. No id begins with a dot.
        let id = |entry: fs::DirEntry| Some(entry.file_name().to_str()?.strip_suffix(".json")?.to_owned());
        Ok(entries.into_iter().filter_map(id).collect())
    }

    /// The record of the finished run `id`.
    ///
    /// # Errors
    /// If the record is missing, damaged, or of another run.
    pub fn record(&self, id: &str) -> Result<RunRecord> {
        let path = self.record_path(id);
        let text = files::text(&path, files::RECORD)?;
        let record: RunRecord =
            serde_json::from_str(&text).map_err(|e| Error::file(&path, format!("is no record of a run: {e}")))?;
        match record.id == id {
            true => Ok(record),
            false => Err(Error::file(
                path,
                format!("is the record of another run, {}; `sweep run` trains it again", quoted(&record.id)),
            )),
        }
    }

    pub(super) fn write(&self, record: &RunRecord) -> Result<()> {
        self.folder(RUNS).entry(format!("{}.json", record.id)).write((to_json(record)? + "\n").as_bytes())
    }

    fn folder(&self, name: &str) -> Folder {
        Folder::at(&self.path).folder(name)
    }

    fn record_path(&self, id: &str) -> PathBuf {
        self.path.join(RUNS).join(format!("{id}.json"))
    }

    pub(super) fn model(&self, id: &str) -> Entry {
        self.folder(MODELS).entry(tensors(id))
    }

    pub(super) fn trace(&self, id: &str) -> Entry {
        self.folder(TRACES).entry(tensors(id))
    }
}
