//! The learning rules: what one weight does with its gradient. A rule is a shader `shaders/rules/STEM.wgsl` and its host
//! twin here, a type that implements `Learn`; the enum [`Rule`] and the table below it are all else that knows the
//! rules apart (see CONTRIBUTING.md).
//!
//! Everywhere g = −∂E/∂w, the mean over the batch, so that a step *along* g descends; `alpha` is the factor that ψ, a
//! schedule or a frozen layer puts on every rate, and for rules without a rate of their own α itself.

mod adam;
mod delta_bar_delta;
mod gradient;
mod idbd;
mod irprop_minus;
mod lipschitz;
mod rprop;

pub(crate) use adam::Adam;
pub(crate) use delta_bar_delta::DeltaBarDelta;
pub(crate) use gradient::Gradient;
pub(crate) use idbd::Idbd;
pub(crate) use irprop_minus::IrpropMinus;
pub(crate) use lipschitz::Lipschitz;
pub(crate) use rprop::Rprop;

use crate::config::{Config, choices};
use clap::ValueEnum;
use serde::{Deserialize, Serialize};

choices! {
    /// How a weight follows its gradient.
    Rule {
        /// α falls once its neuron is saturated: ψ(α, θ_M)
        Psi,
        /// α stays α0, or follows --schedule: plain back-propagation
        Constant,
        /// α falls as it fell in another run: what remains of ψ without homeostasis
        Replay,
        /// α gains κ while the gradient keeps its sign and loses the share φ when it turns (Jacobs 1988)
        DeltaBarDelta,
        /// steps of a size of their own along the gradient's sign, taken back when it turns (Riedmiller & Braun 1993)
        Rprop,
        /// the same without taking back (Igel & Hüsken 2000)
        #[value(name = "irprop-")]
        #[serde(rename = "irprop-")]
        IrpropMinus,
        /// α = ½ |Δw| / |Δg|, from the local Lipschitz constant (Magoulas et al. 1999)
        Lipschitz,
        /// log α learns from the correlation of successive steps (Sutton 1992)
        Idbd,
        /// steps scaled by running moments of the gradient (Kingma & Ba 2015)
        Adam,
        /// ΔW = α y x, unsupervised (Hebb; the paper's eq. 1)
        Hebb,
        /// ΔW = α y (y − θ_M) x, unsupervised (Bienenstock, Cooper & Munro 1982; eq. 2–4)
        Bcm,
    }
}

/// What a step reads beside the weight itself.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Environment {
    /// The rule's constants, from [`Learn::constants`].
    pub constants: [f32; 4],
    /// Number of this step, from 1.
    pub t: f32,
}

/// A weight and what the rule remembers about it between steps.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Cell<const N: usize> {
    /// w.
    pub w: f32,
    /// The rule's memory.
    pub memory: [f32; N],
}

/// A learning rule with `N` floats of memory per weight.
pub(crate) trait Learn<const N: usize> {
    /// The WGSL twin: `fn learn`.
    const SHADER: &'static str;
    /// Whether `alpha` starts as α0; else it starts as 1 and the rule keeps rates of its own.
    const TAKES_ALPHA0: bool = false;
    /// Whether it reads `x2`, the mean over the batch of the square of the weight's input.
    const READS_INPUT: bool = false;

    /// The constants that the kernels read, from the settings.
    fn constants(config: &Config) -> [f32; 4];

    /// Memory before the first step.
    fn initial(config: &Config) -> [f32; N];

    /// The weight's own rate from the first float of its memory; `None` where it has none.
    fn rate(first: f32) -> Option<f32> {
        let _ = first;
        None
    }

    /// One step; a cell whose `alpha` is 0 is frozen, and the caller drops what this returns for it.
    fn learn(environment: &Environment, alpha: f32, g: f32, x2: f32, cell: Cell<N>) -> Cell<N>;
}

/// Runs `$body` with `$Kind` as the type of the rule with memory of its own; `$otherwise` for those that step along the
/// gradient with one α, whose kernel is [`Gradient`]'s.
macro_rules! with_own_memory {
    ($rule:expr, $Kind:ident, $N:ident => $body:expr, $otherwise:expr) => {{
        use $crate::rules::Rule;
        macro_rules! run {
            ($found:ident, $floats:literal) => {{
                type $Kind = $crate::rules::$found;
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
            Rule::Adam => run!(Adam, 2),
            Rule::Psi | Rule::Constant | Rule::Replay | Rule::Hebb | Rule::Bcm => $otherwise,
        }
    }};
}
pub(crate) use with_own_memory;

impl Rule {
    /// The rule whose kernel computes this one: rules that differ only in α share theirs.
    #[must_use]
    pub const fn kernel(self) -> Self {
        match self {
            Self::Psi | Self::Constant | Self::Replay => Self::Psi,
            other => other,
        }
    }

    /// Whether the weights follow y and no target: no labels, one layer.
    #[must_use]
    pub const fn is_unsupervised(self) -> bool {
        matches!(self, Self::Hebb | Self::Bcm)
    }

    /// Whether every weight keeps a memory of its own, so that `--scope` and `--momentum` mean nothing.
    #[must_use]
    pub fn has_own_memory(self) -> bool {
        with_own_memory!(self, Kind, N => { let _: Option<Kind> = None; N > 0 }, false)
    }

    /// Whether the mean square of each input is needed.
    #[must_use]
    pub fn reads_input(self) -> bool {
        with_own_memory!(self, Kind, N => <Kind as Learn<N>>::READS_INPUT, false)
    }

    /// The WGSL of its step.
    #[must_use]
    pub fn shader(self) -> &'static str {
        with_own_memory!(self, Kind, N => <Kind as Learn<N>>::SHADER, Gradient::SHADER)
    }
}

/// Floats that every weight remembers between steps.
#[must_use]
pub(crate) fn memory_per_weight(config: &Config) -> usize {
    with_own_memory!(config.rule, Kind, N => { let _: Option<Kind> = None; N }, usize::from(config.momentum > 0.0))
}

/// The memory of one weight before the first step.
#[must_use]
pub(crate) fn initial_memory(config: &Config) -> Vec<f32> {
    let momentum = vec![0.0; memory_per_weight(config)];
    with_own_memory!(config.rule, Kind, N => <Kind as Learn<N>>::initial(config).to_vec(), momentum)
}

/// What α starts as.
#[must_use]
pub(crate) fn initial_alpha(config: &Config) -> f32 {
    let alpha0 = config.alpha0 as f32;
    with_own_memory!(config.rule, Kind, N => if <Kind as Learn<N>>::TAKES_ALPHA0 { alpha0 } else { 1.0 }, alpha0)
}

/// The rule's constants as the kernels read them.
#[must_use]
pub(crate) fn constants(config: &Config) -> [f32; 4] {
    with_own_memory!(config.rule, Kind, N => <Kind as Learn<N>>::constants(config), [0.0; 4])
}

/// The rate that a weight keeps in the first float of its memory, where the rule has such rates.
#[must_use]
pub(crate) fn own_rate(rule: Rule, first: f32) -> Option<f32> {
    with_own_memory!(rule, Kind, N => <Kind as Learn<N>>::rate(first), None)
}

/// −1, 0 or 1.
#[inline(always)]
fn sign(value: f32) -> f32 {
    if value > 0.0 {
        1.0
    } else if value < 0.0 {
        -1.0
    } else {
        0.0
    }
}
