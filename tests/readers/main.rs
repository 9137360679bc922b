//! Everything that reads files or a network: data sets, models, checkpoints and traces, sound, damaged and hostile.

mod checkpoint;
mod damage;
mod data;
mod fetch;
#[path = "../common/isolated.rs"]
mod isolated;
mod model;
