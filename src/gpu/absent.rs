//! What stands for the engine on GPUs in a build without the feature `gpu`: this machine then has no adapter, and asking for
//! one is an error.

mod summary;

use crate::error::{Error, Result};
use std::sync::atomic::AtomicBool;
pub use summary::{AdapterSummary, Cooperative, Limit, Pick};

/// An opened adapter, of which there is none.
#[derive(Clone, Copy, Debug)]
pub enum Context {}

impl Context {
    /// No adapter.
    #[must_use]
    pub fn list() -> Vec<AdapterSummary> {
        vec![]
    }

    /// Refuses.
    ///
    /// # Errors
    /// Always.
    pub fn open(_: &Pick) -> Result<Self> {
        Err(missing())
    }

    /// What the adapter reaches at best.
    ///
    /// # Errors
    /// Never, because there is no adapter.
    pub fn peaks(&self, _: &AtomicBool) -> Result<(f64, f64)> {
        match *self {}
    }
}

/// The error of a build without this engine.
#[must_use]
pub fn missing() -> Error {
    Error::Device(
        "there is no GPU engine: this build of homeostat lacks the Cargo feature `gpu`; build with that feature, or train on \
         the CPU"
            .into(),
    )
}
