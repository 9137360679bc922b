//! Training: a [`population`] and its [`state`], the [`engine`] trait that devices implement, and the [`trainer`], which makes
//! epochs, ticks and [`metrics`] of an engine's steps. [`blocking`] waits for futures.

pub mod blocking;
pub mod engine;
mod equilibrium;
pub mod living;
pub mod measure;
pub mod metrics;
pub mod population;
mod search;
mod shown;
pub mod state;
pub mod trainer;
