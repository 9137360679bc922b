//! One network on the CPU and its training step: the passes over the samples, then the update of every layer.
//!
//! All δ are computed before any weight changes, so δ of a layer reads the weights of the forward pass. A step
//! allocates nothing but the buffers into which the GEMM crate packs its operands.

use super::cache::{self, Cache, Kept};
use super::layer::Layer;
use super::layout::{self, Layout, Place, orders_columns};
use super::learn::Step;
use super::output::Tally;
use super::samples::{Labelled, Pass, Training};
use super::scratch::with_scratch;
use crate::config::Config;
use crate::data::distort::Distortion;
use crate::rule::member::Member;
use crate::train::living::Need;
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
    /// The lowest layer with a neuron that learns; the number of layers if there is none.
    lowest: usize,
    /// The rows of W above the lowest layer that read its learning columns, if that layer orders its columns.
    error_rows: Vec<f32>,
    /// The activation cache of each layer.
    caches: Vec<Option<Cache>>,
    kept: Kept,
    /// Bytes that the caches may take; 0 for none.
    cache_bytes: u64,
    /// Where [`Self::remember`] continues: the layer, and the next of the kept rows.
    remembering: Option<(usize, usize)>,
    pub running: Tally,
    /// Floating-point operations of the training steps since the last report.
    pub flops: f64,
    /// Those of one step over `rows` samples.
    flops_of_step: f64,
}

impl Network {
    /// A network whose activation cache may take `cache_bytes`. `bytes` says whether the features are bytes.
    pub fn new(
        config: &Config,
        settings: Member,
        state: &MemberState,
        widths: &[usize],
        batch: usize,
        cache_bytes: u64,
        bytes: bool,
    ) -> Self {
        let layout = Layout::new(config, widths);
        // A distortion may overflow, and a hidden neuron, too.
        let distortion = Distortion::new(config, widths[0]);
        let finite = bytes && distortion.is_none();
        let layer =
            |(l, (place, state)): (usize, (&Place, _))| Layer::new(config, place.clone(), finite && l == 0, state);
        let layers: Vec<Layer> = layout.layers.iter().zip(&state.layers).enumerate().map(layer).collect();
        let mut network = Self {
            caches: layers.iter().map(|_| None).collect(),
            layers,
            distortion,
            settings,
            order: vec![],
            records: vec![0.0; batch * layout.stride],
            tallies: vec![Tally::default(); layout::blocks(batch)],
            panels: vec![0.0; layout::panel_floats(widths, batch)],
            rows: 0,
            lowest: 0,
            error_rows: vec![],
            kept: Kept::default(),
            cache_bytes,
            remembering: None,
            running: Tally::from_running(&state.running),
            flops: 0.0,
            flops_of_step: 0.0,
            layout,
        };
        network.alphas_changed(config);
        network
    }

    /// Bytes of the arrays of this network, without those that exist only while neurons are frozen.
    pub fn bytes(&self) -> u64 {
        let Self { order, records, tallies, panels, .. } = self;
        let own = size_of_val(&**order) + size_of_val(&**records) + size_of_val(&**tallies) + size_of_val(&**panels);
        own as u64 + self.layers.iter().map(Layer::bytes).sum::<u64>()
    }

    /// Recomputes what depends on α: the order of the columns, the pieces of the updates, and which cached columns stay valid.
    fn alphas_changed(&mut self, config: &Config) {
        self.rows = 0;
        let needs: Vec<Vec<Need>> = self.layers.iter().map(|layer| layer.needs(config, &self.settings)).collect();
        let learns = |needs: &Vec<Need>| needs.contains(&Need::Learns);
        self.lowest = needs.iter().position(learns).unwrap_or(self.layers.len());
        // No δ goes through the layers up to the lowest that learns, so no sum runs over their columns.
        let (lowest, output) = (self.lowest, self.layers.len() - 1);
        let ordered = |l: usize| l <= lowest && l < output && orders_columns(config);
        // If a neuron learns again, y of all layers above may change.
        let cached: usize = self.layers.iter().map(|layer| layer.columns.cached).sum();
        for (l, (layer, needs)) in self.layers.iter_mut().zip(needs).enumerate() {
            layer.arrange(config, needs, ordered(l));
        }
        if self.layers.iter().map(|layer| layer.columns.cached).sum::<usize>() < cached {
            self.forget();
        }
    }

    /// Discards the caches.
    fn forget(&mut self) {
        self.layers.iter_mut().for_each(|layer| layer.columns.cached = 0);
        self.caches.iter_mut().for_each(|cache| *cache = None);
        self.remembering = None;
        self.rows = 0;
    }

    /// The layer whose frozen neurons should be cached next, if any. At the start of an epoch one neuron that is not cached
    /// is enough. Within an epoch a quarter of the layer must wait, because caching takes a pass over all kept rows.
    fn waiting(&self, epoch_starts: bool) -> Option<usize> {
        if self.cache_bytes == 0 {
            return None;
        }
        for (l, layer) in self.layers.iter().enumerate().take(self.lowest + 1) {
            let (pending, n_out) = (layer.columns.pending(), layer.place.n_out);
            if pending > 0 && (epoch_starts || 4 * pending >= n_out) {
                return Some(l);
            }
            // The layer above can be cached only once this layer, its input, is cached as a whole.
            if layer.columns.computed() > 0 {
                return None;
            }
        }
        None
    }

    /// Whether [`Self::remember`] has something to do.
    pub fn waits(&self, epoch_starts: bool) -> bool {
        self.remembering.is_some() || self.waiting(epoch_starts).is_some()
    }

