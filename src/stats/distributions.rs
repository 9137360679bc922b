//! The standard normal distribution and Student's t distribution.

use statrs::function::{beta::beta_reg, erf};
use std::f64::consts::SQRT_2;

/// P(T ≤ t) of Student's t distribution with `freedom` degrees of freedom, by the incomplete beta function. NaN for
/// NaN.
pub fn student_t_cdf(t: f64, freedom: f64) -> f64 {
    if t.is_nan() {
        return f64::NAN;
    }
    let tail = 0.5 * beta_reg(0.5 * freedom, 0.5, freedom / (freedom + t * t));
    if t < 0.0 { tail } else { 1.0 - tail }
}

/// P(Z ≤ z) of the standard normal distribution.
pub fn normal_cdf(z: f64) -> f64 {
    0.5 * erf::erfc(-z / SQRT_2)
}

/// The z with P(Z ≤ z) = `p` for the standard normal distribution.
pub fn normal_quantile(p: f64) -> f64 {
    -SQRT_2 * erf::erfc_inv(2.0 * p)
}
