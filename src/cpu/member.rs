//! One network on the CPU: its state, its scratch memory, and one training step. Nothing is allocated per step.

use super::elementwise::{add_scaled, add_scaled_per_weight, bias_and_activation, multiply_by_slope};
use super::output::{Tally, output};
use super::product::{Matrix, add_outer, add_vector_matrix, matrix_vector, multiply, vectorised};
use crate::config::{Basis, Config, Rule, Scope};
use crate::data::DataSet;
use crate::population::{LayerState, MemberState};
use crate::psi::{self, Member, Slot};
use rayon::prelude::*;

/// One layer with its scratch for a batch.
#[derive(Clone, Debug)]
pub struct Layer {
    pub n_in: usize,
    pub n_out: usize,
    pub state: LayerState,
    /// Sums of the observed variable and their carries, per slot.
    sums: Vec<f32>,
    carries: Vec<f32>,
    /// `[B, n_out]`, as are the next three.
    y: Vec<f32>,
    net: Vec<f32>,
    delta: Vec<f32>,
    /// δ scaled, or y²; whatever a product needs beside them.
    scratch: Vec<f32>,
    /// Gradient `[n_in + 1, n_out]`; only with an α per weight and no momentum.
    gradient: Vec<f32>,
}

/// One network.
#[derive(Clone, Debug)]
pub struct Network {
    pub layers: Vec<Layer>,
    pub settings: Member,
    /// Row numbers in the order of the epoch.
    pub order: Vec<u32>,
    /// `[B, n_0]`.
    x: Vec<f32>,
    /// x², with co-activation, `[B, widest input]`.
    squares: Vec<f32>,
    pub running: Tally,
}

/// Elements below which a pass stays on one thread.
const PARALLEL_ELEMENTS: usize = 1 << 15;

/// Runs `work` over row blocks of two arrays, on several threads if that pays.
fn for_rows(a: &mut [f32], b: &mut [f32], width: usize, threads: usize, work: impl Fn(&mut [f32], &mut [f32]) + Sync) {
    if threads < 2 || a.len() < PARALLEL_ELEMENTS {
        return work(a, b);
    }
    let block = (a.len() / width).div_ceil(threads) * width;
    if b.is_empty() {
        a.par_chunks_mut(block).for_each(|a| work(a, &mut []));
    } else {
        a.par_chunks_mut(block).zip(b.par_chunks_mut(block)).for_each(|(a, b)| work(a, b));
    }
}

/// `y = f(x W - bias)`, net kept if `net` has room; f is left out for the output layer.
fn forward_layer(
    (y, net): (&mut [f32], &mut [f32]),
    x: &[f32],
    weights: &[f32],
    (rows, n_in, n_out): (usize, usize, usize),
    f: Option<crate::config::Activation>,
    threads: usize,
) {
    let (matrix, bias) = weights.split_at(n_in * n_out);
    if rows == 1 {
        y.fill(0.0);
        add_vector_matrix(y, x, matrix);
    } else {
        multiply(y, 0.0, 1.0, Matrix::new(x, rows, n_in), Matrix::new(matrix, n_in, n_out), threads);
    }
    for_rows(y, net, n_out, threads, |y, net| match f {
        Some(f) => bias_and_activation(y, net, bias, f),
        None => {
            for (i, row) in y.chunks_exact_mut(n_out).enumerate() {
                row.iter_mut().zip(bias).for_each(|(y, b)| *y -= b);
                if let Some(net) = net.get_mut(i * n_out..(i + 1) * n_out) {
                    net.copy_from_slice(row);
                }
            }
        }
    });
}

vectorised! {
    /// Adds each row's value of the observed variable to the columns of `seen`.
    pub fn observe_rows(seen: &mut [f32], basis: u32, y: &[f32], net: &[f32], delta: &[f32]) {
        const ACT: u32 = Basis::Act as u32;
        const ACT2: u32 = Basis::Act2 as u32;
        const NET2: u32 = Basis::Net2 as u32;
        const DELTA: u32 = Basis::Delta as u32;
        let (source, square) = match basis {
            ACT => (y, false),
            ACT2 => (y, true),
            NET2 => (net, true),
            DELTA => (delta, false),
            _ => (delta, true),
        };
        for row in source.chunks_exact(seen.len()) {
            if square {
                seen.iter_mut().zip(row).for_each(|(seen, v)| *seen += v * v);
            } else {
                seen.iter_mut().zip(row).for_each(|(seen, v)| *seen += v.abs());
            }
        }
    }
}

