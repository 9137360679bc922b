//! ψ(α, θ_M), the research variable: when a learning rate starts to fall and along which curve. Host twin of
//! `shaders/psi.wgsl`: same names, same order of operations, f32.
//!
//! Every α is `alpha0 · ψ(slot)`, where a [`Slot`] holds the few numbers that ψ remembers about one observed variable.
//! A slot moves only at clock ticks ([`tick`]).

use crate::config::{Basis, Config, Decay, DecayTicks, Latch, Rule, Theta};
use crate::rules;
use bytemuck::{Pod, Zeroable};
use std::f32::consts::FRAC_PI_2;

/// The settings of one member of a population as the kernels read them (a uniform array, 128 bytes each).
#[derive(Clone, Copy, Debug, PartialEq, Pod, Zeroable)]
#[repr(C)]
pub struct Member {
    /// α0.
    pub alpha0: f32,
    /// Absolute θ_M; for a quantile or a sliding threshold a number that nothing exceeds, until the first is known.
    pub theta: f32,
    /// λ of the sliding threshold.
    pub theta_lambda: f32,
    /// 1/τ of the sliding threshold; 0 = θ does not slide.
    pub theta_rate: f32,
    /// N in ticks; 0 = to the end of training.
    pub decay_ticks: f32,
    /// p of the hyperbolic decay.
    pub decay_power: f32,
    /// b² − 1 of the log decay.
    pub decay_span: f32,
    /// ½ / ln b of the log decay.
    pub decay_scale: f32,
    /// μ.
    pub momentum: f32,
    /// First tick at which a trigger is allowed, counted from 1.
    pub first_tick: f32,
    /// T, the number of ticks of the run.
    pub last_tick: f32,
    /// [`Basis`] as its number.
    pub basis: u32,
    /// [`Decay`] as its number.
    pub decay: u32,
    /// 1 = gated, 0 = latched.
    pub gated: u32,
    /// 1 = a δ basis must first exceed θ.
    pub arm: u32,
    /// Keeps what follows aligned.
    pub reserved: u32,
    /// The rule's own constants, as its file says.
    pub rule: [f32; 4],
    /// λ of the penalty on the weights.
    pub weight_decay: f32,
    /// Largest norm of the weights into a neuron.
    pub max_norm: f32,
    /// Share of the hidden neurons that a sample leaves out.
    pub dropout: f32,
    /// Share of the inputs that a sample leaves out.
    pub dropout_input: f32,
    /// The seed: key of the random numbers that kernels draw.
    pub seed: [u32; 2],
    /// α of the elastic field in pixels.
    pub elastic_alpha: f32,
    /// Keeps what follows aligned.
    pub reserved1: u32,
    /// Largest rotation in radians.
    pub distort_rotation: f32,
    /// Largest change of scale as a share.
    pub distort_scale: f32,
    /// Largest shear in radians.
    pub distort_shear: f32,
    /// Keeps the array stride a multiple of 16.
    pub reserved2: u32,
}

/// A tick number that never comes: a member whose rule is not ψ waits for it.
const NEVER: f32 = f32::MAX;

/// In the place of a [`Basis`]: nothing is observed, and a slot triggers at the tick that its θ says.
const REPLAYED: u32 = 6;

impl Member {
    /// The kernel's view of `config` in a run of `ticks` ticks, α falling along the decay of `curve`: the same settings, or
    /// those of a run that is replayed.
    #[must_use]
    pub fn new(config: &Config, curve: &Config, ticks: u32) -> Self {
        let (theta, theta_lambda, theta_rate, first_tick) = match config.threshold() {
            Theta::Absolute(theta) => (theta, 0.0, 0.0, config.warmup.saturating_add(1)),
            // Until there is a threshold nothing exceeds it, so that nothing is armed by accident.
            Theta::Quantile(_) => (f64::from(f32::MAX), 0.0, 0.0, calibration_tick(config) + 1),
            Theta::Sliding(s) => (f64::from(f32::MAX), s.lambda, 1.0 / s.tau, config.warmup.max(1).saturating_add(1)),
        };
        Self {
            alpha0: config.alpha0 as f32,
            theta: if config.rule == Rule::Replay { NEVER } else { theta as f32 },
            theta_lambda: theta_lambda as f32,
            theta_rate: if config.observes() { theta_rate as f32 } else { 0.0 },
            decay_ticks: match curve.decay_ticks {
                DecayTicks::Ticks(ticks) => ticks as f32,
                DecayTicks::ToEnd => 0.0,
            },
            decay_power: curve.decay_power as f32,
            decay_span: (curve.decay_base * curve.decay_base - 1.0) as f32,
            decay_scale: (0.5 / curve.decay_base.ln()) as f32,
            momentum: config.momentum as f32,
            first_tick: match config.rule {
                Rule::Psi => first_tick as f32,
                Rule::Replay => 0.0,
                _ => NEVER,
            },
            last_tick: ticks as f32,
            basis: if config.rule == Rule::Replay { REPLAYED } else { config.observed() as u32 },
            decay: curve.decay as u32,
            gated: u32::from(config.latch == Latch::Gated && config.rule == Rule::Psi),
            arm: u32::from(config.arm && config.rule == Rule::Psi),
            reserved: 0,
            rule: rules::constants(config),
            weight_decay: config.weight_decay as f32,
            max_norm: config.max_norm.map_or(f32::MAX, |norm| norm as f32),
            dropout: config.dropout as f32,
            dropout_input: config.dropout_input as f32,
            seed: [config.seed as u32, (config.seed >> 32) as u32],
            elastic_alpha: config.elastic_alpha as f32,
            reserved1: 0,
            distort_rotation: config.distort_rotation.to_radians() as f32,
            distort_scale: (0.01 * config.distort_scale) as f32,
            distort_shear: config.distort_shear.to_radians() as f32,
            reserved2: 0,
        }
    }

