//! How to run the workloads.

use crate::config::{Precision, Rule, Scope};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// How to run the workloads.
#[derive(Clone, Debug)]
pub struct Settings {
    /// α0 of `constant`, or the whole of ψ.
    pub rule: Rule,
    /// What shares one α.
    pub scope: Scope,
    /// P.
    pub members: usize,
    /// Type of the products' factors.
    pub precision: Precision,
    /// Take the usual tiles instead of measuring which are fastest.
    pub no_autotune: bool,
    /// Windows that are thrown away.
    pub warmup: u32,
    /// Windows that count.
    pub runs: u32,
    /// Aim for the length of a window.
    pub window_seconds: f64,
    /// Ends a measurement within a fraction of a second.
    pub interrupt: Arc<AtomicBool>,
}
