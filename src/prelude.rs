//! What most programs need: `use homeostat::prelude::*;`.

pub use crate::config::{
    Activation, ActivationCache, Basis, CheckpointEvery, Clock, Config, Decay, DecayTicks, Distort, Fold, FreezeOut,
    Hidden, InitScheme, Latch, Loss, Missing, Monitor, Output, OutputDerivative, Precision, Preset, Replay, Rule,
    Scale, Schedule, Scope, Sliding, Task, TrainMetrics,
};
pub use crate::data::{DataSet, Features, Split};
pub use crate::device::Device;
pub use crate::error::{Error, Result};
pub use crate::gpu::Pick;
pub use crate::model::{Format, Model, Predictions};
pub use crate::run::{Event, Note, OnDivergence, StopHandle, Training};
pub use crate::train::metrics::EpochMetrics;
pub use crate::train::trainer::Position;