impl Network {
    pub fn new(config: &Config, settings: Member, state: &MemberState, widths: &[usize], batch: usize) -> Self {
        let coactivation = config.slots_per_weight();
        let keep_net = config.basis == Basis::Net2;
        let layers = widths.windows(2).zip(&state.layers).map(|(shape, state)| {
            let (n_in, n_out) = (shape[0], shape[1]);
            let gradient = config.scope == Scope::Weight && config.momentum == 0.0;
            Layer {
                n_in,
                n_out,
                sums: state.observed.iter().map(|pair| pair[0]).collect(),
                carries: state.observed.iter().map(|pair| pair[1]).collect(),
                state: state.clone(),
                y: vec![0.0; batch * n_out],
                net: vec![0.0; if keep_net { batch * n_out } else { 0 }],
                delta: vec![0.0; batch * n_out],
                scratch: vec![0.0; batch * n_out],
                gradient: vec![0.0; if gradient { (n_in + 1) * n_out } else { 0 }],
            }
        });
        let widest = widths.iter().copied().max().unwrap_or(0);
        Self {
            layers: layers.collect(),
            settings,
            order: vec![],
            x: vec![0.0; batch * widths[0]],
            squares: vec![0.0; if coactivation { batch * widest } else { 0 }],
            running: Tally::default(),
        }
    }

    /// One step on the rows at `first..first + rows` of the order. `anew` starts the observed sums.
    pub fn step(&mut self, config: &Config, data: &DataSet, (first, rows): (usize, usize), anew: bool, threads: usize) {
        let Self { layers, settings, order, x, squares, running } = self;
        let batch = &order[first..first + rows];
        let x = &mut x[..rows * data.features];
        gather(x, data, batch, threads);

        let last = layers.len() - 1;
        for l in 0..layers.len() {
            let (before, rest) = layers.split_at_mut(l);
            let Layer { n_in, n_out, state, y, net, .. } = &mut rest[0];
            let input = before.last().map_or(&*x, |layer| &layer.y[..rows * layer.n_out]);
            let f = (l < last).then_some(config.activation);
            let kept = net.len().min(rows * *n_out);
            let (y, net) = (&mut y[..rows * *n_out], &mut net[..kept]);
            // Net is kept beside y only where something reads it.
            forward_layer((y, net), input, &state.weights, (rows, *n_in, *n_out), f, threads);
        }
        if let Some(last) = layers.last_mut() {
            let n = last.n_out;
            let mut tally = Tally { samples: rows as u64, ..Tally::default() };
            for ((y, delta), &row) in last.y.chunks_exact_mut(n).zip(last.delta.chunks_exact_mut(n)).zip(batch) {
                let label = data.labels[row as usize] as usize;
                let (loss, wrong) = output(y, delta, label, (config.output, config.loss));
                tally.loss += loss;
                tally.wrong += u64::from(wrong);
            }
            running.add(tally);
        }
        // All δ before any update: a layer's δ reads the weights that the forward pass used.
        for l in (1..layers.len()).rev() {
            let (below, above) = layers.split_at_mut(l);
            let (below, above) = (&mut below[l - 1], &above[0]);
            let (n_in, n_out) = (above.n_in, above.n_out);
            let (delta, y) = (&mut below.delta[..rows * n_in], &mut below.y[..rows * n_in]);
            let matrix = &above.state.weights[..n_in * n_out];
            if rows == 1 {
                matrix_vector(delta, matrix, &above.delta[..n_out]);
            } else {
                let w = Matrix::new(matrix, n_in, n_out).transposed();
                multiply(delta, 0.0, 1.0, Matrix::new(&above.delta, rows, n_out), w, threads);
            }
            for_rows(delta, y, n_in, threads, |delta, y| multiply_by_slope(delta, y, config.activation));
        }
        for l in 0..layers.len() {
            let (before, rest) = layers.split_at_mut(l);
            let input = before.last().map_or(&*x, |layer| &layer.y[..rows * layer.n_out]);
            rest[0].observe(config, settings, input, squares, rows, anew, threads);
            rest[0].update(config, settings, input, rows, threads);
        }
    }

    /// Clock tick `t`, after `samples` samples.
    pub fn tick(&mut self, config: &Config, t: u32, samples: u64) {
        for layer in &mut self.layers {
            let mut means = layer.means(samples);
            if config.scope == Scope::Layer {
                let mean = means.iter().sum::<f32>() / means.len() as f32;
                means.fill(mean);
            }
            for ((slot, psi), mean) in layer.state.slots.iter_mut().zip(&mut layer.state.psi).zip(means) {
                psi::tick(&self.settings, slot, mean, t as f32);
                *psi = psi::psi(&self.settings, slot);
            }
        }
    }

