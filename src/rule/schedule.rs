//! Curves that scale every α of a layer besides its rule: global schedules, freezing layer after layer, and mean curves
//! of a replayed run.
//!
//! The curves depend on the tick alone, so the host computes them in float64. At each tick, engines only multiply ψ of
//! every slot by the layer's factor.

use crate::config::{Config, FreezeOut, Replay, Rule, Schedule};
use crate::rule::trace::Trace;
use std::f64::consts::PI;

/// The factor on layer `l` of `layers` after tick `t` of `ticks`; t = 0 before the first tick.
#[must_use]
pub fn scale(config: &Config, trace: Option<&Trace>, (l, layers): (usize, usize), t: u32, ticks: u32) -> f64 {
    let freeze = config.schedule.freeze_out.map_or(1.0, |freeze| freeze_out(freeze, (l, layers), t, ticks));
    let replayed = match (trace, config.rule.replay) {
        (Some(trace), Some(Replay::Global)) if config.rule.kind == Rule::Replay => trace.mean_psi(None, t),
        (Some(trace), Some(Replay::Layer)) if config.rule.kind == Rule::Replay => trace.mean_psi(Some(l), t),
        _ => 1.0,
    };
    schedule(config, t, ticks) * freeze * replayed
}

/// The global schedule, with n ticks since `schedule-start` and N from `schedule-ticks`. Linear, log, hyperbolic and
/// cosine are ψ's decays of the same names.
fn schedule(config: &Config, t: u32, ticks: u32) -> f64 {
    let n = f64::from(t.saturating_sub(config.schedule.start));
    let rest = f64::from(ticks.saturating_sub(config.schedule.start));
    let total = config.schedule.ticks.length(ticks).unwrap_or(rest);
    // A curve that starts at the last tick has N = 0, so n = 0 must not divide by N.
    let (progress, low) = (if n == 0.0 { 0.0 } else { n / total }, config.schedule.low);
    match config.schedule.curve {
        Schedule::Constant => 1.0,
        Schedule::Linear => (1.0 - progress).max(0.0),
        Schedule::Log => {
            let base = config.schedule.base;
            (1.0 - 0.5 * (1.0 + (base * base - 1.0) * progress).ln() / base.ln()).max(0.0)
        }
        Schedule::Hyperbolic => (n + 1.0).powf(-config.schedule.power),
        Schedule::Cosine => 0.5 * (1.0 + (PI * progress.min(1.0)).cos()),
        Schedule::Step => config.schedule.gamma.powf(progress.floor()),
        Schedule::Cyclical => {
            // Distance to the nearest peak of the triangle, in half cycles; n = 0 is at the bottom.
            let distance = (progress.rem_euclid(2.0) - 1.0).abs();
            low + (1.0 - low) * (1.0 - distance)
        }
        Schedule::OneCycle => match progress {
            p if p < 0.45 => low + (1.0 - low) * p / 0.45,
            p if p < 0.9 => low + (1.0 - low) * (0.9 - p) / 0.45,
            // The curve is exactly 0 at its end; rounding would leave a small α.
            p if p < 1.0 => low * (1.0 - (p - 0.9) / 0.1),
            _ => 0.0,
        },
        Schedule::WarmRestarts => 0.5 * (1.0 + (PI * since_restart(n, total, config.schedule.mult)).cos()),
    }
}

/// The share of the current fall that is over `n` ticks after the start. The first fall takes `first` ticks, and each further
/// one `mult` times as many as the one before.
fn since_restart(n: f64, first: f64, mult: f64) -> f64 {
    // Falls before the k-th take `first` (mult^k − 1) / (mult − 1) ticks.
    let (length, start) = match mult {
        1.0 => (first, (n / first).floor() * first),
        _ => {
            let k = ((1.0 + n / first * (mult - 1.0)).ln() / mult.ln()).floor();
            (first * mult.powf(k), first * (mult.powf(k) - 1.0) / (mult - 1.0))
        }
    };
    // Rounding may take a restart for the end of the fall before, where α would be 0, or for a time before its own start.
    let share = (n - start) / length;
    if (NEARLY..1.0 - NEARLY).contains(&share) { share } else { 0.0 }
}

/// Share of a fall that no tick can be apart from a restart but by rounding.
const NEARLY: f64 = 1e-9;

