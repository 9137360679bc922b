//! What most programs need: `use homeostat::prelude::*;`.

pub use crate::config::{
    Activation, Basis, CheckpointEvery, Clock, Config, Decay, DecayTicks, Hidden, InitScheme, Latch, Loss, Output,
    Preset, Rule, Scope,
};
pub use crate::data::{DataSet, Features, Split};
pub use crate::device::Device;
pub use crate::error::{Error, Result};
pub use crate::gpu::Pick;
pub use crate::model::{Format, Model, Predictions};
pub use crate::run::{Event, Note, OnDivergence, StopHandle, Training};
pub use crate::train::metrics::EpochMetrics;
pub use crate::train::trainer::Position;
