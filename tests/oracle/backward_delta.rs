//! δ_(l−1) without the factor f′: δ_l W_lᵀ, where W_l has no bias row (eq. 8).

pub fn back(w: &[Vec<f64>], delta: &[f64]) -> Vec<f64> {
    w[..w.len() - 1].iter().map(|row| row.iter().zip(delta).map(|(w, d)| w * d).sum()).collect()
}
