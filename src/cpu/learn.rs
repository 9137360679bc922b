//! The update of one layer on the CPU.
//!
//! It works on strips of W. A strip stays in cache while its gradient is computed and applied, and one thread owns the
//! strip.

use super::canary::{Canary, search};
use super::columns::{Columns, Piece, Scattered, Way};
use super::layer::Layer;
use super::layout::{MOST_STRIP, Place, ROOM, SPAN, STRIP, STRIP_COLUMNS, ranges};
use super::product::{View, add_outer, multiply};
use super::scratch::with_scratch;
use super::update::{
    Form, Motion, Rates, Setting, add_masked, add_outer_masked, apply, apply_outer, apply_rule, kahan, limit_norms,
    observe, subtract_rows,
};
use crate::config::Config;
use crate::rule::learn::{Environment, Learn};
use crate::rule::member::Member;
use crate::rule::observe::Quantity;
use crate::rule::{memory_per_weight, with_own_memory};
use crate::train::state::LayerState;
use std::ops::Range;

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
    /// Updates the weights from the batch and adds the batch to the observed sums.
    pub fn learn(&mut self, step: Step<'_>) {
        let Self { place, columns, state, sums, carries, pieces, norms, frozen, canary, .. } = self;
        // With co-activation the sums of all weights grow, even of those that are frozen.
        if columns.rests() && place.squares.is_none() {
            return;
        }
        let LayerState { weights, memory, alpha0, psi, .. } = state;
        let split_at = place.n_in * place.n_out;
        let (matrix, bias) = weights.split_at_mut(split_at);
        let (memory, bias_memory) = split(memory, split_at * memory_per_weight(step.config));
        let observes = step.config.observes();
        let (sums, neuron_sums) = split(sums, if place.squares.is_some() { split_at } else { 0 });
        let n_out = place.n_out;
        let height = strip_height(pieces);
        let update = Update { step, place, columns, pieces, height, alpha0, psi, frozen, canary };
        let strips = Strips { rows: 0..place.n_in, weights: &mut *matrix, memory, sums };
        let rows = || update.strips(strips);
        let mut neurons = || {
            with_scratch(|scratch| update.bias(bias, bias_memory, scratch));
            if observes {
                update.observe(neuron_sums, carries);
            }
        };
        if step.fork {
            rayon::join(rows, neurons);
        } else {
            rows();
            neurons();
        }
        if let Some(most) = step.config.regularisation.max_norm {
            limit_norms(matrix, n_out, most as f32, frozen, &mut norms[..columns.learning]);
        }
    }
}

/// Rows of a strip. With few columns, or few that learn, a strip has more rows, so that it is worth a product of its own. No
/// bit of a result depends on the number of rows.
fn strip_height(pieces: &[Piece]) -> usize {
    let width: usize = pieces.iter().map(Piece::width).sum();
    let widest = pieces.iter().map(Piece::width).max().unwrap_or(1).max(1);
    (STRIP * STRIP_COLUMNS / width.max(1)).min(ROOM / widest).clamp(STRIP, MOST_STRIP) / STRIP * STRIP
}

