//! Statistics of paired runs: pure functions on slices, in double precision. Each names the definition it follows; where
//! SciPy has the same test, the two agree (tests/stats.rs). Values are finite; what a failed run is worth is decided by
//! the caller.

mod bootstrap;
pub mod compare;
mod wilcoxon;

pub use bootstrap::{Interval, bootstrap_mean};
pub use wilcoxon::{SignedRank, signed_rank};

use serde::Serialize;
use statrs::function::{beta::beta_reg, erf};
use std::f64::consts::SQRT_2;

/// What describes one sample.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Summary {
    /// Number of values.
    pub n: usize,
    /// Arithmetic mean; not a number without values.
    pub mean: f64,
    /// Standard deviation with n − 1; not a number below two values.
    pub sd: f64,
    /// The middle value, the mean of the two middle ones where n is even.
    pub median: f64,
}

/// Describes a sample.
#[must_use]
pub fn summary(values: &[f64]) -> Summary {
    Summary { n: values.len(), mean: mean(values), sd: sd(values), median: median(values) }
}

/// Arithmetic mean; not a number without values.
#[must_use]
pub fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// Standard deviation with n − 1; not a number below two values.
#[must_use]
pub fn sd(values: &[f64]) -> f64 {
    let mean = mean(values);
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    if values.len() < 2 { f64::NAN } else { (squares / (values.len() - 1) as f64).sqrt() }
}

/// The middle of sorted or unsorted values; not a number without values.
#[must_use]
pub fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let n = sorted.len();
    if n == 0 { f64::NAN } else { 0.5 * (sorted[(n - 1) / 2] + sorted[n / 2]) }
}

/// Adjusts the p of several comparisons so that each may be held against the level of all (Holm, *A simple sequentially
/// rejective multiple test procedure*, Scandinavian Journal of Statistics 6, 1979). Order is kept.
#[must_use]
pub fn holm(p: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..p.len()).collect();
    order.sort_by(|&a, &b| p[a].total_cmp(&p[b]));
    let mut adjusted = vec![1.0; p.len()];
    let mut least = 0.0f64;
    for (rank, &place) in order.iter().enumerate() {
        least = least.max(p[place] * (p.len() - rank) as f64).min(1.0);
        adjusted[place] = least;
    }
    adjusted
}

/// P(X < Y) + ½ P(X = Y): the chance that a run of `x` comes out lower than a run of `y`, over all pairs (Agarwal et al.,
/// *Deep reinforcement learning at the edge of the statistical precipice*, NeurIPS 2021; the Mann–Whitney U of `y` over
/// n_x n_y).
#[must_use]
pub fn probability_of_improvement(x: &[f64], y: &[f64]) -> f64 {
    let score = |x: f64, y: f64| if x < y { 1.0 } else { 0.5 * f64::from(x == y) };
    x.iter().map(|&x| y.iter().map(|&y| score(x, y)).sum::<f64>()).sum::<f64>() / (x.len() * y.len()) as f64
}

/// p of two one-sided paired t tests of |mean difference| ≥ `margin` (Schuirmann, *A comparison of the two one-sided tests
/// procedure and the power approach*, Journal of Pharmacokinetics and Biopharmaceutics 15, 1987): a small p says that the
/// mean difference lies within the margin. The larger of the two p; not a number below two differences.
#[must_use]
pub fn tost(differences: &[f64], margin: f64) -> f64 {
    let n = differences.len() as f64;
    let (mean, error) = (mean(differences), sd(differences) / n.sqrt());
    if error == 0.0 {
        return f64::from(mean.abs() >= margin);
    }
    // The margin that is nearer to the mean gives the larger p.
    student_t_cdf((mean.abs() - margin) / error, n - 1.0)
}

/// P(T ≤ t) of Student's distribution, by the incomplete beta function.
fn student_t_cdf(t: f64, freedom: f64) -> f64 {
    if t.is_nan() {
        return f64::NAN;
    }
    let tail = 0.5 * beta_reg(0.5 * freedom, 0.5, freedom / (freedom + t * t));
    if t < 0.0 { tail } else { 1.0 - tail }
}

/// P(Z ≤ z) of the standard normal distribution.
fn normal_cdf(z: f64) -> f64 {
    0.5 * erf::erfc(-z / SQRT_2)
}

/// The z below which the standard normal distribution has `p`.
fn normal_quantile(p: f64) -> f64 {
    -SQRT_2 * erf::erfc_inv(2.0 * p)
}
