//! `homeostat train`: settings, data, device and run directory brought together.

use super::dry_run;
use super::place::Place;
use super::print::{say, say_of, tell};
use super::progress::Progress;
use super::signals::interrupt_flag;
use crate::config::{CheckpointEvery, Config, Preset, Rule};
use crate::data::DataSet;
use crate::device;
use crate::error::{Error, Result};
use crate::files::to_json;
use crate::gpu::{AdapterSummary, Context};
use crate::model::file::Model;
use crate::rule::trace::Trace;
use crate::run::{self, Checkpoint, Lock, MODEL, RunDirectory, RunResult, TRACE};
use crate::text::percent;
use crate::train::engine::DeviceInfo;
use crate::train::metrics::EpochMetrics;
use crate::train::population::Population;
use crate::train::state::MemberState;
use crate::train::trainer::{Divergence, Observer, Position, Trainer};
use clap::builder::TypedValueParser;
use serde::Serialize;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

/// Train a network; without any flag, 784-256-10 on MNIST.
///
/// Settings come from the defaults, then --preset, then --config, then the flags given here; later ones win. One line
/// per epoch goes to stdout, the device and the progress bar to stderr. With --json stdout carries the lines of
/// metrics.jsonl and last the object of result.json, and all text goes to stderr.
#[derive(clap::Args)]
pub struct Train {
    /// File of settings: TOML with the long flags as keys, or the result.json of an earlier run
    #[arg(long, value_name = "FILE", help_heading = "Run")]
    config: Option<PathBuf>,
    /// Named starting point
    #[arg(long, value_enum, help_heading = "Run")]
    preset: Option<Preset>,
    #[command(flatten)]
    settings: Config,
    #[command(flatten)]
    place: Place,
    /// Directory for everything that the run leaves [default: runs/NAME-HASH, with the hash of the settings, and a number
    /// where that is taken]
    #[arg(long, value_name = "DIR", help_heading = "Run")]
    out: Option<PathBuf>,
    /// NAME of the directory in runs [default: that of the data set]
    #[arg(long, value_name = "NAME", conflicts_with = "out", help_heading = "Run")]
    name: Option<String>,
    /// Leave nothing
    #[arg(long, conflicts_with_all = ["out", "name"], help_heading = "Run")]
    no_save: bool,
    /// Replace the run that --out already holds
    #[arg(long, requires = "out", help_heading = "Run")]
    force: bool,
    /// Go on with the run in this directory from its newest checkpoint
    #[arg(long, value_name = "DIR", conflicts_with_all = ["out", "name", "no_save", "config", "preset", "force"], help_heading = "Run")]
    resume: Option<PathBuf>,
    /// Keep the state every so many epochs, or steps:K; 0 = never
    #[arg(long, value_name = "N", default_value = "1", help_heading = "Run")]
    checkpoint_every: CheckpointEvery,
    /// Checkpoints to keep, the newest
    #[arg(long, value_name = "K", default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..).map(|k| k as usize), help_heading = "Run")]
    keep: usize,
    /// What to do once a loss, net or δ is not finite: stop with exit code 5, or train on and record it
    #[arg(long, value_enum, value_name = "WHAT", default_value_t, help_heading = "Run")]
    on_divergence: OnDivergence,
    /// Tell what the run would take – memory array by array, limits, steps, files – and whether it fits; train nothing
    #[arg(long, help_heading = "Run")]
    dry_run: bool,
    /// Print JSON on stdout: one object per epoch, last the result
    #[arg(long, help_heading = "Run")]
    json: bool,
    /// Print no device, no progress and no table of epochs, only the outcome
    #[arg(long, short, help_heading = "Run")]
    quiet: bool,
}

/// `--on-divergence`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
enum OnDivergence {
    #[default]
    Stop,
    Continue,
}

