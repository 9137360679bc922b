//! Summary statistics of one sample: mean, standard deviation and median.

use serde::Serialize;

/// Summary statistics of one sample.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Summary {
    /// Number of values.
    pub n: usize,
    /// Arithmetic mean; NaN without values.
    pub mean: f64,
    /// Standard deviation with n − 1; NaN below two values.
    pub sd: f64,
    /// The middle value, or the mean of the two middle values if n is even.
    pub median: f64,
}

/// Computes the summary of a sample.
#[must_use]
pub fn summary(values: &[f64]) -> Summary {
    Summary { n: values.len(), mean: mean(values), sd: sd(values), median: median(values) }
}

/// Arithmetic mean; NaN without values.
#[must_use]
pub fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// Standard deviation with n − 1; NaN below two values.
#[must_use]
pub fn sd(values: &[f64]) -> f64 {
    let mean = mean(values);
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    if values.len() < 2 { f64::NAN } else { (squares / (values.len() - 1) as f64).sqrt() }
}

/// Median of values in any order; NaN without values.
#[must_use]
pub fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let n = sorted.len();
    if n == 0 { f64::NAN } else { 0.5 * (sorted[(n - 1) / 2] + sorted[n / 2]) }
}