/// The read-only inputs of [`Layer::learn`].
#[derive(Clone, Copy)]
struct Update<'a> {
    step: Step<'a>,
    place: &'a Place,
    columns: &'a Columns,
    pieces: &'a [Piece],
    /// Rows of a strip.
    height: usize,
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

    /// Steps these rows of W along `gradient`, the gradient of the mean loss. The penalty is added here; the bias row
    /// has no penalty. `target` and `memory` begin with the first of the columns, and their rows are `stride` apart.
    fn follow(
        &self,
        (target, stride): (&mut [f32], usize),
        gradient: &[f32],
        rows: &Range<usize>,
        rates: Rates<'_>,
        memory: &mut [f32],
    ) {
        let Step { config, settings, .. } = self.step;
        let decay = if rows.start < self.place.n_in { settings.weight_decay } else { 0.0 };
        with_own_memory!(config.rule.kind, Kind, N => {
            let environment = Environment { constants: settings.rule, t: self.step.t as f32 };
            let reads = <Kind as Learn<N>>::READS_INPUT && rows.start < self.place.n_in;
            let squares = reads.then(|| self.input_squares(rows));
            let x2 = squares.as_ref().unwrap_or(&[1.0; MOST_STRIP]);
            let setting = Setting { x2, decay, environment };
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
    fn input_squares(&self, rows: &Range<usize>) -> [f32; MOST_STRIP] {
        let mut squares = [0.0; MOST_STRIP];
        observe(&mut squares[..rows.len()], self.step.records, self.step.stride, self.place.input + rows.start, true);
        let samples = self.samples() as f32;
        squares.map(|square| square / samples)
    }

    /// Halves the rows down to single strips. With `fork` the halves run in parallel.
    fn strips(&self, strips: Strips<'_>) {
        let Strips { rows, weights, memory, sums } = strips;
        // The gradient of a single sample is never stored, so all rows can be updated at once.
        let whole = self.samples() == 1 && !self.step.fork && !self.step.config.rule.kind.has_own_memory();
        if self.pieces.is_empty() && self.place.squares.is_none() {
            return;
        }
        if rows.len() <= self.height || whole {
            return with_scratch(|scratch| self.strip(Strips { rows, weights, memory, sums }, scratch));
        }
        let upper = rows.len().div_ceil(2).next_multiple_of(self.height);
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
        let outer = self.samples() == 1 && !self.step.config.rule.kind.has_own_memory();
        let x = &records[input + rows.start..][..rows.len()];
        let decay = self.step.settings.weight_decay;
        for piece in self.pieces {
            let (columns, width) = (&piece.columns, piece.width());
            let target = &mut weights[columns.start..];
            let d = &records[step + columns.start..][..width];
            let products = || {
                let x = self.view(input + rows.start, rows.len()).transposed();
                (x, self.view(step + columns.start, width))
            };
            match &piece.way {
                Way::Direct if self.samples() == 1 => add_outer(target, n_out, x, d),
                Way::Direct => {
                    let (x, d) = products();
                    multiply(target, n_out, 1.0, x, d);
                }
                Way::Masked => {
                    let frozen = &self.frozen[columns.clone()];
                    if self.samples() == 1 {
                        add_outer_masked(target, n_out, (x, d), frozen);
                    } else {
                        let (x, d) = products();
                        let steps = &mut scratch[..rows.len() * width];
                        multiply(steps, width, 0.0, x, d);
                        add_masked(target, n_out, steps, frozen);
                    }
                }
                Way::Gradient if outer => {
                    let motion = self.motion(self.memory(memory, columns.start), decay);
                    apply_outer(target, n_out, (x, d), self.rates(&rows, columns), motion);
                }
                Way::Gradient => {
                    let (x, d) = products();
                    let gradient = &mut scratch[..rows.len() * width];
                    multiply(gradient, width, 0.0, x, d);
                    let memory = self.memory(memory, columns.start);
                    self.follow((target, n_out), gradient, &rows, self.rates(&rows, columns), memory);
                }
                Way::Scattered(scattered) if scattered.rates.is_none() => {
                    let columns = &scattered.columns;
                    if self.samples() == 1 {
                        for (&x, target) in x.iter().zip(target.chunks_mut(n_out)).filter(|(x, _)| **x != 0.0) {
                            columns.iter().zip(d).for_each(|(&column, d)| target[column as usize] += x * d);
                        }
                    } else {
                        let (x, d) = products();
                        let steps = &mut scratch[..rows.len() * width];
                        multiply(steps, width, 0.0, x, d);
                        for (steps, target) in steps.chunks_exact(width).zip(target.chunks_mut(n_out)) {
                            columns.iter().zip(steps).for_each(|(&column, step)| target[column as usize] += step);
                        }
                    }
                }
                Way::Scattered(scattered) => {
                    let (gradient, room) = scratch.split_at_mut(ROOM);
                    if !outer {
                        let (x, d) = products();
                        multiply(&mut gradient[..rows.len() * width], width, 0.0, x, d);
                    }
                    let planes = memory_per_weight(self.step.config);
                    let mut memories = memory.chunks_mut((planes * n_out).max(1));
                    for (i, target) in weights.chunks_mut(n_out).enumerate() {
                        let row = rows.start + i..rows.start + i + 1;
                        let memory = memories.next().unwrap_or_default();
                        let gathered = Gathered { scattered, first: columns.start, row: row.start };
                        if !outer {
                            let gradient = &gradient[i * width..(i + 1) * width];
                            self.scatter(gathered, target, memory, room, |w, rates, memory| {
                                self.follow((w, width), gradient, &row, rates, memory);
                            });
                        } else if x[i] != 0.0 || planes > 0 || decay > 0.0 {
                            self.scatter(gathered, target, memory, room, |w, rates, memory| {
                                apply_outer(w, width, (&x[i..=i], d), rates, self.motion(memory, decay));
                            });
                        }
                    }
                }
            }
        }
        if let Some((x2, y2)) = squares {
            let keep = if self.step.anew { 0.0 } else { 1.0 };
            let x2 = self.view(x2 + rows.start, rows.len()).transposed();
            multiply(sums, n_out, keep, x2, self.view(y2, n_out));
        }
    }

    /// Gathers the scattered columns of one row of W and of its memory, lets `work` change them, and puts them back.
    fn scatter<'r>(
        &self,
        gathered: Gathered<'r>,
        target: &mut [f32],
        memory: &mut [f32],
        room: &'r mut [f32],
        work: impl FnOnce(&mut [f32], Rates<'_>, &mut [f32]),
    ) {
        let Gathered { scattered: Scattered { columns, rates }, first, row } = gathered;
        let [alpha0, psi] = rates.as_ref().map_or([&[][..]; 2], |[alpha0, psi]| [alpha0, psi]);
        let (n_out, width) = (self.place.n_out, columns.len());
        let gather = |to: &mut [f32], from: &[f32]| {
            to.iter_mut().zip(columns).for_each(|(to, &column)| *to = from[first + column as usize]);
        };
        let (w, room) = room.split_at_mut(width);
        gather(w, target);
        let (alpha0_row, room) = room.split_at_mut(width);
        let (psi_row, room) = room.split_at_mut(width);
        for (own, all, to) in [(alpha0, self.alpha0, &mut *alpha0_row), (psi, self.psi, &mut *psi_row)] {
            if own.is_empty() {
                gather(to, &all[row * n_out..]);
            }
        }
        let of_row = |own: &'r [f32], gathered: &'r [f32]| if own.is_empty() { (gathered, 0) } else { (own, 0) };
        let rates = Rates { alpha0: of_row(alpha0, alpha0_row), psi: of_row(psi, psi_row), columns: width };
        let planes = &mut room[..memory.len() / n_out * width];
        for (to, from) in planes.chunks_exact_mut(width).zip(memory.chunks_exact(n_out)) {
            gather(to, from);
        }
        work(w, rates, planes);
        let put = |to: &mut [f32], from: &[f32]| {
            columns.iter().zip(from).for_each(|(&column, &value)| to[first + column as usize] = value);
        };
        put(target, w);
        for (to, from) in memory.chunks_exact_mut(n_out).zip(planes.chunks_exact(width)) {
            put(to, from);
        }
    }

    /// Updates the bias row, whose input is −1 in every sample.
    fn bias(&self, bias: &mut [f32], memory: &mut [f32], scratch: &mut [f32]) {
        let (gradient, room) = scratch.split_at_mut(ROOM);
        let row = self.place.n_in..self.place.n_in + 1;
        for piece in self.pieces {
            let columns = &piece.columns;
            let gradient = &mut gradient[..piece.width()];
            gradient.fill(0.0);
            subtract_rows(gradient, self.step.records, self.step.stride, self.place.step + columns.start);
            self.watch(gradient, piece);
            let target = &mut bias[columns.clone()];
            match &piece.way {
                Way::Direct => target.iter_mut().zip(gradient).for_each(|(w, g)| *w += *g),
                Way::Masked => add_masked(target, columns.len(), gradient, &self.frozen[columns.clone()]),
                Way::Scattered(Scattered { columns, rates: None }) => {
                    columns.iter().zip(gradient).for_each(|(&column, g)| target[column as usize] += *g);
                }
                Way::Gradient => {
                    let memory = self.memory(memory, columns.start);
                    self.follow((target, self.place.n_out), gradient, &row, self.rates(&row, columns), memory);
                }
                Way::Scattered(scattered) => {
                    let gathered = Gathered { scattered, first: columns.start, row: row.start };
                    let width = gradient.len();
                    self.scatter(gathered, bias, memory, room, |w, rates, memory| {
                        self.follow((w, width), gradient, &row, rates, memory);
                    });
                }
            }
        }
    }

    /// Records a sum of δ that is not finite. Frozen columns are exempt, because δ is not computed for all of them.
    fn watch(&self, sums: &[f32], piece: &Piece) {
        let mut found = false;
        search(sums, &mut found);
        // Scattered columns are those that learn.
        let frozen = |place: usize| !matches!(piece.way, Way::Scattered(_)) && self.frozen[piece.columns.start + place];
        if found && sums.iter().enumerate().any(|(place, sum)| !sum.is_finite() && !frozen(place)) {
            self.canary.note_delta(self.step.t - 1);
        }
    }

    /// Adds the batch to the observed sums of the layer's neurons; with co-activation, to those of the bias row.
    fn observe(&self, sums: &mut [f32], carries: &mut [f32]) {
        let Place { y, net, delta, squares, .. } = *self.place;
        let variable = self.step.config.observed().variable();
        let source = match variable.quantity {
            Quantity::Activation => self.place.stored_y(self.columns.is_ordered()),
            Quantity::Net => net.expect("the basis keeps net"),
            Quantity::Delta => delta,
        };
        let mut seen = [0.0; SPAN];
        for columns in ranges(self.columns.observed, SPAN) {
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

/// The scattered columns of one row of W, counted from column `first`.
#[derive(Clone, Copy)]
struct Gathered<'a> {
    scattered: &'a Scattered,
    first: usize,
    row: usize,
}
