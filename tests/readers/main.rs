//! Tests everything that reads files or a network: data sets, models, checkpoints and traces, on valid, damaged and
//! hostile input.

mod bytes;
mod checkpoint;
mod damage;
mod data;
mod data_seeds;
mod fetch;
#[path = "../common/isolated.rs"]
mod isolated;
mod model;
#[path = "../common/png_bytes.rs"]
mod png_bytes;
