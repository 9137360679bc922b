//! `result.json`: the outcome of a run in one object.

use crate::config::{Config, Monitor};
use crate::model::labels::Labels;
use crate::train::engine::DeviceInfo;
use crate::train::metrics::EpochMetrics;
use crate::train::trainer::Divergence;
use serde::Serialize;

/// The network that early stopping restored.
#[derive(Clone, Debug, Serialize)]
pub struct Best {
    /// The metric that chose it.
    pub monitor: Monitor,
    /// The metric's value.
    pub value: f64,
    /// Its epoch and its scores, test set included.
    #[serde(flatten)]
    pub metrics: EpochMetrics,
}

impl RunResult {
    /// The scores of the network that the run ended with.
    #[must_use]
    pub fn outcome(&self) -> &EpochMetrics {
        self.best.as_ref().map_or(&self.last, |best| &best.metrics)
    }
}

/// The contents of `result.json`.
#[derive(Clone, Debug, Serialize)]
pub struct RunResult {
    /// The last line of `metrics.jsonl`.
    #[serde(rename = "final")]
    pub last: EpochMetrics,
    /// The network that the run ended with, if that is not its last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub best: Option<Best>,
    /// The scores of the labels, where samples have several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub labels: Option<Labels>,
    /// Where a value was first not finite, if training continued after that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub divergence: Option<Divergence>,
    /// The configuration in full: `train --config` accepts it.
    pub config: Config,
    /// The device.
    pub device: DeviceInfo,
    /// Version of this program.
    pub version: &'static str,
    /// Wall-clock seconds of the run, including opening data and device.
    pub seconds: f64,
}
