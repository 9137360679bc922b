//! What a training step must still compute of each neuron, once ψ, a schedule or `rule = neq` has frozen some. Both engines
//! follow these rules and count their work by them.
//!
//! Frozen means that no weight of the neuron can change before the next tick. A neuron stays frozen for good once its ψ
//! is 0; a schedule or `rule = neq` may let it thaw. Either way a frozen neuron of the first layer, or of a layer above frozen layers
//! alone, answers a sample alike until it thaws.

use super::state::LayerState;
use crate::config::{Config, Scope};
use crate::rule::member::Member;
use crate::rule::observe::Quantity;
use crate::rule::psi;

/// What a training step needs of a neuron.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// y, δ and the gradient, because a weight can change, or δ is observed.
    Learns,
    /// Its own y or net at every step, because ψ still observes it. No weight changes.
    Observed,
    /// Only its y, for the layer above.
    Rests,
}

/// The needs of the neurons of one layer until the next tick.
///
/// Momentum that coasts moves weights even where α is 0, and with co-activation every weight is observed; so there every
/// neuron learns.
#[must_use]
pub fn needs(config: &Config, settings: &Member, layer: &LayerState, n_out: usize) -> Vec<Need> {
    let LayerState { alpha0, psi, slots, .. } = layer;
    if config.rule.coast || slots.len() != n_out {
        return vec![Need::Learns; n_out];
    }
    let moves = |column: usize| {
        psi[column] != 0.0 && alpha0.iter().skip(column).step_by(n_out).any(|alpha0| alpha0 * psi[column] != 0.0)
    };
    let sees = |column: usize| settings.sees(psi[column]) && psi::psi(settings, &slots[column]) != 0.0;
    // In layer scope the mean of all neurons decides for each.
    let any = config.observes() && config.rule.scope == Scope::Layer && (0..n_out).any(sees);
    let observed = |column: usize| any || (config.observes() && sees(column));
    let observes_delta = config.observed().variable().quantity == Quantity::Delta;
    let need = |column: usize| match () {
        () if moves(column) || (observes_delta && observed(column)) => Need::Learns,
        () if observed(column) => Need::Observed,
        () => Need::Rests,
    };
    (0..n_out).map(need).collect()
}

/// Neurons of a layer with a weight that can change, given the αs of the layer: per neuron, or per weight row by row.
#[must_use]
pub fn living(alphas: &[f32], n_out: usize) -> usize {
    (0..n_out).filter(|&column| alphas.iter().skip(column).step_by(n_out).any(|&alpha| alpha != 0.0)).count()
}

/// The columns and rows of one layer's products in a training step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Products {
    /// Inputs of the layer.
    pub n_in: usize,
    /// Neurons of the layer.
    pub n_out: usize,
    /// Neurons whose net is computed.
    pub nets: usize,
    /// Inputs whose δ is computed through the layer; 0 in the first layer.
    pub errors: usize,
    /// Neurons whose gradient is computed.
    pub gradients: usize,
}

impl Products {
    /// Floating-point operations per sample: two for each weight of each product.
    #[must_use]
    pub fn flops(&self) -> f64 {
        let Self { n_in, n_out, nets, errors, gradients } = *self;
        2.0 * (n_in as f64 * (nets + gradients) as f64 + n_out as f64 * errors as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::topology::Topology;

    #[test]
    fn a_whole_step_has_the_operations_of_the_topology() {
        let topology = Topology::new(vec![7, 5, 4, 3]);
        let whole = |(l, (n_in, n_out)): (usize, (usize, usize))| {
            Products { n_in, n_out, nets: n_out, errors: if l == 0 { 0 } else { n_in }, gradients: n_out }.flops()
        };
        assert_eq!(topology.shapes().enumerate().map(whole).sum::<f64>(), topology.flops_per_sample());
    }

    #[test]
    fn living_neurons_have_a_weight_that_can_change() {
        assert_eq!(living(&[0.1, 0.0, 0.0], 3), 1);
        assert_eq!(living(&[0.1, 0.0, 0.0, 0.0, 0.0, 0.2], 3), 2);
    }
}
