//! PLAN.jsonl: a header, then every run of a sweep with its complete configuration, one per line.
//!
//! ```json
//! {"format":1,"name":"rates","hash":"…","version":"0.1.0","runs":40}
//! {"id":"psi-1-0f3a…","arm":"psi","seed":1,"group":0,"config":{…}}
//! {"id":"control-1-77c0…","arm":"control","seed":1,"group":0,"after":"psi-1-0f3a…","config":{…}}
//! ```
//!
//! Equal sweeps make equal plans, byte for byte. The hash covers all lines but the first, so that edits to a plan are
//! detected.

use super::hash::fnv;
use super::pack::{Kinds, Packer};
use super::spec::{Arm, MAX_RUNS, Sweep};
use crate::config::{Config, Fold, Rule};
use crate::data::{DataSet, Search, Split};
use crate::error::{Error, Result};
use crate::files::{self, to_json};
use crate::text::quoted;
use crate::train::population::Population;
use serde::{Deserialize, Serialize};
use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Folder of the traces in the results directory.
pub const TRACES: &str = "traces";

/// Version of the format. It is raised when an older reader would misunderstand a newer plan.
const FORMAT: u32 = 1;

/// Parts of a cross-validation beyond which the data are opened before the plan is made.
const MANY_FOLDS: u32 = 1000;

/// All runs of a sweep.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// Name of the sweep.
    pub name: String,
    /// Hash of the runs, which identifies the plan.
    pub hash: String,
    /// The runs, arm after arm and within an arm seed after seed.
    pub runs: Vec<PlannedRun>,
}

/// One run of a plan.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlannedRun {
    /// Unique in the plan and valid as a file name. Derived from arm, seed and configuration alone.
    pub id: String,
    /// Name of the arm.
    pub arm: String,
    /// The seed.
    pub seed: u64,
    /// Number of the run's group. Runs that depend on each other are in one group, which stays in one shard.
    pub group: u32,
    /// The id of the run whose triggers this run replays.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
    /// The complete configuration. If `after` is set, its `trace` is relative to the results directory.
    pub config: Config,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    format: u32,
    name: String,
    hash: String,
    version: String,
    runs: usize,
}

/// The size of a plan on this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Estimate {
    /// Number of populations; `None` if the data set of a run is not available to compute it.
    pub populations: Option<usize>,
    /// Number of kinds of runs; runs of different kinds cannot share a population.
    pub kinds: usize,
}

impl Plan {
    /// Plans every arm with every seed. An arm that replays traces pairs each seed with the source run of the same
    /// seed.
    ///
    /// # Errors
    /// If a configuration is invalid, or if there are more than 1 000 000 runs.
    pub fn new(sweep: &Sweep, search: &Search) -> Result<Self> {
        let folds = sweep.folds.unwrap_or(1) as usize;
        if sweep.arms.len().saturating_mul(sweep.seeds.len()).saturating_mul(folds) > MAX_RUNS {
            let (arms, seeds) = (sweep.arms.len(), sweep.seeds.len());
            let folds = sweep.folds.map_or(String::new(), |folds| format!(" × {folds} folds"));
            return Err(Error::config(format!(
                "{arms} arms × {seeds} seeds{folds}: a plan has at most {MAX_RUNS} runs"
            )));
        }
        check_folds(sweep, search)?;
        let repetitions: Vec<_> = sweep.repetitions().collect();
        let config = |arm: &Arm, (seed, fold): &(u64, Option<Fold>)| {
            let config = arm.config.clone().seed(*seed);
            if fold.is_some() { config.fold(*fold) } else { config }
        };
        let mut configs: Vec<Vec<Config>> = sweep
            .arms
            .iter()
            .map(|arm| repetitions.iter().map(|repetition| config(arm, repetition)).collect())
            .collect();
        let id = |arm: usize, place: usize, config: &Config| -> Result<String> {
            let (name, (seed, fold)) = (&sweep.arms[arm].name, repetitions[place]);
            let content = format!("{name}\n{}", to_json(config)?);
            let mut short = file_safe(name);
            short.truncate(60);
            let short = if short.is_empty() { "arm" } else { short.trim_end_matches('-') };
            let fold = fold.map_or(String::new(), |fold| format!("-fold{}", fold.part));
            Ok(format!("{short}-{seed}{fold}-{:012x}", fnv(content.as_bytes()) >> 80))
        };
        let mut ids: HashMap<(usize, usize), String> = HashMap::new();
        // Replaying runs come second, because their configuration contains the id of the run that they replay.
        for repeats in [false, true] {
            for (a, arm) in sweep.arms.iter().enumerate().filter(|(_, arm)| arm.trace_of.is_some() == repeats) {
                for (s, config) in configs[a].iter_mut().enumerate() {
                    if let Some(source) = arm.trace_of {
                        config.rule.trace = Some(trace(&ids[&(source, s)]));
                    }
                    config.check().map_err(|e| Error::config(format!("arm {}: {e}", quoted(&arm.name))))?;
                    ids.insert((a, s), id(a, s, config)?);
                }
            }
        }
        let mut groups: HashMap<(usize, usize), u32> = HashMap::new();
        let mut runs = Vec::with_capacity(ids.len());
        for (a, (arm, configs)) in sweep.arms.iter().zip(configs).enumerate() {
            for (s, config) in configs.into_iter().enumerate() {
                let next = groups.len() as u32;
                let group = *groups.entry((arm.trace_of.unwrap_or(a), s)).or_insert(next);
                let after = arm.trace_of.map(|source| ids[&(source, s)].clone());
                let (id, arm, seed) = (ids[&(a, s)].clone(), arm.name.clone(), config.run.seed);
                runs.push(PlannedRun { id, arm, seed, group, after, config });
            }
        }
        let lines = lines(&runs)?;
        Self { name: sweep.name.clone(), hash: Self::hash(&lines), runs }.checked()
    }

