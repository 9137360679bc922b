//! The training of one network, from settings and data to a model: what the command line, notebooks and programs drive.

use super::beginning;
use super::checkpoint::Checkpoint;
use super::directory::RunDirectory;
use super::environment::Environment;
use super::event::{Event, Note};
use super::keeper::{Keeper, OnDivergence, is_frozen};
use super::lock::Lock;
use super::names::MODEL;
use super::place::Place;
use super::result::RunResult;
use super::running::Running;
use super::start::Start;
use super::stop::StopHandle;
use crate::config::{CheckpointEvery, Config};
use crate::data::{DataSet, Search};
use crate::device::{self, Device};
use crate::error::{Error, Result};
use crate::model::file::Model;
use crate::train::blocking::{block_on, yield_now};
use crate::train::engine::DeviceInfo;
use crate::train::metrics::EpochMetrics;
use crate::train::population::Population;
use crate::train::trainer::{Position, Trainer};
use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

/// Checkpoints that are kept where nothing else is asked for.
const CHECKPOINTS: usize = 2;

/// The training of one network.
///
/// Iterating over it trains an epoch at a time and blocks the thread meanwhile; [`Self::next_epoch`], [`Self::next_event`]
/// and [`Self::advance`] do the same for an executor. Nothing is opened or created before the first of these calls. After an
/// error the iteration ends.
///
/// Dropped before its end, a training leaves what a killed process leaves: a directory that [`Self::resume`] takes up from
/// its newest checkpoint.
pub struct Training {
    start: Start,
    device: Device,
    stop: StopHandle,
    place: Place,
    every: CheckpointEvery,
    keep: usize,
    on_divergence: OnDivergence,
    began: Instant,
    stage: Stage,
    events: VecDeque<Event>,
    notes: Vec<Note>,
    /// The error that ended the training, until it is returned. Events from before the error are returned first.
    failure: Option<Error>,
}

enum Stage {
    Ready,
    Running(Box<Running>),
    Over(Box<Running>),
    Stopped(Box<Running>),
    /// The text of the error.
    Failed(String),
}

impl Training {
    /// A training on `data` that keeps no files. The device is the one that the settings name, by default the first hardware
    /// adapter, else the processor.
    ///
    /// # Errors
    /// If settings make no sense, alone or with the data, or a file that they name cannot be read.
    pub fn new(config: Config, data: impl Into<Arc<DataSet>>) -> Result<Self> {
        let given = config.network.hidden != Config::default().network.hidden;
        Self::with_widths(config, data.into(), given)
    }

    /// As [`Self::new`]; if the user has `given` hidden widths, an initial model must have the same.
    pub(crate) fn with_widths(mut config: Config, data: Arc<DataSet>, given: bool) -> Result<Self> {
        data.name().clone_into(&mut config.data.source);
        Self::of(Start::new(vec![config], data, given)?)
    }

    fn of(start: Start) -> Result<Self> {
        Ok(Self {
            device: start.population.shared().run.device.parse()?,
            start,
            stop: StopHandle::default(),
            place: Place::Nowhere,
            every: CheckpointEvery::Epochs(1),
            keep: CHECKPOINTS,
            on_divergence: OnDivergence::default(),
            began: Instant::now(),
            stage: Stage::Ready,
            events: VecDeque::new(),
            notes: vec![],
            failure: None,
        })
    }

    /// Takes up the run in `directory` from its newest checkpoint. It ends with the bits that it would have had if it had
    /// never stopped.
    ///
    /// # Errors
    /// If there is no run, it is complete, another process writes to it, or its data cannot be opened by name.
    pub fn resume(directory: impl AsRef<Path>) -> Result<Self> {
        refuse_finished(directory.as_ref())?;
        Self::resume_by(directory.as_ref(), true, None, |config| {
            DataSet::open_as(&config.data, &Search::new(None)).map(Arc::new)
        })
    }

    /// As [`Self::resume`], for a run on `data` that was made in memory.
    ///
    /// # Errors
    /// As [`Self::resume`], and if the run learned from other data.
    pub fn resume_on(directory: impl AsRef<Path>, data: impl Into<Arc<DataSet>>) -> Result<Self> {
        refuse_finished(directory.as_ref())?;
        Self::resume_by(directory.as_ref(), true, None, |_| Ok(data.into()))
    }

