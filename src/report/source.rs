//! Reads the input of a report: run directories and the records of sweeps. A run that is unfinished or was stopped can
//! be read too.

use crate::config::{Clock, Config, Rule};
use crate::error::{Error, Result};
use crate::files::{self, MOST_VALUES, Values};
use crate::memory;
use crate::model::file::Model;
use crate::run::{Checkpoint, METRICS, MODEL, Progress, RESULT, Record, RunDirectory, TRACE};
use crate::train::metrics::EpochMetrics;
use safetensors::Dtype;
use serde_json::Value;
use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

/// A run directory.
#[derive(Debug)]
pub struct Run {
    /// The last part of the path; the whole path if several runs share the last part.
    pub name: String,
    pub path: PathBuf,
    pub config: Config,
    /// One entry per epoch, at least one.
    pub epochs: Vec<EpochMetrics>,
    /// `result.json`; null if the run is unfinished.
    pub result: Value,
    /// `environment.json`; null if there is none.
    pub environment: Value,
    /// The network, if it was saved.
    pub model: Option<Model>,
    /// The trigger times of ψ, if they were saved.
    pub onsets: Option<Onsets>,
    /// Remarks for the reader: whether the run is unfinished, and which files are unreadable and why.
    pub notes: Vec<String>,
}

/// The trigger times of a run.
#[derive(Clone, Debug)]
pub struct Onsets {
    /// T, the ticks of the run.
    pub ticks: u32,
    /// The last tick whose triggers are known. A run that has not come to its end knows those of its newest checkpoint.
    pub known: u32,
    /// The tick at which each slot triggered, per layer; 0 = never.
    pub layers: Vec<Vec<u32>>,
}

/// The triggers of one layer in one run.
#[derive(Clone, Copy, Debug)]
pub struct Triggers {
    /// Share of the slots that triggered.
    pub share: f64,
    /// Median tick of these; `None` if there are none.
    pub median: Option<f64>,
}

/// Everything that a report covers.
#[derive(Debug, Default)]
pub struct Sources {
    pub runs: Vec<Run>,
    /// Records of all sweeps.
    pub records: Vec<Record>,
    /// The triggers of the runs whose traces were kept, by id of the run, layer by layer.
    pub triggers: HashMap<String, Vec<Triggers>>,
}

impl Sources {
    /// Reads all `paths`.
    ///
    /// # Errors
    /// If a path is neither a run directory nor the results of a sweep, or is damaged.
    pub fn read(paths: &[PathBuf]) -> Result<Self> {
        let mut sources = Self::default();
        for path in paths {
            if !path.exists() {
                return Err(Error::file(path, "there is no such file or directory"));
            }
            if path.join(METRICS).is_file() {
                sources.runs.push(Run::read(path)?);
            } else if path.is_dir() && !path.join("runs").is_dir() && !holds_json(path) {
                return Err(Error::file(
                    path,
                    "holds no run (metrics.jsonl) and no results of a sweep; give the directory that `train` or `sweep run` wrote",
                ));
            } else {
                let records = Record::read_all(std::slice::from_ref(path))?;
                sources.triggers.extend(triggers(&path.join("traces"), &records));
                sources.records.extend(records);
            }
        }
        let mut namesakes: HashMap<String, usize> = HashMap::new();
        sources.runs.iter().for_each(|run| *namesakes.entry(run.name.clone()).or_default() += 1);
        for (run, path) in sources.runs.iter_mut().zip(paths.iter().filter(|path| path.join(METRICS).is_file())) {
            if namesakes[&run.name] > 1 {
                run.name = path.display().to_string();
            }
        }
        Ok(sources)
    }
}

/// The triggers of the records' runs, as far as their traces are in `folder` and readable.
fn triggers(folder: &Path, records: &[Record]) -> HashMap<String, Vec<Triggers>> {
    if !folder.is_dir() {
        return HashMap::new();
    }
    let of = |record: &Record| {
        // An id is a file name, but a record may come from anyone.
        let is_name = record.id.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c));
        let file = is_name.then(|| folder.join(format!("{}.safetensors", record.id)))?;
        let onsets = Onsets::read(&file).ok()?;
        Some((record.id.clone(), onsets.layers.iter().map(|layer| Triggers::of(layer)).collect()))
    };
    records.iter().filter_map(of).collect()
}

impl Triggers {
    fn of(onsets: &[u32]) -> Self {
        let ticks: Vec<f64> = onsets.iter().filter(|&&onset| onset > 0).map(|&onset| f64::from(onset)).collect();
        let share = ticks.len() as f64 / onsets.len().max(1) as f64;
        Self { share, median: (!ticks.is_empty()).then(|| crate::stats::median(&ticks)) }
    }
}

fn holds_json(path: &Path) -> bool {
    let entries = fs::read_dir(path).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).any(|path| path.extension().is_some_and(|extension| extension == "json"))
}

