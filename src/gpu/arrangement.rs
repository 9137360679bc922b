//! Which neurons a step computes, and the order in which the columns of a layer are stored. Neurons that learn come first,
//! so that products end where the frozen neurons begin.
//!
//! The *front* is the lowest layer with a neuron that does not rest. Until the next tick, y of a sample does not change in the
//! layers below the front, nor in the front's resting neurons. The cache supplies both. Only the front has an order of its
//! own. No sum over neurons changes its order, because y returns to the neurons' own order before the layer above reads it.

use super::tile::LANES;
use crate::train::living::{Need, Products};

/// One layer of one member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// The neuron of each stored column; `None` if columns are stored in the order of their neurons.
    pub order: Option<Vec<u32>>,
    /// Neurons.
    pub n_out: usize,
    /// Columns, from the first stored, whose net a training step computes. The cache answers for the others.
    pub nets: usize,
    /// Columns, from the first stored, that need δ.
    pub learns: usize,
    /// Upper bound of the layer's list until the host next reads ψ: the number of `vec4`s of stored columns with one that learns.
    pub listed4: usize,
    /// Whether the forward pass writes y to the packed place, from where `assemble` brings y in order.
    pub packed: bool,
    /// Whether the cache answers for columns.
    pub cached: bool,
}

impl Stored {
    /// A layer that is computed as a whole.
    #[must_use]
    pub const fn whole(n_out: usize) -> Self {
        let listed4 = n_out.div_ceil(LANES);
        Self { order: None, n_out, nets: n_out, learns: n_out, listed4, packed: false, cached: false }
    }

    /// The neuron of a stored column.
    #[must_use]
    pub fn neuron(&self, column: usize) -> usize {
        self.order.as_ref().map_or(column, |order| order[column] as usize)
    }

    /// Number of `vec4`s of stored columns with at least one that learns.
    fn learning4(&self, needs: &[Need]) -> usize {
        let learns = |first: &usize| {
            (*first..self.n_out.min(first + LANES)).any(|stored| needs[self.neuron(stored)] == Need::Learns)
        };
        (0..self.n_out).step_by(LANES).filter(learns).count()
    }

    /// Whether every need of the layer's neurons is met.
    fn meets(&self, needs: &[Need]) -> bool {
        self.learning4(needs) <= self.listed4
            && (0..self.n_out).all(|stored| match needs[self.neuron(stored)] {
                Need::Learns => stored < self.nets && stored < self.learns,
                Need::Observed => stored < self.nets,
                Need::Rests => true,
            })
    }
}

/// What the kernels of a run can leave out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Permits {
    /// δ of layers below the lowest layer that learns.
    pub skips: bool,
    /// Columns may be stored in an order of their own, and y may come from the packed place.
    pub packs: bool,
    /// Columns may be reordered. In layer scope they may not, because a tick sums over them.
    pub orders: bool,
    /// The cache may answer.
    pub caches: bool,
}

/// A number of columns, rounded up to whole `vec4`s.
fn in_lanes(columns: usize, n_out: usize) -> usize {
    columns.next_multiple_of(LANES).min(n_out)
}

/// The layers of a member whose neurons have these needs.
#[must_use]
pub fn arrange(needs: &[Vec<Need>], permits: Permits) -> Vec<Stored> {
    let mut layers: Vec<Stored> = needs.iter().map(|needs| Stored::whole(needs.len())).collect();
    if !permits.skips {
        return layers;
    }
    let last = layers.len() - 1;
    let lowest = |wanted: fn(Need) -> bool| {
        let has = |needs: &Vec<Need>| needs.iter().copied().any(wanted);
        needs.iter().position(has).unwrap_or(last)
    };
    let (front, root) = (lowest(|need| need != Need::Rests), lowest(|need| need == Need::Learns));
    layers[..root].iter_mut().for_each(|layer| layer.learns = 0);
    if !permits.packs {
        tighten(&mut layers, needs);
        return layers;
    }
    if permits.caches && front > 0 {
        layers[..front].iter_mut().for_each(|layer| layer.nets = 0);
        (layers[front - 1].packed, layers[front - 1].cached) = (true, true);
    }
    if permits.orders && front < last {
        let own = &needs[front];
        let mut order: Vec<u32> = (0..own.len() as u32).collect();
        order.sort_by_key(|&neuron| own[neuron as usize] as u32);
        let count = |is: fn(Need) -> bool| in_lanes(own.iter().copied().filter(|&need| is(need)).count(), own.len());
        let (learns, nets) = (count(|need| need == Need::Learns), count(|need| need != Need::Rests));
        let layer = &mut layers[front];
        if front == root {
            layer.learns = learns;
        }
        if permits.caches && nets < layer.n_out {
            (layer.nets, layer.cached) = (nets, true);
        }
        if layer.nets < layer.n_out || layer.learns < layer.n_out {
            (layer.order, layer.packed) = (Some(order), true);
        }
    }
    tighten(&mut layers, needs);
    layers
}

