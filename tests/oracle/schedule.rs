//! Factors on every α of a layer beside its rule: global schedules and FreezeOut, as functions of the completed ticks.

use homeostat::config::{Config, DecayTicks, FreezeOut, Schedule};
use std::f64::consts::PI;

/// The factor on layer `l` of `layers` after `t` of `last` ticks.
pub fn factor(config: &Config, l: usize, layers: usize, t: u32, last: u32) -> f64 {
    schedule(config, t, last) * config.schedule.freeze_out.map_or(1.0, |freeze| freeze_out(freeze, l, layers, t, last))
}

fn schedule(config: &Config, t: u32, last: u32) -> f64 {
    let start = config.schedule.start;
    let n = if t > start { f64::from(t - start) } else { 0.0 };
    let length = match config.schedule.ticks {
        DecayTicks::Ticks(ticks) => ticks,
        DecayTicks::Share { percent } => percent * f64::from(last) / 100.0,
        // At least 1, because 0/0 has no value. Where the curve starts at or after the last tick, n is always 0.
        DecayTicks::ToEnd => f64::from(if last > start { last - start } else { 1 }),
    };
    let share = n / length;
    let falls = |value: f64| if share >= 1.0 { 0.0 } else { value };
    let (b, low) = (config.schedule.base, config.schedule.low);
    match config.schedule.curve {
        Schedule::Constant => 1.0,
        Schedule::Linear => falls(1.0 - share),
        Schedule::Log => falls(1.0 - 0.5 * (1.0 + (b * b - 1.0) * share).ln() / b.ln()),
        Schedule::Hyperbolic => (n + 1.0).powf(-config.schedule.power),
        Schedule::Cosine => falls(0.5 * (1.0 + (PI * share).cos())),
        Schedule::Step => config.schedule.gamma.powi(share.floor() as i32),
        // Smith 2017: a triangle from the low rate to the full one in N ticks, and back in N more.
        Schedule::Cyclical => {
            let within = share % 2.0;
            let height = if within <= 1.0 { within } else { 2.0 - within };
            low + (1.0 - low) * height
        }
        // Smith & Topin 2019: up for 45 % of the curve, down for 45 %, and from the low rate to 0 in the last 10 %.
        Schedule::OneCycle => falls(if share <= 0.45 {
            low + (1.0 - low) * share / 0.45
        } else if share <= 0.9 {
            1.0 - (1.0 - low) * (share - 0.45) / 0.45
        } else {
            low * (1.0 - share) / 0.1
        }),
        // Loshchilov & Hutter 2017, eq. 5, with the lowest rate 0: T_cur of T_i ticks since the last restart.
        Schedule::WarmRestarts => {
            let (mut current, mut period) = (n, length);
            while current >= period {
                current -= period;
                period *= config.schedule.mult;
            }
            0.5 * (1.0 + (PI * current / period).cos())
        }
    }
}

/// Brock et al. 2017: a cosine that ends for layer l at the share t_l of the run. The t_l are evenly spaced from t_0 to
/// 1.
fn freeze_out(freeze: FreezeOut, l: usize, layers: usize, t: u32, last: u32) -> f64 {
    let mut end: f64 =
        if layers == 1 { 1.0 } else { freeze.first + (1.0 - freeze.first) * l as f64 / (layers - 1) as f64 };
    end = (0..freeze.power).map(|_| end).product();
    let share = f64::from(t) / f64::from(last) / end;
    let curve = if share >= 1.0 { 0.0 } else { 0.5 * (1.0 + (PI * share).cos()) };
    if freeze.scaled { curve / end } else { curve }
}