    /// The text of the plan's file.
    ///
    /// # Errors
    /// Never for the types of this crate.
    pub fn to_text(&self) -> Result<String> {
        let (name, hash, runs) = (self.name.clone(), self.hash.clone(), self.runs.len());
        let header = Header { format: FORMAT, name, hash, version: env!("CARGO_PKG_VERSION").into(), runs };
        Ok(format!("{}\n{}", to_json(&header)?, lines(&self.runs)?))
    }

    /// Reads and checks a plan.
    ///
    /// # Errors
    /// If the file cannot be read, is not a plan, has a format that this program does not know, is incomplete, or was
    /// edited.
    pub fn read(path: &Path) -> Result<Self> {
        Self::parse(path, &files::text(path, files::PLAN)?)
    }

    /// Parses and checks `text`, the contents of the file at `path`.
    ///
    /// # Errors
    /// As [`Self::read`], except reading the file.
    pub fn parse(path: &Path, text: &str) -> Result<Self> {
        let refuse = |reason: String| Err(Error::file(path, reason));
        let (first, rest) = text.split_once('\n').unwrap_or((text, ""));
        let header: Header = match serde_json::from_str(first) {
            Ok(header) => header,
            Err(e) => return refuse(format!("is no plan (line 1: {e}); make one with `homeostat sweep plan`")),
        };
        if header.format != FORMAT {
            return refuse(format!("has format {}, this program reads {FORMAT}; plan the sweep anew", header.format));
        }
        if Self::hash(rest) != header.hash {
            return refuse("is not as it was planned (its hash differs); change the sweep and plan it anew".into());
        }
        let line = |(number, line): (usize, &str)| {
            serde_json::from_str(line).map_err(|e| Error::file(path, format!("line {}: {e}", number + 2)))
        };
        let runs = rest.lines().enumerate().map(line).collect::<Result<_>>()?;
        let plan = Self { name: header.name, hash: header.hash, runs };
        plan.checked().map_err(|e| Error::file(path, e))
    }

    fn checked(self) -> Result<Self> {
        let mut places = HashMap::new();
        for (place, run) in self.runs.iter().enumerate() {
            if run.id.is_empty() || run.id != file_safe(&run.id) {
                return Err(Error::config(format!("run {}: the id is no file name", quoted(&run.id))));
            }
            if run.group as usize >= self.runs.len() {
                let (id, group, runs) = (&run.id, run.group, self.runs.len());
                return Err(Error::config(format!("run {}: a plan of {runs} runs has no group {group}", quoted(id))));
            }
            if places.insert(&run.id, place).is_some() {
                return Err(Error::config(format!("run {}: two runs have that id", quoted(&run.id))));
            }
        }
        for run in &self.runs {
            let Some(after) = &run.after else { continue };
            let source = places.get(after).map(|&place| &self.runs[place]);
            if source.is_none_or(|source| source.after.is_some() || source.group != run.group) {
                return Err(Error::config(format!("run {}: cannot come after {}", quoted(&run.id), quoted(after))));
            }
        }
        Ok(self)
    }

    /// The hash of the lines after the header, which stores it so that edits are detected.
    #[must_use]
    pub fn hash(lines: &str) -> String {
        format!("{:032x}", fnv(lines.as_bytes()))
    }

