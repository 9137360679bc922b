//! One layer on the CPU: its state, how its weights are updated, and the update itself. The update works on strips
//! of W that stay in cache while their gradient is computed and applied; a strip belongs to one thread.

use super::canary::{Canary, search};
use super::layout::{Place, SPAN, STRIP, ranges};
use super::product::{View, add_outer, multiply};
use super::scratch::with_scratch;
use super::update::{
    Form, Motion, Rates, Setting, apply, apply_outer, apply_rule, kahan, limit_norms, observe, subtract_rows,
};
use crate::config::{Basis, Config, Scope};
use crate::rule::learn::{Environment, Learn};
use crate::rule::member::Member;
use crate::rule::psi::{self, Slot};
use crate::rule::{memory_per_weight, with_own_memory};
use crate::train::state::LayerState;
use std::ops::Range;

/// How a span of columns of W is updated, as its αs decide.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// Every weight is frozen.
    Skip,
    /// α belongs to the column and is folded into δ: the product is added straight to W, and no gradient exists.
    Direct,
    /// Through the gradient of a strip: a rule with memory, a penalty, an α per weight, or columns of which some are frozen,
    /// which must not even meet a NaN.
    Gradient,
}

/// One layer.
#[derive(Debug)]
pub struct Layer {
    place: Place,
    /// The observed sums in it are those of [`Self::new`]; the current ones lie beside it.
    pub state: LayerState,
    /// Sums of the observed variable and their carries, per slot.
    sums: Vec<f32>,
    carries: Vec<f32>,
    /// One per span.
    ways: Vec<Way>,
    /// What δ is multiplied by to become the step, per column: 1/B, times α in spans that are updated directly.
    pub step_rate: Vec<f32>,
    /// What ψ is multiplied by at ticks: a schedule's factor.
    pub scale: f32,
    /// Room for the norms of the columns, where they are limited.
    norms: Vec<f32>,
    /// Which columns no longer move.
    frozen: Vec<bool>,
    /// Where it first was not finite.
    pub canary: Canary,
}

/// What the update of every layer of a network reads.
#[derive(Clone, Copy)]
pub struct Step<'a> {
    pub config: &'a Config,
    pub settings: &'a Member,
    /// The batch's records, and the floats of one.
    pub records: &'a [f32],
    pub stride: usize,
    /// Number of this step, from 1.
    pub t: u32,
    /// Whether the observed sums start anew.
    pub anew: bool,
    pub fork: bool,
}

/// Some rows of W, one strip after recursion, and what belongs to them.
struct Strips<'a> {
    rows: Range<usize>,
    weights: &'a mut [f32],
    /// What the rule remembers, row by row of W plane after plane; empty where it has no memory.
    memory: &'a mut [f32],
    /// Empty unless the observed variable belongs to the weight.
    sums: &'a mut [f32],
}

/// `values`, unless there are none, in two.
fn split(values: &mut [f32], at: usize) -> (&mut [f32], &mut [f32]) {
    values.split_at_mut(at.min(values.len()))
}

impl Layer {
    pub fn new(config: &Config, place: Place, state: &LayerState) -> Self {
        let mut layer = Self {
            sums: state.observed.iter().map(|pair| pair[0]).collect(),
            carries: state.observed.iter().map(|pair| pair[1]).collect(),
            ways: vec![],
            step_rate: vec![0.0; place.n_out],
            scale: 1.0,
            norms: vec![0.0; if config.max_norm.is_some() { place.n_out } else { 0 }],
            frozen: vec![false; place.n_out],
            canary: Canary::default(),
            state: state.clone(),
            place,
        };
        layer.choose_ways(config);
        layer
    }

    /// Bytes of its arrays.
    pub fn bytes(&self) -> u64 {
        let Self { sums, carries, ways, step_rate, norms, frozen, .. } = self;
        let floats = [sums, carries, step_rate, norms].map(|values| size_of_val(&**values)).iter().sum::<usize>();
        self.state.bytes() + (floats + size_of_val(&**ways) + size_of_val(&**frozen)) as u64
    }

    /// Bytes of what it keeps per neuron beside [`Self::state`], [`Self::sums`] and [`Self::carries`].
    pub fn column_bytes(config: &Config, n_out: usize) -> usize {
        let floats = if config.max_norm.is_some() { 2 } else { 1 };
        n_out * (4 * floats + size_of::<bool>()) + n_out.div_ceil(SPAN) * size_of::<Way>()
    }

