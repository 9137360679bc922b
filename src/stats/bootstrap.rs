//! Bootstrap interval of a mean, bias-corrected and accelerated, as `scipy.stats.bootstrap` computes by default.
//!
//! Sources: Efron, *Better bootstrap confidence intervals*, JASA 82, 1987; Efron & Tibshirani, *An introduction to the
//! bootstrap*, 1993, section 14.3.

use super::distributions::{normal_cdf, normal_quantile};
use super::summary::mean;
use crate::rng::{Random, Stream};
use serde::Serialize;

/// A closed interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Interval {
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

/// The interval that covers the mean with probability `confidence`, from `resamples` resamples drawn with replacement.
/// Each resample has as many values as `values`. The draws depend only on `seed` and the number of values.
///
/// Equal values give an interval of width 0. Fewer than two values say nothing about their spread, so both ends are
/// NaN.
#[must_use]
pub fn bootstrap_mean(values: &[f64], confidence: f64, resamples: usize, seed: u64) -> Interval {
    let n = values.len();
    if n < 2 || resamples == 0 {
        return Interval { low: f64::NAN, high: f64::NAN };
    }
    if values.iter().all(|&value| value == values[0]) {
        return Interval { low: values[0], high: values[0] };
    }
    let mut random = Random::new(seed, Stream::Bootstrap, 0);
    let mut means: Vec<f64> = (0..resamples)
        .map(|_| (0..n).map(|_| values[random.below(n as u32) as usize]).sum::<f64>() / n as f64)
        .collect();
    means.sort_by(f64::total_cmp);

    let centre = mean(values);
    // A resample whose mean equals the sample's mean may differ from it by rounding, because it sums in another order.
    let tolerance = 1e-12 * values.iter().fold(0.0f64, |most, value| most.max(value.abs()));
    let below = means.partition_point(|&mean| mean < centre - tolerance);
    let not_above = means.partition_point(|&mean| mean <= centre + tolerance);
    let bias = normal_quantile((below + not_above) as f64 / (2 * resamples) as f64);
    let acceleration = acceleration(values, centre);

    let end = |z: f64| {
        let shifted = bias + z;
        quantile(&means, normal_cdf(bias + shifted / (1.0 - acceleration * shifted)))
    };
    let z = normal_quantile(0.5 + 0.5 * confidence);
    Interval { low: end(-z), high: end(z) }
}

/// The acceleration: how fast the spread of the mean changes with the mean, from the jackknife. For a mean this is
/// skewness/(6 √n).
fn acceleration(values: &[f64], centre: f64) -> f64 {
    let sum = |power| values.iter().map(|value| (value - centre).powi(power)).sum::<f64>();
    sum(3) / (6.0 * sum(2).powf(1.5))
}

/// The `q`-quantile of the sorted values, by linear interpolation.
fn quantile(sorted: &[f64], q: f64) -> f64 {
    let place = q * (sorted.len() - 1) as f64;
    let below = place.floor() as usize;
    let above = (below + 1).min(sorted.len() - 1);
    sorted[below] + (place - place.floor()) * (sorted[above] - sorted[below])
}
