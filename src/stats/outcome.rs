//! The figures of a comparison: what [`compare`](super::compare::compare) returns and `compare --json` prints.

use crate::stats::{Interval, Summary};
use serde::Serialize;

/// The runs of one arm.
#[derive(Clone, Debug, Serialize)]
pub struct Arm {
    /// Name of the arm.
    pub arm: String,
    /// Summary of the runs that did not fail.
    #[serde(flatten)]
    pub summary: Summary,
    /// Runs that diverged or have no finite value.
    pub failed: usize,
}

/// One arm against the baseline.
#[derive(Clone, Debug, Serialize)]
pub struct Comparison {
    /// Name of the arm.
    pub arm: String,
    /// Seeds whose runs failed in neither arm. All figures here are over these seeds.
    pub pairs: usize,
    /// Mean of the paired differences, arm − baseline.
    pub difference: f64,
    /// Bootstrap interval of `difference`.
    pub interval: Interval,
    /// Two-sided p of the signed-rank test.
    pub p: f64,
    /// Whether `p` is exact.
    pub exact: bool,
    /// `p` after Holm's correction for the number of comparisons.
    pub holm_p: f64,
    /// Probability that a run of the arm is better than a run of the baseline; ties count half.
    pub probability_of_improvement: f64,
    /// p of the test of equivalence, without correction.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tost_p: Option<f64>,
    /// Whether the mean difference lies within the margin, at [`LEVEL`](super::compare::LEVEL).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub equivalent: Option<bool>,
    /// What these figures say.
    pub verdict: Verdict,
}

impl Comparison {
    /// Whether the figures are those of a test: a single pair has no spread, so it decides nothing.
    #[must_use]
    pub const fn is_tested(&self) -> bool {
        self.pairs > 1
    }
}

/// The outcome of a comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// Corrected p below [`LEVEL`](super::compare::LEVEL), and the larger rank sum favours the arm.
    Better,
    /// Corrected p below [`LEVEL`](super::compare::LEVEL), and the larger rank sum favours the baseline.
    Worse,
    /// Corrected p not below [`LEVEL`](super::compare::LEVEL), and the mean difference lies within the margin.
    Equivalent,
    /// The runs of every pair ended with the same values of all metrics, bit for bit.
    Identical,
    /// There is a single pair.
    OneSeed,
    /// None of the other outcomes.
    NotDistinguishable,
}

/// A whole comparison: the object of `--json`.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// The outcome in words, with the intervals.
    pub verdict: String,
    /// Metric of the last epoch.
    pub metric: String,
    /// Whether a higher metric is better.
    pub higher_is_better: bool,
    /// The arm that every other arm is compared with.
    pub baseline: String,
    /// Coverage of the intervals, 0 … 1.
    pub confidence: f64,
    /// Resamples of the bootstrap.
    pub resamples: usize,
    /// Margin of equivalence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub margin: Option<f64>,
    /// All arms, the baseline first.
    pub arms: Vec<Arm>,
    /// One comparison per arm except the baseline.
    pub comparisons: Vec<Comparison>,
    /// Remarks that the figures need: failed runs, seeds left out, too few seeds.
    pub notes: Vec<String>,
}
