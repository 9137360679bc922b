//! One network on the CPU and its training step: the passes over the samples, then the update of every layer.
//!
//! All δ are computed before any weight changes, so δ of a layer reads the weights of the forward pass. A step
//! allocates nothing but the buffers into which the GEMM crate packs its operands.

use super::layer::{Layer, Step};
use super::layout::{self, Layout};
use super::output::Tally;
use super::samples::{Labelled, Pass, Training};
use super::scratch::with_scratch;
use crate::config::Config;
use crate::data::distort::Distortion;
use crate::rule::member::Member;
use crate::train::state::MemberState;
use rayon::prelude::*;

#[derive(Debug)]
pub struct Network {
    pub layers: Vec<Layer>,
    layout: Layout,
    distortion: Option<Distortion>,
    settings: Member,
    /// Row numbers in the order of the epoch.
    pub order: Vec<u32>,
    /// One record per sample of a batch.
    records: Vec<f32>,
    /// One tally per block of a batch.
    tallies: Vec<Tally>,
    /// Room for all panels of a layer, used when the panels run in parallel.
    panels: Vec<f32>,
    /// Samples of the batch that the step rates are set for; 0 after the αs have changed.
    rows: usize,
    /// The lowest layer whose δ is needed.
    lowest_delta: usize,
    pub running: Tally,
    /// Floating-point operations of the training steps since the last report.
    pub flops: f64,
}

impl Network {
    pub fn new(config: &Config, settings: Member, state: &MemberState, widths: &[usize], batch: usize) -> Self {
        let layout = Layout::new(config, widths);
        let places = layout.layers.iter().cloned().zip(&state.layers);
        let layers = places.map(|(place, state)| Layer::new(config, place, state)).collect();
        let mut network = Self {
            layers,
            distortion: Distortion::new(config, widths[0]),
            settings,
            order: vec![],
            records: vec![0.0; batch * layout.stride],
            tallies: vec![Tally::default(); layout::blocks(batch)],
            panels: vec![0.0; layout::panel_floats(widths, batch)],
            rows: 0,
            lowest_delta: 0,
            running: Tally::from_running(&state.running),
            flops: 0.0,
            layout,
        };
        network.alphas_changed(config);
        network
    }

    /// Bytes of the arrays of this network.
    pub fn bytes(&self) -> u64 {
        let Self { order, records, tallies, panels, .. } = self;
        let own = size_of_val(&**order) + size_of_val(&**records) + size_of_val(&**tallies) + size_of_val(&**panels);
        own as u64 + self.layers.iter().map(Layer::bytes).sum::<u64>()
    }

    /// Recomputes what depends on α: invalidates the step rates and finds the lowest layer whose δ is needed.
    fn alphas_changed(&mut self, config: &Config) {
        self.rows = 0;
        // Below the lowest moving layer nothing needs δ, unless ψ observes δ.
        let observes_delta = config.observes() && config.observed().triggers_below();
        let moving = self.layers.iter().position(|layer| !layer.is_frozen());
        self.lowest_delta = if observes_delta { 0 } else { moving.unwrap_or(self.layers.len()) };
    }

    /// Trains step `number` of the run (from 0) on the rows at `first..first + rows` of the order. `anew` restarts the
    /// observed sums; `fork` uses all threads.
    pub fn step(
        &mut self,
        config: &Config,
        samples: Labelled<'_>,
        number: u32,
        (first, rows): (usize, usize),
        anew: bool,
        fork: bool,
    ) {
        if self.rows != rows {
            self.rows = rows;
            self.layers.iter_mut().for_each(|layer| layer.set_rows(rows));
        }
        let Self {
            layers, layout, distortion, settings, order, records, tallies, panels, lowest_delta, running, ..
        } = self;
        let training = Training { lowest_delta: *lowest_delta, settings, distortion: distortion.as_ref() };
        let pass = Pass { config, layout, layers, samples, number, training: Some(training) };
        *running = *running + pass.run(records, &order[first..first + rows], tallies, panels, fork);
        let records = &records[..rows * layout.stride];
        let step = Step { config, settings, records, stride: layout.stride, t: number + 1, anew, fork };
        if fork {
            layers.par_iter_mut().with_max_len(1).for_each(|layer| layer.learn(step));
        } else {
            layers.iter_mut().for_each(|layer| layer.learn(step));
        }
    }

    /// Advances ψ of every layer by clock tick `t`, which ends after `samples` samples.
    pub fn tick(&mut self, config: &Config, t: u32, samples: u64) {
        self.layers.iter_mut().for_each(|layer| layer.tick(config, &self.settings, t, samples));
        self.alphas_changed(config);
    }

    /// The whole state, with the current sums.
    pub fn state(&self, steps: u32, samples_since_tick: u64) -> MemberState {
        let layers = self.layers.iter().map(Layer::state).collect();
        MemberState { steps, samples_since_tick, running: self.running.to_running(), layers }
    }

    /// Samples per block of an evaluation over `rows` samples.
    pub fn evaluation_block(rows: usize) -> usize {
        layout::block(rows)
    }

    /// Scores `rows` in blocks of `size` with the current weights, after `number` steps, and adds the scores to `sum`.
    pub fn evaluate(
        &self,
        config: &Config,
        samples: Labelled<'_>,
        (rows, size): (&[u32], usize),
        number: u32,
        fork: bool,
        sum: Tally,
    ) -> Tally {
        let pass = Pass { config, layout: &self.layout, layers: &self.layers, samples, number, training: None };
        let stride = self.layout.stride;
        let records = || vec![0.0; size * stride];
        let block = |records: &mut Vec<f32>, rows: &[u32]| {
            with_scratch(|panel| pass.block(&mut records[..rows.len() * stride], rows, 0, panel))
        };
        let tallies: Vec<Tally> = if fork {
            rows.par_chunks(size).map_init(records, block).collect()
        } else {
            let mut records = records();
            rows.chunks(size).map(|rows| block(&mut records, rows)).collect()
        };
        tallies.into_iter().fold(sum, |sum, tally| sum + tally)
    }
}
