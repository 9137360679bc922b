//! Scores of real targets.

use serde::Serialize;

/// The errors of one target, in its units.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct TargetScore {
    /// Root of the mean squared error.
    pub rmse: f64,
    /// Mean absolute error.
    pub mae: f64,
    /// Share of the variance that is explained; `None` for a target that is constant.
    pub r2: Option<f64>,
}

/// The score of each target, from outputs and targets `[samples, width]`.
#[must_use]
pub fn scores(outputs: &[f32], targets: &[f32], width: usize) -> Vec<TargetScore> {
    let samples = (targets.len() / width.max(1)) as f64;
    let of_target = |k: usize| {
        let pairs = || outputs.iter().zip(targets).skip(k).step_by(width).map(|(&y, &d)| (f64::from(y), f64::from(d)));
        let mean = pairs().map(|(_, d)| d).sum::<f64>() / samples;
        let squares = pairs().map(|(y, d)| (d - y).powi(2)).sum::<f64>();
        let variance = pairs().map(|(_, d)| (d - mean).powi(2)).sum::<f64>();
        TargetScore {
            rmse: (squares / samples).sqrt(),
            mae: pairs().map(|(y, d)| (d - y).abs()).sum::<f64>() / samples,
            r2: (variance > 0.0).then(|| 1.0 - squares / variance),
        }
    };
    (0..width).map(of_target).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of scikit-learn's documentation of `r2_score`: 0.948…
    #[test]
    fn scores_are_those_of_the_textbook() {
        let [score] = scores(&[2.5, 0.0, 2.0, 8.0], &[3.0, -0.5, 2.0, 7.0], 1)[..] else { panic!("one target") };
        assert!((score.r2.unwrap() - 0.948_608_137_045_0).abs() < 1e-9, "{score:?}");
        assert!((score.mae - 0.5).abs() < 1e-12 && (score.rmse - 0.375f64.sqrt()).abs() < 1e-12);
        assert_eq!(scores(&[1.0, 2.0], &[3.0, 3.0], 1)[0].r2, None);
    }
}
