//! Error against arithmetic: which arms are worth what they cost. An arm lies on the front if no other arm has a lower mean error
//! for as little arithmetic.

use super::arms::{Arm, short_names};
use super::outcome::{digits, unit};
use super::paired::CONFIDENCE;
use super::svg::{colour, open, ticks};
use super::text::{capitalised, number, shorten};
use crate::stats;
use crate::text::html;
use crate::train::metrics::Metric;
use std::fmt::Write;

/// Resamples of the interval of a mean.
const RESAMPLES: usize = 10_000;
/// Most arms of a panel whose names can stand beside their dots.
const NAMED: usize = 24;
/// Width and height of a panel, and its margins: left, right, top, bottom.
pub const SIZE: (f64, f64) = (540.0, 320.0);
const MARGINS: [f64; 4] = [56.0, 24.0, 34.0, 44.0];

/// What an arm costs and reaches.
struct Point<'a> {
    arm: &'a Arm<'a>,
    /// Arithmetic, as a share of that of the dearest arm of the panel.
    cost: f64,
    error: f64,
    interval: [f64; 2],
}

/// The arms of one network on one set of data.
pub struct Panel<'a> {
    title: String,
    is_share: bool,
    points: Vec<Point<'a>>,
}

/// A panel for each network and data set of which at least two arms say what their runs cost.
pub fn panels<'a>(arms: &[&'a Arm<'a>], metric: &Metric) -> Vec<Panel<'a>> {
    let network = |arm: &Arm<'_>| {
        let config = &arm.records[0].config;
        ["data", "hidden"]
            .map(|key| config.get(key).map_or_else(String::new, |value| value.to_string().replace('"', "")))
    };
    let mut networks: Vec<[String; 2]> = arms.iter().map(|arm| network(arm)).collect();
    networks.sort();
    networks.dedup();
    let several = networks.len() > 1;
    let panel = |own: [String; 2]| {
        let own_arms = arms.iter().copied().filter(|arm| network(arm) == own);
        let costs = own_arms.filter_map(|arm| {
            let outcomes = arm.outcomes(metric.key);
            arm.gflop().filter(|gflop| *gflop > 0.0 && !outcomes.is_empty()).map(|gflop| (arm, gflop, outcomes))
        });
        let costs: Vec<(&Arm<'_>, f64, Vec<f64>)> = costs.collect();
        let most = costs.iter().map(|(_, gflop, _)| *gflop).fold(0.0, f64::max);
        let point = |(arm, gflop, outcomes): (&'a Arm<'a>, f64, Vec<f64>)| {
            let error = stats::mean(&outcomes);
            let interval = stats::bootstrap_mean(&outcomes, CONFIDENCE, RESAMPLES, 0);
            let interval = [interval.low, interval.high].map(|end| if end.is_finite() { end } else { error });
            Point { arm, cost: gflop / most, error, interval }
        };
        let of =
            if several { format!(": {}, hidden {}", own[0], own[1].trim_matches(['[', ']'])) } else { String::new() };
        Panel {
            title: format!("{} against arithmetic{of}", capitalised(metric.label)),
            is_share: metric.is_error(),
            points: costs.into_iter().map(point).collect(),
        }
    };
    networks.into_iter().map(panel).filter(|panel| panel.points.len() > 1).collect()
}

/// A box of a label or a dot: left, top, right, bottom.
type Frame = [f64; 4];
/// Height of a label.
const HEIGHT: f64 = 13.0;

fn overlap(a: &Frame, b: &Frame) -> bool {
    a[0] < b[2] && b[0] < a[2] && a[1] < b[3] && b[1] < a[3]
}