    /// Prolongs the run in `directory`, complete or not, to `epochs` epochs. It ends with the bits of a run that was given as
    /// many epochs from the start.
    ///
    /// # Errors
    /// As [`Self::resume`], if the run has as many epochs already, or if a curve of its rates ends with the run.
    pub fn prolong(directory: impl AsRef<Path>, epochs: u32) -> Result<Self> {
        Self::resume_by(directory.as_ref(), true, Some(epochs), |config| {
            DataSet::open_as(&config.data, &Search::new(None)).map(Arc::new)
        })
    }

    /// As [`Self::resume`], on the data that `data` opens, which may also change the device among the settings. Without a
    /// `lock` nothing may be trained.
    pub(crate) fn resume_by(
        directory: &Path,
        lock: bool,
        epochs: Option<u32>,
        data: impl FnOnce(&mut Config) -> Result<Arc<DataSet>>,
    ) -> Result<Self> {
        RunDirectory::config(directory)?;
        // Before anything is read that another process might still write.
        let lock = if lock { Some(Lock::take(directory)?) } else { None };
        let mut config = RunDirectory::config(directory)?;
        let data = data(&mut config)?;
        match epochs {
            None => refuse_finished(directory)?,
            Some(epochs) => beginning::prolong(directory, &mut config, epochs)?,
        }
        for source in [&config.network.init, &config.rule.trace].into_iter().flatten() {
            if !source.exists() {
                return Err(Error::file(
                    source,
                    "the run began with this file, and cannot resume without it; put it back",
                ));
            }
        }
        let mut training = Self::of(Start::new(vec![config], data, true)?)?;
        training.place = Place::Resumed { path: directory.to_owned(), lock };
        Ok(training)
    }

    /// Chooses the device.
    ///
    /// # Errors
    /// If the training has begun.
    pub fn on(mut self, device: Device) -> Result<Self> {
        self.check_ready()?;
        Arc::make_mut(&mut self.start.population).configs[0].run.device = device.to_string();
        self.device = device;
        Ok(self)
    }

    /// Keeps settings, metrics, checkpoints and the trained network in the directory `path`, which may not hold another run.
    ///
    /// # Errors
    /// Names the files in the way. If the training has begun, or continues a run.
    pub fn keep_in(mut self, path: impl Into<PathBuf>) -> Result<Self> {
        self.check_new()?;
        let path = path.into();
        RunDirectory::check(&path, false)?;
        self.place = Place::At { path, replace: false };
        Ok(self)
    }

    /// As [`Self::keep_in`], and removes the run that the directory holds, as soon as training begins.
    ///
    /// # Errors
    /// If this run itself begins with one of the files there.
    pub fn replace_in(mut self, path: impl Into<PathBuf>) -> Result<Self> {
        self.check_new()?;
        let path = path.into();
        RunDirectory::check(&path, true)?;
        for source in [&self.config().network.init, &self.config().rule.trace].into_iter().flatten() {
            if RunDirectory::holds(&path, source) {
                let reason = "is read here, and lies where `force` would remove it; give another `out`";
                return Err(Error::file(source, reason));
            }
        }
        self.place = Place::At { path, replace: true };
        Ok(self)
    }

    /// Keeps the run in a new directory `runs/NAME-HASH`, with the hash of the settings and, where that is taken, a number.
    /// Without a name it bears the data set's.
    ///
    /// # Errors
    /// If the training has begun, or continues a run.
    pub fn keep_as(mut self, name: Option<String>) -> Result<Self> {
        self.check_new()?;
        self.place = Place::Free { name };
        Ok(self)
    }

    /// How often a checkpoint is written, by default after every epoch, and how many are kept, by default 2. Has no effect once
    /// the training has begun.
    #[must_use]
    pub fn checkpoints(mut self, every: CheckpointEvery, keep: usize) -> Self {
        (self.every, self.keep) = (every, keep.max(1));
        self
    }

