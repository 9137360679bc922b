//! The output layer on the CPU: y, δ_L, loss and error of every sample from its net. Twin of
//! `shaders/output_delta.wgsl`.

use super::elementwise::exp;
use crate::config::{Loss, Output};
use crate::network::function::{Function, Logistic};
use crate::rule::psi::Slot;
use crate::train::state::RunningScore;

/// Sums over some samples.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tally {
    /// Sum of the losses.
    pub loss: f64,
    /// Number of wrong answers.
    pub wrong: u64,
    /// Number of samples.
    pub samples: u64,
}

impl Tally {
    /// The sums in the form that a [`RunningScore`] stores.
    pub fn to_running(self) -> RunningScore {
        let sums = if self.samples > 0 { vec![[self.loss, 0.0, self.wrong as f64]] } else { vec![] };
        RunningScore { samples: self.samples, sums }
    }

    /// The inverse of [`Self::to_running`]. Also totals the sums of a state from another engine.
    pub fn from_running(running: &RunningScore) -> Self {
        let part = |&[loss, excess, wrong]: &[f64; 3]| Self { loss: loss - excess, wrong: wrong as u64, samples: 0 };
        let start = Self { samples: running.samples, ..Self::default() };
        running.sums.iter().map(part).fold(start, |sum, part| sum + part)
    }
}

impl std::ops::Add for Tally {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self { loss: self.loss + other.loss, wrong: self.wrong + other.wrong, samples: self.samples + other.samples }
    }
}

/// Whether `label` is the answer: the first class with the largest net. NaN is never right. The comparison uses net,
/// because saturated units may have equal y.
fn right(net: &[f32], label: usize) -> bool {
    net.iter().enumerate().all(|(k, &v)| v < net[label] || (v == net[label] && k >= label))
}

/// Turns a sample's net, in `y`, into y and writes δ. Returns the sample's loss and whether the answer is wrong.
pub fn output(y: &mut [f32], delta: &mut [f32], label: usize, (output, loss): (Output, Loss)) -> Tally {
    let wrong = !right(y, label);
    let target = |k: usize| if k == label { 1.0 } else { 0.0 };
    let mut entropy = 0.0;
    match output {
        Output::Softmax => {
            let peak = y.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            let net_label = y[label];
            y.iter_mut().for_each(|y| *y = if y.is_nan() { *y } else { exp(*y - peak) });
            let total: f32 = y.iter().sum();
            y.iter_mut().for_each(|y| *y /= total);
            entropy = f64::from(total.ln() + peak - net_label);
        }
        Output::Logistic => {
            if loss == Loss::CrossEntropy {
                // −ln y where d = 1 and −ln(1 − y) where d = 0, in a form that does not cancel.
                let term = |(k, &net): (usize, &f32)| net.max(0.0) - net * target(k) + (-net.abs()).exp().ln_1p();
                entropy = y.iter().enumerate().map(|pair| f64::from(term(pair))).sum();
            }
            y.iter_mut().for_each(|y| *y = Logistic::of(*y));
        }
        Output::Linear => {}
    }
    let mut squares = 0.0;
    for (k, (delta, &y)) in delta.iter_mut().zip(&*y).enumerate() {
        let error = target(k) - y;
        squares += error * error;
        *delta = match (loss, output) {
            (Loss::CrossEntropy, _) | (Loss::Mse, Output::Linear) => error,
            (Loss::Mse, _) => error * (y * (1.0 - y)),
        };
    }
    let loss = if loss == Loss::Mse { f64::from(0.5 * squares) } else { entropy };
    Tally { loss, wrong: u64::from(wrong), samples: 1 }
}

/// Writes the signal that takes the place of δ in rules without a target. Without `slots` the signal is y (eq. 1,
/// Hebb). With θ_M in `slots` it is φ = y (y − θ_M) (eq. 2, BCM), and 0 before θ_M is known. The "loss" is −½ Σ y²,
/// which Hebb's rule descends. Twin of `shaders/unsupervised.wgsl`.
pub fn unsupervised(y: &[f32], delta: &mut [f32], slots: Option<&[Slot]>) -> Tally {
    for (k, (delta, &y)) in delta.iter_mut().zip(y).enumerate() {
        *delta = match slots.map(|slots| slots[k].trigger.known()) {
            None => y,
            Some(None) => 0.0,
            Some(Some(theta)) => y * (y - theta),
        };
    }
    let squares: f32 = y.iter().map(|y| y * y).sum();
    Tally { loss: f64::from(-0.5 * squares), wrong: 0, samples: 1 }
}
