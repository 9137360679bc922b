//! The training state of one member on the host, without padding. Engines start from it, checkpoints keep it, and models are
//! made of it.

use crate::config::{Config, Rule, Scope};
use crate::network::init;
use crate::network::topology::Topology;
use crate::rule;
use crate::rule::member::Member;
use crate::rule::psi::Slot;
use crate::rule::trace::Trace;

/// Everything that one member needs to continue training, per layer, without padding.
#[derive(Clone, Debug, PartialEq)]
pub struct MemberState {
    /// Steps trained since the start of the run.
    pub steps: u32,
    /// Samples since the last tick: the number of samples in the sums `observed`.
    pub samples_since_tick: u64,
    /// Sums for the next report.
    pub running: RunningScore,
    /// W_1 … W_L and what belongs to them.
    pub layers: Vec<LayerState>,
}

/// Sums over the batches since the last report. They give the epoch's `running_loss` and `running_error`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RunningScore {
    /// Number of samples in the sums.
    pub samples: u64,
    /// Sum of losses, rounding error to subtract from that sum, and number of wrong answers. The CPU engine keeps one entry,
    /// the GPU engine one for each place in a batch. Empty without samples.
    pub sums: Vec<[f64; 3]>,
}

/// One layer of a [`MemberState`]. "Per α" below means: per postsynaptic neuron `[n_out]`, or in weight scope per
/// weight `[n_in + 1, n_out]` with the bias row last.
#[derive(Clone, Debug, PartialEq)]
pub struct LayerState {
    /// W, `[n_in + 1, n_out]` row-major, bias row last (fed with −1).
    pub weights: Vec<f32>,
    /// Memory of the rule, `[n_in + 1, memory per weight, n_out]`: for each row of `weights` plane after plane. A velocity m,
    /// or the floats of a rule with its own memory.
    pub memory: Vec<f32>,
    /// The rate each α started from, per α; α itself is `alpha0 · psi`.
    pub alpha0: Vec<f32>,
    /// ψ of the next step times the schedule's factor, per slot; 0 or the factor with `rule = neq`. A state carries the
    /// engine's value and not only its argument, because transcendental functions differ in the last bit between devices.
    pub psi: Vec<f32>,
    /// ψ's memory: per neuron, or per weight with the co-activation basis. `rule = neq` keeps its own memory of a neuron there.
    pub slots: Vec<Slot>,
    /// Sum of the observed variable since the last tick and its rounding carry, per slot.
    pub observed: Vec<[f32; 2]>,
}

impl MemberState {
    /// The tick at which each slot triggered, from 1; 0 = never. Per layer, in the order of [`LayerState::slots`].
    #[must_use]
    pub fn onsets(&self) -> Vec<Vec<u32>> {
        self.layers.iter().map(|layer| layer.slots.iter().map(|slot| slot.onset as u32).collect()).collect()
    }

    /// Whether every weight and every float of the rule's memory is finite.
    #[must_use]
    pub fn is_finite(&self) -> bool {
        self.layers.iter().flat_map(|layer| layer.weights.iter().chain(&layer.memory)).all(|value| value.is_finite())
    }

    pub(super) fn initial(
        config: &Config,
        member: &Member,
        topology: &Topology,
        trace: Option<&Trace>,
        scale: &[f32],
    ) -> Self {
        let scheme = config.resolved_init_scheme();
        let memory = rule::initial_memory(config);
        let layers = topology.shapes().enumerate().map(|(l, (n_in, n_out))| {
            let per_weight = (n_in + 1) * n_out;
            let alphas = if config.rule.scope == Scope::Weight { per_weight } else { n_out };
            let slots = if config.slots_per_weight() { per_weight } else { n_out };
            let row: Vec<f32> = memory.iter().flat_map(|&value| vec![value; n_out]).collect();
            let onsets = trace.and_then(|trace| trace.dealt(config, l));
            LayerState {
                weights: init::weights(scheme, config.run.seed, l, n_in, n_out),
                memory: row.repeat(n_in + 1),
                alpha0: vec![if l < config.network.freeze_layers { 0.0 } else { rule::initial_alpha(config) }; alphas],
                psi: vec![scale[l]; slots],
                slots: match onsets {
                    Some(onsets) => onsets.iter().map(|&onset| Slot::replaying(onset)).collect(),
                    None => vec![Slot::new(member); slots],
                },
                observed: vec![[0.0; 2]; slots],
            }
        });
        Self { steps: 0, samples_since_tick: 0, running: RunningScore::default(), layers: layers.collect() }
    }
}

impl LayerState {
    /// Bytes of the layer's arrays.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        let Self { weights, memory, alpha0, psi, slots, observed } = self;
        let floats = [weights, memory, alpha0, psi].map(|values| size_of_val(&**values));
        (floats.iter().sum::<usize>() + size_of_val(&**slots) + size_of_val(&**observed)) as u64
    }

    /// α of the next step: alpha0 · ψ per α. A rule that keeps a rate per weight gives that rate times ψ.
    #[must_use]
    pub fn alpha(&self, rule: Rule) -> Vec<f32> {
        let n_out = self.psi.len();
        let own = |first: &f32| rule::own_rate(rule, *first);
        match self.memory.first().and_then(own) {
            None => rates(&self.alpha0, &self.psi).collect(),
            Some(_) => {
                let planes = self.memory.len() / self.weights.len();
                let firsts = self.memory.chunks(planes * n_out).flat_map(|row| &row[..n_out]);
                let own: Vec<f32> = firsts.filter_map(own).collect();
                rates(&own, &self.psi).collect()
            }
        }
    }
}

/// α = α0 · ψ of every α of a layer. A ψ per neuron applies to every row of a per-weight α0.
pub(crate) fn rates<'a>(alpha0: &'a [f32], psi: &'a [f32]) -> impl Iterator<Item = f32> + 'a {
    alpha0.iter().zip(psi.iter().cycle()).map(|(alpha0, psi)| alpha0 * psi)
}