    /// The whole state, observed sums included.
    pub fn state(&self, samples_since_tick: u64) -> MemberState {
        let layer = |layer: &Layer| LayerState {
            observed: layer.sums.iter().zip(&layer.carries).map(|(&sum, &carry)| [sum, carry]).collect(),
            ..layer.state.clone()
        };
        MemberState { samples_since_tick, layers: self.layers.iter().map(layer).collect() }
    }

    /// Loss and error over `rows` with the weights as they are, in batches of `batch`.
    pub fn evaluate(&self, config: &Config, data: &DataSet, rows: &[u32], batch: usize, threads: usize) -> Tally {
        let mut tally = Tally::default();
        let mut x = vec![0.0; batch * data.features];
        let mut ys: Vec<Vec<f32>> = self.layers.iter().map(|layer| vec![0.0; batch * layer.n_out]).collect();
        for rows in rows.chunks(batch) {
            let x = &mut x[..rows.len() * data.features];
            gather(x, data, rows, threads);
            for (l, layer) in self.layers.iter().enumerate() {
                let (before, rest) = ys.split_at_mut(l);
                let input = before.last().map_or(&*x, |y| &y[..rows.len() * layer.n_in]);
                let f = (l + 1 < self.layers.len()).then_some(config.activation);
                let y = &mut rest[0][..rows.len() * layer.n_out];
                let shape = (rows.len(), layer.n_in, layer.n_out);
                forward_layer((y, &mut []), input, &layer.state.weights, shape, f, threads);
            }
            if let (Some(y), Some(layer)) = (ys.last_mut(), self.layers.last()) {
                for (y, &row) in y.chunks_exact_mut(layer.n_out).zip(rows) {
                    let (loss, wrong) =
                        output(y, &mut [], data.labels[row as usize] as usize, (config.output, config.loss));
                    tally.add(Tally { loss, wrong: u64::from(wrong), samples: 1 });
                }
            }
        }
        tally
    }
}

fn gather(x: &mut [f32], data: &DataSet, rows: &[u32], threads: usize) {
    let copy = |(x, &row): (&mut [f32], &u32)| data.copy_row(row as usize, x);
    if threads > 1 && x.len() >= PARALLEL_ELEMENTS {
        x.par_chunks_exact_mut(data.features).zip(rows).with_min_len(16).for_each(copy);
    } else {
        x.chunks_exact_mut(data.features).zip(rows).for_each(copy);
    }
}

impl Layer {
    /// Means of the observed variable over the last tick, per slot.
    pub fn means(&self, samples: u64) -> Vec<f32> {
        self.sums.iter().map(|sum| sum / samples as f32).collect()
    }

    /// Sets θ of every slot.
    pub fn set_theta(&mut self, theta: f32) {
        self.state.slots.iter_mut().for_each(|slot: &mut Slot| slot.theta = theta);
    }

    #[allow(clippy::too_many_arguments)]
    fn observe(
        &mut self,
        config: &Config,
        settings: &Member,
        input: &[f32],
        squares: &mut [f32],
        rows: usize,
        anew: bool,
        threads: usize,
    ) {
        if config.rule == Rule::Constant {
            return;
        }
        let (n_in, n_out) = (self.n_in, self.n_out);
        let (y, delta) = (&self.y[..rows * n_out], &self.delta[..rows * n_out]);
        let seen = &mut self.scratch[..rows * n_out];
        if config.slots_per_weight() {
            let x2 = &mut squares[..rows * n_in];
            x2.iter_mut().zip(input).for_each(|(x2, x)| *x2 = x * x);
            seen.iter_mut().zip(y).for_each(|(y2, y)| *y2 = y * y);
            let keep = if anew { 0.0 } else { 1.0 };
            let (matrix, bias) = self.sums.split_at_mut(n_in * n_out);
            multiply(
                matrix,
                keep,
                1.0,
                Matrix::new(x2, rows, n_in).transposed(),
                Matrix::new(seen, rows, n_out),
                threads,
            );
            if anew {
                bias.fill(0.0);
            }
            for row in seen.chunks_exact(n_out) {
                bias.iter_mut().zip(row).for_each(|(bias, y2)| *bias += y2);
            }
            return;
        }
        let seen = &mut seen[..n_out];
        seen.fill(0.0);
        let net = &self.net[..self.net.len().min(rows * n_out)];
        observe_rows(seen, settings.basis, y, net, delta);
        if anew {
            self.sums.fill(0.0);
            self.carries.fill(0.0);
        }
        for ((sum, carry), &value) in self.sums.iter_mut().zip(&mut self.carries).zip(&*seen) {
            // Kahan: a long epoch loses nothing.
            let corrected = value - *carry;
            let total = *sum + corrected;
            *carry = (total - *sum) - corrected;
            *sum = total;
        }
    }

