//! Training of a shard's runs: selects the unfinished ones, packs them into populations, trains these, and writes the
//! records.

use super::pack::{Kinds, Packer};
use super::plan::{Plan, PlannedRun};
use super::results::{Results, RunRecord, Sources};
use super::shard::Shard;
use crate::config::{Config, DataSettings, Rule};
use crate::data::{DataSet, Search};
use crate::device::{self, Device};
use crate::error::{Error, Failure, Result};
use crate::files;
use crate::gpu::Pick;
use crate::memory;
use crate::rule::trace::Trace;
use crate::run::{Start, save_model, save_trace};
use crate::text::quoted;
use crate::train::blocking::block_on;
use crate::train::engine::DeviceInfo;
use crate::train::metrics::EpochMetrics;
use crate::train::population::Population;
use crate::train::state::MemberState;
use crate::train::trainer::{Divergence, Observer, Position, Trainer};
use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

/// How to train a plan.
#[derive(Clone, Debug)]
pub struct Options {
    /// The part of the plan to train.
    pub shard: Shard,
    /// Device that overrides the one in each run's settings.
    pub device: Option<String>,
    /// The folders in which data sets are searched for.
    pub search: Search,
    /// Largest number of members in a population.
    pub max_members: Option<usize>,
    /// Whether to keep the trained networks.
    pub keep_models: bool,
    /// Whether to keep the trigger times of all runs of ψ, not only of those that others replay.
    pub keep_traces: bool,
    /// Whether to keep the metrics of every epoch.
    pub keep_epochs: bool,
    /// Set by the caller to stop the sweep within a fraction of a second.
    pub interrupt: Arc<AtomicBool>,
}

/// The outcome of training one population.
#[derive(Clone, Debug, PartialEq)]
pub struct PopulationDone {
    /// Number of its runs.
    pub members: usize,
    /// Number of its runs that diverged.
    pub diverged: usize,
    /// Widths of the network's layers, n_0 … n_L.
    pub widths: Vec<usize>,
    /// Number of epochs of each run.
    pub epochs: u32,
    /// The device that trained the population.
    pub device: DeviceInfo,
    /// Wall-clock seconds, set-up included.
    pub seconds: f64,
    /// Training samples of all members and epochs, divided by these seconds.
    pub samples_per_second: f64,
    /// Number of the shard's runs that are finished so far.
    pub finished: usize,
    /// Number of the shard's runs.
    pub runs: usize,
    /// Estimated seconds until the shard is finished.
    pub seconds_left: f64,
}

/// Receives the events of a running sweep.
pub trait Watcher {
    /// Estimates the seconds until the shard is finished, once the first epoch of a call of [`run()`] is trained.
    fn estimate(&mut self, seconds: f64) {
        let _ = seconds;
    }

    /// Reports something unexpected that does not stop the sweep.
    fn note(&mut self, text: &str);

    /// Reports that a population has been trained and its records are written.
    fn population(&mut self, done: &PopulationDone);

    /// Reports that the record of a run is written.
    ///
    /// # Errors
    /// Any error stops the sweep and is returned by [`run()`].
    fn finished(&mut self, record: &RunRecord) -> Result<()>;
}

/// Counts of the runs in one call of [`run()`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Number of the shard's runs.
    pub runs: usize,
    /// Number of runs that were finished before the call.
    pub before: usize,
    /// Number of runs that diverged during the call, or were skipped because their source run diverged.
    pub failed: usize,
    /// Number of populations that were trained.
    pub populations: usize,
}