    /// The state, observed sums included.
    pub fn state(&self) -> LayerState {
        let observed = self.sums.iter().zip(&self.carries).map(|(&sum, &carry)| [sum, carry]).collect();
        LayerState { observed, ..self.state.clone() }
    }

    /// Means of the observed variable over the last tick, per slot; 0 where there was nothing to observe.
    pub fn means(&self, samples: u64) -> Vec<f32> {
        self.sums.iter().map(|sum| sum / samples as f32).collect()
    }

    /// Sets θ of every slot.
    pub fn set_theta(&mut self, theta: f32) {
        self.state.slots.iter_mut().for_each(|slot: &mut Slot| slot.theta = theta);
    }

    /// Clock tick `t`, after `samples` samples.
    pub fn tick(&mut self, config: &Config, settings: &Member, t: u32, samples: u64) {
        for (sum, _) in self.sums.iter_mut().zip(&self.state.psi).filter(|(_, psi)| !settings.sees(**psi)) {
            *sum = 0.0;
        }
        let mut means = self.means(samples);
        if config.scope == Scope::Layer {
            let mean = means.iter().sum::<f32>() / means.len() as f32;
            means.fill(mean);
        }
        for ((slot, psi), mean) in self.state.slots.iter_mut().zip(&mut self.state.psi).zip(means) {
            psi::tick(settings, slot, mean, *psi, t as f32);
            *psi = psi::psi(settings, slot) * self.scale;
        }
        self.choose_ways(config);
    }

    /// Whether no weight can change.
    pub fn is_frozen(&self) -> bool {
        self.ways.iter().all(|&way| way == Way::Skip)
    }

    /// α of a column whose weights share one, ψ where only that is shared; `None` where neither is.
    fn shared_rate(&self, column: usize) -> Option<f32> {
        let LayerState { alpha0, psi, .. } = &self.state;
        let n_out = self.place.n_out;
        (psi.len() == n_out).then(|| if alpha0.len() == n_out { alpha0[column] * psi[column] } else { psi[column] })
    }

    fn choose_ways(&mut self, config: &Config) {
        let n_out = self.place.n_out;
        let needs_gradient = !self.state.memory.is_empty() || config.weight_decay > 0.0;
        let per_weight = self.state.alpha0.len() != n_out;
        let is_frozen = |column| match self.shared_rate(column) {
            Some(rate) => rate == 0.0,
            None => self.state.psi.iter().skip(column).step_by(n_out).all(|&psi| psi == 0.0),
        };
        // Coasting weights move on without α.
        self.frozen = (0..n_out).map(|column| !config.coast && is_frozen(column)).collect();
        let way = |columns: Range<usize>| {
            let all = columns.len();
            let frozen = self.frozen[columns].iter().filter(|&&frozen| frozen).count();
            if frozen == all {
                Way::Skip
            } else if needs_gradient || per_weight || frozen > 0 {
                Way::Gradient
            } else {
                Way::Direct
            }
        };
        self.ways = ranges(n_out, SPAN).map(way).collect();
    }

    /// Prepares for batches of `rows` samples with the αs as they are.
    pub fn set_rows(&mut self, rows: usize) {
        let mean = 1.0 / rows as f32;
        for (columns, &way) in ranges(self.place.n_out, SPAN).zip(&self.ways) {
            for column in columns {
                let rate = self.shared_rate(column).filter(|_| way == Way::Direct);
                self.step_rate[column] = rate.map_or(mean, |alpha| alpha * mean);
            }
        }
    }

    /// Observes the batch and changes the weights.
    pub fn learn(&mut self, step: Step<'_>) {
        let Self { place, state, sums, carries, ways, norms, frozen, canary, .. } = self;
        let LayerState { weights, memory, alpha0, psi, .. } = state;
        let split_at = place.n_in * place.n_out;
        let (matrix, bias) = weights.split_at_mut(split_at);
        let (memory, bias_memory) = split(memory, split_at * memory_per_weight(step.config));
        let observes = step.config.observes();
        let (sums, neuron_sums) = split(sums, if place.squares.is_some() { split_at } else { 0 });
        let n_out = place.n_out;
        let update = Update { step, place, ways, alpha0, psi, frozen, canary };
        let strips = Strips { rows: 0..place.n_in, weights: &mut *matrix, memory, sums };
        let rows = || update.strips(strips);
        let mut columns = || {
            update.bias(bias, bias_memory);
            if observes {
                update.observe(neuron_sums, carries);
            }
        };
        if step.fork {
            rayon::join(rows, columns);
        } else {
            rows();
            columns();
        }
        if let Some(most) = step.config.max_norm {
            limit_norms(matrix, n_out, most as f32, frozen, norms);
        }
    }
}