impl Panel<'_> {
    /// The panel as a drawing of its own.
    pub fn drawing(&self) -> String {
        open(SIZE.0, SIZE.1, &self.title) + &self.inside() + "</svg>"
    }

    /// What the panel draws.
    pub fn inside(&self) -> String {
        let [left, right, top, bottom] = MARGINS;
        let (w, h) = (SIZE.0 - left - right, SIZE.1 - top - bottom);
        let ends = || self.points.iter().flat_map(|point| [point.error, point.interval[0], point.interval[1]]);
        let (least, most) = (ends().fold(f64::INFINITY, f64::min), ends().fold(f64::NEG_INFINITY, f64::max));
        // Only differences between the arms matter, so the axis does not begin at 0.
        let room = if most > least { 0.08 * (most - least) } else { 0.5 * most.abs().max(1e-9) };
        let (low, high) = (least - room, most + room);
        let x = |cost: f64| left + w * cost / 1.04;
        let y = |error: f64| top + h * (high - error) / (high - low);
        let value = |error: f64| if self.is_share { format!("{} %", number(100.0 * error)) } else { number(error) };
        let mut out = String::new();
        let _ = write!(out, "<text class=\"title\" x=\"0\" y=\"14\">{}</text>", html(&self.title));
        for tick in ticks(low, high, 5) {
            let (at, label) = (y(tick), value((tick * 1e9).round() / 1e9));
            let _ = write!(
                out,
                "<path class=\"grid\" d=\"M{left} {at:.1}h{w:.1}\"/><text class=\"tick end\" x=\"{:.1}\" y=\"{:.1}\">{label}</text>",
                left - 6.0,
                at + 4.0
            );
        }
        for share in [0.0, 0.2, 0.4, 0.6, 0.8, 1.0] {
            let (at, base) = (x(share), top + h);
            let _ = write!(
                out,
                "<path class=\"axis\" d=\"M{at:.1} {base:.1}v4\"/><text class=\"tick mid\" x=\"{at:.1}\" y=\"{:.1}\">{:.0} %</text>",
                base + 17.0,
                100.0 * share
            );
        }
        let _ = write!(
            out,
            "<path class=\"axis\" d=\"M{left} {:.1}h{w:.1}\"/><text class=\"tick mid\" x=\"{:.1}\" y=\"{:.1}\">arithmetic of a run</text>",
            top + h,
            left + w / 2.0,
            SIZE.1 - 8.0
        );
        out + &self.front(x, y) + &self.dots(x, y)
    }

    /// The arms that no other beats, cheapest first.
    fn best(&self) -> Vec<&Point<'_>> {
        let mut sorted: Vec<&Point<'_>> = self.points.iter().collect();
        sorted.sort_by(|a, b| (a.cost, a.error).partial_cmp(&(b.cost, b.error)).unwrap_or(std::cmp::Ordering::Equal));
        let mut least = f64::INFINITY;
        sorted.retain(|point| {
            let is_best = point.error < least;
            least = least.min(point.error);
            is_best
        });
        sorted
    }

    fn front(&self, x: impl Fn(f64) -> f64, y: impl Fn(f64) -> f64) -> String {
        let best = self.best();
        let mut path = String::new();
        for (place, point) in best.iter().enumerate() {
            let (x, y) = (x(point.cost), y(point.error));
            let _ = if place == 0 { write!(path, "M{x:.1} {y:.1}") } else { write!(path, "H{x:.1}V{y:.1}") };
        }
        format!("<path class=\"faint\" d=\"{path}\" style=\"stroke:var(--muted)\"/>")
    }

    fn dots(&self, x: impl Fn(f64) -> f64, y: impl Fn(f64) -> f64) -> String {
        let mut out = String::new();
        let mut taken: Vec<Frame> = vec![];
        for point in &self.points {
            let (cx, cy, colour) = (x(point.cost), y(point.error), colour(point.arm.place));
            let [low, high] = point.interval.map(&y);
            let error = digits(point.error, self.is_share, None) + unit(self.is_share);
            let _ = write!(
                out,
                "<path d=\"M{cx:.1} {low:.1}V{high:.1}\" style=\"stroke:{colour};stroke-width:1.5\"/><circle cx=\"{cx:.1}\" cy=\"{cy:.1}\" r=\"4.5\" \
                 style=\"fill:{colour}\" stroke=\"var(--bg)\"><title>{}: {error} for {:.0} %</title></circle>",
                html(point.arm.name),
                100.0 * point.cost
            );
            taken.push([cx - 6.0, cy - 6.0, cx + 6.0, cy + 6.0]);
        }
        if self.points.len() > NAMED {
            return out;
        }
        let names: Vec<&str> = self.points.iter().map(|point| point.arm.name).collect();
        for (point, name) in self.points.iter().zip(short_names(&names)) {
            let name = shorten(&name, 32);
            let (cx, cy) = (x(point.cost), y(point.error));
            let width = 6.4 * name.chars().count() as f64;
            let (left, top, is_near) = free(&taken, (cx, cy), width);
            taken.push([left, top, left + width, top + HEIGHT]);
            if !is_near {
                let (to_x, to_y) = (cx.clamp(left, left + width), if top > cy { top } else { top + HEIGHT });
                let _ = write!(
                    out,
                    "<path class=\"leader\" d=\"M{cx:.1} {cy:.1}L{to_x:.1} {to_y:.1}\" style=\"stroke:var(--muted)\"/>"
                );
            }
            let _ = write!(
                out,
                "<text class=\"mid\" x=\"{:.1}\" y=\"{:.1}\" style=\"paint-order:stroke;stroke:var(--bg);stroke-width:3px\">{}</text>",
                left + width / 2.0,
                top + 10.0,
                html(&name)
            );
        }
        out
    }
}

