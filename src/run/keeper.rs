//! Follows the training of one network: writes its files, chooses its best state, and decides when it is over.

use super::checkpoint::Progress;
use super::directory::RunDirectory;
use super::doubts::doubts;
use super::event::{Event, Failed, Kept, Note};
use super::names::TRACE;
use super::start::save_trace;
use crate::config::{CheckpointEvery, Rule};
use crate::error::{Error, Result};
use crate::files::to_json;
use crate::train::metrics::{EpochMetrics, Metric};
use crate::train::population::Population;
use crate::train::state::MemberState;
use crate::train::trainer::{Divergence, Observer, Position};
use std::collections::VecDeque;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Instant;

/// What to do once a loss, net or δ is not finite.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "cli", derive(clap::ValueEnum))]
pub enum OnDivergence {
    /// Fail.
    #[default]
    Stop,
    /// Note where it happened, and train on.
    Continue,
}

/// Follows the training of one network.
pub(super) struct Keeper {
    pub population: Arc<Population>,
    pub directory: Option<RunDirectory>,
    /// The events that the caller has not taken yet.
    pub events: VecDeque<Event>,
    pub last: Option<EpochMetrics>,
    /// Epochs in a row at whose end every α was 0.
    pub frozen_epochs: u32,
    /// The best value of the monitored metric, and its epoch.
    pub best: Option<(f64, u32)>,
    /// The state at the end of that epoch, in runs that end with it.
    pub best_state: Option<MemberState>,
    /// The last epoch, once early stopping has decided on it.
    pub end: Option<u32>,
    pub seconds_before: f64,
    pub started: Instant,
    pub every: CheckpointEvery,
    /// Where the last checkpoint was.
    pub kept_at: Position,
    /// The state at the end of the epoch whose metrics come next.
    pub held: Option<(Position, MemberState)>,
    pub on_divergence: OnDivergence,
    /// Where the run stopped being finite, if it did.
    pub divergence: Option<Divergence>,
}

/// Whether every α is 0.
pub(super) fn is_frozen(metrics: &EpochMetrics) -> bool {
    metrics.frozen_fraction.iter().all(|&share| share == 1.0)
}

impl Keeper {
    fn note(&mut self, note: Note) {
        self.events.push_back(Event::Note(note));
    }

    /// Seconds that the run has taken, before and after it was resumed.
    pub fn seconds(&self) -> f64 {
        self.seconds_before + self.started.elapsed().as_secs_f64()
    }

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

    /// Writes a checkpoint if the state is finite. A run cannot recover from any other state, and its checkpoint would
    /// displace the last good one.
    fn checkpoint(&mut self, position: Position, state: &MemberState) -> Result<()> {
        let Some(directory) = &self.directory else { return Ok(()) };
        if !state.is_finite() {
            return Ok(());
        }
        let progress = Progress {
            position,
            steps: state.steps,
            samples_since_tick: state.samples_since_tick,
            running_samples: state.running.samples,
            seconds: self.seconds(),
            best: self.best,
            end: self.end,
            divergence: self.divergence,
        };
        directory.save_checkpoint(&self.population, progress, state)?;
        self.kept_at = position;
        Ok(())
    }

    /// Writes the network `state` of a run that is over, and its trace, which ends with the `last` state.
    pub fn complete(&mut self, state: &MemberState, last: &MemberState) -> Result<()> {
        let Some(directory) = &self.directory else { return Ok(()) };
        match self.restores_best() && self.best.is_some() {
            // If the run was resumed after its best epoch, only the file has the whole network of that epoch.
            true => directory.finish_with_best()?,
            false => directory.save_model(&self.population, state)?,
        }
        let config = self.population.shared();
        match config.rule.kind {
            Rule::Psi => save_trace(&self.population, config, last, &directory.entry(TRACE)),
            _ => Ok(()),
        }
    }

    /// Writes the network and the checkpoint of a stopped run.
    pub fn stop(&mut self, position: Position, state: &MemberState) -> Result<()> {
        self.checkpoint(position, state)?;
        let Some(directory) = &self.directory else { return Ok(()) };
        directory.save_model(&self.population, state)?;
        let path = directory.path().to_owned();
        let from = match (state.is_finite(), RunDirectory::newest_checkpoint(&path)) {
            (true, _) => Kept::Here,
            (false, Some(file)) => Kept::Checkpoint(file),
            (false, None) => Kept::Nothing,
        };
        self.note(Note::Stopped { position, directory: path, from });
        Ok(())
    }