impl Run {
    fn read(path: &Path) -> Result<Self> {
        let file = path.join(METRICS);
        let text = files::text(&file, files::LINES)?;
        let mut epochs: Vec<EpochMetrics> = vec![];
        for (i, line) in text.lines().enumerate() {
            match serde_json::from_str(line) {
                Ok(metrics) => epochs.push(metrics),
                // If the process ended in the middle of a write, the last line is incomplete.
                Err(_) if i + 1 == text.lines().count() => {}
                Err(e) => return Err(Error::file(&file, format!("line {}: {e}", i + 1))),
            }
        }
        let stop = RunDirectory::stop(path);
        if epochs.is_empty() {
            let reason =
                stop.map_or("has no epoch yet".into(), |stop| format!("has no epoch; the run stopped: {stop}"));
            return Err(Error::file(&file, reason));
        }
        let result = json(&path.join(RESULT))?;
        let config = match result.get("config") {
            Some(config) => Config::from_json(&config.to_string()).map_err(|e| Error::file(path.join(RESULT), e))?,
            None => RunDirectory::config(path)?,
        };
        let mut notes = vec![];
        if result.is_null() {
            notes.push(match &stop {
                Some(stop) => format!("This run has not come to its end. It stopped: {stop}."),
                None => "This run has not come to its end: there is no result.json.".to_owned(),
            });
        }
        let mut optional = |what: &str, error: Error| notes.push(format!("{what}: {error}."));
        let model = path.join(MODEL).is_file().then(|| Model::open(path.join(MODEL)));
        let model = model.and_then(|model| model.map_err(|e| optional("The network cannot be read", e)).ok());
        let onsets = if path.join(TRACE).is_file() {
            Onsets::read(&path.join(TRACE)).map_err(|e| optional("The trace cannot be read", e)).ok()
        } else {
            let checkpoint = RunDirectory::newest_checkpoint(path).filter(|_| config.rule.kind == Rule::Psi);
            let onsets = checkpoint.map(|file| Onsets::of_checkpoint(&file, &config));
            onsets.and_then(|onsets| onsets.map_err(|e| optional("The newest checkpoint cannot be read", e)).ok())
        };
        let name = path.file_name().map_or_else(|| path.display().to_string(), |name| name.to_string_lossy().into());
        Ok(Self {
            name,
            path: path.to_owned(),
            config,
            epochs,
            result,
            environment: json(&path.join("environment.json"))?,
            model,
            onsets,
            notes,
        })
    }

    /// The metrics of the last epoch.
    #[must_use]
    pub fn last(&self) -> &EpochMetrics {
        &self.epochs[self.epochs.len() - 1]
    }

    /// Median of the training speeds of all epochs.
    #[must_use]
    pub fn speed(&self) -> f64 {
        crate::stats::median(&self.epochs.iter().map(|metrics| metrics.samples_per_second).collect::<Vec<_>>())
    }

    /// The device that trained the run.
    #[must_use]
    pub fn device(&self) -> Option<String> {
        let device = self.result.get("device").or_else(|| self.environment.get("device"))?;
        serde_json::from_value::<crate::train::engine::DeviceInfo>(device.clone()).ok().map(|device| device.to_string())
    }

    /// The number of epochs trained, followed by the number asked for if that is larger.
    #[must_use]
    pub fn progress(&self) -> String {
        let (done, asked) = (self.last().epoch, self.config.run.epochs);
        if done < asked { format!("{done} of {asked}") } else { done.to_string() }
    }

    /// Wall-clock seconds of the run, or of its epochs while there is no result.
    #[must_use]
    pub fn seconds(&self) -> f64 {
        let epochs = || self.epochs.iter().map(|metrics| metrics.seconds).sum();
        self.result.get("seconds").and_then(Value::as_f64).unwrap_or_else(epochs)
    }
}

/// The JSON in a file; null if there is no such file.
fn json(path: &Path) -> Result<Value> {
    match files::text_if_present(path, files::RECORD)? {
        Some(text) => {
            let no_json = |e| Error::file(path, format!("is not JSON: {e}"));
            let Values(count) = serde_json::from_str(&text).map_err(no_json)?;
            if count > MOST_VALUES {
                return Err(Error::file(path, format!("has more than {MOST_VALUES} values")));
            }
            serde_json::from_str(&text).map_err(no_json)
        }
        None => Ok(Value::Null),
    }
}

impl Onsets {
    fn read(path: &Path) -> Result<Self> {
        let wrong = |reason: &str| Error::file(path, reason);
        let content = files::read(path, memory::whole("a trace"))?;
        let read = files::tensors(&content, "not a trace.safetensors");
        let (file, metadata) = read.map_err(|reason| wrong(&reason))?;
        let ticks = metadata.get("ticks").and_then(|ticks| ticks.parse().ok());
        let mut layers = vec![];
        while let Ok(tensor) = file.tensor(&format!("layers.{}.onset", layers.len())) {
            if tensor.dtype() != Dtype::U32 {
                return Err(wrong("its onsets are not U32"));
            }
            let (words, _) = tensor.data().as_chunks::<4>();
            layers.push(words.iter().map(|word| u32::from_le_bytes(*word)).collect::<Vec<_>>());
        }
        let ticks = ticks.ok_or_else(|| wrong("its metadata has no `ticks`"))?;
        Self { ticks, known: ticks, layers }.checked(path)
    }

    /// The trigger times that a checkpoint of a run with these settings knows.
    fn of_checkpoint(path: &Path, config: &Config) -> Result<Self> {
        let (Progress { position, steps, .. }, layers) = Checkpoint::onsets(path)?;
        let done = position.epoch.saturating_sub(1);
        let (ticks, known) = match config.rule.clock {
            Clock::Epoch => (config.run.epochs, done),
            Clock::Steps(every) => {
                let per_epoch = u64::from(steps.saturating_sub(position.batch)) / u64::from(done.max(1));
                let ticks = u64::from(config.run.epochs) * per_epoch / u64::from(every.max(1));
                (u32::try_from(ticks).unwrap_or(u32::MAX), steps / every.max(1))
            }
        };
        Self { ticks, known: known.min(ticks), layers }.checked(path)
    }

    fn checked(self, path: &Path) -> Result<Self> {
        if self.layers.iter().any(Vec::is_empty) || self.layers.iter().flatten().any(|&onset| onset > self.known) {
            return Err(Error::file(path, "has a layer without onsets, or one after the last tick"));
        }
        Ok(self)
    }
}
