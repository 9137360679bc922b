//! The CPU engine: f32 arithmetic on all cores. It is the fallback on machines without a GPU, and the baseline that a
//! GPU must beat.
//!
//! A step is cut into units: blocks of samples, then strips of W. The cut follows from shapes alone, so no result
//! depends on which thread computed a unit. Large steps spread their units over the threads; populations spread their
//! members.

mod ahead;
mod cache;
mod canary;
mod columns;
mod dropout;
mod elementwise;
mod engine;
mod layer;
mod layout;
mod learn;
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
pub(crate) use memory::{answered_at_once, answers, budget as memory_budget};
pub(crate) use peaks::peaks;
pub(crate) use product::{View, multiply};