/// Trains the unfinished runs of a shard.
///
/// # Errors
/// [`Error::Interrupted`] once the interrupt flag is set, or the error of a population. Records written before are
/// kept, and the next call resumes the shard.
pub fn run(plan: &Plan, results: &Results, options: &Options, watcher: &mut dyn Watcher) -> Result<Summary> {
    let mine: Vec<&PlannedRun> = plan.runs.iter().filter(|run| options.shard.holds(run)).collect();
    let finished = results.finished()?;
    let repeated: HashSet<&str> = plan.runs.iter().filter_map(|run| run.after.as_deref()).collect();
    let mut diverged: HashSet<String> = HashSet::new();
    let mut sources = Sources::default();
    let (mut kept, mut skipped, mut with_epochs) = (HashSet::new(), HashSet::new(), HashSet::new());
    for run in mine.iter().filter(|run| finished.contains(&run.id)) {
        let record = match results.record(&run.id) {
            Ok(record) => record,
            Err(error) => {
                watcher.note(&format!("{error}; it is trained again"));
                continue;
            }
        };
        if let Some(checksum) = &record.sources {
            sources.hold(results.path(), &run.config, checksum)?;
        }
        if record.epochs.is_some() {
            with_epochs.insert(run.id.as_str());
        }
        if record.skipped.is_some() {
            skipped.insert(run.id.as_str());
        } else if is_complete(results, options, run, &record, &repeated) {
            kept.insert(run.id.as_str());
            diverged.extend(record.diverged.then(|| run.id.clone()));
        }
    }
    // A skipped run must be trained after all if its source run was trained again and did not diverge.
    let is_done = |run: &PlannedRun| {
        let lost = || run.after.as_ref().is_some_and(|after| diverged.contains(after));
        kept.contains(run.id.as_str()) || (skipped.contains(run.id.as_str()) && lost())
    };
    let todo: Vec<&PlannedRun> = mine.iter().copied().filter(|run| !is_done(run)).collect();
    let mut summary = Summary { runs: mine.len(), before: mine.len() - todo.len(), ..Summary::default() };
    let (started, all) = (Instant::now(), work(&todo));
    let (mut left, mut work_left) = (todo.len(), all);
    let mut kinds = Kinds::default();
    let mut sweep = Sweep {
        results,
        options,
        repeated,
        with_epochs,
        sources,
        data: None,
        packers: HashMap::new(),
        ceilings: HashMap::new(),
        unestimated: Some(all),
    };
    // Replaying runs come last, because all of them can then be packed together.
    for repeats in [false, true] {
        let mut queues = Queues::default();
        for run in todo.iter().copied().filter(|run| run.after.is_some() == repeats) {
            let Some(after) = run.after.as_ref().filter(|after| diverged.contains(*after)) else {
                queues.push(kinds.number(&run.config, repeats), run);
                continue;
            };
            stop_if_asked(options)?;
            let record = RunRecord::skipped(run, format!("run {after}, which it repeats, diverged"));
            results.write(&record)?;
            watcher.finished(&record)?;
            summary.failed += 1;
            (left, work_left) = (left - 1, work_left - work(&[run]));
        }
        while let Some((kind, alike)) = queues.next() {
            stop_if_asked(options)?;
            let (members, mut done) = sweep.population(kind, alike, watcher)?;
            let trained = queues.take(kind, members.len());
            (left, work_left) = (left - trained.len(), work_left - work(&trained));
            for record in members {
                results.write(&record)?;
                watcher.finished(&record)?;
                summary.failed += usize::from(record.diverged);
                diverged.extend(record.diverged.then_some(record.id));
            }
            summary.populations += 1;
            done.finished = mine.len() - left;
            done.runs = mine.len();
            done.seconds_left = started.elapsed().as_secs_f64() * work_left / (all - work_left).max(1e-9);
            watcher.population(&done);
        }
    }
    Ok(summary)
}

fn stop_if_asked(options: &Options) -> Result<()> {
    if options.interrupt.load(Ordering::Relaxed) { Err(Error::Interrupted) } else { Ok(()) }
}

/// The runs that wait, by kind. A search of all runs for every population would take hours in a plan of 100 000 runs.
#[derive(Default)]
struct Queues<'a> {
    /// The runs of each kind in the order of the plan, each with its place.
    runs: HashMap<usize, VecDeque<(usize, &'a PlannedRun)>>,
    /// The kinds by the place of their first waiting run.
    first: BTreeMap<usize, usize>,
    pushed: usize,
}

impl<'a> Queues<'a> {
    fn push(&mut self, kind: usize, run: &'a PlannedRun) {
        let place = self.pushed;
        self.pushed += 1;
        let queue = self.runs.entry(kind).or_default();
        if queue.is_empty() {
            self.first.insert(place, kind);
        }
        queue.push_back((place, run));
    }

    /// The kind whose first run stands before all other waiting runs, and its runs.
    fn next(&self) -> Option<(usize, &VecDeque<(usize, &'a PlannedRun)>)> {
        let (_, kind) = self.first.first_key_value()?;
        Some((*kind, &self.runs[kind]))
    }

    /// Removes the first `count` runs of a kind.
    fn take(&mut self, kind: usize, count: usize) -> Vec<&'a PlannedRun> {
        let Some(queue) = self.runs.get_mut(&kind) else { return vec![] };
        if let Some((place, _)) = queue.front() {
            self.first.remove(place);
        }
        let taken = queue.drain(..count.min(queue.len())).map(|(_, run)| run).collect();
        if let Some((place, _)) = queue.front() {
            self.first.insert(*place, kind);
        }
        taken
    }
}

