//! The record of one run of a sweep. `homeostat sweep` writes records and `homeostat compare` reads them, each as a file of
//! its own or all as lines of a merged file.

use super::result::RunResult;
use crate::error::{Error, Result};
use crate::files::{self, MOST_VALUES, Values};
use crate::memory::{self, Array};
use crate::train::engine::NonFinite;
use crate::train::metrics::Metric;
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Name of the file that says which plan a directory of results belongs to, and in which order its arms are.
pub const PLAN_ID: &str = "plan.id";

/// One finished run of a sweep: `result.json` with the name of its place in the sweep.
///
/// Settings and device may be any JSON, so that old records stay readable when settings change.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// Name of the run, unique in its sweep.
    pub id: String,
    /// The training rule under test, without its seed.
    pub arm: String,
    /// Seed; runs of two arms are paired by it.
    pub seed: u64,
    /// The last line of `metrics.jsonl`; a run that diverged in its first epoch has none.
    #[serde(rename = "final", default, skip_serializing_if = "Option::is_none")]
    pub last: Option<Map<String, Value>>,
    /// The lines of `metrics.jsonl`, where they were kept.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub epochs: Vec<Map<String, Value>>,
    /// Whether the run ended because a value was not finite.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub diverged: bool,
    /// The epoch in which the run diverged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epoch: Option<u32>,
    /// The step and the layer in which the run diverged, as far as they are known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first: Option<NonFinite>,
    /// Why the run could not be trained.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub skipped: Option<String>,
    /// The configuration in full.
    #[serde(default)]
    pub config: Value,
    /// What it ran on.
    #[serde(default)]
    pub device: Value,
    /// Version of this program.
    #[serde(default)]
    pub version: String,
    /// Wall-clock seconds of the run, or of the population in which it trained.
    #[serde(default)]
    pub seconds: f64,
    /// Number of runs in that population.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub members: Option<usize>,
}

impl Record {
    /// The record of a complete run, with the seed of its configuration.
    ///
    /// # Errors
    /// Never for the types of this crate.
    pub fn new(id: impl Into<String>, arm: impl Into<String>, result: &RunResult) -> Result<Self> {
        let in_full = serde_json::to_value(result).and_then(|mut value| {
            value["id"] = id.into().into();
            value["arm"] = arm.into().into();
            value["seed"] = result.config.run.seed.into();
            serde_json::from_value(value)
        });
        in_full.map_err(|e| Error::Run(format!("cannot be written as JSON: {e}")))
    }

    /// The part of a cross-validation that the run was tested on, as K/N.
    #[must_use]
    pub fn fold(&self) -> Option<String> {
        self.config.get("fold")?.as_str().map(str::to_owned)
    }

    /// The value of a metric at the end of the run, or `None` if the run failed or has no such finite number within f32.
    #[must_use]
    pub fn metric(&self, name: &str) -> Option<f64> {
        let value = self.last.as_ref()?.get(name)?.as_f64()?;
        // Runs compute in f32, so a larger number is damage, and would overflow in statistics.
        (!self.diverged && value.abs() <= f64::from(f32::MAX)).then_some(value)
    }

    /// Why the run has no outcome; `None` if it has one.
    #[must_use]
    pub fn failure(&self) -> Option<String> {
        failure(self.diverged, self.epoch, self.first, self.skipped.is_some())
    }

    /// Whether both runs ended with the same values, bit for bit. Times and counts of operations do not matter, because
    /// they state what a run cost.
    #[must_use]
    pub fn ended_like(&self, other: &Self) -> bool {
        self.diverged == other.diverged && self.results().eq(other.results())
    }

    /// The final values that an exact repetition of the run must reproduce.
    fn results(&self) -> impl Iterator<Item = (&String, &Value)> {
        let is_cost = |key: &str| Metric::named(key).is_some_and(|metric| metric.is_cost);
        self.last.iter().flatten().filter(move |(key, _)| !is_cost(key))
    }

    /// Names of the metrics that are numbers.
    pub fn metrics(&self) -> impl Iterator<Item = &str> {
        self.last.iter().flatten().filter(|(_, value)| value.is_number()).map(|(name, _)| name.as_str())
    }

    /// Reads the records of all `paths`. A file holds one JSON object after another. Of a directory, the files `*.json` in
    /// it and in its folder `runs` are read. Their order is that of the plan, if the directory knows it, else that of names.
    ///
    /// # Errors
    /// If a file is missing, damaged or not a record, or a directory holds none.
    pub fn read_all(paths: &[PathBuf]) -> Result<Vec<Self>> {
        let mut records = vec![];
        for path in paths {
            if !path.is_dir() {
                Self::read(path, &mut records)?;
                continue;
            }
            let files = [json_files(path)?, json_files(&path.join("runs"))?].concat();
            if files.is_empty() {
                return Err(Error::file(path, "holds no *.json, nor does a directory ‘runs’ in it"));
            }
            let before = records.len();
            for file in files {
                Self::read(&file, &mut records)?;
            }
            arrange(path, &mut records[before..]);
        }
        Ok(records)
    }

