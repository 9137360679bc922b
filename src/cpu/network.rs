//! One network on the CPU and its training step: the samples' passes, then the update of every layer. δ of a layer reads
//! the weights of the forward pass because all of it is computed before any weight changes. Nothing is allocated per step
//! beyond what the GEMM crate packs its operands into.

use super::layer::{Layer, Step};
use super::layout::{self, Layout};
use super::output::Tally;
use super::samples::{Labelled, Pass, Training};
use super::scratch::with_scratch;
use crate::config::{Basis, Config};
use crate::data::distort::Distortion;
use crate::rule::member::Member;
use crate::train::state::MemberState;
use rayon::prelude::*;

/// One network.
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
    /// One per block of a batch.
    tallies: Vec<Tally>,
    /// Room for the panels of a layer, where they run in parallel.
    panels: Vec<f32>,
    /// Samples of the last batch; 0 after the αs have changed.
    rows: usize,
    /// The first layer whose δ is wanted.
    lowest_delta: usize,
    pub running: Tally,
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
            layout,
        };
        network.alphas_changed(config);
        network
    }

    /// Bytes of its arrays.
    pub fn bytes(&self) -> u64 {
        let Self { order, records, tallies, panels, .. } = self;
        let own = size_of_val(&**order) + size_of_val(&**records) + size_of_val(&**tallies) + size_of_val(&**panels);
        own as u64 + self.layers.iter().map(Layer::bytes).sum::<u64>()
    }

    /// Takes note of what follows from new αs.
    fn alphas_changed(&mut self, config: &Config) {
        self.rows = 0;
        // Below a frozen prefix nothing needs δ, unless ψ observes it.
        let observes_delta = config.observes() && matches!(config.basis, Basis::Delta | Basis::Delta2);
        let moving = self.layers.iter().position(|layer| !layer.is_frozen());
        self.lowest_delta = if observes_delta { 0 } else { moving.unwrap_or(self.layers.len()) };
    }

    /// Step `number` of the run (from 0) on the rows at `first..first + rows` of the order. `anew` starts the observed
    /// sums; `fork` uses all threads.
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

    /// Clock tick `t`, after `samples` samples.
    pub fn tick(&mut self, config: &Config, t: u32, samples: u64) {
        self.layers.iter_mut().for_each(|layer| layer.tick(config, &self.settings, t, samples));
        self.alphas_changed(config);
    }

    /// The whole state, sums included.
    pub fn state(&self, steps: u32, samples_since_tick: u64) -> MemberState {
        let layers = self.layers.iter().map(Layer::state).collect();
        MemberState { steps, samples_since_tick, running: self.running.to_running(), layers }
    }

    /// Loss and error over `rows` with the weights as they are after `number` steps.
    pub fn evaluate(&self, config: &Config, samples: Labelled<'_>, rows: &[u32], number: u32, fork: bool) -> Tally {
        let pass = Pass { config, layout: &self.layout, layers: &self.layers, samples, number, training: None };
        let (size, stride) = (layout::block(rows.len()), self.layout.stride);
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
        tallies.into_iter().fold(Tally::default(), |sum, tally| sum + tally)
    }
}