    /// Logs the error that ended the run.
    pub fn log_stop(&mut self, error: &Error) {
        if let Some(directory) = &mut self.directory {
            directory.log_stop(error);
        }
    }

    /// Notes after a failure from which checkpoint the run can resume.
    pub fn note_what_is_kept(&mut self, error: &Error) {
        let Some(directory) = &mut self.directory else { return };
        let failure = match error {
            Error::DeviceFailed { .. } => Failed::Device,
            Error::Run(_) if self.divergence.is_some() => Failed::Diverged,
            _ => return,
        };
        let path = directory.path().to_owned();
        let checkpoint = RunDirectory::newest_checkpoint(&path);
        let note = Note::Kept { directory: path, failure, checkpoint };
        directory.log(&note.to_string());
        self.note(note);
    }

    /// Notes the doubts about the final network, which is that of the best or of the last state.
    pub fn doubt(&mut self, best: Option<(&EpochMetrics, &MemberState)>, last: &MemberState) {
        let found = match (best, &self.last) {
            (Some((metrics, state)), _) => doubts(&self.population, state, metrics),
            (None, Some(metrics)) => doubts(&self.population, last, metrics),
            (None, None) => vec![],
        };
        for note in found {
            if let Some(directory) = &mut self.directory {
                directory.log(&format!("note: {note}"));
            }
            self.note(note);
        }
    }

    /// Notes the first epoch after which nothing changes any more, if epochs are left.
    fn note_frozen(&mut self, metrics: &EpochMetrics) {
        self.frozen_epochs = if is_frozen(metrics) { self.frozen_epochs + 1 } else { 0 };
        let shared = self.population.shared();
        // With `neq`, φ changes once more after the outputs stand still. If no neuron learns in that epoch either, |v| only falls.
        let due = if shared.rule.kind == Rule::Neq { 2 } else { 1 };
        if self.frozen_epochs == due && metrics.epoch < shared.run.epochs {
            self.note(Note::Frozen(metrics.epoch));
        }
    }

    /// Whether the run ends with its best network instead of its last.
    pub fn restores_best(&self) -> bool {
        let run = &self.population.shared().run;
        run.early_stopping.is_some() && !run.no_restore_best
    }

    /// Keeps the state at the end of the epoch of `metrics` if no earlier one had a better value of the monitored metric.
    fn choose_best(&mut self, metrics: &EpochMetrics, held: Option<&(Position, MemberState)>) -> Result<()> {
        let shared = self.population.shared();
        let (monitor, least) = (shared.run.monitor, shared.run.min_delta);
        let is_judged = !shared.rule.kind.is_unsupervised();
        let value = Metric::named(&monitor.key()).and_then(|metric| metric.value(metrics, None));
        let Some(value) = value.filter(|value| is_judged && !value.is_nan()) else { return Ok(()) };
        let is_better =
            self.best.is_none_or(|(best, _)| if monitor.rises() { value - best > least } else { best - value > least });
        if !is_better {
            return Ok(());
        }
        self.best = Some((value, metrics.epoch));
        let Some((_, state)) = held.filter(|(_, state)| state.is_finite()) else { return Ok(()) };
        if self.restores_best() {
            self.best_state = Some(state.clone());
        }
        match &self.directory {
            Some(directory) => directory.save_best(&self.population, state),
            None => Ok(()),
        }
    }
}

impl Observer for Keeper {
    fn progress(&mut self, position: Position) {
        self.events.push_back(Event::Steps(position));
    }

    fn wants_state(&mut self, position: Position) -> bool {
        let ends_epoch = position.batch == 0;
        let may_be_best = ends_epoch && self.population.validation_rows() > 0;
        match self.directory {
            Some(_) => self.checkpoint_is_due(position) || may_be_best,
            None => self.restores_best() && may_be_best,
        }
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
        self.note_frozen(metrics);
        self.last = Some(metrics.clone());
        self.events.push_back(Event::Epoch(metrics.clone()));
        let held = self.held.take();
        self.choose_best(metrics, held.as_ref())?;
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
        // If the run diverged before it was resumed, that first place counts.
        self.divergence.get_or_insert(divergence);
        if self.on_divergence == OnDivergence::Stop {
            return ControlFlow::Break(());
        }
        let note = Note::Diverged(divergence);
        if let Some(directory) = &mut self.directory {
            directory.log(&format!("note: {note}"));
        }
        self.note(note);
        ControlFlow::Continue(())
    }
}
