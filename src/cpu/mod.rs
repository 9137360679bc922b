//! The engine on the processor: f32, all cores. The fallback where there is no GPU, and the baseline that a GPU must
//! beat.
//!
//! A step works in units that depend on shapes alone – blocks of samples, then strips of W – and whose results do not
//! depend on who computes them. Big steps spread their units over the threads, populations their members.

mod canary;
mod dropout;
mod elementwise;
mod engine;
mod layer;
mod layout;
mod memory;
mod network;
mod output;
mod peaks;
mod product;
mod samples;
mod scratch;
mod update;
mod vectorised;

pub use engine::{CpuEngine, device};
pub(crate) use memory::plan as byte_plan;
pub(crate) use peaks::peaks;
pub(crate) use product::{View, multiply};
