//! The configuration of a run: one table of settings for the command line, the TOML file and the saved record.
//!
//! A [`Config`] is always complete. Layers are merged as tables – defaults, preset, file, then the flags that the user
//! typed – and the result is read as a `Config`. A key has the same name everywhere: `decay-ticks` is the flag, the
//! TOML key and the key in `result.json`. [`Config::check`] refuses invalid settings.

mod check;
mod choices;
#[cfg(feature = "cli")]
mod flags;
mod layers;
mod record;
pub(crate) mod setting;
mod settings;
mod ticks;
mod values;

pub use check::MOST_HIDDEN_LAYERS;
pub(crate) use choices::choices;
pub use choices::{
    Activation, Basis, Decay, Delimiter, Distort, Header, Latch, Loss, Missing, Monitor, Output, OutputDerivative,
    Precision, Preset, Replay, Rule, Scale, Schedule, Scope, Task, TrainMetrics,
};
pub(crate) use layers::toml_reason;
pub use setting::{Members, Range, Setting};
pub use settings::{
    Config, DataSettings, NetworkSettings, Regularisation, RuleConstants, RuleSettings, RunSettings, SETTINGS,
    ScheduleSettings, Theta,
};
pub use ticks::DecayTicks;
pub use values::{
    ActivationCache, CheckpointEvery, Clock, Columns, Fold, FreezeOut, Hidden, ImageSize, InitScheme, Sliding,
};

#[cfg(all(test, feature = "cli"))]
mod tests;