/// Whether all files and metrics that are asked for exist besides the record of a trained run.
fn is_complete(
    results: &Results,
    options: &Options,
    run: &PlannedRun,
    record: &RunRecord,
    repeated: &HashSet<&str>,
) -> bool {
    let has_epochs = record.epochs.is_some() || !options.keep_epochs;
    let has_model = record.diverged || !options.keep_models || results.model(&run.id).path().exists();
    let is_trace = || Trace::source(&results.trace(&run.id).path()).is_ok_and(|config| config == run.config);
    let has_trace = record.diverged || !repeated.contains(run.id.as_str()) || is_trace();
    has_epochs && has_model && has_trace
}

/// Estimated work of the runs in arbitrary units, accurate enough to estimate the time left.
fn work(runs: &[&PlannedRun]) -> f64 {
    let weights = |config: &Config| {
        let widths: Vec<f64> = config.network.hidden.0.iter().map(|&width| width as f64).collect();
        let inner: f64 = widths.windows(2).map(|pair| pair[0] * pair[1]).sum();
        inner + 100.0 * widths.iter().sum::<f64>() + 1000.0
    };
    runs.iter().map(|run| f64::from(run.config.run.epochs) * weights(&run.config)).sum()
}

struct Sweep<'a> {
    results: &'a Results,
    options: &'a Options,
    /// Ids of the runs that other runs replay.
    repeated: HashSet<&'a str>,
    /// Ids of the runs whose existing records have the metrics of all epochs, which must not be lost.
    with_epochs: HashSet<&'a str>,
    /// Checksums of the data and initial weights of the runs so far.
    sources: Sources,
    /// The last data set that was used.
    data: Option<(DataSettings, Arc<DataSet>)>,
    packers: HashMap<String, Packer>,
    /// Largest number of members per kind of run that fit into memory, for kinds whose estimate was too large.
    ceilings: HashMap<usize, usize>,
    /// The work of all runs, until its time has been estimated.
    unestimated: Option<f64>,
}

