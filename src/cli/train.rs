//! `homeostat train`: settings, data, device and run directory brought together.

use super::data::Place;
use super::progress::Progress;
use super::{interrupt_flag, percent, say, tell};
use crate::config::{Config, Preset, Rule};
use crate::data::DataSet;
use crate::device;
use crate::error::{Error, Result};
use crate::population::Population;
use crate::run::{Model, RunDirectory, RunResult, TRACE, Trace, to_json};
use crate::trainer::{EpochMetrics, Observer, Position, Trainer};
use std::ops::ControlFlow;
use std::path::PathBuf;
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
    /// Directory for metrics.jsonl, model.safetensors and result.json; without it nothing is saved
    #[arg(long, value_name = "DIR", help_heading = "Run")]
    out: Option<PathBuf>,
    /// Replace the run that --out already holds
    #[arg(long, requires = "out", help_heading = "Run")]
    force: bool,
    /// Print JSON on stdout: one object per epoch, last the result
    #[arg(long, help_heading = "Run")]
    json: bool,
    /// Print no device, no progress and no epochs, only the outcome
    #[arg(long, short, help_heading = "Run")]
    quiet: bool,
}

impl Train {
    /// Trains to the end.
    pub fn run(&self, matches: &clap::ArgMatches) -> Result<()> {
        let started = Instant::now();
        let interrupt = interrupt_flag()?;
        let (mut config, hidden_given) = self.resolve(matches)?;
        let choice: device::Choice = config.device.parse()?;
        if let Some(out) = &self.out {
            RunDirectory::check(out, self.force)?;
        }
        let data = Arc::new(DataSet::open_in(&config.data, &self.place.search())?);
        let model = config.init.as_deref().map(Model::read).transpose()?;
        if let Some(model) = &model {
            model.check_data(&data)?;
            model.adopt_hidden(&mut config, hidden_given)?;
        } else {
            config.init_scheme = Some(config.resolved_init_scheme());
        }
        let classes = model.as_ref().map(Model::classes);
        let population = Arc::new(Population::new(vec![config.clone()], data, classes)?);
        let mut state = population.initial_state();
        if let Some(model) = &model {
            model.apply_weights(&mut state[0]);
            model.apply_rates(&config, &mut state[0])?;
            if model.is_frozen() {
                tell(format_args!(
                    "note: every α in {} is 0, so nothing will learn; remove its alpha tensors to start anew from the weights",
                    model.path.display()
                ));
            }
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

        let directory = self.out.as_deref().map(|out| RunDirectory::create(out, self.force)).transpose()?;
        let mut trainer = Trainer::new(Arc::clone(&population), opened.engine, Position::START, interrupt);
        let progress = Progress::new(&population, self.quiet, self.json);
        let mut follower = Follower { directory, progress, json: self.json, last: None };
        let outcome = trainer.run(&mut follower);
        let Follower { directory, progress, last, .. } = follower;
        progress.clear();
        if !matches!(outcome, Ok(()) | Err(Error::Interrupted)) {
            return outcome;
        }
        if let Some(directory) = &directory {
            let state = trainer.state()?;
            directory.save_model(&config, &population.topology, &state[0])?;
            if outcome.is_ok() && config.rule == Rule::Psi {
                let trace = Trace::from_state(&config, &population.topology, &state[0], population.ticks());
                trace.write(&population.topology, &directory.path().join(TRACE))?;
            }
        }
        if let (Err(Error::Interrupted), Some(directory)) = (&outcome, &directory) {
            let Position { epoch, batch } = trainer.position();
            tell(format_args!(
                "stopped in epoch {epoch} before batch {batch}; weights kept in {}",
                directory.path().display()
            ));
        }
        outcome?;

        let last = last.ok_or_else(|| Error::Run("no epoch was trained".into()))?;
        let saved = directory.as_ref().map_or_else(
            || "not saved; give --out DIR".to_owned(),
            |directory| format!("saved in {}", directory.path().display()),
        );
        let seconds = started.elapsed().as_secs_f64();
        let result = RunResult { last, config, device, version: env!("CARGO_PKG_VERSION"), seconds };
        if let Some(directory) = directory {
            directory.finish(&result)?;
        }
        let error = result.last.test_error.map_or_else(
            || format!("training error {} (no test set)", percent(result.last.train_error)),
            |error| format!("test error {}", percent(error)),
        );
        let line = format!("{error} after {} epochs, {seconds:.1} s; {saved}", result.last.epoch);
        if self.json {
            tell(line);
            say(to_json(&result)?)
        } else {
            say(line)
        }
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

/// Writes down and shows what the trainer reports.
struct Follower {
    directory: Option<RunDirectory>,
    progress: Progress,
    json: bool,
    last: Option<EpochMetrics>,
}

impl Observer for Follower {
    fn progress(&mut self, position: Position) {
        self.progress.steps(position);
    }

    fn epoch(&mut self, metrics: &[EpochMetrics]) -> Result<ControlFlow<()>> {
        let [metrics] = metrics else { return Err(Error::Run("one network, one report expected".into())) };
        if let Some(directory) = &mut self.directory {
            directory.append(metrics)?;
        }
        self.progress.epoch(metrics)?;
        if self.json {
            say(to_json(metrics)?)?;
        }
        self.last = Some(metrics.clone());
        Ok(ControlFlow::Continue(()))
    }
}
