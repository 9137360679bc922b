//! The stand-in for the GPU engine in builds without the feature `gpu`. Such builds list no adapter and refuse to open
//! one.

mod summary;

use crate::error::{Error, Result};
use crate::train::engine::Request;
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
pub use summary::{AdapterSummary, Cooperative, KernelLimits, Limit, Pick};

/// An opened adapter. The type has no value, because no adapter can be opened.
#[derive(Clone, Copy, Debug)]
pub enum Context {}

impl Context {
    /// The empty list, for an executor.
    #[must_use]
    pub fn adapters() -> Request<'static, Vec<AdapterSummary>> {
        Box::pin(async { Ok(vec![]) })
    }

    /// The empty list.
    #[must_use]
    pub fn list() -> Vec<AdapterSummary> {
        vec![]
    }

    /// Refuses to open an adapter.
    ///
    /// # Errors
    /// Always.
    pub fn open(_: &Pick) -> Result<Self> {
        Err(missing())
    }

    /// The peak rates of the adapter.
    ///
    /// # Errors
    /// Never, because there is no adapter.
    pub fn peaks(&self, _: &AtomicBool) -> Result<(f64, f64)> {
        match *self {}
    }
}

/// Such builds measure no tiles.
#[must_use]
pub const fn measured_tiles() -> Option<PathBuf> {
    None
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
