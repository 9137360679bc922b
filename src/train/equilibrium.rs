//! `rule = neq`: decides at the end of each epoch which neurons are at equilibrium, and so do not learn in the next one
//! (A. Bragagnolo, E. Tartaglione & M. Grangetto, *To update or not to update? Neurons at equilibrium in deep models*, NeurIPS
//! 2022).
//!
//! Epochs t count from 1; t = 0 is the state before the first step. Per neuron, with Ξ the validation samples of its member:
//!
//! - ŷ^t: the outputs over Ξ after epoch t, scaled to the Euclidean length 1. Dropout is off.
//! - φ^t = ŷ^t · ŷ^(t−1), from t = 1 on.
//! - Δφ^t = φ^t − φ^(t−1), from t = 2 on.
//! - v^t = Δφ^t − μ v^(t−1), with v^1 = 0.
//!
//! After epoch t ≥ 2 a neuron with |v^t| < ε rests: its α is 0 throughout epoch t + 1. All other neurons learn with α0, also
//! those that rested before. So the first neurons rest in epoch 3.
//!
//! Outputs that are all 0, as those of a dead rectifier, have no direction. The file takes φ = 1 where neither vector has a
//! direction, because nothing changed, and φ = 0 where one has. Outputs that are not finite have no direction either; the
//! report of the epoch has already said that the member diverged.
//!
//! All of it runs on the host for every engine, so engines differ by the rounding of their own steps alone. The pass sums in an
//! order that does not depend on the number of threads. A [`MemberState`] carries all that the rule remembers:
//!
//! - The rule's memory holds the weights of the last end of an epoch. The pass computes ŷ^(t−1) from these weights again, so
//!   that no state grows with Ξ.
//! - [`Slot`]s hold 1 − φ^(t−1) and v^(t−1), see [`Past`].
//!
//! The passes over Ξ are no part of the metric `gflop_per_epoch`, which counts the steps of training. Their time is part of
//! `seconds`, and not of `samples_per_second`.

use super::blocking::yield_now;
use super::engine::{AlphaSummary, Report};
use super::living::living;
use super::population::Population;
use super::state::{LayerState, MemberState};
use crate::config::{Config, Rule};
use crate::rule::member::Trigger;
use crate::rule::psi::Slot;
use rayon::prelude::*;

/// Samples of a block, which one thread takes through all layers. With so few, the nets of a usual layer stay in the
/// first-level cache.
const BLOCK: usize = 16;
/// Floating-point operations between two yields: a fraction of a second on two processor cores.
const PIECE_FLOPS: f64 = 5e9;
/// Most blocks between two yields, because each keeps its sums until then.
const MOST_BLOCKS: usize = 1024;

/// What a neuron remembers of an epoch. Under this rule no engine touches the two fields of a slot of ψ that keep it,
/// because no slot triggers.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Past {
    /// 1 − φ, because φ comes near 1, and an f32 has more digits near 0.
    distance: f32,
    /// v.
    velocity: f32,
}

impl Past {
    const fn of(slot: &Slot) -> Self {
        Self { distance: slot.trigger.value(), velocity: slot.onset }
    }

    const fn keep(self, slot: &mut Slot) {
        slot.trigger = Trigger::threshold(self.distance);
        slot.onset = self.velocity;
    }

    /// What the neuron remembers of epoch `t`, at whose end 1 − φ was `distance`, and whether the neuron rests next.
    fn next(self, config: &Config, t: u32, distance: f64) -> (Self, bool) {
        let kept = |velocity: f64| Self { distance: distance as f32, velocity: velocity as f32 };
        if t < 2 {
            return (kept(0.0), false);
        }
        let change = f64::from(self.distance) - distance;
        let velocity = change - config.constants.neq_mu * f64::from(self.velocity);
        (kept(velocity), velocity.abs() < config.constants.neq_epsilon)
    }
}

/// Sums over samples of a neuron's y² now, its y² before, and the product of both.
type Sums = [f64; 3];

/// 1 − φ of a neuron.
fn distance([now, before, product]: Sums) -> f64 {
    let has_direction = |square: f64| square > 0.0 && square.is_finite();
    match [now, before].map(has_direction) {
        // The root of a square is exact, so unchanged outputs give exactly 0.
        [true, true] => 1.0 - product / (now * before).sqrt(),
        [false, false] => 0.0,
        _ => 1.0,
    }
}

/// Whether the population trains by this rule. Members of other rules never share its kernel.
pub(super) fn governs(population: &Population) -> bool {
    population.shared().rule.kind == Rule::Neq
}

