//! `homeostat train`: settings, data, device and run directory brought together.

use super::dry_run;
use super::next;
use super::place::Place;
use super::print::{say, say_of, tell};
use super::progress::Progress;
use super::signals::interrupt_flag;
use super::table::{Columns, Shape, Table};
use crate::config::{CheckpointEvery, Config, Preset};
use crate::data::DataSet;
use crate::data::catalogue::Set;
use crate::data::summary::Summary;
use crate::error::{Error, Result};
use crate::files::to_json;
use crate::run::{Event, Failed, Kept, MODEL, Note, OnDivergence, RunDirectory, RunResult, Training};
use crate::text::percent;
use crate::train::blocking::block_on;
use crate::train::metrics::{EpochMetrics, Metric};
use crate::train::population::Population;
use crate::train::trainer::Position;
use clap::builder::TypedValueParser;
use std::collections::HashSet;
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
    #[command(flatten)]
    settings: Config,
    #[command(flatten)]
    place: Place,
    /// File of settings: TOML with the long flags as keys, or the result.json of an earlier run
    #[arg(long, value_name = "FILE", help_heading = "Run")]
    config: Option<PathBuf>,
    /// Named starting point
    #[arg(long, value_enum, help_heading = "Run")]
    preset: Option<Preset>,
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
    /// Columns of the table, with commas between: keys of metrics.jsonl or their short names such as loss, error, alpha,
    /// frozen, living and speed; or all [default: as many as fit into 80 characters]
    #[arg(long, value_name = "LIST", help_heading = "Run")]
    columns: Option<Columns>,
    /// Print JSON on stdout: one object per epoch, last the result
    #[arg(long, help_heading = "Run")]
    json: bool,
    /// Print no device, no progress and no table of epochs, only the outcome
    #[arg(long, short, help_heading = "Run")]
    quiet: bool,
}

impl Train {
    /// Trains to the end.
    pub fn run(&self, matches: &clap::ArgMatches) -> Result<()> {
        let began = Instant::now();
        let interrupt = interrupt_flag()?;
        let training = match &self.resume {
            Some(directory) => {
                let epochs = self.settings.typed(matches)?.contains_key("epochs").then_some(self.settings.run.epochs);
                let data = |config: &mut Config| self.resumed_data(directory, config, matches, epochs.is_some());
                Training::resume_by(directory, !self.dry_run, epochs, data)?
            }
            None => self.new_training(matches)?,
        };
        if self.dry_run {
            let directory = training.destination();
            return dry_run::show(training.population(), training.wanted_device(), directory.as_deref(), self.json);
        }
        let columns = self.columns.clone().unwrap_or_default();
        let table = Table::new(Shape::new(training.population()), &columns)?;
        let mut training = training
            .checkpoints(self.checkpoint_every, self.keep)
            .on_divergence(self.on_divergence)
            .stopped_by(interrupt)
            .since(began);
        self.follow(&mut training, table)?;
        match training.result() {
            Some(result) => {
                let targets = training.population().topology.classes();
                self.tell_outcome(result, training.directory(), targets)
            }
            None => Err(Error::Interrupted),
        }
    }

    /// A run from its beginning.
    fn new_training(&self, matches: &clap::ArgMatches) -> Result<Training> {
        let (mut config, given) = self.resolve(matches)?;
        let _: crate::device::Device = config.run.device.parse()?;
        if let Some(out) = &self.out {
            RunDirectory::check(out, self.force)?;
        }
        let data = Arc::new(DataSet::open_as(&config.data, &self.place.search())?);
        let samples = data.rows_to_split();
        let is_given = |key: &str| given.contains(key);
        // A preset stands for the whole experiment that it repeats.
        let keeps = |key: &str| self.preset.is_some() || is_given(key);
        config.suit(samples, data.task, keeps("epochs"), keeps("alpha0"));
        let holds_out = !keeps("val-fraction") && data.validation_rows == 0 && config.hold_out(samples);
        let training = Training::with_widths(config, Arc::clone(&data), is_given("hidden"))?;
        self.tell_data(&data, training.population());
        if holds_out && !self.quiet {
            let held_out = training.population().validation_rows();
            tell(format_args!("note: {held_out} samples are held out for validation; --val-fraction 0 trains on all"));
        }
        match &self.out {
            _ if self.no_save => Ok(training),
            Some(out) if self.force => training.replace_in(out),
            Some(out) => training.keep_in(out),
            None => training.keep_as(self.name.clone()),
        }
    }