impl Train {
    /// Trains to the end.
    pub fn run(&self, matches: &clap::ArgMatches) -> Result<()> {
        let started = Instant::now();
        let interrupt = interrupt_flag()?;
        let lock = match &self.resume {
            Some(directory) if !self.dry_run => {
                RunDirectory::config(directory)?;
                // Before anything is read that another process might still write.
                Some(Lock::take(directory)?)
            }
            _ => None,
        };
        let (mut config, hidden_given) = match &self.resume {
            Some(directory) => (self.resumed_config(directory, matches)?, true),
            None => self.resolve(matches)?,
        };
        let choice: device::Choice = config.run.device.parse()?;
        if let Some(out) = &self.out {
            RunDirectory::check(out, self.force)?;
        }
        let data = Arc::new(DataSet::open_in(&config.data.source, &self.place.search())?);
        let sources = [config.network.init.as_ref(), config.rule.trace.as_ref()];
        for source in sources.into_iter().flatten() {
            if self.resume.is_some() && !source.exists() {
                return Err(Error::file(source, "the run began with this file, and needs it to go on; put it back"));
            }
            if self.out.as_ref().is_some_and(|out| RunDirectory::holds(out, source)) {
                return Err(Error::file(
                    source,
                    "is read here, and lies where --force would remove it; give another --out",
                ));
            }
        }
        let model = config.network.init.as_deref().map(Model::read).transpose()?;
        if let Some(model) = &model {
            model.check_data(&data)?;
            model.adopt_hidden(&mut config, hidden_given)?;
        } else {
            config.network.init_scheme = Some(config.resolved_init_scheme());
        }
        let classes = model.as_ref().and_then(Model::least_outputs);
        let population = Arc::new(Population::new(vec![config.clone()], data, classes)?);
        if self.dry_run {
            return dry_run::show(&population, &choice, self.destination(&config).as_deref(), self.json);
        }
        device::check(&choice, &population)?;
        let mut state = population.initial_state();
        if let Some(model) = &model {
            model.apply_weights(&mut state[0]);
            model.apply_rates(&config, &mut state[0])?;
            let (has, needs) = (model.layers.len(), population.topology.layers());
            if has != needs && self.resume.is_none() {
                tell(format_args!(
                    "note: {}: {has} layers of weights, where {needs} are trained; {}",
                    model.path.display(),
                    if has < needs { "the others begin anew" } else { "the others are left out" }
                ));
            }
            if model.gives_rates(&config) && self.resume.is_none() {
                let what = if model.is_frozen() {
                    "every α is 0, so nothing will learn"
                } else {
                    "every α goes on from its value there"
                };
                tell(format_args!(
                    "note: {}: {what}; --fresh-alpha takes only its weights, and lets every α begin at --alpha0",
                    model.path.display()
                ));
            }
        }
        let checkpoint = match &self.resume {
            Some(directory) => newest_checkpoint(directory, &population)?,
            None => None,
        };
        if let Some(checkpoint) = &checkpoint {
            state[0].clone_from(&checkpoint.state);
        }
        let opened = device::open(&choice, &population, &state)?;
        drop(state);
        if let Some(note) = &opened.note {
            tell(format_args!("note: {note}"));
        }
        let device = opened.engine.device().clone();
        if !self.quiet {
            tell(format_args!("device: {device}"));
        }

        let mut directory = self.directory(&config, lock)?;
        let progress = checkpoint.map(|checkpoint| checkpoint.progress);
        let position = progress.as_ref().map_or(Position::START, |progress| progress.position);
        let mut last = None;
        if let Some(directory) = &mut directory {
            directory.save_environment(&Environment::new(&device))?;
            directory.log_start(position, &device);
            if let Some(reason) = directory.missing_lock() {
                tell(format_args!(
                    "note: {}: cannot be locked ({reason}); take care that no other process writes to it",
                    directory.path().display()
                ));
            }
            if self.resume.is_some() {
                let missing;
                (last, missing) = directory.rewind(position)?;
                if missing > 0 {
                    tell(format_args!("note: the metrics of {missing} epochs are damaged or lost, and left out"));
                }
                last = last.filter(|metrics| metrics.epoch + 1 == position.epoch);
            }
        }
        let mut trainer = Trainer::new(Arc::clone(&population), opened.engine, position, interrupt);
        // The end was decided before the run was stopped, while one more epoch was under way.
        let end = progress.as_ref().and_then(|progress| progress.end).or_else(|| {
            let ((_, best), patience) = (progress.as_ref()?.best?, config.run.early_stopping?);
            let end = best.saturating_add(patience);
            (position.epoch > end).then_some(end.saturating_add(1))
        });
        if let Some(end) = end {
            trainer.end_after(end);
        }
        let mut follower = Follower {
            progress: Progress::new(&population, self.quiet, self.json, directory.is_some()),
            json: self.json,
            last,
            best: progress.as_ref().and_then(|progress| progress.best),
            end,
            seconds_before: progress.as_ref().map_or(0.0, |progress| progress.seconds),
            started,
            every: if directory.is_some() { self.checkpoint_every } else { CheckpointEvery::Never },
            kept_at: position,
            held: None,
            on_divergence: self.on_divergence,
            divergence: progress.as_ref().and_then(|progress| progress.divergence),
            data: if directory.is_some() { population.checksum() } else { 0 },
            directory,
            population: Arc::clone(&population),
        };
        let outcome = trainer.run(&mut follower);
        follower.progress.clear();
        if let (Err(error), Some(directory)) = (&outcome, &mut follower.directory) {
            directory.log_stop(error);
        }
        if let Err(error) = &outcome
            && !error.is_interrupt()
        {
            follower.tell_what_is_kept(error);
            return outcome;
        }
        if follower.directory.is_some() {
            let state = trainer.state().inspect_err(|error| follower.tell_what_is_kept(error))?.swap_remove(0);
            follower.end(trainer.position(), &state, outcome.is_ok())?;
        }
        outcome?;

        let Follower { directory, last, divergence, .. } = follower;
        let last = last.ok_or_else(|| {
            Error::Run(
                "the metrics of the last epoch are lost; move the newest checkpoint away, and --resume trains that epoch \
                 again"
                    .into(),
            )
        })?;
        let saved = directory
            .as_ref()
            .map_or_else(|| "not saved".to_owned(), |directory| format!("saved in {}", directory.path().display()));
        let seconds = follower.seconds_before + started.elapsed().as_secs_f64();
        let result = RunResult { last, divergence, config, device, version: env!("CARGO_PKG_VERSION"), seconds };
        if let Some(directory) = directory {
            directory.finish(&result)?;
        }
        let error = match result.last.test_error {
            _ if result.config.rule.kind.is_unsupervised() => format!("mean ½ Σ y² {:.4}", -result.last.train_loss),
            None => format!("training error {} (no test set)", percent(result.last.train_error)),
            Some(error) => format!("test error {}", percent(error)),
        };
        let line = format!("{error} after {} epochs, {seconds:.1} s; {saved}", result.last.epoch);
        if self.json {
            tell(line);
            say(to_json(&result)?)
        } else {
            say(line)
        }
    }