/// Remembers the weights before the first step, because φ^1 compares with their outputs.
pub(super) fn begin(states: &mut [MemberState]) {
    for layer in states.iter_mut().flat_map(|state| &mut state.layers) {
        layer.memory.clone_from(&layer.weights);
    }
}

/// Lets neurons rest or learn in the next epoch, as their outputs after epoch `t` say. Yields between pieces of the pass.
pub(super) async fn settle(population: &Population, t: u32, states: &mut [MemberState]) {
    let scale = population.scale(t);
    for (member, (state, scale)) in states.iter_mut().zip(scale).enumerate() {
        let config = &population.configs[member];
        let mut distances = compared(population, member, &state.layers).await.into_iter().map(distance);
        for (layer, scale) in state.layers.iter_mut().zip(scale) {
            for ((slot, psi), distance) in layer.slots.iter_mut().zip(&mut layer.psi).zip(&mut distances) {
                let (past, rests) = Past::of(slot).next(config, t, distance);
                past.keep(slot);
                *psi = if rests { 0.0 } else { scale };
            }
            layer.memory.clone_from(&layer.weights);
        }
    }
}

/// Replaces the rates in a report that was made before [`settle`], because a report states the rates of the next step.
pub(super) fn tell(states: &[MemberState], report: &mut Report) {
    for (member, state) in report.members.iter_mut().zip(states) {
        let alphas = state.layers.iter().map(|layer| (layer.alpha(Rule::Neq), layer.psi.len()));
        let told = alphas.map(|(alphas, n_out)| (living(&alphas, n_out), AlphaSummary::new(alphas.into_iter())));
        (member.living, member.alpha) = told.unzip();
    }
}

/// The sums of every neuron over the validation samples, layer after layer.
async fn compared(population: &Population, member: usize, layers: &[LayerState]) -> Vec<Sums> {
    // A training step takes three products of this size, and a block takes two.
    let flops = population.topology.flops_per_sample() * BLOCK as f64 * 2.0 / 3.0;
    let blocks = ((PIECE_FLOPS / flops) as usize).clamp(1, MOST_BLOCKS);
    let mut total = vec![[0.0; 3]; layers.iter().map(|layer| layer.psi.len()).sum()];
    for piece in population.splits[member].validation.chunks(blocks * BLOCK) {
        let parts: Vec<Vec<Sums>> = piece.par_chunks(BLOCK).map(|rows| of_block(population, layers, rows)).collect();
        // Blocks are added in order, so that the number of threads changes no bit.
        for part in &parts {
            total.iter_mut().zip(part).for_each(|(total, part)| add(total, *part));
        }
        yield_now().await;
    }
    total
}

fn add(sums: &mut Sums, more: Sums) {
    sums.iter_mut().zip(more).for_each(|(sum, more)| *sum += more);
}

/// The sums over a block of rows.
fn of_block(population: &Population, layers: &[LayerState], rows: &[u32]) -> Vec<Sums> {
    let data = &population.data;
    let mut now = vec![0.0; rows.len() * data.features];
    let samples = rows.iter().zip(now.chunks_exact_mut(data.features));
    samples.for_each(|(&row, x)| data.copy_row(row as usize, x));
    let mut before = now.clone();
    let mut sums: Vec<Sums> = vec![];
    for (l, layer) in layers.iter().enumerate() {
        let (first, n_out) = (sums.len(), layer.psi.len());
        let outputs = |weights: &[f32], x: &[f32]| match l + 1 == layers.len() {
            true => answers(population.shared(), &nets(weights, n_out, x), n_out),
            false => activations(population.shared(), nets(weights, n_out, x)),
        };
        (now, before) = (outputs(&layer.weights, &now), outputs(&layer.memory, &before));
        sums.resize(first + n_out, [0.0; 3]);
        for (now, before) in now.chunks_exact(n_out).zip(before.chunks_exact(n_out)) {
            for ((sums, &now), &before) in sums[first..].iter_mut().zip(now).zip(before) {
                let (now, before) = (f64::from(now), f64::from(before));
                add(sums, [now * now, before * before, now * before]);
            }
        }
    }
    sums
}