    fn update(&mut self, config: &Config, settings: &Member, input: &[f32], rows: usize, threads: usize) {
        let (n_in, n_out) = (self.n_in, self.n_out);
        let split = n_in * n_out;
        let mean = 1.0 / rows as f32;
        let per_weight = self.state.alpha0.len() != n_out;
        let LayerState { weights, momentum, alpha0, psi, .. } = &mut self.state;
        let delta = &self.delta[..rows * n_out];
        let scaled = &mut self.scratch[..rows * n_out];
        if per_weight || !momentum.is_empty() {
            // The gradient, alone or into the velocity; then one pass over the weights.
            let coast = config.coast && !per_weight;
            let target = if momentum.is_empty() { &mut self.gradient } else { &mut *momentum };
            if coast {
                scale_columns(scaled, delta, alpha0, psi, mean);
            } else {
                scaled.iter_mut().zip(delta).for_each(|(s, d)| *s = d * mean);
            }
            if config.coast && per_weight {
                // α differs along x, so it cannot be folded into δ: the gradient passes through its own array.
                let gradient = &mut self.gradient;
                gradient.resize(split + n_out, 0.0);
                accumulate(gradient, 0.0, input, scaled, (rows, n_in, n_out), threads);
                momentum.iter_mut().for_each(|m| *m *= settings.momentum);
                apply(momentum, gradient, alpha0, psi, n_out, threads);
                weights.iter_mut().zip(&*momentum).for_each(|(w, m)| *w += m);
                return;
            }
            let keep = if config.momentum > 0.0 { settings.momentum } else { 0.0 };
            accumulate(target, keep, input, scaled, (rows, n_in, n_out), threads);
            if coast {
                weights.iter_mut().zip(&*target).for_each(|(w, m)| *w += m);
            } else {
                apply(weights, target, alpha0, psi, n_out, threads);
            }
            return;
        }
        // α belongs to the column: scale δ and add the product straight to W. No gradient exists.
        scale_columns(scaled, delta, alpha0, psi, mean);
        accumulate(weights, 1.0, input, scaled, (rows, n_in, n_out), threads);
    }
}

vectorised! {
    /// `scaled = δ · α / B`, α per column.
    pub fn scale_columns(scaled: &mut [f32], delta: &[f32], alpha0: &[f32], psi: &[f32], mean: f32) {
        let n = psi.len();
        for (scaled, delta) in scaled.chunks_exact_mut(n).zip(delta.chunks_exact(n)) {
            for j in 0..n {
                scaled[j] = delta[j] * (alpha0[j] * psi[j] * mean);
            }
        }
    }
}

/// `target = keep · target + x̃ᵀ d`, the bias row (input −1) included.
fn accumulate(
    target: &mut [f32],
    keep: f32,
    x: &[f32],
    d: &[f32],
    (rows, n_in, n_out): (usize, usize, usize),
    threads: usize,
) {
    let (matrix, bias) = target.split_at_mut(n_in * n_out);
    if rows == 1 {
        if keep != 1.0 {
            matrix.iter_mut().for_each(|m| *m *= keep);
        }
        add_outer(matrix, x, d);
    } else {
        multiply(matrix, keep, 1.0, Matrix::new(x, rows, n_in).transposed(), Matrix::new(d, rows, n_out), threads);
    }
    bias.iter_mut().for_each(|b| *b *= keep);
    for row in d.chunks_exact(n_out) {
        bias.iter_mut().zip(row).for_each(|(b, d)| *b -= d);
    }
}

/// `w += α ⊙ g` for α per neuron or per weight, in row blocks over the threads.
fn apply(w: &mut [f32], g: &[f32], alpha0: &[f32], psi: &[f32], n_out: usize, threads: usize) {
    let block =
        if threads > 1 && w.len() >= PARALLEL_ELEMENTS { (w.len() / n_out).div_ceil(threads) * n_out } else { w.len() };
    let work = |(i, (w, g)): (usize, (&mut [f32], &[f32]))| {
        let here = i * block..i * block + w.len();
        if psi.len() != n_out || (alpha0.len() == psi.len() && alpha0.len() != n_out) {
            add_scaled_per_weight(w, g, &alpha0[here.clone()], &psi[here]);
        } else if alpha0.len() == n_out {
            add_scaled(w, g, alpha0, psi);
        } else {
            add_scaled(w, g, &alpha0[here], psi);
        }
    };
    if block < w.len() {
        w.par_chunks_mut(block).zip(g.par_chunks(block)).enumerate().for_each(work);
    } else {
        work((0, (w, g)));
    }
}
