//! The places of a layer's values in the buffers of training state.

use super::table::Role;
use crate::config::Rule;
use crate::gpu::layout::{Layer, Layout, Plane, RatePlane};
use crate::gpu::tile::LANES;
use crate::rule;
use std::ops::Range;

/// The place of an array of rows in a padded buffer, counted in floats.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// First float.
    pub first: usize,
    /// Values of a row. Rows follow each other at the padded width.
    pub width: usize,
    /// Rows.
    pub rows: usize,
    /// The value of a dense row that each column holds; `None` if columns are stored in the order of the values.
    pub order: Option<&'a [u32]>,
}

impl Place<'_> {
    fn stride(&self) -> usize {
        self.width.div_ceil(LANES) * LANES
    }

    /// Writes the array `dense`, which has no padding.
    pub fn put(&self, floats: &mut [f32], dense: &[f32]) {
        debug_assert_eq!(dense.len(), self.rows * self.width);
        let padded = floats[self.first..].chunks_mut(self.stride());
        dense.chunks_exact(self.width).zip(padded).for_each(|(from, to)| match self.order {
            None => to[..self.width].copy_from_slice(from),
            Some(order) => to.iter_mut().zip(order).for_each(|(to, &from_column)| *to = from[from_column as usize]),
        });
    }

    /// Reads the array without its padding.
    pub fn get(&self, floats: &[f32]) -> Vec<f32> {
        let padded = floats[self.first..].chunks(self.stride()).take(self.rows);
        let Some(order) = self.order else { return padded.flat_map(|row| &row[..self.width]).copied().collect() };
        let mut dense = vec![0.0; self.rows * self.width];
        for (to, from) in dense.chunks_exact_mut(self.width).zip(padded) {
            order.iter().zip(from).for_each(|(&column, &value)| to[column as usize] = value);
        }
        dense
    }

    /// The floats that the array spans, padding included.
    pub fn floats(&self) -> Range<usize> {
        self.first..self.first + self.span()
    }

    /// Number of floats that the array spans, padding included.
    pub fn span(&self) -> usize {
        self.rows * self.stride()
    }
}

impl Layout {
    /// The place of a plane shaped like a layer's weights, in a buffer with `planes` planes per member.
    pub fn weight_place(&self, member: usize, (plane, planes): (usize, usize), layer: &Layer) -> Place<'_> {
        Place {
            first: LANES * ((member * planes + plane) * self.weights4 + layer.weights as usize),
            width: layer.n_out as usize,
            rows: layer.n_in as usize + 1,
            order: self.order(member, layer),
        }
    }

    /// The order in which the columns of a layer are stored.
    fn order(&self, member: usize, layer: &Layer) -> Option<&[u32]> {
        self.arrangement[member][layer.index as usize].order.as_deref()
    }

    /// The place of a plane of a layer's neurons.
    pub fn neuron_place(&self, member: usize, plane: Plane, layer: &Layer) -> Place<'_> {
        let head = self.head_bytes() / size_of::<f32>();
        let first = LANES * ((member * Plane::COUNT + plane as usize) * self.neurons4 + layer.neurons as usize);
        Place { first: head + first, width: layer.n_out as usize, rows: 1, order: self.order(member, layer) }
    }

    /// The place of a plane of a layer's rates in weight scope.
    pub fn rate_place(&self, member: usize, plane: RatePlane, layer: &Layer) -> Place<'_> {
        self.weight_place(member, (plane as usize, self.rate_planes), layer)
    }

    /// The place of the first plane of the rule's memory.
    pub fn memory_place(&self, member: usize, layer: &Layer) -> Place<'_> {
        self.weight_place(member, (0, self.memory), layer)
    }

    /// The places of ψ, the observed sums and the triggers of a layer's slots.
    pub fn slot_places(&self, member: usize, layer: &Layer) -> (Role, [Place<'_>; 3]) {
        if self.slots_per_weight {
            let planes = [RatePlane::Psi, RatePlane::Sum, RatePlane::Trigger];
            (Role::Rates, planes.map(|plane| self.rate_place(member, plane, layer)))
        } else {
            let planes = [Plane::Psi, Plane::Sum, Plane::Trigger];
            (Role::Neurons, planes.map(|plane| self.neuron_place(member, plane, layer)))
        }
    }

    /// The places that a report copies beside the scores: per layer ψ, and the rates that `rule` keeps itself.
    pub fn alpha_places(&self, rule: Rule) -> impl Iterator<Item = (Role, Place<'_>)> + '_ {
        (0..self.members).flat_map(move |member| {
            self.layers.iter().flat_map(move |layer| {
                let (role, [psi, ..]) = self.slot_places(member, layer);
                let own = rule::own_rate(rule, 0.0).map(|_| (Role::Memory, self.memory_place(member, layer)));
                [Some((role, psi)), own].into_iter().flatten()
            })
        })
    }
}
