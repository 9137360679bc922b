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
