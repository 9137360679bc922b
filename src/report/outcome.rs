//! Outcomes of arms as dots, one per run, with the interval of the mean: on the page of a sweep, and as a figure.

use super::arms::{Arm, short_names};
use super::paired::CONFIDENCE;
use super::svg::{colour, open, ticks};
use super::text::{capitalised, number, shorten};
use crate::stats;
use crate::text::html;
use crate::train::metrics::Metric;
use std::borrow::Borrow;
use std::fmt::Write;

/// Resamples of the interval of an outcome.
const RESAMPLES: usize = 10_000;

/// A value as text, in per cent if it is a `share`. Uses `decimals` unless the value is too large for them.
pub fn digits(value: f64, share: bool, decimals: Option<usize>) -> String {
    let value = if share { 100.0 * value } else { value };
    match decimals {
        Some(decimals) if value.abs() < 1e6 => format!("{value:.decimals$}"),
        _ if share => format!("{value:.2}"),
        _ => number(value),
    }
}

/// The unit behind a value.
pub const fn unit(share: bool) -> &'static str {
    if share { " %" } else { "" }
}

/// Decimals that show a metric to two digits of the largest standard deviation of any arm. `None` if nothing varies.
pub fn decimals<'a>(arms: &[impl Borrow<Arm<'a>>], metric: &Metric) -> Option<usize> {
    let spread = |arm: &Arm<'_>| stats::sd(&arm.outcomes(metric.key)) * if metric.is_error() { 100.0 } else { 1.0 };
    let largest = arms.iter().map(|arm| spread(arm.borrow())).filter(|sd| sd.is_finite()).fold(0.0, f64::max);
    (largest > 0.0).then(|| (1 - largest.log10().floor() as i32).clamp(0, 7) as usize)
}

/// Draws the outcomes of these arms on one axis. All charts keep the order of the sweep, so they can be read side by
/// side.
pub fn drawing(arms: &[&Arm<'_>], metric: &Metric, decimals: Option<usize>) -> Option<String> {
    let (share, name) = (metric.is_error(), capitalised(metric.label));
    let rows: Vec<(&Arm<'_>, Vec<f64>)> =
        arms.iter().map(|arm| (*arm, arm.outcomes(metric.key))).filter(|row| !row.1.is_empty()).collect();
    let most = rows.iter().flat_map(|row| &row.1).copied().fold(f64::NEG_INFINITY, f64::max);
    let least = rows.iter().flat_map(|row| &row.1).copied().fold(f64::INFINITY, f64::min);
    if rows.is_empty() {
        return None;
    }
    // Far from 0 only the differences matter.
    let low = if least > 0.5 * most { least - 0.1 * (most - least) } else { least.min(0.0) };
    let high = if most > low { most + 0.04 * (most - low) } else { low + 1.0 };
    let names = short_names(&rows.iter().map(|row| row.0.name).collect::<Vec<_>>());
    let longest = names.iter().map(|name| shorten(name, 28).chars().count()).max().unwrap_or(0);
    let (left, right, top, step) = (10.0 + 6.5 * longest as f64, 66.0, 30.0, 25.0);
    let (width, height) = (540.0, top + step * rows.len() as f64 + 26.0);
    let w = width - left - right;
    let x = |value: f64| left + w * (value - low) / (high - low);
    let mut out = open(width, height, &name);
    let _ = write!(out, "<text class=\"title\" x=\"0\" y=\"14\">{}</text>", html(&name));
    for tick in ticks(low, high, 5) {
        let label = if share { format!("{} %", number(100.0 * tick)) } else { number(tick) };
        let _ = write!(
            out,
            "<path class=\"grid\" d=\"M{:.1} {top}v{:.1}\"/><text class=\"tick mid\" x=\"{:.1}\" y=\"{:.1}\">{label}</text>",
            x(tick),
            step * rows.len() as f64,
            x(tick),
            height - 8.0
        );
    }
    for (place, (arm, values)) in rows.iter().enumerate() {
        let y = top + step * (place as f64 + 0.5);
        let colour = colour(arm.place);
        let _ = write!(
            out,
            "<text class=\"end\" x=\"{:.1}\" y=\"{:.1}\"><title>{}</title>{}</text>",
            left - 8.0,
            y + 4.0,
            html(arm.name),
            html(&shorten(&names[place], 28))
        );
        for (j, value) in values.iter().enumerate() {
            // With small test sets equal outcomes are common. A little vertical shift keeps their dots apart.
            let shift = ((j * 7) % 5) as f64 * 1.6 - 3.2;
            let _ = write!(
                out,
                "<circle cx=\"{:.1}\" cy=\"{:.1}\" r=\"2.5\" style=\"fill:{colour};fill-opacity:.5\"/>",
                x(*value),
                y + shift
            );
        }
        let (mean, interval) = (stats::mean(values), stats::bootstrap_mean(values, CONFIDENCE, RESAMPLES, 0));
        if interval.low.is_finite() {
            let (a, b) = (x(interval.low.max(low)), x(interval.high.min(high)));
            let _ = write!(out, "<path d=\"M{a:.1} {y:.1}H{b:.1}\" style=\"stroke:{colour};stroke-width:3\"/>");
        }
        let _ = write!(
            out,
            "<circle cx=\"{:.1}\" cy=\"{y:.1}\" r=\"4.5\" style=\"fill:{colour}\" stroke=\"var(--bg)\"/><text x=\"{:.1}\" y=\"{:.1}\">{}</text>",
            x(mean),
            width - right + 8.0,
            y + 4.0,
            digits(mean, share, decimals) + unit(share)
        );
    }
    Some(out + "</svg>")
}
