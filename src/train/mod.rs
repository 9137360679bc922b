//! From configurations to epochs: a [`population`] and its [`state`], what it asks of a device as an [`engine`], and the
//! [`trainer`] that makes epochs, ticks and [`metrics`] of an engine's steps. [`blocking`] waits for them.

pub mod blocking;
pub mod engine;
pub mod metrics;
pub mod population;
pub mod state;
pub mod trainer;
