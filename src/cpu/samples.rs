//! The passes over samples: from rows of the data set to y of every layer, then to δ of every layer.
//!
//! Blocks of samples are independent, so each block runs through all layers without waiting. If there are fewer blocks
//! than threads, the panels of a layer run in parallel too. Every panel is the same product either way, so the bits are
//! the same.

use super::dropout::{self, Dropout};
use super::elementwise::{activate, square, step, transposed_slope};
use super::layer::Layer;
use super::layout::{self, Layout, PANEL, Place, ranges};
use super::output::{OutputLayer, Tally, Target, output, unsupervised};
use super::product::{View, matrix_vector, multiply, vector_matrix};
use super::scratch::with_scratch;
use crate::config::{Config, Rule};
use crate::data::DataSet;
use crate::data::distort::Distortion;
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
    pub samples: Labelled<'a>,
    /// Steps trained before this pass since the start of the run.
    pub number: u32,
    /// `None` evaluates only.
    pub training: Option<Training<'a>>,
}

/// The additional inputs of a training pass.
#[derive(Clone, Copy)]
pub struct Training<'a> {
    /// The lowest layer whose δ is needed.
    pub lowest_delta: usize,
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
        if fork && blocks < rayon::current_num_threads() {
            self.by_panels(records, rows, tallies, panels);
        } else if fork {
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
        self.gather(records, rows, first);
        for (l, place) in self.layout.layers.iter().enumerate() {
            for columns in ranges(place.n_out, PANEL) {
                let panel = &mut panel[..rows.len() * columns.len()];
                self.net(l, records, columns.clone(), panel);
                self.keep_net(l, records, first, columns, panel);
            }
        }
        let tally = self.output(records, rows);
        for l in self.backward_layers() {
            for inputs in ranges(self.layout.layers[l].n_in, PANEL) {
                let panel = &mut panel[..rows.len() * inputs.len()];
                self.error(l, records, inputs.clone(), panel);
                self.keep_error(l, records, inputs, panel);
            }
        }
        tally
    }

    /// Runs all blocks layer by layer, with the panels of a layer in parallel. Panels read the records that all share;
    /// then each block copies the results of its panels into its own records.
    fn by_panels(&self, records: &mut [f32], rows: &[u32], tallies: &mut [Tally], results: &mut [f32]) {
        let size = layout::block(rows.len());
        let stride = size * self.layout.stride;
        let blocks = || rows.par_chunks(size).with_max_len(1);
        let gathered = records.par_chunks_mut(stride).zip(blocks()).enumerate();
        gathered.for_each(|(i, (records, rows))| self.gather(records, rows, i * size));
        for (l, place) in self.layout.layers.iter().enumerate() {
            let work = |records: &[f32], columns, panel: &mut [f32]| self.net(l, records, columns, panel);
            let keep =
                |records: &mut [f32], first, columns, panel: &[f32]| self.keep_net(l, records, first, columns, panel);
            self.layer_by_panels(records, size, place.n_out, results, work, keep);
        }
        let outputs = records.par_chunks_mut(stride).zip(blocks()).zip(tallies);
        outputs.for_each(|((records, rows), tally)| *tally = self.output(records, rows));
        for l in self.backward_layers() {
            let work = |records: &[f32], inputs, panel: &mut [f32]| self.error(l, records, inputs, panel);
            let keep = |records: &mut [f32], _, inputs, panel: &[f32]| self.keep_error(l, records, inputs, panel);
            self.layer_by_panels(records, size, self.layout.layers[l].n_in, results, work, keep);
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
        (self.training.map_or(top, |training| training.lowest_delta + 1)..top).rev()
    }

    /// Writes x of every sample into its record; the first sample is at place `first` of the batch.
    fn gather(&self, records: &mut [f32], rows: &[u32], first: usize) {
        let Place { n_in, input, squares, .. } = self.layout.layers[0];
        for (record, &row) in records.chunks_exact_mut(self.layout.stride).zip(rows) {
            self.samples.0.copy_row(row as usize, &mut record[input..input + n_in]);
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
        let Place { n_in, n_out, y, net, squares, dropout, .. } = self.layout.layers[l];
        let stride = self.layout.stride;
        let hidden = l + 1 < self.layers.len() || self.config.rule.kind.is_unsupervised();
        let bias = &self.layers[l].state.weights[n_in * n_out..][columns.clone()];
        // net exists only inside `activate`, so its operands are checked instead: the product and the bias.
        self.layers[l].canary.watch_net(panel, self.number);
        self.layers[l].canary.watch_net(bias, self.number);
        let net = net.map(|net| net + columns.start);
        activate(
            records,
            stride,
            (y + columns.start, net),
            panel,
            bias,
            hidden.then_some(self.config.network.activation),
        );
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
            && hidden
        {
            square(records, stride, y + columns.start, squares + columns.start, columns.len());
        }
    }

    /// Computes y, δ and the score of the output layer.
    fn output(&self, records: &mut [f32], rows: &[u32]) -> Tally {
        let (stride, layer) = (self.layout.stride, self.layers.len() - 1);
        let Place { n_out, y, squares, delta, .. } = self.layout.layers[layer];
        let mut tally = Tally::default();
        if self.config.rule.kind.is_unsupervised() {
            let thetas = (self.config.rule.kind == Rule::Bcm).then_some(&*self.layers[layer].state.slots);
            for record in records.chunks_exact_mut(stride) {
                let (forward, deltas) = record.split_at_mut(self.layout.deltas);
                let delta = &mut deltas[delta - self.layout.deltas..][..n_out];
                tally = tally + unsupervised(&forward[y..y + n_out], delta, thetas);
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
        let w = &self.layers[l].state.weights[inputs.start * n_out..inputs.end * n_out];
        if rows == 1 {
            matrix_vector(panel, w, &records[delta..delta + n_out]);
        } else {
            let delta = View::new(&records[delta..], rows, n_out, self.layout.stride).transposed();
            multiply(panel, rows, 0.0, View::new(w, inputs.len(), n_out, n_out), delta);
        }
    }

    /// Writes δ of these columns of the layer below into the records.
    fn keep_error(&self, l: usize, records: &mut [f32], inputs: Range<usize>, panel: &[f32]) {
        let Place { y, delta, dropout, .. } = self.layout.layers[l - 1];
        let stride = self.layout.stride;
        let y = dropout.map_or(y, |(undropped, _)| undropped);
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

    /// Writes δ of these columns of layer `l`, scaled for the update.
    fn scale(&self, l: usize, records: &mut [f32], columns: Range<usize>) {
        let place = &self.layout.layers[l];
        let (delta, to) = (place.delta + columns.start, place.step + columns.start);
        step(records, self.layout.stride, (delta, to), &self.layers[l].step_rate[columns]);
    }
}
