//! A forward pass on the host, for what a report shows of a trained network: its answers one by one, and what ψ observes.

use crate::config::{Basis, Config, Loss, Output};
use crate::data::DataSet;
use crate::run::Model;
use rayon::prelude::*;

/// Multiplications that a report may spend on one pass: some seconds on a small machine.
const BUDGET: usize = 20_000_000_000;

/// At most `most` of these rows, evenly spread, and no more than the network can answer soon.
#[must_use]
pub fn sample(model: &Model, rows: &[u32], most: usize) -> Vec<u32> {
    let weights: usize = model.layers.iter().map(|layer| layer.weights.len()).sum();
    let count = rows.len().min(most).min((BUDGET / weights.max(1)).max(1));
    (0..count).map(|i| rows[i * rows.len() / count]).collect()
}

/// The answer to one row.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Answer {
    /// Of the data set.
    pub row: u32,
    /// What is right.
    pub label: u32,
    /// The largest output, the first of equal ones.
    pub predicted: u32,
    /// Of this row alone.
    pub loss: f64,
}

/// The answers to these rows, in order.
#[must_use]
pub fn answers(model: &Model, config: &Config, data: &DataSet, rows: &[u32]) -> Vec<Answer> {
    let chunk = |rows: &[u32]| {
        let mut pass = Pass::new(model, config);
        let answer = |&row: &u32| {
            pass.run(data, row);
            pass.answer(row, data.labels[row as usize])
        };
        rows.iter().map(answer).collect::<Vec<_>>()
    };
    rows.par_chunks(128).flat_map_iter(chunk).collect()
}

/// The mean over these rows of what `basis` observes of each neuron, per layer; `None` where that takes more than a forward
/// pass.
#[must_use]
pub fn observed(model: &Model, config: &Config, data: &DataSet, rows: &[u32]) -> Option<Vec<Vec<f64>>> {
    let of: fn(f32, f32) -> f32 = match config.observed() {
        Basis::Act => |_, y| y.abs(),
        Basis::Act2 => |_, y| y * y,
        Basis::Net2 => |net, _| net * net,
        Basis::Delta | Basis::Delta2 | Basis::Coactivation => return None,
    };
    let chunk = |rows: &[u32]| {
        let mut pass = Pass::new(model, config);
        let mut sums: Vec<Vec<f64>> = model.layers.iter().map(|layer| vec![0.0; layer.n_out]).collect();
        for &row in rows {
            pass.run(data, row);
            for (sums, (net, y)) in sums.iter_mut().zip(pass.net.iter().zip(&pass.y)) {
                sums.iter_mut().zip(net.iter().zip(y)).for_each(|(sum, (net, y))| *sum += f64::from(of(*net, *y)));
            }
        }
        sums
    };
    // Chunks are added in order, so that the same run gives the same page.
    let parts: Vec<Vec<Vec<f64>>> = rows.par_chunks(128).map(chunk).collect();
    let mut means: Vec<Vec<f64>> = model.layers.iter().map(|layer| vec![0.0; layer.n_out]).collect();
    for part in &parts {
        for (means, sums) in means.iter_mut().zip(part) {
            means.iter_mut().zip(sums).for_each(|(mean, sum)| *mean += sum / rows.len() as f64);
        }
    }
    Some(means)
}

struct Pass<'a> {
    model: &'a Model,
    config: &'a Config,
    x: Vec<f32>,
    net: Vec<Vec<f32>>,
    y: Vec<Vec<f32>>,
}

impl<'a> Pass<'a> {
    fn new(model: &'a Model, config: &'a Config) -> Self {
        let zeros: Vec<Vec<f32>> = model.layers.iter().map(|layer| vec![0.0; layer.n_out]).collect();
        Self { model, config, x: vec![0.0; model.layers[0].n_in], net: zeros.clone(), y: zeros }
    }

    fn run(&mut self, data: &DataSet, row: u32) {
        data.copy_row(row as usize, &mut self.x);
        for (l, layer) in self.model.layers.iter().enumerate() {
            let (before, here) = self.y.split_at_mut(l);
            let (x, y, net) = (before.last().unwrap_or(&self.x), &mut here[0], &mut self.net[l]);
            let (weights, bias) = layer.weights.split_at(layer.n_in * layer.n_out);
            net.iter_mut().zip(bias).for_each(|(net, bias)| *net = -bias);
            for (&x, w) in x.iter().zip(weights.chunks_exact(layer.n_out)).filter(|(x, _)| **x != 0.0) {
                net.iter_mut().zip(w).for_each(|(net, w)| *net += x * w);
            }
            let is_output = l + 1 == self.model.layers.len() && !self.config.rule.is_unsupervised();
            match self.config.output {
                _ if !is_output => each(net, y, |net| self.config.activation.of(net)),
                Output::Logistic => each(net, y, |net| 1.0 / (1.0 + (-net).exp())),
                Output::Linear => y.copy_from_slice(net),
                Output::Softmax => {
                    let most = net.iter().copied().fold(f32::NEG_INFINITY, f32::max);
                    each(net, y, |net| (net - f64::from(most)).exp());
                    let sum: f32 = y.iter().sum();
                    y.iter_mut().for_each(|y| *y /= sum);
                }
            }
        }
    }

    fn answer(&self, row: u32, label: u32) -> Answer {
        let last = self.net.len() - 1;
        let (net, y) = (&self.net[last], &self.y[last]);
        let predicted = (1..net.len()).fold(0, |best, k| if net[k] > net[best] { k } else { best }) as u32;
        let targets = (0..).map(|k| f64::from(u8::from(k == label)));
        let loss = match (self.config.loss, self.config.output) {
            (Loss::Mse, _) => 0.5 * targets.zip(y).map(|(d, y)| (d - f64::from(*y)).powi(2)).sum::<f64>(),
            // ln Σ e^net − net_d and ln(1 + e^net) − d net say the same as −Σ d ln y and lose nothing to rounding.
            (Loss::CrossEntropy, Output::Logistic) => targets
                .zip(net)
                .map(|(d, net)| (f64::from(*net), d))
                .map(|(net, d)| net.max(0.0) + (-net.abs()).exp().ln_1p() - d * net)
                .sum(),
            (Loss::CrossEntropy, _) => {
                let most = f64::from(net.iter().copied().fold(f32::NEG_INFINITY, f32::max));
                let sum: f64 = net.iter().map(|net| (f64::from(*net) - most).exp()).sum();
                most + sum.ln() - f64::from(net[label as usize])
            }
        };
        Answer { row, label, predicted, loss }
    }
}

fn each(net: &[f32], y: &mut [f32], f: impl Fn(f64) -> f64) {
    y.iter_mut().zip(net).for_each(|(y, net)| *y = f(f64::from(*net)) as f32);
}
