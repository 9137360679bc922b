//! Forward passes of a report over a trained network: its answer to each row, and the means that ψ observes.

use crate::config::Config;
use crate::data::DataSet;
use crate::model::file::Model;
use crate::model::predict::first_largest;
use crate::rule::observe::Quantity;
use rayon::prelude::*;

/// Most multiplications of one pass: some seconds on a small machine.
const BUDGET: usize = 20_000_000_000;

/// At most `most` of `rows`, evenly spread, and no more than the network can answer within [`BUDGET`].
#[must_use]
pub fn sample(model: &Model, rows: &[u32], most: usize) -> Vec<u32> {
    let weights: usize = model.layers.iter().map(|layer| layer.weights.len()).sum();
    let count = rows.len().min(most).min((BUDGET / weights.max(1)).max(1));
    (0..count).map(|i| rows[i * rows.len() / count]).collect()
}

/// The answer to one row.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Answer {
    /// Row of the data set.
    pub row: u32,
    /// The right answer.
    pub label: u32,
    /// The class with the largest output; the first of equal ones.
    pub predicted: u32,
    /// Loss of this row alone.
    pub loss: f64,
}

/// The answers to `rows`, in order.
#[must_use]
pub fn answers(model: &Model, config: &Config, data: &DataSet, rows: &[u32]) -> Vec<Answer> {
    let last = model.layers.len() - 1;
    let block = |rows: &[u32]| {
        let mut answers = vec![];
        let input = |i: usize, x: &mut [f32]| data.copy_row(rows[i] as usize, x);
        model.pass(config, rows.len(), input, |l, net, y| {
            if l == last {
                let width = model.classes();
                let samples = rows.iter().zip(net.chunks_exact(width).zip(y.chunks_exact(width)));
                answers.extend(samples.map(|(&row, of)| answer(config, row, data.labels[row as usize], of)));
            }
        });
        answers
    };
    rows.par_chunks(model.block()).flat_map_iter(block).collect()
}

/// The mean over `rows` of the variable that the basis observes, per layer and neuron. `None` for a basis that needs
/// more than a forward pass.
#[must_use]
pub fn observed(model: &Model, config: &Config, data: &DataSet, rows: &[u32]) -> Option<Vec<Vec<f64>>> {
    let variable = config.observed().variable();
    let of: fn(f32, f32) -> f32 = match variable.quantity {
        _ if variable.per_weight => return None,
        Quantity::Activation => |_, y| y,
        Quantity::Net => |net, _| net,
        Quantity::Delta => return None,
    };
    let zeros = || model.layers.iter().map(|layer| vec![0.0; layer.n_out]).collect::<Vec<Vec<f64>>>();
    let block = |rows: &[u32]| {
        let mut sums = zeros();
        let input = |i: usize, x: &mut [f32]| data.copy_row(rows[i] as usize, x);
        model.pass(config, rows.len(), input, |l, net, y| {
            let width = sums[l].len();
            for (place, (net, y)) in net.iter().zip(y).enumerate() {
                sums[l][place % width] += f64::from(variable.of(of(*net, *y)));
            }
        });
        sums
    };
    // Blocks are added in order, so that the same run always gives the same page.
    let parts: Vec<Vec<Vec<f64>>> = rows.par_chunks(model.block()).map(block).collect();
    let mut means = zeros();
    for part in &parts {
        for (means, sums) in means.iter_mut().zip(part) {
            means.iter_mut().zip(sums).for_each(|(mean, sum)| *mean += sum / rows.len() as f64);
        }
    }
    Some(means)
}

fn answer(config: &Config, row: u32, label: u32, (net, y): (&[f32], &[f32])) -> Answer {
    let loss = config.network.loss.of(config.network.output, label as usize, net, y);
    Answer { row, label, predicted: first_largest(net), loss }
}
