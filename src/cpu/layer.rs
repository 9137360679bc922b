//! One layer on the CPU: its state, with the columns in the order of [`Columns`], and how its weights are updated.
//! Outside of this folder a layer has the order of its neurons.

use super::canary::Canary;
use super::columns::{Columns, Piece, Scattered, Way, reorder};
use super::layout::Place;
use super::product::LANES;
use crate::config::{Config, Scope};
use crate::rule::member::{Member, Trigger};
use crate::rule::psi::{self, Slot};
use crate::train::living::{self, Need, Products};
use crate::train::state::LayerState;
use std::ops::Range;

#[derive(Debug)]
pub struct Layer {
    pub place: Place,
    /// Whether no input can be infinite or NaN.
    finite_inputs: bool,
    pub columns: Columns,
    /// The state, its columns as `columns` orders them. Its observed sums are the ones given to [`Self::new`]; `sums` and
    /// `carries` hold the current ones.
    pub state: LayerState,
    /// Sums of the observed variable and their Kahan carries, per slot.
    pub sums: Vec<f32>,
    pub carries: Vec<f32>,
    /// The pieces that an update changes.
    pub pieces: Vec<Piece>,
    /// The factor that turns δ into the step, per column: 1/B, times α where it is folded in.
    pub step_rate: Vec<f32>,
    /// The factor that ψ is multiplied by at ticks, from the schedule.
    pub scale: f32,
    /// Scratch for the norms of the columns; empty without a limit on norms.
    pub norms: Vec<f32>,
    /// Whether each column is frozen.
    pub frozen: Vec<bool>,
    /// The first step in which this layer had a value that is not finite.
    pub canary: Canary,
}

impl Layer {
    pub fn new(config: &Config, place: Place, finite_inputs: bool, state: &LayerState) -> Self {
        Self {
            finite_inputs,
            columns: Columns::new(place.n_out),
            sums: state.observed.iter().map(|pair| pair[0]).collect(),
            carries: state.observed.iter().map(|pair| pair[1]).collect(),
            pieces: vec![],
            step_rate: vec![0.0; place.n_out],
            scale: 1.0,
            norms: vec![0.0; if config.regularisation.max_norm.is_some() { place.n_out } else { 0 }],
            frozen: vec![false; place.n_out],
            canary: Canary::default(),
            state: state.clone(),
            place,
        }
    }

    /// Bytes of the arrays of this layer, without those that exist only while neurons are frozen.
    pub fn bytes(&self) -> u64 {
        let Self { sums, carries, step_rate, norms, frozen, .. } = self;
        let floats = [sums, carries, step_rate, norms].map(|values| size_of_val(&**values)).iter().sum::<usize>();
        let needs = size_of_val(&*self.columns.needs);
        self.state.bytes() + (floats + size_of_val(&**frozen) + needs) as u64
    }

    /// Bytes of the arrays per neuron, without [`Self::state`], [`Self::sums`] and [`Self::carries`].
    pub fn column_bytes(config: &Config, n_out: usize) -> usize {
        let floats = if config.regularisation.max_norm.is_some() { 2 } else { 1 };
        n_out * (4 * floats + size_of::<bool>() + size_of::<Need>())
    }

    /// The state with the current observed sums, in the order of the neurons.
    pub fn state(&self) -> LayerState {
        let observed = self.sums.iter().zip(&self.carries).map(|(&sum, &carry)| [sum, carry]).collect();
        let mut state = LayerState { observed, ..self.state.clone() };
        let LayerState { weights, memory, alpha0, psi, slots, observed } = &mut state;
        [weights, memory, alpha0, psi].into_iter().for_each(|values| self.columns.restore(values));
        self.columns.restore(slots);
        self.columns.restore(observed);
        state
    }

    /// α of the next step, in the order of the neurons.
    pub fn alphas(&self, config: &Config) -> Vec<f32> {
        let mut alphas = self.state.alpha(config.rule.kind);
        self.columns.restore(&mut alphas);
        alphas
    }

