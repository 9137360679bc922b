//! Tests on paired samples: equivalence, the probability of improvement, and the correction for several comparisons.

use super::distributions::student_t_cdf;
use super::summary::{mean, sd};

/// Adjusts the p of several comparisons, so that each adjusted p can be compared with one common level. The result
/// keeps the order of `p`.
///
/// Source: Holm, *A simple sequentially rejective multiple test procedure*, Scandinavian Journal of Statistics 6, 1979.
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

/// P(X < Y) + ½ P(X = Y): the probability that a run of `x` is lower than a run of `y`, over all pairs. Equals the
/// Mann–Whitney U of `y` divided by n_x n_y.
///
/// Source: Agarwal et al., *Deep reinforcement learning at the edge of the statistical precipice*, NeurIPS 2021.
#[must_use]
pub fn probability_of_improvement(x: &[f64], y: &[f64]) -> f64 {
    let mut sorted = y.to_vec();
    sorted.sort_by(f64::total_cmp);
    // A sum of halves is exact in any order, so counts in the sorted sample replace the loop over all pairs.
    let score = |x: f64| {
        let (below, not_above) = (sorted.partition_point(|&y| y < x), sorted.partition_point(|&y| y <= x));
        (y.len() - not_above) as f64 + 0.5 * (not_above - below) as f64
    };
    x.iter().map(|&x| score(x)).sum::<f64>() / (x.len() * y.len()) as f64
}

/// p of two one-sided paired t tests of the hypothesis |mean difference| ≥ `margin`; the larger of the two p. A small p
/// says that the mean difference lies within the margin. NaN for fewer than two differences.
///
/// Source: Schuirmann, *A comparison of the two one-sided tests procedure and the power approach*, Journal of
/// Pharmacokinetics and Biopharmaceutics 15, 1987.
#[must_use]
pub fn tost(differences: &[f64], margin: f64) -> f64 {
    let n = differences.len() as f64;
    let (mean, error) = (mean(differences), sd(differences) / n.sqrt());
    if error == 0.0 {
        return f64::from(mean.abs() >= margin);
    }
    // The end of the margin that is nearer to the mean gives the larger p.
    student_t_cdf((mean.abs() - margin) / error, n - 1.0)
}