    fn triggers_below(&self) -> bool {
        self.basis == Basis::Delta as u32 || self.basis == Basis::Delta2 as u32
    }

    /// Whether there is something to observe where α is α0 · `factor`: no δ where a schedule has brought it to 0.
    #[must_use]
    pub fn sees(&self, factor: f32) -> bool {
        factor != 0.0 || !self.triggers_below()
    }
}

/// The tick whose means fix a quantile threshold: the last of the warm-up, and the first where there is none.
/// Comparisons start at the next tick, so a threshold always comes from the past.
#[must_use]
pub(crate) fn calibration_tick(config: &Config) -> u32 {
    config.warmup.max(1)
}

/// What ψ remembers about one observed variable.
#[derive(Clone, Copy, Debug, Default, PartialEq, Pod, Zeroable)]
#[repr(C)]
pub struct Slot {
    /// n, the ticks since the trigger; 0 = not triggered.
    pub n: f32,
    /// The tick that triggered, from 1; 0 = none.
    pub onset: f32,
    /// θ_M of this slot now.
    pub theta: f32,
    /// 1 once the mean has exceeded θ (only read with `arm`).
    pub armed: f32,
}

impl Slot {
    /// A slot that nothing has happened to.
    #[must_use]
    pub fn new(member: &Member) -> Self {
        Self { theta: member.theta, ..Self::default() }
    }

    /// A slot that triggered at tick `onset` and has fallen ever since, as it is after tick `t`; 0 = it never did.
    #[must_use]
    pub fn latched(onset: u32, t: u32) -> Self {
        let n = if onset == 0 || onset > t { 0.0 } else { (t - onset + 1) as f32 };
        Self { n, onset: onset as f32, ..Self::default() }
    }

    /// A slot that triggers at tick `onset`; 0 = never.
    #[must_use]
    pub fn replaying(onset: u32) -> Self {
        Self { theta: if onset == 0 { NEVER } else { onset as f32 }, ..Self::default() }
    }
}

/// sin(½π u) for u in 0 … 1, by its Taylor series: WGSL lets `cos` be wrong by 2⁻¹¹, and some drivers use that.
fn sin_quarter(u: f32) -> f32 {
    let u2 = u * u;
    let mut sum = 5.692_173e-8;
    for coefficient in [-3.598_843_2e-6, 1.604_411_8e-4, -4.681_754e-3, 7.969_263e-2, -6.459_641e-1, FRAC_PI_2] {
        sum = sum * u2 + coefficient;
    }
    u * sum
}

/// α(n)/α0 for the slot as it stands. The cosine, ½ (1 + cos(π n/N)), is computed as sin² of what is left of it, which does not
/// cancel to 0 before its end.
#[must_use]
pub fn psi(member: &Member, slot: &Slot) -> f32 {
    if slot.n == 0.0 {
        return 1.0;
    }
    let ticks = if member.decay_ticks > 0.0 { member.decay_ticks } else { member.last_tick - slot.onset + 1.0 };
    let progress = slot.n / ticks;
    if member.decay == Decay::Hyperbolic as u32 {
        return (slot.n + 1.0).powf(-member.decay_power);
    }
    // Past the end the curves are 0 by definition; saying so keeps rounding from leaving a trace of α.
    if member.decay == Decay::Step as u32 || slot.n >= ticks {
        return 0.0;
    }
    if member.decay == Decay::Linear as u32 {
        return 1.0 - progress;
    }
    if member.decay == Decay::Cosine as u32 {
        let s = sin_quarter((ticks - slot.n) / ticks);
        return s * s;
    }
    (1.0 - member.decay_scale * (1.0 + member.decay_span * progress).ln()).max(0.0)
}

/// Advances one slot by tick `t` (from 1), which observed `mean` while α was α0 · `factor`; once ψ is 0 the slot stays as it
/// is. What sees nothing does not trigger.
pub fn tick(member: &Member, slot: &mut Slot, mean: f32, factor: f32, t: f32) {
    if psi(member, slot) == 0.0 {
        return;
    }
    let sees = member.sees(factor);
    let crosses = if member.basis == REPLAYED {
        t >= slot.theta
    } else if member.triggers_below() {
        mean < slot.theta
    } else {
        mean > slot.theta
    };
    let holds = sees && crosses;
    let ready = t >= member.first_tick && (member.arm == 0 || slot.armed == 1.0);
    if slot.n > 0.0 {
        if member.gated == 0 || holds {
            slot.n += 1.0;
        }
    } else if holds && ready {
        slot.n = 1.0;
        slot.onset = t;
    }
    if !sees {
        return;
    }
    if mean > slot.theta {
        slot.armed = 1.0;
    }
    if member.theta_rate > 0.0 {
        let target = member.theta_lambda * mean;
        slot.theta = if t == 1.0 { target } else { slot.theta + member.theta_rate * (target - slot.theta) };
    }
}

/// The `q`-quantile of `values` (linear interpolation between order statistics, as numpy's default); `values` is
/// reordered. NaN for no values.
#[must_use]
pub fn quantile(values: &mut [f32], q: f64) -> f32 {
    let Some(last) = values.len().checked_sub(1) else { return f32::NAN };
    values.sort_unstable_by(f32::total_cmp);
    let place = q * last as f64;
    let below = place.floor() as usize;
    let (low, high) = (f64::from(values[below]), f64::from(values[(below + 1).min(last)]));
    (low + (high - low) * (place - below as f64)) as f32
}
