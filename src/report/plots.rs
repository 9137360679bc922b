//! The curves of the model: ψ along each of its decays (the paper's Fig. 3), and BCM's φ (its Fig. 1).

use super::svg::{Chart, colour, standalone};
use super::text::number;
use crate::config::{Config, Decay, DecayTicks};
use crate::rule::member::Member;
use crate::rule::psi::{Slot, psi as psi_of};

/// The curves of ψ to draw.
#[derive(Clone, Debug, PartialEq)]
pub struct Curves {
    /// N, in ticks.
    pub ticks: u32,
    /// The decays, in the order of the curves.
    pub decays: Vec<Decay>,
    /// Exponents p of the hyperbolic decay; one curve each.
    pub powers: Vec<f64>,
    /// Bases b of the log decay; one curve each.
    pub bases: Vec<f64>,
}

impl Curves {
    /// Label and points (n/N, α(n)/α0) of each curve, computed by the ψ that training uses.
    #[must_use]
    pub fn points(&self) -> Vec<(String, Vec<(f64, f64)>)> {
        let mut curves = vec![];
        for &decay in &self.decays {
            let settings: Vec<(String, Config)> = match decay {
                Decay::Log => {
                    let name = |base: f64| if base == std::f64::consts::E { "e".into() } else { number(base) };
                    let config = |&base: &f64| (format!("log, b = {}", name(base)), Config::default().decay_base(base));
                    self.bases.iter().map(config).collect()
                }
                Decay::Hyperbolic => {
                    let config = |&power: &f64| {
                        (format!("hyperbolic, p = {}", number(power)), Config::default().decay_power(power))
                    };
                    self.powers.iter().map(config).collect()
                }
                decay => vec![(decay.to_string(), Config::default())],
            };
            for (label, config) in settings {
                let config = config.decay(decay).decay_ticks(DecayTicks::Ticks(f64::from(self.ticks)));
                let member = Member::new(&config, &config, self.ticks);
                let value = |n: u32| f64::from(psi_of(&member, &Slot { n: n as f32, onset: 1.0, ..Slot::default() }));
                let points = (0..=self.ticks).map(|n| (f64::from(n) / f64::from(self.ticks), value(n)));
                curves.push((label, points.collect()));
            }
        }
        curves
    }
}

/// The curves of ψ as an SVG file.
#[must_use]
pub fn psi(curves: &Curves) -> String {
    let title = "ψ: how a learning rate falls once its neuron is saturated";
    let mut chart = Chart::new(title, format!("n/N, ticks since the trigger, of N = {}", curves.ticks))
        .sized(720.0, 400.0)
        .named_y("α(n)/α0")
        .x_range(0.0, 1.0)
        .y_range(0.0, 1.02);
    for (i, (label, points)) in curves.points().into_iter().enumerate() {
        chart.line(label, colour(i), points);
    }
    standalone(&chart.render(), 720.0)
}

/// φ(y) = y (y − θ_M) for each of `thetas` as an SVG file.
#[must_use]
pub fn bcm(thetas: &[f64]) -> String {
    let most = 1.2 * thetas.iter().copied().fold(0.0, f64::max);
    let phi = |theta: f64, y: f64| y * (y - theta);
    let mut chart = Chart::new("BCM: φ(y) = y (y − θ_M) with a sliding threshold θ_M", "y, activity of the neuron")
        .sized(720.0, 400.0)
        .named_y("φ: below 0 depression, above it potentiation")
        .x_range(0.0, most);
    // The largest θ_M gives the lowest minimum; the smallest gives the highest value.
    let values = || thetas.iter().flat_map(|&theta| [phi(theta, 0.5 * theta), phi(theta, most)]);
    let (low, high) = values().fold((0.0f64, 0.0f64), |(l, h), v| (l.min(v), h.max(v)));
    chart = chart.y_range(1.15 * low, 1.04 * high);
    chart.level(0.0);
    for (i, &theta) in thetas.iter().enumerate() {
        let points = (0..=200).map(|k| most * f64::from(k) / 200.0).map(|y| (y, phi(theta, y)));
        chart.line(format!("θ_M = {}", number(theta)), colour(i), points.collect());
        chart.line("", colour(i), vec![(theta, 0.0)]);
    }
    standalone(&chart.render(), 720.0)
}
