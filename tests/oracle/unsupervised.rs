//! The single layer of rules without a target: the value that its weights follow in place of δ, and its loss.

use super::output_delta::Outcome;
use homeostat::config::{Config, Rule};

/// Hebb (eq. 1) follows y. BCM (eq. 2) follows φ = y (y − θ_M), which is 0 until θ_M is known. The loss is −½ Σ y²,
/// which Hebb's rule descends.
pub fn outcome(config: &Config, y: &[f64], theta: impl Fn(usize) -> Option<f64>) -> Outcome {
    let along = |(j, &y): (usize, &f64)| match config.rule.kind {
        Rule::Hebb => y,
        _ => theta(j).map_or(0.0, |theta| y * (y - theta)),
    };
    let signals: Vec<f64> = y.iter().enumerate().map(along).collect();
    // Each neuron is inhibited by all others: first their answers, then what they learn.
    let inhibited = |signals: &[f64]| -> Vec<f64> {
        let eta = config.rule.inhibition;
        let others = |k: usize| signals.iter().enumerate().filter(|(j, _)| *j != k).map(|(_, s)| s).sum::<f64>();
        (0..signals.len()).map(|k| signals[k] - eta * others(k)).collect()
    };
    Outcome {
        delta: inhibited(&inhibited(&signals)),
        y: y.to_vec(),
        loss: -0.5 * y.iter().map(|y| y * y).sum::<f64>(),
        error: 0.0,
    }
}