    /// What to do once a value is no longer finite, by default to fail. Has no effect once the training has begun.
    #[must_use]
    pub fn on_divergence(mut self, what: OnDivergence) -> Self {
        self.on_divergence = what;
        self
    }

    /// Lets `stop` stop this training. Has no effect once the training has begun.
    #[must_use]
    pub fn stopped_by(mut self, stop: impl Into<StopHandle>) -> Self {
        self.stop = stop.into();
        self
    }

    /// Counts the seconds of the run from here on.
    #[doc(hidden)]
    #[must_use]
    pub fn since(mut self, began: Instant) -> Self {
        self.began = began;
        self
    }

    /// Refuses another place for a run that already has one.
    fn check_new(&self) -> Result<()> {
        self.check_ready()?;
        match &self.place {
            Place::Resumed { path, .. } => {
                Err(Error::file(path, "a resumed run stays in its directory; leave the other directory out"))
            }
            _ => Ok(()),
        }
    }

    fn check_ready(&self) -> Result<()> {
        match self.stage {
            Stage::Ready => Ok(()),
            _ => Err(Error::Run("the training has begun; choose device and directory before".into())),
        }
    }

    /// Stops the training from another thread. The iteration then ends without an error, and the directory can be resumed.
    #[must_use]
    pub fn stop_handle(&self) -> StopHandle {
        self.stop.clone()
    }

    /// The settings in full.
    #[must_use]
    pub fn config(&self) -> &Config {
        self.start.population.shared()
    }

    #[doc(hidden)]
    #[must_use]
    pub fn population(&self) -> &Population {
        &self.start.population
    }

    /// What the training runs on, once it has begun.
    #[must_use]
    pub fn device(&self) -> Option<&DeviceInfo> {
        self.running().map(|running| &running.device)
    }

    /// The directory of the run, once it has begun.
    #[must_use]
    pub fn directory(&self) -> Option<&Path> {
        self.running().and_then(|running| running.path.as_deref())
    }

    /// Where the run is going to be kept, if anywhere; nothing is created.
    #[doc(hidden)]
    #[must_use]
    pub fn destination(&self) -> Option<PathBuf> {
        self.place.path(self.config())
    }

    /// The device that was asked for.
    #[doc(hidden)]
    #[must_use]
    pub fn wanted_device(&self) -> &Device {
        &self.device
    }

    /// The next batch to train.
    #[must_use]
    pub fn position(&self) -> Position {
        self.running().map_or(Position::START, |running| running.trainer.position())
    }

