//! The curves of the model: α over a training (the paper's Fig. 3), ψ along each of its decays, and BCM's φ (its Fig. 1).

use super::svg::{Chart, colour, standalone};
use super::text::number;
use crate::config::{Config, Decay, DecayTicks};
use crate::rule::member::Member;
use crate::rule::psi::{Slot, psi as psi_of};

/// The colour of what is observed, not learnt.
const MUTED: &str = "var(--muted)";

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
pub fn decays(curves: &Curves) -> String {
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

/// A learning rate over a training, which falls from its trigger on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Fall {
    /// The epochs of the training.
    pub epochs: u32,
    /// The epoch in which the observed mean first exceeds θ_M, from 1.
    pub trigger: u32,
    /// N, the epochs from the trigger until α is 0.
    pub ticks: DecayTicks,
    /// θ_M, between 0 and 1.
    pub theta: f64,
}

impl Fall {
    /// α/α0 in each epoch, along a decay: (epoch, α/α0), as training computes it. The trigger is at the end of its epoch,
    /// so the next epoch is the first with a smaller α.
    #[must_use]
    pub fn alpha(&self, decay: Decay) -> Vec<(f64, f64)> {
        let config = Config::default().decay(decay).decay_ticks(self.ticks);
        let member = Member::new(&config, &config, self.epochs);
        let point =
            |epoch: u32| (f64::from(epoch), f64::from(psi_of(&member, &Slot::latched(self.trigger, epoch - 1))));
        (1..=self.epochs).map(point).collect()
    }

    /// The mean that ψ observes in each epoch: a drawing of an activity that rises towards 1, and exceeds θ_M first in the
    /// epoch of the trigger.
    #[must_use]
    pub fn mean(&self) -> Vec<(f64, f64)> {
        let mean = |epoch: f64| 1.0 - (1.0 - self.theta).powf(epoch / (f64::from(self.trigger) - 0.5));
        (1..=self.epochs).map(f64::from).map(|epoch| (epoch, mean(epoch))).collect()
    }
}

/// The paper's Fig. 3 as an SVG file: α over the epochs, constant until the trigger, then with the linear and the
/// logarithmic fall.
#[must_use]
pub fn psi(fall: &Fall) -> String {
    let last = f64::from(fall.epochs);
    let mut chart = Chart::new("ψ: a learning rate is constant until its neuron is saturated, then falls", "epoch")
        .sized(720.0, 400.0)
        .named_y("α/α0 and mean |y|")
        .counting()
        .x_range(1.0, last.max(2.0))
        .y_range(0.0, 1.04);
    chart.styled(format!("θ_M = {}", number(fall.theta)), MUTED, "dashed", vec![(1.0, fall.theta), (last, fall.theta)]);
    chart.styled("mean |y|", MUTED, "thin", fall.mean());
    chart.line("α, linear", colour(0), fall.alpha(Decay::Linear));
    chart.line("α, logarithmic", colour(2), fall.alpha(Decay::Log));
    chart.mark(f64::from(fall.trigger), "trigger: mean |y| > θ_M");
    standalone(&chart.render(), 720.0)
}

/// The paper's Fig. 1 as an SVG file: φ(y) = y (y − θ_M) for each of `thetas`, between which the threshold slides.
#[must_use]
pub fn bcm(thetas: &[f64]) -> String {
    let (least, largest) = thetas.iter().fold((f64::INFINITY, 0.0f64), |(l, h), &theta| (l.min(theta), h.max(theta)));
    let most = 1.2 * largest;
    let phi = |theta: f64, y: f64| y * (y - theta);
    let mut chart = Chart::new("BCM: φ(y) = y (y − θ_M) with a sliding threshold θ_M", "y, activity of the neuron")
        .sized(720.0, 400.0)
        .named_y("φ: below 0 depression, above it potentiation")
        .x_range(0.0, most);
    // The largest θ_M gives the lowest minimum; the smallest gives the highest value.
    let values = || thetas.iter().flat_map(|&theta| [phi(theta, 0.5 * theta), phi(theta, most)]);
    let (low, high) = values().fold((0.0f64, 0.0f64), |(l, h), v| (l.min(v), h.max(v)));
    chart = chart.y_range(1.75 * low, 1.04 * high);
    chart.level(0.0);
    for (i, &theta) in thetas.iter().enumerate() {
        let points = (0..=200).map(|k| most * f64::from(k) / 200.0).map(|y| (y, phi(theta, y)));
        chart.line(format!("θ_M = {}", number(theta)), colour(i), points.collect());
        chart.line("", colour(i), vec![(theta, 0.0)]);
    }
    if least < largest {
        chart.arrow((least, largest), 1.2 * low, "θ_M slides with the mean of y²");
    }
    standalone(&chart.render(), 720.0)
}