impl Sweep<'_> {
    /// Trains the first of the runs of one kind. If the device has not enough memory, tries half as many members.
    fn population(
        &mut self,
        kind: usize,
        alike: &VecDeque<(usize, &PlannedRun)>,
        watcher: &mut dyn Watcher,
    ) -> Result<(Vec<RunRecord>, PopulationDone)> {
        let first = &alike[0].1.config;
        let data = self.data(&first.data)?;
        let device = self.options.device.as_deref().unwrap_or(&first.run.device).to_owned();
        let choice: Device = device.parse()?;
        let packer = *self.packers.entry(device.clone()).or_insert_with(|| Packer::new(&choice));
        let ceiling = self.ceilings.get(&kind).copied().unwrap_or(usize::MAX);
        let most = packer.members(first, &data).min(ceiling).min(self.options.max_members.unwrap_or(usize::MAX)).max(1);
        let runs: Vec<&PlannedRun> = alike.iter().take(packer.share(alike.len(), most)).map(|(_, run)| *run).collect();
        let mut members = runs.len();
        loop {
            match self.train(&runs[..members], &device, &choice, &data, watcher) {
                Err(trouble) if members > 1 && trouble.is_size() => {
                    members /= 2;
                    watcher.note(&format!("{}; continuing with {members} members", trouble.error()));
                    self.ceilings.insert(kind, members);
                }
                Err(Trouble::Opening(error) | Trouble::Training(error)) => return Err(error),
                Ok(done) => return Ok(done),
            }
        }
    }

    fn data(&mut self, settings: &DataSettings) -> Result<Arc<DataSet>> {
        let reading = settings.reading();
        if let Some((_, data)) = self.data.as_ref().filter(|(other, _)| *other == reading) {
            return Ok(Arc::clone(data));
        }
        // The previous set is dropped first, because two large ones may not fit into memory together.
        self.data = None;
        let data = Arc::new(DataSet::open_as(settings, &self.options.search)?);
        Ok(Arc::clone(&self.data.insert((reading, data)).1))
    }

    fn train(
        &mut self,
        runs: &[&PlannedRun],
        device: &str,
        choice: &Device,
        data: &Arc<DataSet>,
        watcher: &mut dyn Watcher,
    ) -> std::result::Result<(Vec<RunRecord>, PopulationDone), Trouble> {
        let started = Instant::now();
        let config = |run: &&PlannedRun| {
            let trace = run.after.as_ref().map(|id| self.results.trace(id).path());
            run.config.clone().device(device.to_owned()).trace(trace.or(run.config.rule.trace.clone()))
        };
        let configs: Vec<Config> = runs.iter().map(config).collect();
        // The model file may have changed since the sweep was planned.
        let start = Start::new(configs, Arc::clone(data), true).map_err(|e| match e {
            Error::Config(reason) => Error::config(format!("arm {}: {reason}", quoted(&runs[0].arm))),
            other => other,
        })?;
        let population = Arc::clone(&start.population);
        let sources = sources(data, population.shared().network.init.as_deref())?;
        self.sources.hold(self.results.path(), &runs[0].config, &sources)?;
        population.check_memory().map_err(Trouble::Opening)?;
        let state = start.initial_state()?;
        // A population too large for the adapter must fail here, so that a smaller one is tried. With `auto` the CPU
        // engine would train it instead.
        let strict = Device::Gpu(Pick::Hardware);
        let alone = population.len() == 1 || !(*choice == Device::Auto && device::automatic().is_some());
        let opened = block_on(start.open(if alone { choice } else { &strict }, &state)).map_err(Trouble::Opening)?;
        drop(state);
        if let Some(note) = &opened.note {
            watcher.note(note);
        }
        let info = opened.engine.device().clone();
        let interrupt = Arc::clone(&self.options.interrupt);
        let mut trainer = Trainer::new(Arc::clone(&population), opened.engine, Position::START, interrupt);
        let keep_epochs = self.options.keep_epochs || runs.iter().any(|run| self.with_epochs.contains(run.id.as_str()));
        let scale = self.unestimated.take().map(|all| {
            let epochs = f64::from(population.shared().run.epochs);
            (epochs * all / work(runs).max(1e-9), started)
        });
        let mut follower = Follower::new(runs.len(), keep_epochs, watcher, scale);
        trainer.run(&mut follower)?;
        let wanted = |run: &PlannedRun| self.options.keep_models || self.keeps_trace(run);
        if runs.iter().any(|run| wanted(run)) {
            let states = trainer.state()?;
            let finite = runs.iter().zip(&states).zip(&follower.diverged).enumerate().filter(|(_, (_, d))| d.is_none());
            for (member, ((run, state), _)) in finite {
                self.keep(run, &population, (member, state))?;
            }
        }
        let seconds = started.elapsed().as_secs_f64();
        let samples = population.train_rows() as f64 * f64::from(population.shared().run.epochs) * runs.len() as f64;
        let done = PopulationDone {
            members: runs.len(),
            diverged: follower.diverged.iter().flatten().count(),
            widths: population.topology.widths().to_vec(),
            epochs: population.shared().run.epochs,
            device: info.clone(),
            seconds,
            samples_per_second: samples / seconds.max(1e-9),
            finished: 0,
            runs: 0,
            seconds_left: 0.0,
        };
        Ok((follower.records(runs, &sources, &info, seconds), done))
    }

    /// Writes the files of a run that must exist before its record does.
    fn keep(&self, run: &PlannedRun, population: &Population, (member, state): (usize, &MemberState)) -> Result<()> {
        if self.options.keep_models {
            save_model(population, member, &run.config, state, &self.results.model(&run.id))?;
        }
        if self.keeps_trace(run) {
            save_trace(population, &run.config, state, &self.results.trace(&run.id))?;
        }
        Ok(())
    }

    /// Whether the trigger times of a run are kept: always where another run replays them.
    fn keeps_trace(&self, run: &PlannedRun) -> bool {
        let is_psi = run.config.rule.kind == Rule::Psi;
        self.repeated.contains(run.id.as_str()) || (self.options.keep_traces && is_psi)
    }
}

/// The checksums for [`RunRecord::sources`]: of the samples and, if there is one, of the file of initial weights.
fn sources(data: &DataSet, init: Option<&Path>) -> Result<String> {
    let mut text = format!("{:08x}", data.checksum());
    if let Some(init) = init {
        let content = files::read(init, memory::whole("a model"))?;
        text += &format!(" {:08x}", crc32fast::hash(&content));
    }
    Ok(text)
}

