//! One layer on the CPU: its state, how its weights are updated, and the update itself.
//!
//! The update works on strips of W. A strip stays in cache while its gradient is computed and applied, and one thread
//! owns the strip.

use super::canary::{Canary, search};
use super::layout::{Place, SPAN, STRIP, ranges};
use super::product::{View, add_outer, multiply};
use super::scratch::with_scratch;
use super::update::{
    Form, Motion, Rates, Setting, apply, apply_outer, apply_rule, kahan, limit_norms, observe, subtract_rows,
};
use crate::config::{Config, Scope};
use crate::rule::learn::{Environment, Learn};
use crate::rule::member::{Member, Trigger};
use crate::rule::observe::Quantity;
use crate::rule::psi::{self, Slot};
use crate::rule::{memory_per_weight, with_own_memory};
use crate::train::living;
use crate::train::state::LayerState;
use std::ops::Range;

/// How a span of columns of W is updated. The αs of the span decide.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// Every weight is frozen.
    Skip,
    /// α belongs to the column and is folded into δ. The product is added straight to W, and no gradient is stored.
    Direct,
    /// The gradient of a strip is computed first, then applied. Needed for a rule with memory, a penalty or an α per
    /// weight. Also needed for a span with some frozen columns, because not even a NaN may reach a frozen weight.
    Gradient,
}

#[derive(Debug)]
pub struct Layer {
    place: Place,
    /// The state. Its observed sums are the ones given to [`Self::new`]; `sums` and `carries` hold the current ones.
    pub state: LayerState,
    /// Sums of the observed variable and their Kahan carries, per slot.
    sums: Vec<f32>,
    carries: Vec<f32>,
    /// How each span is updated.
    ways: Vec<Way>,
    /// The factor that turns δ into the step, per column: 1/B, times α in spans that are updated directly.
    pub step_rate: Vec<f32>,
    /// The factor that ψ is multiplied by at ticks, from the schedule.
    pub scale: f32,
    /// Scratch for the norms of the columns; empty without a limit on norms.
    norms: Vec<f32>,
    /// Whether each column is frozen.
    frozen: Vec<bool>,
    /// The first step in which this layer had a value that is not finite.
    pub canary: Canary,
}

/// The inputs that the updates of all layers of a network share.
#[derive(Clone, Copy)]
pub struct Step<'a> {
    pub config: &'a Config,
    pub settings: &'a Member,
    /// The records of the batch, and the floats of one record.
    pub records: &'a [f32],
    pub stride: usize,
    /// Number of this step, counted from 1.
    pub t: u32,
    /// Whether the observed sums restart from 0 in this step.
    pub anew: bool,
    pub fork: bool,
}

/// Consecutive rows of W and the arrays that belong to them. The recursion ends with the rows of one strip.
struct Strips<'a> {
    rows: Range<usize>,
    weights: &'a mut [f32],
    /// The rule's memory, plane after plane within each row of W; empty for a rule without memory.
    memory: &'a mut [f32],
    /// Observed sums per weight; empty unless the basis observes every weight.
    sums: &'a mut [f32],
}

/// Splits `values` at `at`; empty `values` give two empty parts.
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
            norms: vec![0.0; if config.regularisation.max_norm.is_some() { place.n_out } else { 0 }],
            frozen: vec![false; place.n_out],
            canary: Canary::default(),
            state: state.clone(),
            place,
        };
        layer.choose_ways(config);
        layer
    }

    /// Bytes of the arrays of this layer.
    pub fn bytes(&self) -> u64 {
        let Self { sums, carries, ways, step_rate, norms, frozen, .. } = self;
        let floats = [sums, carries, step_rate, norms].map(|values| size_of_val(&**values)).iter().sum::<usize>();
        self.state.bytes() + (floats + size_of_val(&**ways) + size_of_val(&**frozen)) as u64
    }

    /// Bytes of the arrays per neuron, without [`Self::state`], [`Self::sums`] and [`Self::carries`].
    pub fn column_bytes(config: &Config, n_out: usize) -> usize {
        let floats = if config.regularisation.max_norm.is_some() { 2 } else { 1 };
        n_out * (4 * floats + size_of::<bool>()) + n_out.div_ceil(SPAN) * size_of::<Way>()
    }

    /// The state with the current observed sums.
    pub fn state(&self) -> LayerState {
        let observed = self.sums.iter().zip(&self.carries).map(|(&sum, &carry)| [sum, carry]).collect();
        LayerState { observed, ..self.state.clone() }
    }

    /// Means of the observed variable over the `samples` since the last tick, per slot; 0 where nothing could be
    /// observed.
    pub fn means(&self, samples: u64) -> Vec<f32> {
        self.sums.iter().map(|sum| sum / samples as f32).collect()
    }

    pub fn set_theta(&mut self, theta: f32) {
        self.state.slots.iter_mut().for_each(|slot: &mut Slot| slot.trigger = Trigger::threshold(theta));
    }

    /// Advances every slot by clock tick `t`, which ends after `samples` samples, then recomputes ψ.
    pub fn tick(&mut self, config: &Config, settings: &Member, t: u32, samples: u64) {
        for (sum, _) in self.sums.iter_mut().zip(&self.state.psi).filter(|(_, psi)| !settings.sees(**psi)) {
            *sum = 0.0;
        }
        let mut means = self.means(samples);
        if config.rule.scope == Scope::Layer {
            let mean = means.iter().sum::<f32>() / means.len() as f32;
            means.fill(mean);
        }
        for ((slot, psi), mean) in self.state.slots.iter_mut().zip(&mut self.state.psi).zip(means) {
            psi::tick(settings, slot, mean, *psi, t as f32);
            *psi = psi::psi(settings, slot) * self.scale;
        }
        self.choose_ways(config);
    }

    /// Neurons with a weight that can change.
    pub fn living(&self, config: &Config) -> usize {
        living::living(&self.state.alpha(config.rule.kind), self.place.n_out)
    }

    /// Whether every weight of the layer is frozen.
    pub fn is_frozen(&self) -> bool {
        self.ways.iter().all(|&way| way == Way::Skip)
    }

    /// α of a column whose weights share one α. ψ if the weights share only ψ; `None` if they share neither.
    fn shared_rate(&self, column: usize) -> Option<f32> {
        let LayerState { alpha0, psi, .. } = &self.state;
        let n_out = self.place.n_out;
        (psi.len() == n_out).then(|| if alpha0.len() == n_out { alpha0[column] * psi[column] } else { psi[column] })
    }

    fn choose_ways(&mut self, config: &Config) {
        let n_out = self.place.n_out;
        let needs_gradient = !self.state.memory.is_empty() || config.regularisation.weight_decay > 0.0;
        let per_weight = self.state.alpha0.len() != n_out;
        let is_frozen = |column| match self.shared_rate(column) {
            Some(rate) => rate == 0.0,
            None => self.state.psi.iter().skip(column).step_by(n_out).all(|&psi| psi == 0.0),
        };
        // With `coast` the velocities move weights even where α is 0, so no column is frozen.
        self.frozen = (0..n_out).map(|column| !config.rule.coast && is_frozen(column)).collect();
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

    /// Sets the step rates for batches of `rows` samples and the current αs.
    pub fn set_rows(&mut self, rows: usize) {
        let mean = 1.0 / rows as f32;
        for (columns, &way) in ranges(self.place.n_out, SPAN).zip(&self.ways) {
            for column in columns {
                let rate = self.shared_rate(column).filter(|_| way == Way::Direct);
                self.step_rate[column] = rate.map_or(mean, |alpha| alpha * mean);
            }
        }
    }

    /// Updates the weights from the batch and adds the batch to the observed sums.
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
        if let Some(most) = step.config.regularisation.max_norm {
            limit_norms(matrix, n_out, most as f32, frozen, norms);
        }
    }
}

