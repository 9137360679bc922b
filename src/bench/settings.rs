//! The settings that all workloads of a benchmark share.

use crate::config::{Precision, Rule, Scope};
use crate::error::{Error, Result};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// The settings that all workloads of a benchmark share.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Learning rule of all members.
    pub rule: Rule,
    /// The weights that share one α.
    pub scope: Scope,
    /// Share of the neurons of each hidden layer that can change, above 0 and at most 1. The others are frozen from the start.
    pub living: f64,
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

impl Settings {
    /// Whether some neurons are frozen.
    pub(super) fn freezes(&self) -> bool {
        self.living < 1.0
    }

    /// Refuses shares of living neurons that make no sense, and a rule whose work no step shows.
    ///
    /// # Errors
    /// If `living` is no share, or if the rule freezes no single neuron. If the rule works between epochs.
    pub fn check(&self) -> Result<()> {
        if self.rule == Rule::Neq || self.rule.searches() {
            return Err(Error::config(format!(
                "`rule = {}`: works between epochs, and only steps are measured; use `rule = constant`, whose steps are alike",
                self.rule
            )));
        }
        if !(self.living > 0.0 && self.living <= 1.0) {
            return Err(Error::config(format!("`living = {}`: must be above 0 and at most 1", self.living)));
        }
        if self.freezes() && self.rule != Rule::Psi {
            return Err(Error::config(format!(
                "`living = {}`: `rule = {}` freezes no single neuron; leave `living` out, or use `rule = psi`",
                self.living, self.rule
            )));
        }
        Ok(())
    }
}