    /// Where the run is to be kept, if anywhere, nothing being created yet.
    fn destination(&self, config: &Config) -> Option<PathBuf> {
        let given = self.resume.as_ref().or(self.out.as_ref());
        let free = || RunDirectory::free(self.name.as_deref(), config);
        (!self.no_save).then(|| given.cloned().unwrap_or_else(free))
    }

    /// Creates, or opens again, the directory of the run, unless nothing is to be left.
    fn directory(&self, config: &Config, lock: Option<Lock>) -> Result<Option<RunDirectory>> {
        if let (Some(directory), Some(lock)) = (&self.resume, lock) {
            return RunDirectory::open(directory, lock, self.keep).map(Some);
        }
        if self.no_save {
            return Ok(None);
        }
        let path = match &self.out {
            Some(out) => out.clone(),
            None => RunDirectory::reserve(self.name.as_deref(), config)?,
        };
        RunDirectory::create(&path, self.force, config, self.keep).map(Some)
    }

    /// The settings of the run to go on with. Only where it runs may change: anything else would make another run of it.
    fn resumed_config(&self, directory: &Path, matches: &clap::ArgMatches) -> Result<Config> {
        let mut config = RunDirectory::config(directory)?;
        if RunDirectory::is_finished(directory) {
            return Err(Error::config(format!(
                "--resume {}: this run is complete; to train on from its weights give --init {}",
                directory.display(),
                directory.join(MODEL).display()
            )));
        }
        let typed = self.settings.typed(matches)?;
        if let Some(key) = typed.keys().find(|key| !["device", "no-autotune"].contains(&key.as_str())) {
            return Err(Error::config(format!(
                "--{key}: a run that goes on keeps its settings; only --device may change"
            )));
        }
        if typed.contains_key("device") {
            config.run.device.clone_from(&self.settings.run.device);
        }
        config.run.no_autotune |= self.settings.run.no_autotune;
        Ok(config)
    }

