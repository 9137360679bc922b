//! Tests everything that reads files or a network: data sets, models, checkpoints and traces, on valid, damaged and
//! hostile input.

mod checkpoint;
mod damage;
mod data;
mod fetch;
#[path = "../common/isolated.rs"]
mod isolated;
mod model;