    /// Whether every run of `other` is in this plan. Ids decide, because they are made from arm, seed and configuration.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        let ids: HashSet<&str> = self.runs.iter().map(|run| run.id.as_str()).collect();
        other.runs.iter().all(|run| ids.contains(run.id.as_str()))
    }

    /// Names of the arms, in order.
    #[must_use]
    pub fn arms(&self) -> Vec<&str> {
        let mut arms: Vec<&str> = self.runs.iter().map(|run| run.arm.as_str()).collect();
        arms.dedup();
        arms
    }

    /// Number of groups, which is the largest useful number of shards.
    #[must_use]
    pub fn groups(&self) -> u32 {
        self.runs.iter().map(|run| run.group + 1).max().unwrap_or(0)
    }

    /// Checks each arm against its data, if they are available, and estimates the populations on this machine.
    ///
    /// # Errors
    /// If an arm does not fit its data, for instance if its warm-up is longer than the run.
    pub fn estimate(&self, search: &Search) -> Result<Estimate> {
        let mut kinds = Kinds::default();
        // The number of runs of each kind, and its first run.
        let mut counts: Vec<(usize, &PlannedRun)> = vec![];
        let mut data: HashMap<String, Option<Arc<DataSet>>> = HashMap::new();
        let reading = |run: &PlannedRun| format!("{:?}", run.config.data.reading());
        let mut arm = None;
        let mut checked: Option<Population> = None;
        for run in &self.runs {
            let kind = kinds.number(&run.config, run.after.is_some());
            match counts.get_mut(kind) {
                Some((count, _)) => *count += 1,
                None => counts.push((1, run)),
            }
            // Checking the first run of an arm suffices.
            if arm.replace(&run.arm) == Some(&run.arm) {
                continue;
            }
            let open = || DataSet::open_as(&run.config.data, search).ok().map(Arc::new);
            let data = data.entry(reading(run)).or_insert_with(open);
            // A replay cannot be checked, because its trace does not exist yet.
            if run.config.rule.kind != Rule::Replay
                && run.config.network.init.is_none()
                && let Some(data) = data
            {
                // Scaling the rows takes most of the time, and most arms differ in other settings.
                let population = match checked.take().filter(|checked| checked.reads_like(&run.config)) {
                    Some(checked) => checked.with_network(run.config.clone()),
                    None => Population::new(vec![run.config.clone()], Arc::clone(data), None),
                };
                checked = Some(population.map_err(|e| Error::config(format!("arm {}: {e}", quoted(&run.arm))))?);
            }
        }
        let mut populations = Some(0);
        let mut packers: HashMap<&str, Packer> = HashMap::new();
        for (count, run) in &counts {
            let device = run.config.run.device.as_str();
            let packer = match packers.get(device) {
                Some(packer) => *packer,
                None => *packers.entry(device).or_insert(Packer::new(&device.parse()?)),
            };
            let members = data[&reading(run)].as_ref().map(|data| packer.members(&run.config, data));
            populations = populations.zip(members).map(|(sum, members)| sum + count.div_ceil(members));
        }
        Ok(Estimate { populations, kinds: counts.len() })
    }
}

/// Refuses many folds of data with few samples, if the data are available, because a plan of a million runs takes minutes.
/// [`Plan::estimate`] refuses the others, with the data that it opens anyway.
fn check_folds(sweep: &Sweep, search: &Search) -> Result<()> {
    let Some(parts) = sweep.folds.filter(|&folds| folds > MANY_FOLDS) else { return Ok(()) };
    let mut opened: Option<(String, Option<DataSet>)> = None;
    for arm in &sweep.arms {
        let mut settings = arm.config.data.clone();
        let reading = format!("{:?}", settings.reading());
        settings.fold = Some(Fold { part: 1, parts });
        if opened.as_ref().is_none_or(|(known, _)| *known != reading) {
            opened = Some((reading, DataSet::open_as(&settings, search).ok()));
        }
        if let Some((_, Some(data))) = &opened {
            let split = Split::of(data, &settings, sweep.seeds.first().copied().unwrap_or(0));
            split.map_err(|e| Error::config(format!("arm {}: {e}", quoted(&arm.name))))?;
        }
    }
    Ok(())
}

/// Path of a run's trace, relative to the results directory.
pub fn trace(id: &str) -> PathBuf {
    Path::new(TRACES).join(tensors(id))
}

/// Name of the file with the tensors of a run.
pub fn tensors(id: &str) -> String {
    format!("{id}.safetensors")
}

fn lines(runs: &[PlannedRun]) -> Result<String> {
    runs.iter().map(|run| Ok(to_json(run)? + "\n")).collect()
}

/// Turns a name into a part of a file name: letters, digits, `.`, `_` and single `-`, at most 100 characters.
fn file_safe(name: &str) -> String {
    let mut safe = String::new();
    for c in name.chars() {
        match c {
            'a'..='z' | 'A'..='Z' | '0'..='9' | '_' => safe.push(c),
            '.' if !safe.is_empty() => safe.push(c),
            _ if safe.ends_with('-') || safe.is_empty() => {}
            _ => safe.push('-'),
        }
    }
    safe.truncate(100);
    safe.trim_end_matches('-').to_owned()
}