/// The first free place for a label of this `width` around a dot, near places first: left and top, and whether it is near.
fn free(taken: &[Frame], (x, y): (f64, f64), width: f64) -> (f64, f64, bool) {
    let (right, left, middle) = (x + 9.0, x - 9.0 - width, x - width / 2.0);
    let beside = y - HEIGHT / 2.0;
    let mut places =
        vec![(right, beside, true), (left, beside, true), (middle, y - 9.0 - HEIGHT, true), (middle, y + 9.0, true)];
    for ring in 1..8 {
        let away = 15.0 * f64::from(ring);
        for top in [beside - away, beside + away] {
            places.extend([(right, top, ring == 1), (left, top, ring == 1), (middle, top, false)]);
        }
    }
    let fits = |&&(left, top, _): &&(f64, f64, bool)| {
        let own = [left, top, left + width, top + HEIGHT];
        let inside = left > MARGINS[0] && own[2] < SIZE.0 && top > MARGINS[2] - 12.0 && own[3] < SIZE.1 - MARGINS[3];
        inside && !taken.iter().any(|other| overlap(&own, other))
    };
    *places.iter().find(fits).unwrap_or(&places[0])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_front_has_the_arms_that_none_beats() {
        let arm = Arm { place: 0, name: "arm", records: vec![] };
        let points = [(0.5, 0.2), (0.4, 0.3), (0.6, 0.2), (1.0, 0.1), (0.9, 0.25), (0.4, 0.35)];
        let point = |(cost, error)| Point { arm: &arm, cost, error, interval: [error; 2] };
        let panel = Panel { title: String::new(), is_share: true, points: points.map(point).into() };
        let best: Vec<(f64, f64)> = panel.best().iter().map(|point| (point.cost, point.error)).collect();
        assert_eq!(best, [(0.4, 0.3), (0.5, 0.2), (1.0, 0.1)]);
    }

    #[test]
    fn labels_do_not_cover_each_other() {
        let mut taken: Vec<Frame> = vec![];
        for _ in 0..12 {
            let (left, top, _) = free(&taken, (300.0, 150.0), 60.0);
            let own = [left, top, left + 60.0, top + HEIGHT];
            assert!(!taken.iter().any(|other| overlap(&own, other)));
            taken.push(own);
        }
    }
}