    /// Means of the observed variable over the `samples` since the last tick, per slot, in the order of the neurons; 0
    /// where nothing could be observed.
    pub fn means(&self, samples: u64) -> Vec<f32> {
        let mut means: Vec<f32> = self.sums.iter().map(|sum| sum / samples as f32).collect();
        self.columns.restore(&mut means);
        means
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
            // The order of the neurons decides the last bits of the sum.
            let mean = means.iter().sum::<f32>() / means.len() as f32;
            means.fill(mean);
        } else if self.columns.is_ordered() {
            reorder(&mut means, &self.columns.order);
        }
        for ((slot, psi), mean) in self.state.slots.iter_mut().zip(&mut self.state.psi).zip(means) {
            psi::tick(settings, slot, mean, *psi, t as f32);
            *psi = psi::psi(settings, slot) * self.scale;
        }
    }

    /// What the present αs need of each stored column.
    pub fn needs(&self, config: &Config, settings: &Member) -> Vec<Need> {
        match config.run.no_skip_frozen {
            true => vec![Need::Learns; self.place.n_out],
            false => living::needs(config, settings, &self.state, self.place.n_out),
        }
    }

    /// Stores the columns as their `needs` demand, those that learn first if `ordered`.
    pub fn arrange(&mut self, config: &Config, needs: Vec<Need>, ordered: bool) {
        if let Some(places) = self.columns.renew(needs, ordered) {
            let LayerState { weights, memory, alpha0, psi, slots, observed: _ } = &mut self.state;
            let (sums, carries) = (&mut self.sums, &mut self.carries);
            [weights, memory, alpha0, psi, sums, carries].into_iter().for_each(|values| reorder(values, &places));
            reorder(slots, &places);
        }
        self.choose_pieces(config);
    }

    /// α of a column whose weights share one α. ψ if the weights share only ψ; `None` if they share neither.
    fn shared_rate(&self, column: usize) -> Option<f32> {
        let LayerState { alpha0, psi, .. } = &self.state;
        let n_out = self.place.n_out;
        (psi.len() == n_out).then(|| if alpha0.len() == n_out { alpha0[column] * psi[column] } else { psi[column] })
    }

    fn choose_pieces(&mut self, config: &Config) {
        let n_out = self.place.n_out;
        let needs_gradient = !self.state.memory.is_empty() || config.regularisation.weight_decay > 0.0;
        let per_weight = self.state.alpha0.len() != n_out;
        let is_frozen = |column| match self.shared_rate(column) {
            Some(rate) => rate == 0.0,
            None => self.state.psi.iter().skip(column).step_by(n_out).all(|&psi| psi == 0.0),
        };
        // With `coast` the velocities move weights even where α is 0, so no column is frozen.
        self.frozen = (0..n_out).map(|column| !config.rule.coast && is_frozen(column)).collect();
        let folds = !needs_gradient && !per_weight;
        let piece = |(columns, span): (Range<usize>, Range<usize>)| {
            let learning = columns.clone().filter(|&column| self.columns.needs[column] == Need::Learns);
            let learning: Vec<u32> = learning.map(|column| (column - columns.start) as u32).collect();
            let way = if learning.is_empty() {
                return None;
            } else if self.pays_scattered(config, folds, learning.len(), span.len()) {
                Way::Scattered(self.scattered(columns.start, learning, folds))
            } else if !folds {
                Way::Gradient
            } else if !self.frozen[columns.clone()].contains(&true) || self.withstands_zeros(&columns) {
                Way::Direct
            } else {
                Way::Masked
            };
            Some(Piece { columns, way })
        };
        // The crate copies a matrix whose width does not fill its registers, so frozen columns fill up the last piece.
        let filled = |(columns, span): (Range<usize>, Range<usize>)| {
            let end = columns.start + columns.len().next_multiple_of(LANES);
            let fills = !columns.is_empty() && columns.end == self.columns.learning;
            (columns.start..if fills { end.min(n_out).max(columns.end) } else { columns.end }, span)
        };
        let pieces = self.columns.spans().map(filled).filter_map(piece);
        self.pieces = pieces.collect();
    }

    /// Whether all frozen columns of the piece are behind those that learn, and a step of δ = 0 leaves their bits alone.
    /// Products of 0 with finite inputs are 0, and only −0 changes if 0 is added.
    fn withstands_zeros(&self, columns: &Range<usize>) -> bool {
        let learning = self.columns.learning;
        let is_negative_zero = |w: &f32| w.to_bits() == (-0.0f32).to_bits();
        let mut rows = self.state.weights.chunks_exact(self.place.n_out);
        self.finite_inputs
            && columns.contains(&learning)
            && !self.frozen[columns.start..learning].contains(&true)
            && !rows.any(|row| row[learning..columns.end].iter().any(is_negative_zero))
    }

    /// Whether gathering the columns that learn takes less time than computing the gradient of the whole span. Gathering a
    /// column costs as much as its product over several dozen samples.
    fn pays_scattered(&self, config: &Config, folds: bool, learning: usize, span: usize) -> bool {
        let (gathering, applying) = if folds { (64, 8) } else { (112, 16) };
        let cost = |columns: usize, more| columns.saturating_mul(config.run.batch_size.saturating_add(more));
        !self.columns.is_ordered() && cost(learning, gathering) < cost(span, applying)
    }

    fn scattered(&self, first: usize, columns: Vec<u32>, folds: bool) -> Scattered {
        let n_out = self.place.n_out;
        let of = |values: &[f32]| match values.len() == n_out {
            true => columns.iter().map(|&column| values[first + column as usize]).collect(),
            false => vec![],
        };
        let rates = (!folds).then(|| [of(&self.state.alpha0), of(&self.state.psi)]);
        Scattered { rates, columns }
    }

    /// Sets the step rates for batches of `rows` samples and the current αs.
    pub fn set_rows(&mut self, rows: usize) {
        let mean = 1.0 / rows as f32;
        self.step_rate.fill(mean);
        for Piece { columns, way } in &self.pieces {
            if way.folds() {
                for column in columns.clone() {
                    self.step_rate[column] = self.shared_rate(column).map_or(mean, |alpha| alpha * mean);
                }
            }
        }
    }

    /// The products of this layer in a step that computes `nets` columns and passes δ to `errors` inputs.
    pub fn products(&self, nets: usize, errors: usize) -> Products {
        let Place { n_in, n_out, .. } = self.place;
        Products { n_in, n_out, nets, errors, gradients: self.pieces.iter().map(Piece::width).sum() }
    }
}