    /// All layers of settings together, and whether one of them gives the hidden widths.
    fn resolve(&self, matches: &clap::ArgMatches) -> Result<(Config, bool)> {
        let preset = self.preset.map(Config::preset);
        let file = self.config.as_deref().map(Config::read_table).transpose()?;
        let typed = self.settings.typed(matches)?;
        let layers = || preset.iter().chain(&file).chain([&typed]);
        let config = Config::overlay(layers())?;
        Ok((config, layers().any(|layer| layer.contains_key("hidden"))))
    }
}

/// The newest checkpoint of a run that is whole; what is wrong with newer ones is told.
fn newest_checkpoint(directory: &Path, population: &Population) -> Result<Option<Checkpoint>> {
    let (checkpoint, damaged) = RunDirectory::latest_checkpoint(directory, population)?;
    for error in damaged {
        tell(format_args!("note: {error}; taking an earlier state"));
    }
    match &checkpoint {
        Some(checkpoint) => {
            let Position { epoch, batch } = checkpoint.progress.position;
            tell(format_args!("going on with epoch {epoch}, batch {batch}"));
        }
        None => tell("note: there is no checkpoint to go on from; starting from the beginning"),
    }
    Ok(checkpoint)
}

/// `environment.json`: what a run was made on.
#[derive(Serialize)]
struct Environment<'a> {
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
    fn new(device: &'a DeviceInfo) -> Self {
        let adapters = if device.engine == "gpu" { Context::list() } else { vec![] };
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

/// Writes down and shows what the trainer reports.
struct Follower {
    directory: Option<RunDirectory>,
    population: Arc<Population>,
    progress: Progress,
    json: bool,
    last: Option<EpochMetrics>,
    /// The lowest validation error and its epoch.
    best: Option<(f64, u32)>,
    /// The last epoch, once early stopping has decided on it.
    end: Option<u32>,
    /// Checksum of what it learns from, for the checkpoints.
    data: u32,
    seconds_before: f64,
    started: Instant,
    every: CheckpointEvery,
    /// Where the last checkpoint was.
    kept_at: Position,
    /// The state at the end of the epoch whose metrics come next.
    held: Option<(Position, MemberState)>,
    on_divergence: OnDivergence,
    /// Where the run stopped being finite, if it did.
    divergence: Option<Divergence>,
}

impl Follower {
    /// Steps from one position to a later one.
    fn steps_between(&self, from: Position, to: Position) -> u64 {
        let steps = u64::from(self.population.steps_per_epoch());
        let place = |position: Position| u64::from(position.epoch) * steps + u64::from(position.batch);
        place(to) - place(from)
    }

    fn checkpoint_is_due(&self, position: Position) -> bool {
        match self.every {
            CheckpointEvery::Never => false,
            CheckpointEvery::Epochs(n) => position.batch == 0 && position.epoch - self.kept_at.epoch >= n,
            CheckpointEvery::Steps(k) => self.steps_between(self.kept_at, position) >= u64::from(k),
        }
    }

    /// Keeps a state that is finite: going on from another leads nowhere, and it would push the last good one out.
    fn checkpoint(&mut self, position: Position, state: &MemberState) -> Result<()> {
        let Some(directory) = &self.directory else { return Ok(()) };
        if !state.is_finite() {
            return Ok(());
        }
        let run = run::Progress {
            position,
            steps: state.steps,
            samples_since_tick: state.samples_since_tick,
            running_samples: state.running.samples,
            seconds: self.seconds_before + self.started.elapsed().as_secs_f64(),
            best: self.best,
            end: self.end,
            divergence: self.divergence,
        };
        directory.save_checkpoint(self.population.shared(), self.data, run, state)?;
        self.kept_at = position;
        Ok(())
    }

    /// Keeps what the run has come to: the network, and what it takes to go on or, once it is over, its trace.
    fn end(&mut self, position: Position, state: &MemberState, over: bool) -> Result<()> {
        if !over {
            self.checkpoint(position, state)?;
        }
        let Some(directory) = &mut self.directory else { return Ok(()) };
        directory.save_model(&self.population, state)?;
        let config = self.population.shared();
        if !over {
            let path = directory.path().display();
            let Position { epoch, batch } = position;
            let on = match self.on_divergence {
                OnDivergence::Stop => "",
                OnDivergence::Continue => " --on-divergence continue",
            };
            let from = match (state.is_finite(), RunDirectory::newest_checkpoint(directory.path())) {
                (true, _) => String::new(),
                (false, Some(file)) => format!(", again from {}, as what is not finite is not kept", file.display()),
                (false, None) => ", again from the beginning, as what is not finite is not kept".to_owned(),
            };
            tell(format_args!("stopped in epoch {epoch} before batch {batch}; go on with --resume {path}{on}{from}"));
        } else if config.rule.kind == Rule::Psi {
            let trace = Trace::new(config.clone(), &self.population.topology, state.onsets(), self.population.ticks());
            trace.write(&self.population.topology, &directory.path().join(TRACE))?;
        }
        Ok(())
    }
}

impl Follower {
    /// After a failure: what there is to go on from.
    fn tell_what_is_kept(&mut self, error: &Error) {
        let (Some(directory), diverged) = (&mut self.directory, self.divergence.is_some()) else { return };
        let path = directory.path().display().to_string();
        let newest = RunDirectory::newest_checkpoint(directory.path());
        let line = match (error, newest) {
            (Error::DeviceFailed { .. }, Some(file)) => {
                format!("{} is kept; go on with --resume {path}", file.display())
            }
            (Error::DeviceFailed { .. }, None) => {
                format!("it failed before the first checkpoint; --resume {path} starts from the beginning")
            }
            (Error::Run(_), Some(file)) if diverged => format!("the last finite state is kept in {}", file.display()),
            (Error::Run(_), None) if diverged => "no state was kept: it diverged before the first checkpoint".into(),
            _ => return,
        };
        directory.log(&line);
        tell(line);
    }
}

impl Observer for Follower {
    fn progress(&mut self, position: Position) {
        self.progress.steps(position);
    }

    fn wants_state(&mut self, position: Position) -> bool {
        let ends_epoch = position.batch == 0;
        self.directory.is_some()
            && (self.checkpoint_is_due(position) || (ends_epoch && self.population.validation_rows() > 0))
    }

    fn state(&mut self, position: Position, mut state: Vec<MemberState>) -> Result<()> {
        let state = state.swap_remove(0);
        if position.batch == 0 {
            self.held = Some((position, state));
            return Ok(());
        }
        self.checkpoint(position, &state)
    }

    fn epoch(&mut self, metrics: &[EpochMetrics]) -> Result<ControlFlow<()>> {
        let [metrics] = metrics else { return Err(Error::Run("one network, one report expected".into())) };
        if let Some(directory) = &mut self.directory {
            directory.append(metrics)?;
            directory.log(&to_json(metrics)?);
        }
        self.progress.epoch(metrics)?;
        if self.json {
            say_of(self.directory.is_some(), to_json(metrics)?)?;
        }
        self.last = Some(metrics.clone());
        let held = self.held.take();
        let is_judged = !self.population.shared().rule.kind.is_unsupervised();
        if let Some(error) = metrics.val_error.filter(|_| is_judged)
            && self.best.is_none_or(|(lowest, _)| error < lowest)
        {
            self.best = Some((error, metrics.epoch));
            if let (Some(directory), Some((_, state))) = (&self.directory, &held)
                && state.is_finite()
            {
                directory.save_best(&self.population, state)?;
            }
        }
        let patience = self.population.shared().run.early_stopping;
        let idle = self.best.map_or(0, |(_, epoch)| metrics.epoch - epoch);
        let is_over = patience.is_some_and(|patience| idle >= patience);
        if is_over && self.end.is_none() {
            // The next epoch is under way already.
            self.end = Some(metrics.epoch + 1);
        }
        if let Some((position, state)) = held
            && self.checkpoint_is_due(position)
        {
            self.checkpoint(position, &state)?;
        }
        Ok(if is_over { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
    }

    fn diverged(&mut self, _: usize, divergence: Divergence) -> ControlFlow<()> {
        // A run that went on after an earlier one keeps that.
        self.divergence.get_or_insert(divergence);
        if self.on_divergence == OnDivergence::Stop {
            return ControlFlow::Break(());
        }
        let line = format!("note: {divergence}; going on, as --on-divergence says");
        if let Some(directory) = &mut self.directory {
            directory.log(&line);
        }
        tell(line);
        ControlFlow::Continue(())
    }
}
