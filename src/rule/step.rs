//! One step of a weight under each rule: the table that maps each variant of [`Rule`] to its type, and the functions that
//! read the table. Each rule has a file in this folder.

mod adam;
mod delta_bar_delta;
mod gradient;
mod idbd;
mod irprop_minus;
mod lipschitz;
mod neq;
mod recorded;
mod rprop;

use super::learn::Learn;
use crate::config::{Config, Rule};

pub(crate) use adam::{Adam, AdamW};
pub(crate) use delta_bar_delta::DeltaBarDelta;
pub(crate) use gradient::Gradient;
pub(crate) use idbd::Idbd;
pub(crate) use irprop_minus::IrpropMinus;
pub(crate) use lipschitz::Lipschitz;
pub(crate) use neq::Neq;
pub(crate) use recorded::Recorded;
pub(crate) use rprop::Rprop;

/// Runs `$body` with `$Kind` as the type of a rule that has memory of its own. Runs `$otherwise` for the rules that
/// step along the gradient with one α, whose kernel is [`Gradient`]'s.
macro_rules! with_own_memory {
    ($rule:expr, $Kind:ident, $N:ident => $body:expr, $otherwise:expr) => {{
        use $crate::config::Rule;
        macro_rules! run {
            ($found:ident, $floats:literal) => {{
                type $Kind = $crate::rule::step::$found;
                const $N: usize = $floats;
                $body
            }};
        }
        match $rule {
            Rule::DeltaBarDelta => run!(DeltaBarDelta, 2),
            Rule::Rprop => run!(Rprop, 3),
            Rule::IrpropMinus => run!(IrpropMinus, 2),
            Rule::Lipschitz => run!(Lipschitz, 3),
            Rule::Idbd => run!(Idbd, 2),
            Rule::IrpropPlus | Rule::LipschitzArmijo | Rule::LipschitzWolfe => run!(Recorded, 4),
            Rule::Adam => run!(Adam, 2),
            Rule::AdamW => run!(AdamW, 2),
            Rule::Neq => run!(Neq, 1),
            Rule::Psi | Rule::Constant | Rule::Replay | Rule::Hebb | Rule::Bcm => $otherwise,
        }
    }};
}
pub(crate) use with_own_memory;

impl Rule {
    /// Whether every weight keeps a memory of its own, so that `scope` and `momentum` have no effect.
    #[must_use]
    pub fn has_own_memory(self) -> bool {
        with_own_memory!(self, Kind, N => { let _: Option<Kind> = None; N > 0 }, false)
    }

    /// Whether the rule needs the mean square of each input.
    #[must_use]
    pub fn reads_input(self) -> bool {
        with_own_memory!(self, Kind, N => <Kind as Learn<N>>::READS_INPUT, false)
    }

    /// Whether the penalty on weights shrinks them beside the step, instead of joining the gradient.
    #[must_use]
    pub fn decouples_decay(self) -> bool {
        with_own_memory!(self, Kind, N => <Kind as Learn<N>>::DECOUPLES_DECAY, false)
    }

    /// The WGSL source of the rule's step.
    #[must_use]
    pub fn shader(self) -> &'static str {
        with_own_memory!(self, Kind, N => <Kind as Learn<N>>::SHADER, Gradient::SHADER)
    }
}

/// Number of floats that every weight keeps between steps.
#[must_use]
pub(crate) fn memory_per_weight(config: &Config) -> usize {
    with_own_memory!(config.rule.kind, Kind, N => { let _: Option<Kind> = None; N }, usize::from(config.rule.momentum > 0.0))
}

/// The memory of one weight before the first step.
#[must_use]
pub(crate) fn initial_memory(config: &Config) -> Vec<f32> {
    let momentum = vec![0.0; memory_per_weight(config)];
    with_own_memory!(config.rule.kind, Kind, N => <Kind as Learn<N>>::initial(config).to_vec(), momentum)
}

/// The initial value of α.
#[must_use]
pub(crate) fn initial_alpha(config: &Config) -> f32 {
    let alpha0 = config.rule.alpha0 as f32;
    with_own_memory!(config.rule.kind, Kind, N => if <Kind as Learn<N>>::TAKES_ALPHA0 { alpha0 } else { 1.0 }, alpha0)
}

/// The rule's constants, in the order in which the kernels read them.
#[must_use]
pub(crate) fn constants(config: &Config) -> [f32; 4] {
    with_own_memory!(config.rule.kind, Kind, N => <Kind as Learn<N>>::constants(config), [0.0; 4])
}

/// The rate that a weight keeps in the first float of its memory; `None` if the rule keeps no such rate.
#[must_use]
pub(crate) fn own_rate(rule: Rule, first: f32) -> Option<f32> {
    with_own_memory!(rule, Kind, N => <Kind as Learn<N>>::rate(first), None)
}
