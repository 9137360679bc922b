//! Summaries of a plan: counts of runs per arm, and all records merged into one text.

use super::plan::{Plan, PlannedRun};
use super::results::{Results, RunRecord, Sources};
use crate::config::Config;
use crate::error::{Error, Result};
use crate::files::to_json;
use crate::train::metrics::{EpochMetrics, Metric};
use serde::Serialize;
use serde_json::{Map, Value};
use std::collections::BTreeSet;

/// Numbers of runs of a plan, or of one arm, by outcome.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ArmStatus {
    /// Name of the arm; empty for the whole plan.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub arm: String,
    /// All runs.
    pub runs: usize,
    /// Runs that were trained to the end.
    pub finished: usize,
    /// Runs that stopped because their loss was no longer finite.
    pub diverged: usize,
    /// Runs that cannot be trained, because their source run diverged.
    pub skipped: usize,
    /// Runs that are still to be trained.
    pub missing: usize,
}

/// The progress of a plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Status {
    /// Name of the plan.
    pub name: String,
    /// Hash of the plan.
    pub hash: String,
    /// The whole plan.
    #[serde(flatten)]
    pub all: ArmStatus,
    /// The arms, in the order of the plan.
    pub arms: Vec<ArmStatus>,
}

impl ArmStatus {
    fn count(&mut self, record: Option<&RunRecord>) {
        self.runs += 1;
        *match record {
            None => &mut self.missing,
            Some(record) if record.diverged => &mut self.diverged,
            Some(record) if record.skipped.is_some() => &mut self.skipped,
            Some(_) => &mut self.finished,
        } += 1;
    }
}

/// Counts the runs of a plan by outcome.
///
/// # Errors
/// If a record is damaged.
pub fn status(plan: &Plan, results: &Results) -> Result<Status> {
    let mut all = ArmStatus::default();
    let mut arms: Vec<ArmStatus> = vec![];
    each(plan, results, |run, record| {
        all.count(record.as_ref());
        match arms.last_mut().filter(|arm| arm.arm == run.arm) {
            Some(arm) => arm.count(record.as_ref()),
            None => {
                let mut arm = ArmStatus { arm: run.arm.clone(), ..ArmStatus::default() };
                arm.count(record.as_ref());
                arms.push(arm);
            }
        }
        Ok(())
    })?;
    Ok(Status { name: plan.name.clone(), hash: plan.hash.clone(), all, arms })
}

fn each(
    plan: &Plan,
    results: &Results,
    mut visit: impl FnMut(&PlannedRun, Option<RunRecord>) -> Result<()>,
) -> Result<()> {
    let finished = results.finished()?;
    for run in &plan.runs {
        let record = finished.contains(&run.id).then(|| results.record(&run.id)).transpose()?;
        visit(run, record)?;
    }
    Ok(())
}

/// One line of the merged file: the results of a run, without the machine and the population it trained in.
#[derive(Serialize)]
struct Line<'a> {
    id: &'a str,
    arm: &'a str,
    seed: u64,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    diverged: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    epoch: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    skipped: &'a Option<String>,
    #[serde(rename = "final", skip_serializing_if = "Option::is_none")]
    last: Option<Map<String, Value>>,
    config: &'a Config,
    version: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    epochs: Option<Vec<Map<String, Value>>>,
}

/// All records of a plan in one text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Merged {
    /// One line per run, in the order of the plan.
    pub text: String,
    /// Number of runs in the text.
    pub runs: usize,
    /// Number of runs of the plan that are missing from the text.
    pub missing: usize,
    /// Every device and program version in the records. Results are equal to the last bit only between equal ones.
    pub origins: Vec<String>,
}

/// Merges the records of a plan into one text. Devices, times and rates are left out, so that the text does not depend
/// on the machines and processes that made the records. With `epochs`, the text includes the metrics of all epochs.
///
/// # Errors
/// If a record is damaged. If two records name the same data or initial weights but have different checksums. If runs
/// are missing and `partial` is not set. If `epochs` is set and a record has no metrics per epoch.
pub fn merge(plan: &Plan, results: &Results, partial: bool, epochs: bool) -> Result<Merged> {
    let mut merged = Merged { text: String::new(), runs: 0, missing: 0, origins: vec![] };
    let mut origins = BTreeSet::new();
    let mut sources = Sources::default();
    each(plan, results, |run, record| {
        let Some(record) = record else {
            merged.missing += 1;
            return Ok(());
        };
        if epochs && record.epochs.is_none() && record.skipped.is_none() {
            return Err(Error::Run(format!(
                "run {}: its epochs were not kept; leave `epochs` out, or train with `keep-epochs`",
                run.id
            )));
        }
        if let Some(device) = &record.device {
            origins.insert(format!("{device}, version {}", record.version));
        }
        if let Some(checksum) = &record.sources {
            sources.hold(results.path(), &run.config, checksum)?;
        }
        merged.runs += 1;
        merged.text += &(line(run, &record, epochs)? + "\n");
        Ok(())
    })?;
    merged.origins = origins.into_iter().collect();
    if merged.missing > 0 && !partial {
        return Err(Error::Run(format!(
            "{} of {} runs are not finished; train them with `homeostat sweep run`, or give `partial`",
            merged.missing,
            plan.runs.len()
        )));
    }
    Ok(merged)
}

fn line(run: &PlannedRun, record: &RunRecord, epochs: bool) -> Result<String> {
    let all = record.epochs.as_ref().filter(|_| epochs);
    to_json(&Line {
        id: &run.id,
        arm: &run.arm,
        seed: run.seed,
        diverged: record.diverged,
        epoch: record.epoch,
        skipped: &record.skipped,
        last: record.last.as_ref().map(without_costs).transpose()?,
        config: &run.config,
        version: &record.version,
        epochs: all.map(|all| all.iter().map(without_costs).collect()).transpose()?,
    })
}

fn without_costs(metrics: &EpochMetrics) -> Result<Map<String, Value>> {
    match serde_json::to_value(metrics) {
        Ok(Value::Object(mut object)) => {
            object.retain(|key, _| !Metric::named(key).is_some_and(|metric| metric.is_cost));
            Ok(object)
        }
        other => Err(Error::Run(format!("metrics cannot be written as JSON: {other:?}"))),
    }
}
