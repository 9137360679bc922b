//! The settings of one member of a population, as the kernels read them. Host twin of `Member` in
//! `shaders/common.wgsl`.

use super::observe;
use crate::config::{Config, Latch, Rule, Theta};
use crate::data::distort::Amounts;
use crate::numbered::numbered;
use crate::rule;
use bytemuck::{Pod, Zeroable};

numbered! {
    /// When a slot of ψ triggers.
    Comparison {
        /// the observed mean exceeds the slot's trigger
        Above = "ABOVE",
        /// the observed mean is below the slot's trigger
        Below = "BELOW",
        /// the current tick has reached the slot's trigger, which is a tick (replay); nothing is observed
        AtTick = "AT_TICK",
    }
}

/// The value that triggers a slot of ψ: depending on the member's [`Comparison`], a threshold θ_M of the observed mean
/// or a tick. It is one float, because engines and checkpoints store one per slot.
#[derive(Clone, Copy, Debug, Default, PartialEq, PartialOrd, Pod, Zeroable)]
#[repr(transparent)]
pub struct Trigger(f32);

impl Trigger {
    /// Never triggers, because no threshold is known yet or the slot has no trigger. No mean exceeds this value, and no
    /// tick reaches it.
    pub const NONE: Self = Self(f32::MAX);

    /// The threshold θ_M.
    #[must_use]
    pub const fn threshold(theta: f32) -> Self {
        Self(theta)
    }

    /// The tick that triggers, from 1; 0 = none.
    #[must_use]
    pub const fn tick(onset: u32) -> Self {
        if onset == 0 { Self::NONE } else { Self(onset as f32) }
    }

    /// The number with which the kernels compare.
    #[must_use]
    pub const fn value(self) -> f32 {
        self.0
    }

    /// The threshold, once one is known.
    #[must_use]
    pub fn known(self) -> Option<f32> {
        (self != Self::NONE).then_some(self.0)
    }
}

/// The settings of one member of a population, as the kernels read them (a uniform array, 128 bytes each).
#[derive(Clone, Copy, Debug, PartialEq, Pod, Zeroable)]
#[repr(C)]
pub struct Member {
    /// α0.
    pub alpha0: f32,
    /// Initial trigger of the slots: an absolute θ_M, or [`Trigger::NONE`] while a quantile or sliding threshold is
    /// unknown.
    pub trigger: Trigger,
    /// λ of the sliding threshold.
    pub theta_lambda: f32,
    /// 1/τ of the sliding threshold; 0 = θ does not slide.
    pub theta_rate: f32,
    /// N of the decay in ticks; 0 = to the end of training.
    pub decay_ticks: f32,
    /// p of the hyperbolic decay.
    pub decay_power: f32,
    /// b² − 1 of the log decay.
    pub decay_span: f32,
    /// ½ / ln b of the log decay.
    pub decay_scale: f32,
    /// μ of the momentum.
    pub momentum: f32,
    /// First tick at which a trigger is allowed, counted from 1.
    pub first_tick: f32,
    /// T, the number of ticks of the run.
    pub last_tick: f32,
    /// The observed variable, as its [number](observe::number).
    pub observed: u32,
    /// [`crate::config::Decay`] as its number.
    pub decay: u32,
    /// 1 = gated, 0 = latched.
    pub gated: u32,
    /// 1 = the mean of a δ basis must exceed θ_M before the slot may trigger.
    pub arm: u32,
    /// The [`Comparison`] of its slots.
    pub comparison: u32,
    /// The rule's own constants, in the order that the rule's file defines.
    pub rule: [f32; 4],
    /// λ of the weight decay.
    pub weight_decay: f32,
    /// Largest Euclidean norm of the weights into a neuron.
    pub max_norm: f32,
    /// Share of the hidden neurons that training drops per sample.
    pub dropout: f32,
    /// Share of the inputs that training drops per sample.
    pub dropout_input: f32,
    /// The seed, which is the key of the kernels' random numbers.
    pub seed: [u32; 2],
    /// α of the elastic field in pixels.
    pub elastic_alpha: f32,
    /// What the signal of a neuron counts for itself under lateral inhibition, see `inhibition` below.
    pub inhibition_own: f32,
    /// Largest rotation of an image in radians.
    pub distort_rotation: f32,
    /// Largest change of an image's scale, as a share.
    pub distort_scale: f32,
    /// Largest shear of an image in radians.
    pub distort_shear: f32,
    /// What the signals of all neurons take from it.
    pub inhibition_all: f32,
}

/// A tick that no run reaches, as first tick of members whose rule is not ψ.
const NEVER: f32 = f32::MAX;

