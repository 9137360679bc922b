//! A training on its device: does its pieces, and keeps the outcome.

use super::keeper::Keeper;
use super::result::RunResult;
use crate::error::{Error, Result};
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
        if self.keeper.directory.is_some() {
            let state = self.state().await?;
            self.keeper.complete(&state)?;
        }
        let last = self.keeper.last.clone().ok_or_else(|| {
            Error::Run(
                "the metrics of the last epoch are lost; move the newest checkpoint away, and `resume` trains that epoch \
                 again"
                    .into(),
            )
        })?;
        let result = RunResult {
            last,
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
