//! Tests on pairs of samples: equivalence, the probability of improvement, and the correction for several comparisons.

use super::distributions::student_t_cdf;
use super::summary::{mean, sd};

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