/// Shortens the lists to the columns that learn. Leaves the order alone, because another order would move the state.
pub fn tighten(layers: &mut [Stored], needs: &[Vec<Need>]) {
    layers.iter_mut().zip(needs).for_each(|(layer, needs)| layer.listed4 = layer.learning4(needs));
}

/// Whether a step arranged as `layers` computes everything that `needs` demands.
#[must_use]
pub fn meets(layers: &[Stored], needs: &[Vec<Need>]) -> bool {
    layers.iter().zip(needs).all(|(layer, needs)| layer.meets(needs))
}

/// Floating-point operations per sample of the forward and the backward pass; `inputs` is the width of the inputs.
#[must_use]
pub fn passes(layers: &[Stored], inputs: usize) -> f64 {
    let below = std::iter::once((inputs, 0)).chain(layers.iter().map(|layer| (layer.n_out, layer.learns)));
    let of = |(layer, (n_in, errors)): (&Stored, (usize, usize))| {
        Products { n_in, n_out: layer.n_out, nets: layer.nets, errors, gradients: 0 }.flops()
    };
    layers.iter().zip(below).map(of).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use Need::{Learns, Observed, Rests};

    const ALL: Permits = Permits { skips: true, packs: true, orders: true, caches: true };

    #[test]
    fn the_front_is_stored_by_need() {
        let needs = [vec![Rests; 6], vec![Rests, Rests, Learns, Observed, Rests, Rests, Rests], vec![Learns; 3]];
        let layers = arrange(&needs, ALL);
        assert!(meets(&layers, &needs));
        assert_eq!((layers[0].nets, layers[0].learns, layers[0].cached), (0, 0, true));
        assert_eq!(layers[1].order.as_deref(), Some(&[2, 3, 0, 1, 4, 5, 6][..]));
        assert_eq!((layers[1].nets, layers[1].learns), (4, 4));
        assert_eq!(layers[2], Stored::whole(3));
        // Neuron 6 is stored last, so it must not learn.
        let mut thawed = needs;
        thawed[1][6] = Learns;
        assert!(!meets(&layers, &thawed));
        thawed[1][6] = Rests;
        thawed[0][0] = Observed;
        assert!(!meets(&layers, &thawed));
    }

    #[test]
    fn without_a_cache_every_net_is_computed() {
        let needs = [vec![Rests; 6], vec![Rests, Learns, Rests, Rests, Rests], vec![Learns; 3]];
        let layers = arrange(&needs, Permits { caches: false, ..ALL });
        assert!(meets(&layers, &needs));
        assert!(layers.iter().all(|layer| layer.nets == layer.n_out));
        assert_eq!(layers.iter().map(|layer| layer.learns).collect::<Vec<_>>(), [0, 4, 3]);
        let layers = arrange(&needs, Permits { packs: false, ..ALL });
        assert_eq!(layers.iter().map(|layer| layer.learns).collect::<Vec<_>>(), [0, 5, 3]);
    }

    #[test]
    fn the_output_layer_keeps_its_order() {
        let needs = [vec![Rests; 5], vec![Rests, Learns, Rests, Rests, Rests]];
        let layers = arrange(&needs, ALL);
        assert_eq!(layers[1], Stored { listed4: 1, ..Stored::whole(5) });
        assert_eq!(passes(&layers, 10), 2.0 * 5.0 * 5.0);
    }
}