/// net of a layer with these `weights` for the samples `x`: both `[samples, width]`.
fn nets(weights: &[f32], n_out: usize, x: &[f32]) -> Vec<f32> {
    let (weights, bias) = weights.split_at(weights.len() - n_out);
    let n_in = weights.len() / n_out;
    let minus_bias: Vec<f32> = bias.iter().map(|bias| -bias).collect();
    let mut nets = minus_bias.repeat(x.len() / n_in);
    for (i, weights) in weights.chunks_exact(n_out).enumerate() {
        for (nets, x) in nets.chunks_exact_mut(n_out).zip(x.chunks_exact(n_in)) {
            // Most pixels of many images are 0, and so are most outputs of rectifiers.
            if x[i] != 0.0 {
                nets.iter_mut().zip(weights).for_each(|(net, weight)| *net += x[i] * weight);
            }
        }
    }
    nets
}

/// y of a hidden layer.
fn activations(config: &Config, mut nets: Vec<f32>) -> Vec<f32> {
    nets.iter_mut().for_each(|y| *y = config.network.activation.of(f64::from(*y)) as f32);
    nets
}

/// y of the output layer.
fn answers(config: &Config, nets: &[f32], n_out: usize) -> Vec<f32> {
    let mut outputs = vec![0.0; nets.len()];
    let samples = nets.chunks_exact(n_out).zip(outputs.chunks_exact_mut(n_out));
    samples.for_each(|(nets, outputs)| config.network.output.of(nets, outputs));
    outputs
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::DataSet;
    use crate::train::blocking::block_on;
    use std::sync::Arc;

    /// Outputs are linear and the validation samples are unit vectors, so the outputs of a neuron are its weights.
    #[test]
    fn velocities_are_those_computed_by_hand() {
        let text = "rule = 'neq'\nneq-epsilon = 0.1\nneq-mu = 0.5\nhidden = []\noutput = 'linear'\nloss = 'mse'\nscale = 'none'\n\
                    val-fraction = 0.5\ntest-fraction = 0.0\nepochs = 9\nalpha0 = 0.25";
        let config = Config::overlay([&text.parse().unwrap()]).unwrap();
        let rows = (0..8).map(|i| if i % 2 == 0 { [1.0, 0.0] } else { [0.0, 1.0] }).collect::<Vec<[f32; 2]>>();
        let data = DataSet::new(rows, (0..8).map(|i| i % 2)).unwrap();
        let mut population = Population::new(vec![config], Arc::new(data), None).unwrap();
        population.splits[0].validation = vec![0, 1];
        let mut states = population.initial_state();
        // The second neuron is dead until epoch 4.
        let set = |states: &mut [MemberState], first: [f32; 2], second: [f32; 2]| {
            states[0].layers[0].weights = vec![first[0], second[0], first[1], second[1], 0.0, 0.0];
        };
        set(&mut states, [1.0, 0.0], [0.0, 0.0]);
        begin(&mut states);
        // Weights after the epoch; then φ, v and whether the neuron rests.
        let dead = ([0.0, 0.0], 1.0, 0.0);
        for (t, (first, second)) in [
            (([3.0, 4.0], 0.6, 0.0, false), (dead.0, dead.1, dead.2, false)),
            (([8.0, 6.0], 0.96, 0.36, false), (dead.0, dead.1, dead.2, true)),
            (([6.0, 8.0], 0.96, -0.18, false), (dead.0, dead.1, dead.2, true)),
            (([6.0, 8.0], 1.0, 0.13, false), ([0.0, 2.0], 0.0, -1.0, false)),
            (([6.0, 8.0], 1.0, -0.065, true), ([0.0, 5.0], 1.0, 1.5, false)),
            (([4.0, 3.0], 0.96, -0.0075, true), ([0.0, 5.0], 1.0, -0.75, false)),
            (([-4.0, 3.0], -0.28, -1.23625, false), ([0.0, 5.0], 1.0, 0.375, false)),
        ]
        .into_iter()
        .enumerate()
        {
            set(&mut states, first.0, second.0);
            block_on(settle(&population, t as u32 + 1, &mut states));
            let layer = &states[0].layers[0];
            for (j, (_, similarity, velocity, rests)) in [first, second].into_iter().enumerate() {
                let past = Past::of(&layer.slots[j]);
                let close = |got: f32, want: f64| (f64::from(got) - want).abs() < 1e-6;
                assert!(close(past.distance, 1.0 - similarity), "epoch {}, neuron {j}: {past:?}", t + 1);
                assert!(close(past.velocity, velocity), "epoch {}, neuron {j}: {past:?}", t + 1);
                assert_eq!(layer.alpha(Rule::Neq)[j], if rests { 0.0 } else { 0.25 }, "epoch {}, neuron {j}", t + 1);
            }
            assert_eq!(layer.memory, layer.weights);
        }
    }
}
