//! What is reported of one member after one epoch.

use super::engine::MemberReport;
use serde::{Deserialize, Deserializer, Serialize};

/// One line of `metrics.jsonl`: one member after one epoch. JSON has no infinities and no NaN; what is not finite is written
/// as null and read back as NaN.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EpochMetrics {
    /// From 1.
    pub epoch: u32,
    /// Mean loss over the training samples: after the epoch's last update, or running (`--train-metrics`).
    #[serde(deserialize_with = "number")]
    pub train_loss: f64,
    /// Share of training samples answered wrongly, 0 … 1, as `train_loss`.
    pub train_error: f64,
    /// Mean loss over the validation samples after the epoch; `None` without any.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "known_number")]
    pub val_loss: Option<f64>,
    /// Share of validation samples answered wrongly, 0 … 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub val_error: Option<f64>,
    /// Mean loss over the test samples after the epoch; `None` where they were not read.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "known_number")]
    pub test_loss: Option<f64>,
    /// Share of test samples answered wrongly, 0 … 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub test_error: Option<f64>,
    /// Mean α of the next step, one entry per layer.
    #[serde(deserialize_with = "numbers")]
    pub alpha_mean: Vec<f64>,
    /// Share of the αs that are exactly 0, one entry per layer.
    pub frozen_fraction: Vec<f64>,
    /// Mean loss over the epoch's batches while the weights changed.
    #[serde(deserialize_with = "number")]
    pub running_loss: f64,
    /// Share of wrong answers over the epoch's batches while the weights changed.
    pub running_error: f64,
    /// Training samples of this member per second of training, evaluation not counted.
    pub samples_per_second: f64,
    /// Wall-clock seconds of the epoch, evaluation included.
    pub seconds: f64,
}

/// A number, or null.
fn number<'de, D: Deserializer<'de>>(source: D) -> std::result::Result<f64, D::Error> {
    Ok(Option::deserialize(source)?.unwrap_or(f64::NAN))
}

/// A number, or null, where something is written at all.
fn known_number<'de, D: Deserializer<'de>>(source: D) -> std::result::Result<Option<f64>, D::Error> {
    number(source).map(Some)
}

/// Numbers, or nulls.
fn numbers<'de, D: Deserializer<'de>>(source: D) -> std::result::Result<Vec<f64>, D::Error> {
    let values = Vec::<Option<f64>>::deserialize(source)?;
    Ok(values.into_iter().map(|value| value.unwrap_or(f64::NAN)).collect())
}

impl EpochMetrics {
    pub(super) fn new(epoch: u32, member: &MemberReport, samples_per_second: f64, seconds: f64) -> Self {
        let train = member.train.unwrap_or(member.running);
        Self {
            epoch,
            train_loss: train.loss,
            train_error: train.error,
            val_loss: member.validation.map(|score| score.loss),
            val_error: member.validation.map(|score| score.error),
            test_loss: member.test.map(|score| score.loss),
            test_error: member.test.map(|score| score.error),
            alpha_mean: member.alpha.iter().map(|alpha| alpha.mean).collect(),
            frozen_fraction: member.alpha.iter().map(|alpha| alpha.frozen).collect(),
            running_loss: member.running.loss,
            running_error: member.running.error,
            samples_per_second,
            seconds,
        }
    }
}