/// The read-only inputs of [`Layer::learn`].
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
    fn samples(&self) -> usize {
        self.step.records.len() / self.step.stride
    }

    /// The matrix `[samples, columns]` in the records, from column `first` on.
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

    /// The rule's memory from column `first` on.
    fn memory<'m>(&self, memory: &'m mut [f32], first: usize) -> &'m mut [f32] {
        if memory.is_empty() { memory } else { &mut memory[first..] }
    }

    /// Steps these rows and columns of W along `gradient`, the gradient of the mean loss. The penalty is added here;
    /// the bias row has no penalty.
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
        with_own_memory!(config.rule.kind, Kind, N => {
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
        let form = match (config.rule.coast, config.rule.nesterov) {
            (true, _) => Form::Coast,
            (false, true) => Form::Nesterov,
            (false, false) => Form::Heavy,
        };
        Motion { m, mu: settings.momentum, form, decay }
    }

    /// Mean over the batch of each input's square, for the inputs in `rows`.
    fn input_squares(&self, rows: &Range<usize>, squares: &mut [f32; STRIP]) {
        let squares = &mut squares[..rows.len()];
        squares.fill(0.0);
        observe(squares, self.step.records, self.step.stride, self.place.input + rows.start, true);
        let samples = self.samples() as f32;
        squares.iter_mut().for_each(|square| *square /= samples);
    }

    /// Halves the rows down to single strips. With `fork` the halves run in parallel.
    fn strips(&self, strips: Strips<'_>) {
        let Strips { rows, weights, memory, sums } = strips;
        // The gradient of a single sample is never stored, so all rows can be updated at once.
        let whole = self.samples() == 1 && !self.step.fork && !self.step.config.rule.kind.has_own_memory();
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

    /// Computes the gradient of one strip and updates the strip's weights.
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
                Way::Gradient if single && !self.step.config.rule.kind.has_own_memory() => {
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

    /// Updates the bias row, whose input is −1 in every sample.
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

    /// Records a sum of δ that is not finite. Frozen columns are exempt, because δ is not computed for all of them.
    fn watch(&self, sums: &[f32], columns: &Range<usize>) {
        let mut found = false;
        search(sums, &mut found);
        let frozen = &self.frozen[columns.clone()];
        if found && sums.iter().zip(frozen).any(|(sum, frozen)| !sum.is_finite() && !frozen) {
            self.canary.note_delta(self.step.t - 1);
        }
    }

    /// Adds the batch to the observed sums of the layer's neurons; with co-activation, to those of the bias row.
    fn observe(&self, sums: &mut [f32], carries: &mut [f32]) {
        let Place { y, net, delta, squares, .. } = *self.place;
        let variable = self.step.config.observed().variable();
        let source = match variable.quantity {
            Quantity::Activation => y,
            Quantity::Net => net.expect("the basis keeps net"),
            Quantity::Delta => delta,
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
            observe(seen, self.step.records, self.step.stride, source + columns.start, variable.squared);
            let carries = &mut carries[columns];
            if self.step.anew {
                carries.fill(0.0);
            }
            kahan(sums, carries, seen);
        }
    }
}
