//! ψ(α, θ_M), the research variable: when a learning rate starts to fall, and along which curve. Host twin of
//! `shaders/psi.wgsl`: same functions, same order of operations, f32.
//!
//! Every α is `alpha0 · ψ(slot)`. A [`Slot`] is the state of ψ for one observed variable, and changes only at clock
//! ticks ([`tick`]).

use super::member::{Comparison, Member, Trigger};
use crate::config::Decay;
use bytemuck::{Pod, Zeroable};
use std::f32::consts::FRAC_PI_2;

/// The state of ψ for one observed variable.
#[derive(Clone, Copy, Debug, Default, PartialEq, Pod, Zeroable)]
#[repr(C)]
pub struct Slot {
    /// n, the ticks since the trigger; 0 = not triggered.
    pub n: f32,
    /// The tick that triggered, from 1; 0 = none.
    pub onset: f32,
    /// The value that triggers the slot now.
    pub trigger: Trigger,
    /// 1 once the mean has exceeded θ_M; read only with `arm`.
    pub armed: f32,
}

impl Slot {
    /// A slot at the start of training.
    #[must_use]
    pub fn new(member: &Member) -> Self {
        Self { trigger: member.trigger, ..Self::default() }
    }

    /// The slot, as it is after tick `t`, that triggered at tick `onset` (0 = never) and advanced at every tick since.
    #[must_use]
    pub fn latched(onset: u32, t: u32) -> Self {
        let n = if onset == 0 || onset > t { 0.0 } else { (t - onset + 1) as f32 };
        Self { n, onset: onset as f32, ..Self::default() }
    }

    /// A slot that will trigger at tick `onset`; 0 = never.
    #[must_use]
    pub fn replaying(onset: u32) -> Self {
        Self { trigger: Trigger::tick(onset), ..Self::default() }
    }
}

/// sin(½π u) for u in 0 … 1, by its Taylor series. The shaders cannot use `cos`, because WGSL allows it an error of
/// 2⁻¹¹ and some drivers have such errors.
fn sin_quarter(u: f32) -> f32 {
    let u2 = u * u;
    let mut sum = 5.692_173e-8;
    for coefficient in [-3.598_843_2e-6, 1.604_411_8e-4, -4.681_754e-3, 7.969_263e-2, -6.459_641e-1, FRAC_PI_2] {
        sum = sum * u2 + coefficient;
    }
    u * sum
}

/// α(n)/α0 of a slot, between 0 and 1. The cosine, ½ (1 + cos(π n/N)), is computed as sin²(½π (N − n)/N), which does
/// not cancel to 0 before its end.
#[must_use]
pub fn psi(member: &Member, slot: &Slot) -> f32 {
    if slot.n == 0.0 {
        return 1.0;
    }
    let ticks = if member.decay_ticks > 0.0 { member.decay_ticks } else { member.last_tick - slot.onset + 1.0 };
    let progress = slot.n / ticks;
    match Decay::ALL[member.decay as usize] {
        Decay::Hyperbolic => (slot.n + 1.0).powf(-member.decay_power),
        // Past the end the other curves are 0 by definition. The explicit 0 keeps rounding from leaving a small α.
        _ if slot.n >= ticks => 0.0,
        Decay::Step => 0.0,
        Decay::Linear => 1.0 - progress,
        Decay::Cosine => {
            let s = sin_quarter((ticks - slot.n) / ticks);
            s * s
        }
        Decay::Log => (1.0 - member.decay_scale * (1.0 + member.decay_span * progress).ln()).max(0.0),
    }
}

/// Advances one slot by tick `t` (from 1), given the `mean` observed while α was α0 · `factor`. A slot whose ψ is 0 no
/// longer changes. A member that has nothing to observe (see [`Member::sees`]) does not trigger.
pub fn tick(member: &Member, slot: &mut Slot, mean: f32, factor: f32, t: f32) {
    if psi(member, slot) == 0.0 {
        return;
    }
    let sees = member.sees(factor);
    let crosses = match Comparison::ALL[member.comparison as usize] {
        Comparison::AtTick => t >= slot.trigger.value(),
        Comparison::Below => mean < slot.trigger.value(),
        Comparison::Above => mean > slot.trigger.value(),
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
    if mean > slot.trigger.value() {
        slot.armed = 1.0;
    }
    if member.theta_rate > 0.0 {
        let target = member.theta_lambda * mean;
        let theta = slot.trigger.value();
        slot.trigger = Trigger::threshold(if t == 1.0 { target } else { theta + member.theta_rate * (target - theta) });
    }
}

/// The `q`-quantile of `values`, with linear interpolation between order statistics, as numpy's default. Reorders
/// `values`; NaN if there are none.
#[must_use]
pub fn quantile(values: &mut [f32], q: f64) -> f32 {
    let Some(last) = values.len().checked_sub(1) else { return f32::NAN };
    values.sort_unstable_by(f32::total_cmp);
    let place = q * last as f64;
    let below = place.floor() as usize;
    let (low, high) = (f64::from(values[below]), f64::from(values[(below + 1).min(last)]));
    (low + (high - low) * (place - below as f64)) as f32
}
