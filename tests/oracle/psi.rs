//! ψ(α, θ_M): decay, trigger, latch and the three forms of θ, from their definitions.

use homeostat::config::{Config, Decay, DecayTicks, Latch, Theta};

/// The state of one α.
#[derive(Clone, Debug, Default)]
pub struct Slot {
    /// Ticks by which α has decayed: 1 after the tick that triggered, 0 before.
    pub n: u32,
    /// The tick that triggered.
    pub onset: u32,
    /// A quantile threshold, once it is fixed.
    pub quantile: Option<f64>,
    /// The running mean behind a sliding threshold.
    pub mean: Option<f64>,
    pub armed: bool,
}

/// α(n)/α0 for N ticks.
pub fn decay(config: &Config, n: u32, ticks: f64) -> f64 {
    let (n, b) = (f64::from(n), config.rule.decay_base);
    let falls = |value: f64| if n >= ticks { 0.0 } else { value };
    match config.rule.decay {
        Decay::Linear => falls(1.0 - n / ticks),
        Decay::Log => falls(1.0 - 0.5 * (1.0 + (b * b - 1.0) * n / ticks).ln() / b.ln()),
        Decay::Hyperbolic => (n + 1.0).powf(-config.rule.decay_power),
        Decay::Cosine => falls(0.5 * (1.0 + (std::f64::consts::PI * n / ticks).cos())),
        Decay::Step => 0.0,
    }
}

/// ψ of a slot in a run of `last` ticks.
pub fn psi(config: &Config, slot: &Slot, last: u32) -> f64 {
    if slot.n == 0 {
        return 1.0;
    }
    let ticks = match config.rule.decay_ticks {
        DecayTicks::Ticks(ticks) => ticks,
        DecayTicks::Share { percent } => percent * f64::from(last) / 100.0,
        DecayTicks::ToEnd => f64::from(last - slot.onset + 1),
    };
    decay(config, slot.n, ticks)
}

impl Slot {
    /// θ_M, or `None` while a quantile or a sliding threshold is unknown.
    pub fn theta(&self, config: &Config) -> Option<f64> {
        match config.threshold() {
            Theta::Absolute(theta) => Some(theta),
            Theta::Quantile(_) => self.quantile,
            Theta::Sliding(sliding) => self.mean.map(|mean| sliding.lambda * mean),
        }
    }

    /// Moves the running mean behind a sliding θ_M towards `mean`, which a tick observed.
    pub fn slide(&mut self, config: &Config, mean: f64) {
        if let Theta::Sliding(sliding) = config.threshold() {
            self.mean = Some(self.mean.map_or(mean, |ema| ema + (mean - ema) / sliding.tau));
        }
    }
}

/// Ends tick `t`, which observed `mean`, or `None` where nothing was computed. Without a mean, no condition holds.
/// Returns the distance of the mean from θ, relative to θ; 1 if no comparison mattered.
pub fn tick(config: &Config, slot: &mut Slot, mean: Option<f64>, t: u32) -> f64 {
    let theta = slot.theta(config);
    let Some(mean) = mean else {
        slot.n += u32::from(slot.n > 0 && config.rule.latch == Latch::Latched);
        return 1.0;
    };
    let mut margin = 1.0;
    if let Some(theta) = theta {
        let holds = if config.rule.basis.triggers_below() { mean < theta } else { mean > theta };
        let ready = t > config.rule.warmup && (!config.rule.arm || slot.armed);
        let matters = if slot.n > 0 { config.rule.latch == Latch::Gated } else { ready || config.rule.arm };
        if matters {
            margin = ((mean - theta) / theta).abs();
        }
        if slot.n > 0 {
            if config.rule.latch == Latch::Latched || holds {
                slot.n += 1;
            }
        } else if holds && ready {
            (slot.n, slot.onset) = (1, t);
        }
        slot.armed |= mean > theta;
    }
    slot.slide(config, mean);
    margin
}

/// Linear interpolation between order statistics.
pub fn quantile(values: &[f64], q: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let place = q * (sorted.len() - 1) as f64;
    let (below, above) = (place.floor() as usize, place.ceil() as usize);
    sorted[below] + (sorted[above] - sorted[below]) * (place - below as f64)
}