    /// Caches y of frozen neurons for some of the kept rows; `kept` lists these rows at the first call. Returns the
    /// floating-point operations that this took. Call it between steps while the network [waits](Self::waits).
    pub fn remember(
        &mut self,
        config: &Config,
        samples: Labelled<'_>,
        kept: impl FnOnce() -> Kept,
        (epoch_starts, blocks): (bool, usize),
        fork: bool,
    ) -> f64 {
        let Some((l, first)) = self.remembering.or_else(|| self.waiting(epoch_starts).map(|l| (l, 0))) else {
            return 0.0;
        };
        if self.kept.rows.is_empty() {
            self.kept = kept();
        }
        let (rows, width) = (self.kept.rows.len(), self.layers[l].place.n_out);
        if first == 0 && self.caches[l].is_none() {
            // The layer reads the cache of the layer below. Caches further down are no longer needed.
            self.caches.iter_mut().take(l.saturating_sub(1)).for_each(|cache| *cache = None);
            let used: u64 = self.caches.iter().flatten().map(|cache| cache::bytes(rows, cache.width)).sum();
            if used + cache::bytes(rows, width) > self.cache_bytes {
                self.cache_bytes = 0;
                return 0.0;
            }
            self.caches[l] = Some(Cache::new(rows, width));
        }
        let mut cache = self.caches[l].take().expect("the layer has a cache");
        let columns = &self.layers[l].columns;
        let range = columns.observed..columns.computed();
        let size = self.kept.block();
        let last = rows.min(first + blocks * size);
        let pass = self.pass(config, samples, 0);
        let stride = self.layout.stride;
        let records = || vec![0.0; size * stride];
        let block = |records: &mut Vec<f32>, (values, rows): (&mut [f32], &[u32])| {
            let records = &mut records[..rows.len() * stride];
            with_scratch(|panel| pass.remember(l, (range.clone(), values), records, rows, panel))
        };
        let values = &mut cache.values[first * width..last * width];
        let rows_now = &self.kept.rows[first..last];
        let finite = if fork {
            let blocks = values.par_chunks_mut(size * width).zip(rows_now.par_chunks(size));
            blocks.map_init(records, block).reduce(|| true, |one, other| one && other)
        } else {
            let mut records = records();
            let blocks = values.chunks_mut(size * width).zip(rows_now.chunks(size));
            blocks.into_iter().all(|part| block(&mut records, part))
        };
        self.caches[l] = Some(cache);
        self.remembering = (last < rows).then_some((l, last));
        if !finite {
            // Without a cache a training step computes this net and reports it, so the run ends in the same step.
            self.forget();
            self.cache_bytes = 0;
        } else if self.remembering.is_none() {
            self.layers[l].columns.cached += range.len();
            self.rows = 0;
        }
        2.0 * (self.layers[l].place.n_in * range.len()) as f64 * (last - first) as f64
    }

    /// The inputs of a pass after `number` steps that evaluates only.
    fn pass<'a>(&'a self, config: &'a Config, samples: Labelled<'a>, number: u32) -> Pass<'a> {
        let Self { layers, layout, caches, kept, lowest, .. } = self;
        Pass { config, layout, layers, caches, kept, lowest: *lowest, samples, ahead: &[], number, training: None }
    }

    /// Floating-point operations of a training step over the first `rows` samples of the order.
    pub fn flops_of_step(&self, config: &Config, samples: Labelled<'_>, rows: usize) -> f64 {
        self.pass(config, samples, 0).flops(&self.order[..rows])
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
        let is_new = self.rows != rows;
        if is_new {
            self.rows = rows;
            self.layers.iter_mut().for_each(|layer| layer.set_rows(rows));
        }
        self.gather_error_rows(fork);
        let Self { layers, layout, distortion, settings, order, records, tallies, panels, .. } = self;
        let Self { caches, kept, lowest, error_rows, running, flops, flops_of_step, .. } = self;
        let training = Training { error_rows, settings, distortion: distortion.as_ref() };
        let (lowest, training) = (*lowest, Some(training));
        let ahead = &order[first + rows..order.len().min(first + 2 * rows)];
        let pass = Pass { config, layout, layers, caches, kept, lowest, samples, ahead, number, training };
        let order = &order[first..first + rows];
        if is_new {
            *flops_of_step = pass.flops(order);
        }
        *flops += *flops_of_step;
        *running = *running + pass.run(records, order, tallies, panels, fork);
        let records = &records[..rows * layout.stride];
        let step = Step { config, settings, records, stride: layout.stride, t: number + 1, anew, fork };
        if fork {
            layers.par_iter_mut().with_max_len(1).for_each(|layer| layer.learn(step));
        } else {
            layers.iter_mut().for_each(|layer| layer.learn(step));
        }
    }

    /// Copies the rows of W through which δ reaches the learning columns of the lowest layer that learns.
    fn gather_error_rows(&mut self, fork: bool) {
        let Self { layers, lowest, error_rows, .. } = self;
        let Some([below, above]) = layers.get(*lowest..*lowest + 2) else { return error_rows.clear() };
        let neurons = below.columns.order.get(..below.columns.learning).unwrap_or_default();
        let Place { n_out, .. } = above.place;
        error_rows.resize(neurons.len() * n_out, 0.0);
        let copy = |(to, &neuron): (&mut [f32], &u32)| {
            to.copy_from_slice(&above.state.weights[neuron as usize * n_out..][..n_out]);
        };
        if fork {
            error_rows.par_chunks_mut(n_out).with_min_len(32).zip(neurons).for_each(copy);
        } else {
            error_rows.chunks_mut(n_out).zip(neurons).for_each(copy);
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
        let pass = self.pass(config, samples, number);
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