/// [`Layer::learn`] without what it changes.
#[derive(Clone, Copy)]
struct Update<'a> {
    step: Step<'a>,
    place: &'a Place,
    ways: &'a [Way],
    alpha0: &'a [f32],
    psi: &'a [f32],
    frozen: &'a [bool],
    canary: &'a Canary,
}

impl<'a> Update<'a> {
    /// Samples of the batch.
    fn samples(&self) -> usize {
        self.step.records.len() / self.step.stride
    }

    /// `[samples, columns]` of the records, from column `first` on.
    fn view(&self, first: usize, columns: usize) -> View<'a> {
        View::new(&self.step.records[first..], self.samples(), columns, self.step.stride)
    }

    /// αs of these rows and columns of W.
    fn rates(&self, rows: &Range<usize>, columns: &Range<usize>) -> Rates<'a> {
        let n_out = self.place.n_out;
        let part = |values: &'a [f32]| match values.len() == n_out {
            true => (&values[columns.clone()], 0),
            false => (&values[rows.start * n_out + columns.start..], n_out),
        };
        Rates { alpha0: part(self.alpha0), psi: part(self.psi), columns: columns.len() }
    }

    /// The part of the rule's memory that belongs to columns from `first` on.
    fn memory<'m>(&self, memory: &'m mut [f32], first: usize) -> &'m mut [f32] {
        if memory.is_empty() { memory } else { &mut memory[first..] }
    }

    /// Steps these rows and columns of W along `gradient`, that of the mean loss without any penalty; biases have none.
    fn follow(
        &self,
        target: &mut [f32],
        gradient: &[f32],
        (rows, columns): (&Range<usize>, &Range<usize>),
        memory: &mut [f32],
    ) {
        let (rates, stride) = (self.rates(rows, columns), self.place.n_out);
        let memory = self.memory(memory, columns.start);
        let Step { config, settings, .. } = self.step;
        let decay = if rows.start < self.place.n_in { settings.weight_decay } else { 0.0 };
        with_own_memory!(config.rule, Kind, N => {
            let environment = Environment { constants: settings.rule, t: self.step.t as f32 };
            let mut x2 = [1.0; STRIP];
            if <Kind as Learn<N>>::READS_INPUT && rows.start < self.place.n_in {
                self.input_squares(rows, &mut x2);
            }
            let setting = Setting { x2: &x2, decay, environment };
            apply_rule::<Kind, N>(target, stride, gradient, rates, memory, &setting);
        }, apply(target, stride, gradient, rates, self.motion(memory, decay)));
    }

    fn motion<'m>(&self, m: &'m mut [f32], decay: f32) -> Motion<'m> {
        let Step { config, settings, .. } = self.step;
        let form = match (config.coast, config.nesterov) {
            (true, _) => Form::Coast,
            (false, true) => Form::Nesterov,
            (false, false) => Form::Heavy,
        };
        Motion { m, mu: settings.momentum, form, decay }
    }

    /// Mean over the batch of the square of each of these inputs.
    fn input_squares(&self, rows: &Range<usize>, squares: &mut [f32; STRIP]) {
        let squares = &mut squares[..rows.len()];
        squares.fill(0.0);
        observe(squares, self.step.records, self.step.stride, self.place.input + rows.start, true);
        let samples = self.samples() as f32;
        squares.iter_mut().for_each(|square| *square /= samples);
    }

    /// Halves the rows down to single strips, which then may run in parallel.
    fn strips(&self, strips: Strips<'_>) {
        let Strips { rows, weights, memory, sums } = strips;
        // A single sample's gradient needs no scratch, so nothing has to fit anywhere.
        let whole = self.samples() == 1 && !self.step.fork && !self.step.config.rule.has_own_memory();
        if rows.len() <= STRIP || whole {
            return with_scratch(|scratch| self.strip(Strips { rows, weights, memory, sums }, scratch));
        }
        let upper = rows.len().div_ceil(2).next_multiple_of(STRIP);
        let at = upper * self.place.n_out;
        let middle = rows.start + upper;
        let (weights, weights_below) = weights.split_at_mut(at);
        let (memory, memory_below) = split(memory, at * memory_per_weight(self.step.config));
        let (sums, sums_below) = split(sums, at);
        let above = Strips { rows: rows.start..middle, weights, memory, sums };
        let below = Strips { rows: middle..rows.end, weights: weights_below, memory: memory_below, sums: sums_below };
        if self.step.fork {
            rayon::join(|| self.strips(above), || self.strips(below));
        } else {
            self.strips(above);
            self.strips(below);
        }
    }

    /// Gradient and weights of one strip.
    fn strip(&self, strip: Strips<'_>, scratch: &mut [f32]) {
        let Strips { rows, weights, memory, sums } = strip;
        let Place { n_out, input, step, squares, .. } = *self.place;
        let records = self.step.records;
        let single = self.samples() == 1;
        let x = &records[input + rows.start..][..rows.len()];
        for (columns, &way) in ranges(n_out, SPAN).zip(self.ways) {
            let target = &mut weights[columns.start..];
            let d = &records[step + columns.start..][..columns.len()];
            let products = || {
                let x = self.view(input + rows.start, rows.len()).transposed();
                (x, self.view(step + columns.start, columns.len()))
            };
            match way {
                Way::Skip => {}
                Way::Direct if single => add_outer(target, n_out, x, d),
                Way::Direct => {
                    let (x, d) = products();
                    multiply(target, n_out, 1.0, x, d);
                }
                Way::Gradient if single && !self.step.config.rule.has_own_memory() => {
                    let motion = self.motion(self.memory(memory, columns.start), self.step.settings.weight_decay);
                    apply_outer(target, n_out, (x, d), self.rates(&rows, &columns), motion);
                }
                Way::Gradient => {
                    let (x, d) = products();
                    let gradient = &mut scratch[..rows.len() * columns.len()];
                    multiply(gradient, columns.len(), 0.0, x, d);
                    self.follow(target, gradient, (&rows, &columns), memory);
                }
            }
        }
        if let Some((x2, y2)) = squares {
            let keep = if self.step.anew { 0.0 } else { 1.0 };
            let x2 = self.view(x2 + rows.start, rows.len()).transposed();
            multiply(sums, n_out, keep, x2, self.view(y2, n_out));
        }
    }

    /// The bias row, whose input is −1 in every sample.
    fn bias(&self, bias: &mut [f32], memory: &mut [f32]) {
        let mut gradient = [0.0; SPAN];
        let row = self.place.n_in..self.place.n_in + 1;
        for (columns, &way) in ranges(self.place.n_out, SPAN).zip(self.ways) {
            if way == Way::Skip {
                continue;
            }
            let gradient = &mut gradient[..columns.len()];
            gradient.fill(0.0);
            subtract_rows(gradient, self.step.records, self.step.stride, self.place.step + columns.start);
            self.watch(gradient, &columns);
            let target = &mut bias[columns.clone()];
            if way == Way::Direct {
                target.iter_mut().zip(gradient).for_each(|(w, g)| *w += *g);
            } else {
                self.follow(target, gradient, (&row, &columns), memory);
            }
        }
    }

    /// Looks at the sums of δ in these columns. What is frozen may see anything: δ is not computed for all of it.
    fn watch(&self, sums: &[f32], columns: &Range<usize>) {
        let mut found = false;
        search(sums, &mut found);
        let frozen = &self.frozen[columns.clone()];
        if found && sums.iter().zip(frozen).any(|(sum, frozen)| !sum.is_finite() && !frozen) {
            self.canary.note_delta(self.step.t - 1);
        }
    }

    /// The observed sums of the layer's neurons, or with co-activation of its bias row.
    fn observe(&self, sums: &mut [f32], carries: &mut [f32]) {
        let Place { y, net, delta, squares, .. } = *self.place;
        let (source, squared) = match self.step.config.observed() {
            Basis::Act | Basis::Coactivation => (y, false),
            Basis::Act2 => (y, true),
            Basis::Net2 => (net.expect("the basis keeps net"), true),
            Basis::Delta => (delta, false),
            Basis::Delta2 => (delta, true),
        };
        let mut seen = [0.0; SPAN];
        for columns in ranges(self.place.n_out, SPAN) {
            let seen = &mut seen[..columns.len()];
            seen.fill(0.0);
            let sums = &mut sums[columns.clone()];
            if self.step.anew {
                sums.fill(0.0);
            }
            if squares.is_some() {
                observe(seen, self.step.records, self.step.stride, y + columns.start, true);
                sums.iter_mut().zip(seen).for_each(|(sum, y2)| *sum += *y2);
                continue;
            }
            observe(seen, self.step.records, self.step.stride, source + columns.start, squared);
            let carries = &mut carries[columns];
            if self.step.anew {
                carries.fill(0.0);
            }
            kahan(sums, carries, seen);
        }
    }
}