    fn read(path: &Path, records: &mut Vec<Self>) -> Result<()> {
        let text = files::text(path, files::RECORDS)?;
        records.extend(Self::parse(path, &text)?);
        Ok(())
    }

    /// The records in the text of the file at `path`, one JSON object after another.
    ///
    /// # Errors
    /// If the text is not JSON, an object is not a record, or there is no object.
    pub fn parse(path: &Path, text: &str) -> Result<Vec<Self>> {
        let (mut records, mut values, mut start) = (vec![], 0_usize, 0);
        let mut outlines = serde_json::Deserializer::from_str(text).into_iter::<Outline>();
        while let Some(outline) = outlines.next() {
            let no_record = |e: &dyn std::fmt::Display| {
                Error::file(path, format!("object {} is no record of a sweep: {e}", records.len() + 1))
            };
            let outline = outline.map_err(|e| match e.is_data() {
                true => no_record(&e),
                false => Error::file(path, format!("is not JSON: {e}")),
            })?;
            let object = text[start..outlines.byte_offset()].trim_start();
            start = outlines.byte_offset();
            if !object.starts_with('{') {
                return Err(no_record(&"it is a list"));
            }
            if outline.config.is_some() && outline.arm.is_none() {
                let reason = "is the result of a single run, without arm and seed; give the directory of that run, or the records of \
                              `homeostat sweep`";
                return Err(Error::file(path, reason));
            }
            let of_run: usize =
                [outline.config, outline.device, outline.last].iter().flatten().map(|count| count.0).sum();
            if of_run > MOST_VALUES {
                return Err(no_record(&format!("its settings and results are more than {MOST_VALUES} values")));
            }
            values += of_run + outline.epochs.0;
            let kept = Array::new("values", 64, &[("values", values)]);
            memory::check_machine(&format!("reading {}", path.display()), &[kept], "read fewer records")?;
            records.push(serde_json::from_str(object).map_err(|e| no_record(&e))?);
        }
        if records.is_empty() {
            return Err(Error::file(path, "is empty"));
        }
        Ok(records)
    }
}

/// Why a run of a sweep has no outcome, in the words that follow its seed; `None` if it has one.
#[must_use]
pub fn failure(diverged: bool, epoch: Option<u32>, first: Option<NonFinite>, skipped: bool) -> Option<String> {
    let place = match (epoch, first) {
        (Some(epoch), Some(first)) => format!(" in epoch {epoch} (layer {})", first.layer),
        (Some(epoch), None) => format!(" in epoch {epoch}"),
        (None, _) => String::new(),
    };
    match (skipped, diverged) {
        (true, _) => Some("skipped, because the run to replay diverged".to_owned()),
        (_, true) => Some(format!("diverged{place}")),
        _ => None,
    }
}

/// The parts of a record whose size is not limited by their types. Other keys are skipped.
#[derive(Deserialize)]
struct Outline {
    arm: Option<IgnoredAny>,
    config: Option<Values>,
    device: Option<Values>,
    #[serde(rename = "final")]
    last: Option<Values>,
    #[serde(default)]
    epochs: Values,
}

/// Brings the records of a directory into the order of the plan that it belongs to: arm after arm, and seed after seed.
fn arrange(directory: &Path, records: &mut [Record]) {
    #[derive(Deserialize)]
    struct Owner {
        arms: Vec<String>,
    }
    // Directories of other programs, and of older versions, know no order.
    let text = files::text_if_present(&directory.join(PLAN_ID), files::RECORD).ok().flatten();
    let Some(Owner { arms }) = text.and_then(|text| serde_json::from_str(&text).ok()) else { return };
    let places: HashMap<&str, usize> = arms.iter().enumerate().map(|(place, arm)| (arm.as_str(), place)).collect();
    records.sort_by_key(|record| (places.get(record.arm.as_str()).copied().unwrap_or(arms.len()), record.seed));
}

/// The files `*.json` of a directory, sorted; none if the directory does not exist. Hidden files are skipped, because they
/// may be unfinished.
fn json_files(directory: &Path) -> Result<Vec<PathBuf>> {
    if !directory.is_dir() {
        return Ok(vec![]);
    }
    let entries = fs::read_dir(directory).and_then(Iterator::collect::<std::io::Result<Vec<_>>>);
    let mut files: Vec<PathBuf> = entries
        .map_err(|e| Error::file(directory, e))?
        .into_iter()
        .filter(|entry| !entry.file_name().to_string_lossy().starts_with('.'))
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "json") && !path.is_dir())
        .collect();
    files.sort();
    Ok(files)
}