    /// Whether the training was stopped before its end.
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        matches!(self.stage, Stage::Stopped(_))
    }

    /// The outcome of a training that has come to its end.
    #[must_use]
    pub fn result(&self) -> Option<&RunResult> {
        self.running().and_then(|running| running.result.as_ref())
    }

    /// What was noted since the last call while [`Self::next_epoch`] or the iterator trained.
    pub fn take_notes(&mut self) -> Vec<Note> {
        std::mem::take(&mut self.notes)
    }

    fn running(&self) -> Option<&Running> {
        match &self.stage {
            Stage::Running(running) | Stage::Over(running) | Stage::Stopped(running) => Some(running),
            Stage::Ready | Stage::Failed(_) => None,
        }
    }

    /// Trains the next epoch and returns its metrics; `None` once the training is over or was stopped. While it is reported
    /// the next epoch is already under way.
    ///
    /// # Errors
    /// As [`Self::advance`].
    pub async fn next_epoch(&mut self) -> Result<Option<EpochMetrics>> {
        loop {
            match self.next_event().await? {
                Some(Event::Epoch(metrics)) => return Ok(Some(metrics)),
                Some(Event::Note(note)) => self.notes.push(note),
                Some(_) => {}
                None => return Ok(None),
            }
        }
    }

    /// Trains until something happens; `None` once the training is over or was stopped.
    ///
    /// # Errors
    /// As [`Self::advance`].
    pub async fn next_event(&mut self) -> Result<Option<Event>> {
        loop {
            if let Some(event) = self.events.pop_front() {
                return Ok(Some(event));
            }
            match self.advance().await {
                Ok(true) => yield_now().await,
                Ok(false) if self.events.is_empty() => return Ok(None),
                Ok(false) => {}
                Err(error) if self.events.is_empty() => return Err(error),
                Err(error) => self.failure = Some(error),
            }
        }
    }

    /// Does the next piece of the training, a fraction of a second of work, and says whether there are more. If its future is
    /// dropped before its end, the training fails with the next call.
    ///
    /// # Errors
    /// If the device cannot be opened or fails, a file cannot be read or written, or a value is no longer finite, unless
    /// [`Self::on_divergence`] lets that pass. After an error there are no more pieces.
    pub async fn advance(&mut self) -> Result<bool> {
        if let Some(error) = self.failure.take() {
            return Err(error);
        }
        let outcome = match &mut self.stage {
            Stage::Ready => match self.begin().await {
                Ok(running) => {
                    self.stage = Stage::Running(Box::new(running));
                    Ok(Some(true))
                }
                Err(error) => Err(error),
            },
            Stage::Running(running) => {
                let outcome = running.piece().await;
                self.events.append(&mut running.keeper.events);
                outcome
            }
            Stage::Over(_) | Stage::Stopped(_) | Stage::Failed(_) => return Ok(false),
        };
        let (stage, outcome): (fn(Box<Running>) -> Stage, _) = match outcome {
            Ok(Some(true)) => return Ok(true),
            Ok(Some(false)) => (Stage::Over, Ok(false)),
            Ok(None) => (Stage::Stopped, Ok(false)),
            Err(error) => {
                self.stage = Stage::Failed(error.to_string());
                return Err(error);
            }
        };
        if let Stage::Running(running) = std::mem::replace(&mut self.stage, Stage::Ready) {
            self.stage = stage(running);
        }
        outcome
    }

    fn note(&mut self, note: Note) {
        self.events.push_back(Event::Note(note));
    }

    /// Opens device and directory.
    async fn begin(&mut self) -> Result<Running> {
        let population = Arc::clone(&self.start.population);
        device::check(&self.device, &population).await?;
        let mut state = self.start.initial_state()?;
        let resumed = match &self.place {
            Place::Resumed { path, .. } => Some(path.clone()),
            _ => None,
        };
        let checkpoint = match &resumed {
            Some(path) => self.newest_checkpoint(path)?,
            None => {
                for note in beginning::notes(&self.start) {
                    self.note(note);
                }
                None
            }
        };
        if let Some(checkpoint) = &checkpoint {
            state[0].clone_from(&checkpoint.state);
        }
        let opened = self.start.open(&self.device, &state).await?;
        drop(state);
        if let Some(note) = opened.note {
            self.note(Note::Device(note));
        }
        let device = opened.engine.device().clone();
        self.events.push_back(Event::Device(device.clone()));

        let progress = checkpoint.map(|checkpoint| checkpoint.progress);
        let position = progress.as_ref().map_or(Position::START, |progress| progress.position);
        let mut directory = self.place.open(self.start.population.shared(), self.keep)?;
        if let Some(directory) = directory.as_ref().filter(|_| resumed.is_some()) {
            directory.reopen(population.shared())?;
        }
        let mut last = None;
        if let Some(directory) = &mut directory {
            directory.save_environment(&Environment::new(&device).await)?;
            directory.log_start(position, &device);
            if let Some(reason) = directory.missing_lock() {
                let (directory, reason) = (directory.path().to_owned(), reason.to_owned());
                self.note(Note::NotLocked { directory, reason });
            }
            if resumed.is_some() {
                let (metrics, missing) = directory.rewind(position)?;
                if missing > 0 {
                    self.note(Note::MetricsLost(missing));
                }
                last = metrics.filter(|metrics| metrics.epoch + 1 == position.epoch);
            }
        }
        let mut trainer = Trainer::new(Arc::clone(&population), opened.engine, position, Arc::clone(&self.stop.0));
        // Early stopping may have decided on the end before the run was stopped, because one more epoch is always under way.
        let end = progress.as_ref().and_then(|progress| progress.end).or_else(|| {
            let ((_, best), patience) = (progress.as_ref()?.best?, population.shared().run.early_stopping?);
            let end = best.saturating_add(patience);
            (position.epoch > end).then_some(end.saturating_add(1))
        });
        if let Some(end) = end {
            trainer.end_after(end);
        }
        let path = directory.as_ref().map(|directory| directory.path().to_owned());
        let keeper = Keeper {
            population,
            directory,
            events: VecDeque::new(),
            frozen_epochs: last.as_ref().is_some_and(is_frozen).into(),
            last,
            best: progress.as_ref().and_then(|progress| progress.best),
            best_state: None,
            end,
            seconds_before: progress.as_ref().map_or(0.0, |progress| progress.seconds),
            started: self.began,
            every: self.every,
            kept_at: position,
            held: None,
            on_divergence: self.on_divergence,
            divergence: progress.as_ref().and_then(|progress| progress.divergence),
        };
        Ok(Running { trainer, keeper, device, path, result: None })
    }

    /// The newest checkpoint of the run in `directory` that is whole.
    fn newest_checkpoint(&mut self, directory: &Path) -> Result<Option<Checkpoint>> {
        let (checkpoint, damaged) = RunDirectory::latest_checkpoint(directory, &self.start.population)?;
        for error in damaged {
            self.note(Note::DamagedCheckpoint(error.to_string()));
        }
        self.note(match &checkpoint {
            Some(checkpoint) => Note::Resumed(checkpoint.progress.position),
            None => Note::NoCheckpoint,
        });
        Ok(checkpoint)
    }

    /// Logs that the caller has given up because of `error`.
    #[doc(hidden)]
    pub fn log_stop(&mut self, error: &Error) {
        if let Stage::Running(running) = &mut self.stage {
            running.keeper.log_stop(error);
        }
    }

    /// Trains what is left and returns the trained network, or the network as it stands once the training was stopped.
    ///
    /// # Errors
    /// As [`Self::advance`].
    pub fn run(mut self) -> Result<Model> {
        block_on(async {
            while self.next_epoch().await?.is_some() {}
            self.model().await
        })
    }

    /// Returns the trained network. If epochs are left, the one that is under way becomes the last: its end is the end of the
    /// run, as if it had been stopped early. A training that was stopped by its handle returns the network as it stands.
    ///
    /// # Errors
    /// As [`Self::advance`]; if no epoch was asked for; or if the training has failed.
    pub fn finish(self) -> Result<Model> {
        block_on(self.into_model())
    }

    /// As [`Self::finish`], for an executor.
    ///
    /// # Errors
    /// As [`Self::finish`].
    pub async fn into_model(mut self) -> Result<Model> {
        if let Stage::Running(running) = &mut self.stage {
            let epoch = running.trainer.position().epoch;
            running.trainer.end_after(epoch);
        }
        if matches!(self.stage, Stage::Running(_)) {
            while self.next_epoch().await?.is_some() {}
        }
        self.model().await
    }

    async fn model(&mut self) -> Result<Model> {
        match &mut self.stage {
            Stage::Ready => Err(Error::Run("nothing has been trained: ask for an epoch, or call `run`".into())),
            Stage::Failed(reason) => Err(Error::Run(format!("the training failed: {reason}"))),
            Stage::Running(running) | Stage::Over(running) | Stage::Stopped(running) => {
                let state = running.trainer.read_state().await?.swap_remove(0);
                let population = &self.start.population;
                Model::of_member(population, 0, population.shared(), &state)
            }
        }
    }
}

/// Refuses to continue a run that is complete.
fn refuse_finished(directory: &Path) -> Result<()> {
    match RunDirectory::is_finished(directory) {
        true => Err(Error::file(directory, format!("this run is complete; its network is in {MODEL}"))),
        false => Ok(()),
    }
}

/// Trains an epoch at a time; ends after the last one, after an error, or once the training was stopped.
impl Iterator for Training {
    type Item = Result<EpochMetrics>;

    fn next(&mut self) -> Option<Self::Item> {
        block_on(self.next_epoch()).transpose()
    }
}
