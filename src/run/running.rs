//! A training on its device: does its pieces, and keeps the outcome.

use super::doubts::label_scores;
use super::keeper::Keeper;
use super::names::BEST;
use super::result::{Best, RunResult};
use crate::error::{Error, Result};
use crate::model::file::Model;
use crate::train::engine::DeviceInfo;
use crate::train::state::MemberState;
use crate::train::trainer::Trainer;
use std::path::PathBuf;

/// A training on its device.
pub(super) struct Running {
    pub trainer: Trainer,
    pub keeper: Keeper,
    pub device: DeviceInfo,
    pub path: Option<PathBuf>,
    pub result: Option<RunResult>,
}

impl Running {
    /// Trains the next batches. `Some(true)` if there are more, `Some(false)` if the training is over, `None` if it was stopped.
    pub async fn piece(&mut self) -> Result<Option<bool>> {
        let outcome = self.trainer.step(&mut self.keeper).await;
        match outcome {
            Ok(true) => Ok(Some(true)),
            Ok(false) => self.complete().await.map(|()| Some(false)),
            Err(error) => {
                self.keeper.log_stop(&error);
                if !error.is_interrupt() {
                    self.keeper.note_what_is_kept(&error);
                    return Err(error);
                }
                self.stop().await.map(|()| None)
            }
        }
    }

    /// Keeps the state of a training that was stopped.
    async fn stop(&mut self) -> Result<()> {
        if self.keeper.directory.is_none() {
            return Ok(());
        }
        let state = self.state().await?;
        self.keeper.stop(self.trainer.position(), &state)
    }

    /// Keeps the outcome of a training that is over.
    async fn complete(&mut self) -> Result<()> {
        let last = self.state().await?;
        let best = self.restore_best(&last).await?;
        let kept = best.as_ref().map_or(&last, |(_, state)| state);
        self.keeper.complete(kept, &last)?;
        let labels = label_scores(&self.keeper.population, kept);
        self.keeper.doubt(best.as_ref().map(|(best, state)| (&best.metrics, state)), &last);
        let last = self.keeper.last.clone().ok_or_else(|| {
            Error::Run(
                "the metrics of the last epoch are lost; move the newest checkpoint away, and `resume` trains that epoch \
                 again"
                    .into(),
            )
        })?;
        let result = RunResult {
            last,
            best: best.map(|(best, _)| best),
            labels,
            divergence: self.keeper.divergence,
            config: self.keeper.population.shared().clone(),
            device: self.device.clone(),
            version: env!("CARGO_PKG_VERSION"),
            seconds: self.keeper.seconds(),
        };
        if let Some(directory) = self.keeper.directory.take() {
            directory.finish(&result)?;
        }
        self.result = Some(result);
        Ok(())
    }

    /// Gives the engine the best network of a run that ends with it, and scores that network.
    async fn restore_best(&mut self, last: &MemberState) -> Result<Option<(Best, MemberState)>> {
        let Some((value, epoch)) = self.keeper.best.filter(|_| self.keeper.restores_best()) else { return Ok(None) };
        let kept = self.keeper.best_state.take();
        let state = match (kept, &self.keeper.directory) {
            (Some(state), _) => state,
            // The best epoch lies before the run was resumed.
            (None, Some(directory)) => {
                let mut state = last.clone();
                Model::open(directory.path().join(BEST))?.apply_weights(&mut state);
                state
            }
            (None, None) => return Ok(None),
        };
        let metrics = self.trainer.restore(epoch, vec![state.clone()]).await?.swap_remove(0);
        let monitor = self.keeper.population.shared().run.monitor;
        Ok(Some((Best { monitor, value, metrics }, state)))
    }

    async fn state(&mut self) -> Result<MemberState> {
        match self.trainer.read_state().await {
            Ok(mut states) => Ok(states.swap_remove(0)),
            Err(error) => {
                self.keeper.note_what_is_kept(&error);
                Err(error)
            }
        }
    }
}
