//! The passes over samples: from rows of the data set to y of every layer, then to δ of every layer.
//!
//! Blocks of samples are independent, so each block runs through all layers without waiting. If there are fewer blocks
//! than threads, the panels of a layer run in parallel too. Every panel is the same product either way, so the bits are
//! the same.

use super::ahead::prefetch;
use super::cache::{Cache, Kept};
use super::canary::search;
use super::columns::Way;
use super::dropout::{self, Dropout};
use super::elementwise::{activate, square, step, transposed_slope, widen};
use super::layer::Layer;
use super::layout::{self, Layout, PANEL, Place, ranges};
use super::output::{OutputLayer, Tally, Target, output, unsupervised};
use super::product::{LANES, View, matrix_vector, multiply, vector_matrix};
use super::scratch::with_scratch;
use crate::config::{Config, Rule};
use crate::data::distort::Distortion;
use crate::data::{DataSet, Samples};
use crate::rule::member::Member;
use rayon::prelude::*;
use std::ops::Range;

/// The data set, and the labels that one member sees for its rows.
pub type Labelled<'a> = (&'a DataSet, &'a [u32]);

/// The inputs of a pass over the samples of one network.
#[derive(Clone, Copy)]
pub struct Pass<'a> {
    pub config: &'a Config,
    pub layout: &'a Layout,
    pub layers: &'a [Layer],
    /// The activation cache of each layer.
    pub caches: &'a [Option<Cache>],
    pub kept: &'a Kept,
    /// The lowest layer with a neuron that learns; the number of layers if there is none.
    pub lowest: usize,
    pub samples: Labelled<'a>,
    /// The rows of the next pass, which are fetched from memory meanwhile.
    pub ahead: &'a [u32],
    /// Steps trained before this pass since the start of the run.
    pub number: u32,
    /// `None` evaluates only.
    pub training: Option<Training<'a>>,
}

/// The additional inputs of a training pass.
#[derive(Clone, Copy)]
pub struct Training<'a> {
    /// The rows of W through which δ reaches the learning columns of layer [`Pass::lowest`]; empty if these are all rows of
    /// W, in order.
    pub error_rows: &'a [f32],
    pub settings: &'a Member,
    pub distortion: Option<&'a Distortion>,
}

impl Training<'_> {
    /// Distorts and drops the inputs `x` of the sample at `place` of the batch, as step `number` demands.
    fn prepare(&self, number: u32, place: usize, x: &mut [f32]) {
        if let Some(distortion) = self.distortion {
            distortion.apply(&self.settings.distortion(), number, place, x);
        }
        if self.settings.dropout_input > 0.0 {
            Dropout::new(self.settings, number, 0).apply(place, x);
        }
    }
}

