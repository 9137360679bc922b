//! The settings that all workloads of a benchmark share.

use crate::config::{Precision, Rule, Scope};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// The settings that all workloads of a benchmark share.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Learning rule of all members.
    pub rule: Rule,
    /// The weights that share one α.
    pub scope: Scope,
    /// P.
    pub members: usize,
    /// Number type of the products' factors.
    pub precision: Precision,
    /// Takes the default tiles instead of measuring which tiles are fastest.
    pub no_autotune: bool,
    /// Windows of warm-up, whose times are dropped.
    pub warmup: u32,
    /// Windows that are measured.
    pub runs: u32,
    /// Target length of a window, in seconds.
    pub window_seconds: f64,
    /// Once set, a measurement ends within a fraction of a second.
    pub interrupt: Arc<AtomicBool>,
}