    /// Prints what was read, and what looks like a mistake.
    fn tell_data(&self, data: &DataSet, population: &Population) {
        let preparation = &population.preparations[0];
        // Known sets hold no surprise.
        if self.quiet || Set::named(&data.name).is_some_and(|set| set.files.is_some() || set.name == "mnist") {
            return;
        }
        let scale = preparation.describe(data, population.shared());
        let Summary { facts, doubts } = Summary::new(data, &population.splits[0], scale);
        facts.iter().for_each(tell);
        data.notes().iter().chain(&doubts).for_each(|note| tell(format_args!("note: {note}")));
    }

    /// The data of the run to resume, whose settings change as typed.
    fn resumed_data(
        &self,
        directory: &Path,
        config: &mut Config,
        matches: &clap::ArgMatches,
        is_prolonged: bool,
    ) -> Result<Arc<DataSet>> {
        if RunDirectory::is_finished(directory) && !is_prolonged {
            return Err(Error::config(format!(
                "--resume {}: this run is complete; to prolong it give --epochs N, or to train on from its weights --init {}",
                directory.display(),
                directory.join(MODEL).display()
            )));
        }
        let mut typed = self.settings.typed(matches)?;
        // The number of epochs prolongs a run, which `Training` does.
        typed.remove("epochs");
        *config = config.resumed_with(&typed)?;
        let _: crate::device::Device = config.run.device.parse()?;
        Ok(Arc::new(DataSet::open_as(&config.data, &self.place.search())?))
    }

    /// Trains to the end, and prints what happens.
    fn follow(&self, training: &mut Training, table: Table) -> Result<()> {
        let kept = training.destination().is_some();
        let mut progress = Progress::new(training.population(), table, self.quiet, self.json, kept);
        loop {
            let event = block_on(training.next_event()).inspect_err(|_| progress.clear())?;
            let Some(event) = event else { break };
            if let Err(error) = self.show(&event, &mut progress, kept) {
                training.log_stop(&error);
                progress.clear();
                return Err(error);
            }
        }
        progress.clear();
        Ok(())
    }

    fn show(&self, event: &Event, progress: &mut Progress, kept: bool) -> Result<()> {
        match event {
            Event::Device(device) if !self.quiet => tell(format_args!("device: {device}")),
            Event::Steps(position) => progress.steps(*position),
            Event::Epoch(metrics) => return self.show_epoch(metrics, progress, kept),
            Event::Note(note) => {
                if matches!(note, Note::Stopped { .. } | Note::Kept { .. }) {
                    progress.clear();
                }
                tell(self.text(note));
            }
            _ => {}
        }
        Ok(())
    }

    fn show_epoch(&self, metrics: &EpochMetrics, progress: &mut Progress, kept: bool) -> Result<()> {
        progress.epoch(metrics)?;
        if self.json { say_of(kept, to_json(metrics)?) } else { Ok(()) }
    }

    /// A note with the flags that matter.
    fn text(&self, note: &Note) -> String {
        match note {
            Note::Resumed(_) => note.to_string(),
            Note::Rates { path, frozen } => {
                let what = if *frozen {
                    "every α is 0, so nothing will learn"
                } else {
                    "every α continues from its value there"
                };
                format!(
                    "note: {}: {what}; --fresh-alpha takes only its weights, and lets every α begin at --alpha0",
                    path.display()
                )
            }
            Note::Diverged(divergence) => format!("note: {divergence}; continuing, as --on-divergence says"),
            Note::Stopped { position: Position { epoch, batch }, directory, from } => {
                let on = match self.on_divergence {
                    OnDivergence::Stop => "",
                    OnDivergence::Continue => " --on-divergence continue",
                };
                let from = match from {
                    Kept::Here => String::new(),
                    Kept::Checkpoint(file) => {
                        format!(", again from {}, as what is not finite is not kept", file.display())
                    }
                    Kept::Nothing => ", again from the beginning, as what is not finite is not kept".to_owned(),
                };
                let path = directory.display();
                format!("stopped in epoch {epoch} before batch {batch}; continue with --resume {path}{on}{from}")
            }
            Note::Kept { directory, failure: Failed::Device, checkpoint } => {
                let path = directory.display();
                match checkpoint {
                    Some(file) => format!("{} is kept; continue with --resume {path}", file.display()),
                    None => {
                        format!("it failed before the first checkpoint; --resume {path} starts from the beginning")
                    }
                }
            }
            Note::Kept { .. } => note.to_string(),
            _ => format!("note: {note}"),
        }
    }