impl Member {
    /// The kernels' settings for `config` in a run of `ticks` ticks. α falls along the decay of `curve`: the same
    /// settings, or those of the run that is replayed.
    #[must_use]
    pub fn new(config: &Config, curve: &Config, ticks: u32) -> Self {
        let absolute = |theta: f64| Trigger::threshold(theta as f32);
        let (trigger, theta_lambda, theta_rate, first_tick) = match config.threshold() {
            Theta::Absolute(theta) => (absolute(theta), 0.0, 0.0, config.rule.warmup.saturating_add(1)),
            // No mean exceeds an unknown threshold, so no slot is armed by accident.
            Theta::Quantile(_) => (Trigger::NONE, 0.0, 0.0, calibration_tick(config) + 1),
            Theta::Sliding(s) => (Trigger::NONE, s.lambda, 1.0 / s.tau, config.rule.warmup.max(1).saturating_add(1)),
        };
        let comparison = match config.rule.kind {
            Rule::Replay => Comparison::AtTick,
            _ => match config.observed().triggers_below() {
                true => Comparison::Below,
                false => Comparison::Above,
            },
        };
        let amounts = Amounts::new(config);
        let [inhibition_own, inhibition_all] = inhibition(config);
        Self {
            alpha0: config.rule.alpha0 as f32,
            trigger: if config.rule.kind == Rule::Replay { Trigger::NONE } else { trigger },
            theta_lambda: theta_lambda as f32,
            theta_rate: if config.observes() { theta_rate as f32 } else { 0.0 },
            decay_ticks: curve.rule.decay_ticks.length(ticks).map_or(0.0, |length| length as f32),
            decay_power: curve.rule.decay_power as f32,
            decay_span: (curve.rule.decay_base * curve.rule.decay_base - 1.0) as f32,
            decay_scale: (0.5 / curve.rule.decay_base.ln()) as f32,
            momentum: config.rule.momentum as f32,
            first_tick: match config.rule.kind {
                Rule::Psi => first_tick as f32,
                Rule::Replay => 0.0,
                _ => NEVER,
            },
            last_tick: ticks as f32,
            observed: observe::number(config.observes().then(|| config.observed())),
            decay: curve.rule.decay as u32,
            gated: u32::from(config.rule.latch == Latch::Gated && config.rule.kind == Rule::Psi),
            arm: u32::from(config.rule.arm && config.rule.kind == Rule::Psi),
            comparison: comparison as u32,
            rule: rule::constants(config),
            weight_decay: config.regularisation.weight_decay as f32,
            max_norm: config.regularisation.max_norm.map_or(f32::MAX, |norm| norm as f32),
            dropout: config.regularisation.dropout as f32,
            dropout_input: config.regularisation.dropout_input as f32,
            seed: amounts.seed,
            elastic_alpha: amounts.elastic_alpha,
            inhibition_own,
            distort_rotation: amounts.rotation,
            distort_scale: amounts.scale,
            distort_shear: amounts.shear,
            inhibition_all,
        }
    }

    /// The amounts by which this member's images are distorted.
    #[must_use]
    pub const fn distortion(&self) -> Amounts {
        Amounts {
            seed: self.seed,
            rotation: self.distort_rotation,
            scale: self.distort_scale,
            shear: self.distort_shear,
            elastic_alpha: self.elastic_alpha,
        }
    }

    /// Whether a slot has something to observe while α is α0 · `factor`. Where a schedule has set α to 0 there is no δ.
    #[must_use]
    pub fn sees(&self, factor: f32) -> bool {
        factor != 0.0 || self.comparison != Comparison::Below as u32
    }
}

/// The factors of a² φ_k − c Σ_j φ_j, the signal that the weights of neuron k follow under lateral inhibition η.
///
/// The neurons of the circuit answer y = f(M V x) with M = (1 + η) 1 − η 11ᵀ, and the rule moves V along M φ (N. Intrator & L. N.
/// Cooper, Neural Networks 5 (1992) 3–17; C. M. Bachmann et al., Neural Networks 7 (1994) 709–728). So the weights W = M V, which
/// are trained here, move along M² φ, and the circuit answers, is saved and is exported like any other layer.
fn inhibition(config: &Config) -> [f32; 2] {
    let eta = config.rule.inhibition;
    let neurons = config.network.hidden.0.first().copied().unwrap_or(0) as f64;
    let own = 1.0 + eta;
    [(own * own) as f32, (eta * (2.0 * own - eta * neurons)) as f32]
}

/// The tick whose means fix a quantile threshold: the last tick of the warm-up, or the first tick without a warm-up.
/// Comparisons start at the next tick, so a threshold depends only on the past.
#[must_use]
pub(crate) fn calibration_tick(config: &Config) -> u32 {
    config.rule.warmup.max(1)
}