/// FreezeOut's cosine, which reaches 0 at the layer's own share t_l (`end`) of the run.
fn freeze_out(freeze: FreezeOut, (l, layers): (usize, usize), t: u32, ticks: u32) -> f64 {
    let place = if layers > 1 { l as f64 / (layers - 1) as f64 } else { 1.0 };
    let end = freeze.first + (1.0 - freeze.first) * place;
    let end = end.powi(freeze.power);
    let progress = f64::from(t) / f64::from(ticks) / end;
    // The curve is 0 past its end by definition; rounding would leave a small α.
    let curve = if progress >= 1.0 { 0.0 } else { 0.5 * (1.0 + (PI * progress).cos()) };
    if freeze.scaled { curve / end } else { curve }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A frozen weight would still move by the rounding error if the curve did not end at exactly 0.
    #[test]
    fn curves_end_at_nothing() {
        for ticks in 1..200 {
            for schedule in ["linear", "cosine", "one-cycle", "log"] {
                assert_eq!(
                    *curve(&format!("schedule = '{schedule}'"), ticks).last().unwrap(),
                    0.0,
                    "{schedule}, {ticks}"
                );
            }
        }
    }

    fn curve(text: &str, ticks: u32) -> Vec<f64> {
        let config = Config::overlay([&text.parse().unwrap()]).unwrap();
        (0..=ticks).map(|t| scale(&config, None, (0, 1), t, ticks)).collect()
    }

    fn close(got: &[f64], want: &[f64]) {
        assert_eq!(got.len(), want.len());
        assert!(got.iter().zip(want).all(|(g, w)| (g - w).abs() < 1e-12), "{got:?} {want:?}");
    }

    /// Loshchilov & Hutter 2017, Fig. 1: T_0 = 10 and T_mult = 2 restart after 10, 30 and 70 epochs, and each fall is at half of
    /// the rate in its middle.
    #[test]
    fn warm_restarts_are_those_of_sgdr() {
        let rates = curve("schedule = 'warm-restarts'\nschedule-ticks = 10.0\nschedule-mult = 2.0", 80);
        let restarts: Vec<usize> = (0..=80).filter(|&t| rates[t] == 1.0).collect();
        assert_eq!(restarts, [0, 10, 30, 70]);
        close(&[rates[5], rates[20], rates[50]], &[0.5; 3]);
        assert!(rates.iter().all(|&rate| rate > 0.0), "a frozen weight could not restart");
        let even = curve("schedule = 'warm-restarts'\nschedule-ticks = 4.0", 8);
        close(&even[4..], &even[..5]);
        // Where restarts fall on ticks, rounding must not turn the full rate into none.
        for (first, restarts) in
            [("10.0\nschedule-mult = 1.3", [10, 23]), ("10.0\nschedule-mult = 1.6", [10, 26]), ("'1%'", [3, 6])]
        {
            let rates = curve(&format!("schedule = 'warm-restarts'\nschedule-ticks = {first}"), 30);
            assert!(
                restarts.iter().all(|&t| rates[t] == 1.0) && rates.iter().all(|&rate| rate > 0.0),
                "{first}: {rates:?}"
            );
        }
    }

    #[test]
    fn decays_are_those_of_psi_and_end_at_zero() {
        close(&curve("schedule = 'linear'", 4), &[1.0, 0.75, 0.5, 0.25, 0.0]);
        close(&curve("schedule = 'linear'\nschedule-start = 2", 4), &[1.0, 1.0, 1.0, 0.5, 0.0]);
        close(&curve("schedule = 'linear'\nschedule-ticks = 2.0", 3), &[1.0, 0.5, 0.0, 0.0]);
        close(&curve("schedule = 'cosine'", 2), &[1.0, 0.5, 0.0]);
        close(&curve("schedule = 'hyperbolic'\nschedule-power = 1.0", 3), &[1.0, 0.5, 1.0 / 3.0, 0.25]);
        let log = curve("schedule = 'log'\nschedule-base = 10.0", 3);
        close(&log[2..], &[1.0 - 0.5 * 67f64.log10(), 0.0]);
        close(
            &curve("schedule = 'step'\nschedule-ticks = 2.0\nschedule-gamma = 0.5", 5),
            &[1.0, 1.0, 0.5, 0.5, 0.25, 0.25],
        );
    }

    #[test]
    fn cycles_have_their_corners_where_their_papers_say() {
        let cyclical = "schedule = 'cyclical'\nschedule-ticks = 2.0\nschedule-low = 0.2";
        close(&curve(cyclical, 5), &[0.2, 0.6, 1.0, 0.6, 0.2, 0.6]);
        let one = curve("schedule = 'one-cycle'\nschedule-low = 0.1", 20);
        close(&[one[0], one[9], one[18], one[19], one[20]], &[0.1, 1.0, 0.1, 0.05, 0.0]);
    }

    #[test]
    fn freeze_out_stops_layer_after_layer() {
        let frozen = |text: &str| {
            let config = Config::overlay([&text.parse().unwrap()]).unwrap();
            let first_zero = |l| (0..=100).find(|&t| scale(&config, None, (l, 3), t, 100) == 0.0);
            [first_zero(0), first_zero(1), first_zero(2)]
        };
        assert_eq!(frozen("freeze-out = '0.5'"), [Some(50), Some(75), Some(100)]);
        assert_eq!(frozen("freeze-out = '0.5:squared'"), [Some(25), Some(57), Some(100)]);
        assert_eq!(frozen("freeze-out = '0.5:cubed'"), [Some(13), Some(43), Some(100)]);
        let config = Config::overlay([&"freeze-out = '0.5:scaled'".parse().unwrap()]).unwrap();
        // The α of every layer sums to α0 times half the run.
        for l in 0..3 {
            let path: f64 = (0..100).map(|t| scale(&config, None, (l, 3), t, 100)).sum();
            assert!((path - 50.0).abs() < 2.0, "{l}: {path}");
        }
    }
}