    fn tell_outcome(&self, result: &RunResult, directory: Option<&Path>, targets: usize) -> Result<()> {
        let saved = directory.map_or_else(|| "not saved".to_owned(), |path| format!("saved in {}", path.display()));
        let outcome = outcome(result, targets);
        let best = result.best.as_ref().map_or(String::new(), |best| {
            let format =
                Metric::named(&best.monitor.key()).map_or(String::new(), |metric| metric.format.text(best.value));
            format!(", best in epoch {} ({} {format})", best.metrics.epoch, best.monitor)
        });
        let line = format!("{outcome} after {} epochs{best}, {:.1} s; {saved}", result.last.epoch, result.seconds);
        if self.json {
            tell(line);
            say(to_json(result)?)?;
        } else {
            say(line)?;
        }
        if !self.quiet {
            let data_dir = self.place.data_dir.as_deref();
            directory.into_iter().flat_map(|directory| next::commands(directory, data_dir)).for_each(tell);
        }
        Ok(())
    }

    /// All layers of settings together, and the keys that they give.
    fn resolve(&self, matches: &clap::ArgMatches) -> Result<(Config, HashSet<String>)> {
        let preset = self.preset.map(Config::preset);
        let file = self.config.as_deref().map(Config::read_table).transpose()?;
        let typed = self.settings.typed(matches)?;
        let layers = || preset.iter().chain(&file).chain([&typed]);
        let config = Config::overlay(layers())?;
        let given = layers().map(Config::canonical).collect::<Result<Vec<_>>>()?;
        Ok((config, given.iter().flat_map(|layer| layer.keys().cloned()).collect()))
    }
}

/// The score of the network that a run ended with, in words.
fn outcome(result: &RunResult, targets: usize) -> String {
    let scores = result.outcome();
    if result.config.rule.kind.is_unsupervised() {
        return format!("mean ½ Σ y² {:.4}", -scores.train_loss);
    }
    let told = |key: &str, value: f64| Metric::named(key).map_or(String::new(), |metric| metric.format.text(value));
    let regression = |rmse: f64, mae: Option<f64>, r2: Option<f64>| {
        let [mae, r2] = [("test_mae", mae), ("test_r2", r2)].map(|(key, value)| told(key, value.unwrap_or(f64::NAN)));
        let unit = if targets > 1 { " (in standard deviations of each target)" } else { "" };
        format!("RMSE {}, MAE {mae}{unit}, R² {r2}", told("test_rmse", rmse))
    };
    if let Some(labels) = &result.labels {
        let of = if scores.test_error.is_some() { "test" } else { "training" };
        let f1 = labels.micro_f1.map_or("–".to_owned(), |f1| format!("{f1:.4}"));
        return format!("{of} exact match {}, F1 {f1}", percent(labels.exact_match));
    }
    match (scores.test_rmse, scores.train_rmse, scores.test_error) {
        (Some(rmse), ..) => format!("test {}", regression(rmse, scores.test_mae, scores.test_r2)),
        (None, Some(rmse), _) => {
            format!("training {} (no test set)", regression(rmse, scores.train_mae, scores.train_r2))
        }
        (.., None) => format!("training error {} (no test set)", percent(scores.train_error)),
        (.., Some(error)) => format!("test error {}", percent(error)),
    }
}
