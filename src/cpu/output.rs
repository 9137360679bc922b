//! The output layer on the CPU: y, δ_L, loss and error of every sample from its net. Twin of
//! `shaders/output_delta.wgsl`.

use super::elementwise::{exponential, logistic};
use crate::config::{Loss, Output, OutputDerivative, Task};
use crate::data::DataSet;
use crate::rule::psi::Slot;
use crate::train::state::RunningScore;

/// Sums over some samples.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tally {
    /// Sum of the losses.
    pub loss: f64,
    /// Number of wrong answers; in a regression the sum of the absolute errors.
    pub wrong: f64,
    /// Number of samples.
    pub samples: u64,
}

impl Tally {
    /// The sums in the form that a [`RunningScore`] stores.
    pub fn to_running(self) -> RunningScore {
        let sums = if self.samples > 0 { vec![[self.loss, 0.0, self.wrong]] } else { vec![] };
        RunningScore { samples: self.samples, sums }
    }

    /// The inverse of [`Self::to_running`]. Also totals the sums of a state from another engine.
    pub fn from_running(running: &RunningScore) -> Self {
        let part = |&[loss, excess, wrong]: &[f64; 3]| Self { loss: loss - excess, wrong, samples: 0 };
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

/// What a sample is to be answered with.
#[derive(Clone, Copy, Debug)]
pub enum Target<'a> {
    /// The number of a class.
    Class(usize),
    /// A number per output.
    Values(&'a [f32]),
}

impl Target<'_> {
    /// The target of `row` of `data`, in which one member sees these `labels`.
    pub fn of<'a>(data: &'a DataSet, labels: &[u32], row: usize) -> Target<'a> {
        match data.task {
            Task::Classification => Target::Class(labels[row] as usize),
            Task::Regression | Task::Multilabel => {
                Target::Values(&data.values[row * data.classes..(row + 1) * data.classes])
            }
        }
    }

    /// d of output `k`.
    fn at(&self, k: usize) -> f32 {
        match self {
            Self::Class(class) => f32::from(u8::from(k == *class)),
            Self::Values(values) => values[k],
        }
    }
}

/// The settings of the output layer.
#[derive(Clone, Copy, Debug)]
pub struct OutputLayer {
    pub output: Output,
    pub loss: Loss,
    pub derivative: OutputDerivative,
    pub task: Task,
}

/// Turns a sample's net, in `y`, into y and writes δ. Returns the sample's loss, times its `weight`, and whether the answer
/// is wrong.
pub fn output(y: &mut [f32], delta: &mut [f32], target: Target<'_>, weight: Option<f32>, layer: OutputLayer) -> Tally {
    let OutputLayer { output, loss, .. } = layer;
    let wrong = match target {
        Target::Class(label) => f64::from(u8::from(!right(y, label))),
        Target::Values(values) if layer.task == Task::Multilabel => {
            // NaN is never right.
            let right = |(net, d): (&f32, &f32)| if *d > 0.5 { *net > 0.0 } else { *net <= 0.0 };
            f64::from(u8::from(!y.iter().zip(values).all(right)))
        }
        Target::Values(_) => 0.0,
    };
    let mut entropy = 0.0;
    match output {
        Output::Softmax => {
            let peak = y.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            let net_label = if let Target::Class(label) = target { y[label] } else { f32::NAN };
            exponential(y, peak);
            let total: f32 = y.iter().sum();
            y.iter_mut().for_each(|y| *y /= total);
            entropy = f64::from(total.ln() + peak - net_label);
        }
        Output::Logistic => {
            if loss == Loss::CrossEntropy {
                // −ln y where d = 1 and −ln(1 − y) where d = 0, in a form that does not cancel.
                let term = |(k, &net): (usize, &f32)| net.max(0.0) - net * target.at(k) + (-net.abs()).exp().ln_1p();
                entropy = y.iter().enumerate().map(|pair| f64::from(term(pair))).sum();
            }
            logistic(y);
        }
        Output::Linear => {}
    }
    let mut squares = 0.0;
    let mut absolute = 0.0;
    for (k, (delta, &y)) in delta.iter_mut().zip(&*y).enumerate() {
        let error = target.at(k) - y;
        squares += error * error;
        absolute += error.abs();
        *delta = match (loss, output) {
            (Loss::CrossEntropy, _) | (Loss::Mse, Output::Linear) => error,
            (Loss::Mse, Output::Logistic | Output::Softmax) => error * (y * (1.0 - y)),
        };
    }
    if layer.derivative == OutputDerivative::Full {
        let error = |k: usize, y: f32| target.at(k) - y;
        let mean: f32 = y.iter().enumerate().map(|(k, &y)| error(k, y) * y).sum();
        delta.iter_mut().zip(&*y).enumerate().for_each(|(k, (delta, &y))| *delta = y * (error(k, y) - mean));
    }
    let mut loss = if loss == Loss::Mse { f64::from(0.5 * squares) } else { entropy };
    if let Some(weight) = weight {
        delta.iter_mut().for_each(|delta| *delta *= weight);
        loss *= f64::from(weight);
    }
    let wrong = if layer.task == Task::Regression { f64::from(absolute) } else { wrong };
    Tally { loss, wrong, samples: 1 }
}

/// Writes the signal that takes the place of δ in rules without a target. Without `slots` the signal is y (eq. 1,
/// Hebb). With θ_M in `slots` it is φ = y (y − θ_M) (eq. 2, BCM), and 0 before θ_M is known. `inhibition` has the factors of the
/// signal itself and of the sum over the neurons. The "loss" is −½ Σ y², which Hebb's rule descends. Twin of
/// `shaders/unsupervised.wgsl`.
pub fn unsupervised(y: &[f32], delta: &mut [f32], slots: Option<&[Slot]>, inhibition: Option<[f32; 2]>) -> Tally {
    for (k, (delta, &y)) in delta.iter_mut().zip(y).enumerate() {
        *delta = match slots.map(|slots| slots[k].trigger.known()) {
            None => y,
            Some(None) => 0.0,
            Some(Some(theta)) => y * (y - theta),
        };
    }
    if let Some([own, all]) = inhibition {
        let total: f32 = delta.iter().sum();
        delta.iter_mut().for_each(|delta| *delta = own * *delta - all * total);
    }
    let squares: f32 = y.iter().map(|y| y * y).sum();
    Tally { loss: f64::from(-0.5 * squares), wrong: 0.0, samples: 1 }
}