/// The cause of a failure to train a population.
enum Trouble {
    /// The device refused the population; a smaller one may fit.
    Opening(Error),
    /// Any other failure.
    Training(Error),
}

impl Trouble {
    const fn error(&self) -> &Error {
        match self {
            Self::Opening(error) | Self::Training(error) => error,
        }
    }

    /// Whether a smaller population may succeed, because this one was too large for the device.
    const fn is_size(&self) -> bool {
        let refused = matches!(self, Self::Opening(Error::Device(_)));
        refused || matches!(self.error(), Error::DeviceFailed { failure: Failure::OutOfMemory, .. })
    }
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Self {
        Self::Training(error)
    }
}

/// Collects the metrics of every member, up to the epoch in which the member diverges.
struct Follower<'a> {
    last: Vec<Option<EpochMetrics>>,
    diverged: Vec<Option<Divergence>>,
    epochs: Option<Vec<Vec<EpochMetrics>>>,
    watcher: &'a mut dyn Watcher,
    /// The work of all runs, in first epochs of this population, and when the population began; `None` once the time is
    /// estimated.
    scale: Option<(f64, Instant)>,
}

impl<'a> Follower<'a> {
    fn new(members: usize, keep_epochs: bool, watcher: &'a mut dyn Watcher, scale: Option<(f64, Instant)>) -> Self {
        let epochs = keep_epochs.then(|| vec![vec![]; members]);
        Self { last: vec![None; members], diverged: vec![None; members], epochs, watcher, scale }
    }

    fn records(self, runs: &[&PlannedRun], sources: &str, device: &DeviceInfo, seconds: f64) -> Vec<RunRecord> {
        let Self { mut last, diverged, mut epochs, .. } = self;
        let record = |(member, run): (usize, &&PlannedRun)| RunRecord {
            id: run.id.clone(),
            arm: run.arm.clone(),
            seed: run.seed,
            diverged: diverged[member].is_some(),
            epoch: diverged[member].map(|divergence| divergence.epoch),
            first: diverged[member].and_then(|divergence| divergence.first),
            skipped: None,
            last: last[member].take(),
            config: run.config.clone(),
            sources: Some(sources.to_owned()),
            device: Some(device.clone()),
            version: env!("CARGO_PKG_VERSION").into(),
            seconds,
            members: runs.len(),
            epochs: epochs.as_mut().map(|all| std::mem::take(&mut all[member])),
        };
        runs.iter().enumerate().map(record).collect()
    }
}

impl Observer for Follower<'_> {
    fn epoch(&mut self, metrics: &[EpochMetrics]) -> Result<ControlFlow<()>> {
        if let Some((scale, began)) = self.scale.take() {
            self.watcher.estimate(began.elapsed().as_secs_f64() * scale);
        }
        for (member, metrics) in metrics.iter().enumerate().filter(|(m, _)| self.diverged[*m].is_none()) {
            self.last[member] = Some(metrics.clone());
            if let Some(epochs) = &mut self.epochs {
                epochs[member].push(metrics.clone());
            }
        }
        let over = self.diverged.iter().all(Option::is_some);
        Ok(if over { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
    }

    fn diverged(&mut self, member: usize, divergence: Divergence) -> ControlFlow<()> {
        self.diverged[member] = Some(divergence);
        ControlFlow::Continue(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The earliest waiting run decides which kind is next, and each kind keeps its order. So many runs must take no
    /// minutes.
    #[test]
    fn queues_keep_the_order_of_the_plan() {
        let run =
            PlannedRun { id: "a".into(), arm: "a".into(), seed: 1, group: 0, after: None, config: Config::default() };
        let (runs, kinds) = (200_000, 1000);
        let mut queues = Queues::default();
        (0..runs).for_each(|place| queues.push(place * 7 % kinds, &run));
        let (mut waiting, mut taken) = (vec![true; runs], 0);
        let mut earliest = 0;
        while let Some((kind, alike)) = queues.next() {
            while !waiting[earliest] {
                earliest += 1;
            }
            assert_eq!((kind, alike[0].0), (earliest * 7 % kinds, earliest));
            let places: Vec<usize> = alike.iter().take(16).map(|(place, _)| *place).collect();
            assert!(places.is_sorted() && places.iter().all(|&place| waiting[place] && place * 7 % kinds == kind));
            places.iter().for_each(|&place| waiting[place] = false);
            taken += queues.take(kind, 16).len();
        }
        assert_eq!(taken, runs);
    }
}
