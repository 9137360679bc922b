//! `result.json`: the outcome of a run in one object.

use crate::config::Config;
use crate::train::engine::DeviceInfo;
use crate::train::metrics::EpochMetrics;
use crate::train::trainer::Divergence;
use serde::Serialize;

/// The contents of `result.json`.
#[derive(Clone, Debug, Serialize)]
pub struct RunResult {
    /// The last line of `metrics.jsonl`.
    #[serde(rename = "final")]
    pub last: EpochMetrics,
    /// Where the run stopped being finite, if it did and went on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub divergence: Option<Divergence>,
    /// The configuration in full: `train --config` accepts it.
    pub config: Config,
    /// What it ran on.
    pub device: DeviceInfo,
    /// Version of this program.
    pub version: &'static str,
    /// Wall-clock seconds of the run, data and device set up included.
    pub seconds: f64,
}