impl Pass<'_> {
    /// Runs a batch of `rows` of the data set through the network. `records` and `tallies` have room for the whole
    /// batch.
    pub fn run(
        &self,
        records: &mut [f32],
        rows: &[u32],
        tallies: &mut [Tally],
        panels: &mut [f32],
        fork: bool,
    ) -> Tally {
        let size = layout::block(rows.len());
        let blocks = rows.len().div_ceil(size);
        let records = &mut records[..rows.len() * self.layout.stride];
        let tallies = &mut tallies[..blocks];
        let whole =
            |records: &mut [f32], rows: &[u32], first| with_scratch(|panel| self.block(records, rows, first, panel));
        let stride = size * self.layout.stride;
        // Waking threads for a single panel would only cost time.
        let units = blocks * self.layout.layers.iter().map(|place| place.n_out.div_ceil(PANEL)).max().unwrap_or(1);
        if fork && blocks < rayon::current_num_threads().min(units) {
            self.by_panels(records, rows, tallies, panels);
        } else if fork && blocks > 1 {
            let blocks = records.par_chunks_mut(stride).zip(rows.par_chunks(size)).zip(&mut *tallies).enumerate();
            blocks.with_max_len(1).for_each(|(i, ((records, rows), tally))| *tally = whole(records, rows, i * size));
        } else {
            let blocks = records.chunks_mut(stride).zip(rows.chunks(size)).zip(&mut *tallies).enumerate();
            blocks.for_each(|(i, ((records, rows), tally))| *tally = whole(records, rows, i * size));
        }
        tallies.iter().fold(Tally::default(), |sum, &tally| sum + tally)
    }

    /// Runs one block through all layers; its first sample is at place `first` of the batch.
    pub fn block(&self, records: &mut [f32], rows: &[u32], first: usize, panel: &mut [f32]) -> Tally {
        let known = self.kept.answers(rows, rows.len());
        self.gather(records, rows, first, known);
        for l in self.first(known)..self.layers.len() {
            for columns in ranges(self.nets(l, known), PANEL) {
                let panel = &mut panel[..rows.len() * columns.len()];
                self.net(l, records, columns.clone(), panel);
                self.keep_net(l, records, first, columns, panel);
            }
        }
        let tally = self.output(records, rows);
        for l in self.backward_layers() {
            for inputs in ranges(self.errors(l), PANEL) {
                let panel = &mut panel[..rows.len() * inputs.len()];
                self.error(l, records, inputs.clone(), panel);
                self.keep_error(l, records, inputs, panel);
            }
        }
        tally
    }

    /// Computes `columns` of layer `l` for the kept `rows`, and writes y to `values`. Returns whether every net was finite.
    pub fn remember(
        &self,
        l: usize,
        (columns, values): (Range<usize>, &mut [f32]),
        records: &mut [f32],
        rows: &[u32],
        panel: &mut [f32],
    ) -> bool {
        self.gather(records, rows, 0, true);
        let Place { n_out, y, .. } = self.layout.layers[l];
        let mut finite = true;
        for part in ranges(columns.len(), PANEL) {
            let part = columns.start + part.start..columns.start + part.end;
            let panel = &mut panel[..rows.len() * part.len()];
            self.net(l, records, part.clone(), panel);
            finite &= is_finite(panel);
            self.answer(l, records, part, panel);
        }
        for (values, record) in values.chunks_exact_mut(n_out).zip(records.chunks_exact(self.layout.stride)) {
            for &neuron in &self.layers[l].columns.order[columns.clone()] {
                values[neuron as usize] = record[y + neuron as usize];
            }
        }
        finite
    }

    /// The cache of layer `l`, if it has valid columns.
    fn cache(&self, l: usize) -> Option<&Cache> {
        self.caches[l].as_ref().filter(|_| self.layers[l].columns.cached > 0)
    }

    /// The first layer that a pass computes. `known` says whether the caches have the rows of the pass. All layers below are
    /// frozen, and the last of them is cached as a whole.
    fn first(&self, known: bool) -> usize {
        let whole = |l: &usize| known && self.layers[*l].columns.computed() == 0 && self.cache(*l).is_some();
        (0..self.lowest.min(self.layers.len())).rev().find(whole).map_or(0, |l| l + 1)
    }

    /// Columns of layer `l` that are computed: a few more than needed, because the crate copies a matrix whose width does
    /// not fill its registers.
    fn nets(&self, l: usize, known: bool) -> usize {
        match self.cache(l) {
            Some(_) if known => {
                let columns = &self.layers[l].columns;
                columns.computed().next_multiple_of(LANES).min(columns.n_out())
            }
            _ => self.layout.layers[l].n_out,
        }
    }

    /// Inputs of layer `l` that receive δ. In the lowest layer with δ only the columns that learn receive it.
    fn errors(&self, l: usize) -> usize {
        match l == self.lowest + 1 {
            true => self.layers[l - 1].columns.learning,
            false => self.layout.layers[l].n_in,
        }
    }

    /// Floating-point operations of a training pass over a batch of `rows`.
    pub fn flops(&self, rows: &[u32]) -> f64 {
        let known = self.kept.answers(rows, rows.len());
        let first = self.first(known);
        let of = |(l, layer): (usize, &Layer)| {
            let nets = if l < first { 0 } else { self.nets(l, known) };
            layer.products(nets, if l > self.lowest { self.errors(l) } else { 0 }).flops()
        };
        self.layers.iter().enumerate().map(of).sum::<f64>() * rows.len() as f64
    }

    /// Runs all blocks layer by layer, with the panels of a layer in parallel. Panels read the records that all share;
    /// then each block copies the results of its panels into its own records.
    fn by_panels(&self, records: &mut [f32], rows: &[u32], tallies: &mut [Tally], results: &mut [f32]) {
        let size = layout::block(rows.len());
        let stride = size * self.layout.stride;
        let blocks = || rows.par_chunks(size).with_max_len(1);
        let known = self.kept.answers(rows, rows.len() - (rows.len() - 1) / size * size);
        let gathered = records.par_chunks_mut(stride).zip(blocks()).enumerate();
        gathered.for_each(|(i, (records, rows))| self.gather(records, rows, i * size, known));
        for l in self.first(known)..self.layers.len() {
            let work = |records: &[f32], columns, panel: &mut [f32]| self.net(l, records, columns, panel);
            let keep =
                |records: &mut [f32], first, columns, panel: &[f32]| self.keep_net(l, records, first, columns, panel);
            self.layer_by_panels(records, size, self.nets(l, known), results, work, keep);
        }
        let outputs = records.par_chunks_mut(stride).zip(blocks()).zip(tallies);
        outputs.for_each(|((records, rows), tally)| *tally = self.output(records, rows));
        for l in self.backward_layers() {
            let work = |records: &[f32], inputs, panel: &mut [f32]| self.error(l, records, inputs, panel);
            let keep = |records: &mut [f32], _, inputs, panel: &[f32]| self.keep_error(l, records, inputs, panel);
            self.layer_by_panels(records, size, self.errors(l), results, work, keep);
        }
    }

    /// One layer of [`Self::by_panels`], `width` columns wide, in blocks of `size` samples.
    fn layer_by_panels(
        &self,
        records: &mut [f32],
        size: usize,
        width: usize,
        results: &mut [f32],
        work: impl Fn(&[f32], Range<usize>, &mut [f32]) + Sync,
        keep: impl Fn(&mut [f32], usize, Range<usize>, &[f32]) + Sync,
    ) {
        let per_block = width.div_ceil(PANEL);
        let stride = size * self.layout.stride;
        let results = &mut results[..records.len().div_ceil(stride) * per_block * size * PANEL];
        let columns = |i: usize| i * PANEL..width.min((i + 1) * PANEL);
        let of_block = |records: &[f32], columns: &Range<usize>| records.len() / self.layout.stride * columns.len();
        let shared = &*records;
        results.par_chunks_exact_mut(size * PANEL).with_max_len(1).enumerate().for_each(|(unit, panel)| {
            let (first, columns) = (unit / per_block * stride, columns(unit % per_block));
            let records = &shared[first..shared.len().min(first + stride)];
            let values = of_block(records, &columns);
            work(records, columns, &mut panel[..values]);
        });
        let of_blocks = results.par_chunks_exact(per_block * size * PANEL);
        records.par_chunks_mut(stride).zip(of_blocks).enumerate().for_each(|(block, (records, results))| {
            for (i, panel) in results.chunks_exact(size * PANEL).enumerate() {
                let values = of_block(records, &columns(i));
                keep(records, block * size, columns(i), &panel[..values]);
            }
        });
    }

    /// The layers that pass δ to the layer below, from the top.
    fn backward_layers(&self) -> impl Iterator<Item = usize> {
        let top = self.layers.len();
        (if self.training.is_some() { self.lowest + 1 } else { top }..top).rev()
    }

    /// Fills the records with what a pass reads: cached values of the rows, if these are `known`, and x of every sample,
    /// unless a cached layer replaces x. The first sample is at place `first` of the batch.
    fn gather(&self, records: &mut [f32], rows: &[u32], first: usize, known: bool) {
        let stride = self.layout.stride;
        let from = self.first(known);
        let ahead = &self.ahead[first.min(self.ahead.len())..];
        let ahead = || ahead.iter().copied().map(Some).chain(std::iter::repeat(None));
        for l in from.saturating_sub(1)..self.layers.len().min(self.lowest + 1) {
            let Some(cache) = self.cache(l).filter(|_| known) else { continue };
            let Place { y, n_out, .. } = self.layout.layers[l];
            for ((record, &row), next) in records.chunks_exact_mut(stride).zip(rows).zip(ahead()) {
                next.and_then(|next| cache.find(self.kept, next)).into_iter().for_each(prefetch);
                record[y..y + n_out].copy_from_slice(cache.row(self.kept, row));
            }
        }
        if from > 0 {
            return;
        }
        let Place { n_in, input, squares, .. } = self.layout.layers[0];
        let place = |row: u32| row as usize * n_in..(row as usize + 1) * n_in;
        for ((record, &row), next) in records.chunks_exact_mut(stride).zip(rows).zip(ahead()) {
            let x = &mut record[input..input + n_in];
            match self.samples.0.samples() {
                Samples::U8(bytes) => {
                    next.into_iter().for_each(|next| prefetch(&bytes[place(next)]));
                    widen(x, &bytes[place(row)]);
                }
                Samples::F32(reals) => {
                    next.into_iter().for_each(|next| prefetch(&reals[place(next)]));
                    x.copy_from_slice(&reals[place(row)]);
                }
            }
        }
        if let Some(training) = &self.training {
            for (i, record) in records.chunks_exact_mut(self.layout.stride).enumerate() {
                training.prepare(self.number, first + i, &mut record[input..input + n_in]);
            }
        }
        if let Some((squares, _)) = squares {
            square(records, self.layout.stride, input, squares, n_in);
        }
    }

    /// Computes `columns` of x W_l, without the bias: `[samples, columns]`.
    fn net(&self, l: usize, records: &[f32], columns: Range<usize>, panel: &mut [f32]) {
        let Place { n_in, n_out, input, .. } = self.layout.layers[l];
        let rows = records.len() / self.layout.stride;
        let w = &self.layers[l].state.weights[columns.start..n_in * n_out];
        if rows == 1 {
            vector_matrix(panel, &records[input..input + n_in], w, n_out);
        } else {
            let x = View::new(&records[input..], rows, n_in, self.layout.stride);
            multiply(panel, columns.len(), 0.0, x, View::new(w, n_in, columns.len(), n_out));
        }
    }

    /// Writes y of these columns into the records; in the output layer, writes net.
    fn keep_net(&self, l: usize, records: &mut [f32], first: usize, columns: Range<usize>, panel: &[f32]) {
        let Place { n_in, n_out, y, squares, dropout, .. } = self.layout.layers[l];
        let stride = self.layout.stride;
        let bias = &self.layers[l].state.weights[n_in * n_out..][columns.clone()];
        // net exists only inside `activate`, so its operands are checked instead: the product and the bias.
        self.layers[l].canary.watch_net(panel, self.number);
        self.layers[l].canary.watch_net(bias, self.number);
        self.answer(l, records, columns.clone(), panel);
        if let (Some(training), Some(places)) = (&self.training, dropout) {
            let dropout = Dropout::new(training.settings, self.number, l + 1);
            for (i, record) in records.chunks_exact_mut(stride).enumerate() {
                let [y, undropped, factors] = [y, places.0, places.1].map(|place| place + columns.start);
                record.copy_within(y..y + columns.len(), undropped);
                dropout.factors(first + i, columns.start, &mut record[factors..factors + columns.len()]);
                let (before, factors) = record.split_at_mut(factors);
                dropout::apply(&mut before[y..y + columns.len()], &factors[..columns.len()]);
            }
        }
        if let Some((_, squares)) = squares
            && self.activates(l)
        {
            square(records, stride, y + columns.start, squares + columns.start, columns.len());
        }
    }

    /// Whether layer `l` has the activation of the hidden layers.
    fn activates(&self, l: usize) -> bool {
        l + 1 < self.layers.len() || self.config.rule.kind.is_unsupervised()
    }

    /// Writes y of these columns at the places of their neurons, and beside it in the order of the columns.
    fn answer(&self, l: usize, records: &mut [f32], columns: Range<usize>, panel: &[f32]) {
        let Place { n_in, n_out, y, net, .. } = self.layout.layers[l];
        let stride = self.layout.stride;
        let bias = &self.layers[l].state.weights[n_in * n_out..][columns.clone()];
        let own = &self.layers[l].columns;
        let stored_y = self.layout.layers[l].stored_y(own.is_ordered());
        let places = (stored_y + columns.start, net.map(|net| net + columns.start));
        let f = self.activates(l).then_some(self.config.network.activation);
        activate(records, stride, places, panel, bias, f);
        if own.is_ordered() {
            for record in records.chunks_exact_mut(stride) {
                let (before, values) = record.split_at_mut(stored_y);
                for (&neuron, &value) in own.order[columns.clone()].iter().zip(&values[columns.start..]) {
                    before[y + neuron as usize] = value;
                }
            }
        }
    }

    /// Computes y, δ and the score of the output layer.
    fn output(&self, records: &mut [f32], rows: &[u32]) -> Tally {
        let (stride, layer) = (self.layout.stride, self.layers.len() - 1);
        let Place { n_out, y, squares, delta, .. } = self.layout.layers[layer];
        let mut tally = Tally::default();
        if self.config.rule.kind.is_unsupervised() {
            let inhibiting = self.training.as_ref().filter(|_| self.config.rule.inhibition > 0.0);
            let inhibition = inhibiting.map(|it| [it.settings.inhibition_own, it.settings.inhibition_all]);
            let thetas = (self.config.rule.kind == Rule::Bcm).then_some(&*self.layers[layer].state.slots);
            for record in records.chunks_exact_mut(stride) {
                let (forward, deltas) = record.split_at_mut(self.layout.deltas);
                let delta = &mut deltas[delta - self.layout.deltas..][..n_out];
                tally = tally + unsupervised(&forward[y..y + n_out], delta, thetas, inhibition);
            }
        }
        let network = &self.config.network;
        let outputs = OutputLayer {
            output: network.output,
            loss: network.loss,
            derivative: network.output_derivative,
            task: self.samples.0.task,
        };
        let supervised = if self.config.rule.kind.is_unsupervised() { &[] } else { rows };
        for (record, &row) in records.chunks_exact_mut(stride).zip(supervised) {
            let (forward, deltas) = record.split_at_mut(self.layout.deltas);
            let delta = &mut deltas[delta - self.layout.deltas..][..n_out];
            let (data, labels) = self.samples;
            let target = Target::of(data, labels, row as usize);
            let weight = data.weights.as_ref().map(|weights| weights[row as usize]);
            tally = tally + output(&mut forward[y..y + n_out], delta, target, weight, outputs);
        }
        if !tally.loss.is_finite() {
            self.layers[layer].canary.note_delta(self.number);
        }
        if self.training.is_some() {
            if let Some((_, squares)) = squares {
                square(records, stride, y, squares, n_out);
            }
            self.scale(layer, records, 0..n_out);
        }
        tally
    }

    /// Computes `inputs` of δ_l W_lᵀ, transposed: `[columns, samples]`. In this order the product reads W along its
    /// rows; the other order would transpose all of W for every block.
    fn error(&self, l: usize, records: &[f32], inputs: Range<usize>, panel: &mut [f32]) {
        let Place { n_out, delta, .. } = self.layout.layers[l];
        let rows = records.len() / self.layout.stride;
        let all = &self.layers[l].state.weights[..];
        let own = self.training.map_or(&[][..], |training| training.error_rows);
        let w = if own.is_empty() || l != self.lowest + 1 { all } else { own };
        let w = &w[inputs.start * n_out..inputs.end * n_out];
        if rows == 1 {
            matrix_vector(panel, w, &records[delta..delta + n_out]);
        } else {
            let delta = View::new(&records[delta..], rows, n_out, self.layout.stride).transposed();
            multiply(panel, rows, 0.0, View::new(w, inputs.len(), n_out, n_out), delta);
        }
    }

    /// Writes δ of these columns of the layer below into the records.
    fn keep_error(&self, l: usize, records: &mut [f32], inputs: Range<usize>, panel: &[f32]) {
        let below = &self.layout.layers[l - 1];
        let Place { delta, dropout, .. } = *below;
        let stride = self.layout.stride;
        let stored_y = below.stored_y(self.layers[l - 1].columns.is_ordered());
        let y = dropout.map_or(stored_y, |(undropped, _)| undropped);
        let places = (y + inputs.start, delta + inputs.start);
        transposed_slope(records, stride, places, panel, inputs.len(), self.config.network.activation);
        if let Some((_, factors)) = dropout {
            for record in records.chunks_exact_mut(stride) {
                let (before, deltas) = record.split_at_mut(delta + inputs.start);
                dropout::apply(&mut deltas[..inputs.len()], &before[factors + inputs.start..]);
            }
        }
        self.scale(l - 1, records, inputs);
    }

    /// Writes δ of these columns of layer `l`, scaled for the update, for the pieces that are updated. Frozen columns that fill
    /// up the last piece have no δ, and take a step of 0.
    fn scale(&self, l: usize, records: &mut [f32], columns: Range<usize>) {
        let Place { delta, step: to, .. } = self.layout.layers[l];
        let layer = &self.layers[l];
        let rates = &layer.step_rate;
        for piece in &layer.pieces {
            let (first, last) = (piece.columns.start.max(columns.start), piece.columns.end.min(columns.end));
            if first >= last {
                continue;
            }
            match &piece.way {
                Way::Direct | Way::Masked | Way::Gradient => {
                    step(records, self.layout.stride, (delta + first, to + first), &rates[first..last]);
                    if last == layer.columns.learning && last < piece.columns.end {
                        for record in records.chunks_exact_mut(self.layout.stride) {
                            record[to + last..to + piece.columns.end].fill(0.0);
                        }
                    }
                }
                Way::Scattered(scattered) => {
                    let start = piece.columns.start;
                    let before =
                        |end: usize| scattered.columns.partition_point(|&column| (column as usize) < end - start);
                    let (from, until) = (before(first), before(last));
                    let rates = &rates[start..];
                    for record in records.chunks_exact_mut(self.layout.stride) {
                        let (deltas, steps) = record.split_at_mut(to);
                        let chosen = &scattered.columns[from..until];
                        for (step, &column) in steps[start + from..].iter_mut().zip(chosen) {
                            *step = deltas[delta + start + column as usize] * rates[column as usize];
                        }
                    }
                }
            }
        }
    }
}

/// Whether all values are finite.
fn is_finite(values: &[f32]) -> bool {
    let mut found = false;
    search(values, &mut found);
    !found
}
