//! The first section of a sweep's page: which arm is better, in words, as paired differences with their intervals, and as a
//! table.

use super::html::Page;
use super::svg::{colour, open, ticks};
use super::text::{number, shorten};
use crate::error::{Error, Result};
use crate::run::Record;
use crate::stats::compare::{Settings, compare};
use crate::stats::outcome::{Comparison, Report};
use crate::stats::verdict::{self, Unit, p_value};
use crate::text::{html, named};
use crate::train::metrics::Metric;
use std::fmt::Write;

/// Coverage of the intervals.
pub const CONFIDENCE: f64 = 0.95;

/// Writes the section. `names` are the arms in the order of the page, whose places decide their colours.
pub fn write(page: &mut Page, records: &[Record], names: &[&str], metric: &Metric, baseline: &str) {
    let settings = Settings {
        metric: metric.key.to_owned(),
        baseline: baseline.to_owned(),
        arms: vec![],
        higher_is_better: false,
        confidence: CONFIDENCE,
        margin: None,
    };
    match compare(records, &settings) {
        Ok(report) => section(page, &report, names, metric),
        Err(error) => {
            page.section("verdict", "Verdict", "");
            page.remark(&format!("The arms cannot be compared: {}.", plain(&error)));
        }
    }
}

/// The error without the words of a command line.
fn plain(error: &Error) -> String {
    error.to_string().replace(['`', '‘', '’'], "\"")
}

fn section(page: &mut Page, report: &Report, names: &[&str], metric: &Metric) {
    page.section("verdict", "Verdict", "");
    let sentence = verdict::sentence(report, &|name| verdict::in_sentence(name, named));
    page.lead(&format!("{sentence}."));
    page.remark(&format!(
        "Differences of the {} are arm − {} over the seeds that both have, with 95 % bootstrap intervals; those beside 0 favour \
         one side. p is Wilcoxon's, two-sided, and corrected for the number of arms by Holm.",
        metric.label, report.baseline
    ));
    for note in report.notes.iter().take(10) {
        page.remark(&note.replace(['‘', '’'], "\""));
    }
    let unit = Unit::of(metric.key);
    page.grid("wide", &[drawing(report, names, &unit)]);
    let difference = titled("difference", &unit);
    let head = ["arm", "pairs", &difference, "95 % from", "to", "p", "Holm p", "P(better)"].map(str::to_owned);
    let row = |c: &Comparison| {
        let numbers = [c.difference, c.interval.low, c.interval.high].map(|value| rounded(unit.factor * value));
        let tests = [p_value(c.p), p_value(c.holm_p), format!("{:.3}", c.probability_of_improvement)];
        [c.arm.clone(), c.pairs.to_string()].into_iter().chain(numbers).chain(tests).collect()
    };
    page.table(&head, &report.comparisons.iter().map(row).collect::<Vec<Vec<String>>>(), true);
}

/// A title with the unit of the values below it.
fn titled(title: &str, unit: &Unit) -> String {
    match unit.name.trim_start() {
        "" => title.to_owned(),
        name => format!("{title}, {name}"),
    }
}

/// A value in its unit, without rounding errors.
fn rounded(value: f64) -> String {
    if value.is_finite() { number((value * 1e9).round() / 1e9).replacen('-', "−", 1) } else { "–".into() }
}

/// The differences as points and intervals around 0, one row per arm.
fn drawing(report: &Report, names: &[&str], unit: &Unit) -> String {
    let rows = &report.comparisons;
    let ends = rows.iter().flat_map(|c| [c.difference, c.interval.low, c.interval.high, 0.0]);
    let (low, high) = ends
        .filter(|value| value.is_finite())
        .map(|value| unit.factor * value)
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| (low.min(value), high.max(value)));
    let room = if high > low { 0.06 * (high - low) } else { 0.5 };
    let (low, high) = (low - room, high + room);
    let longest = rows.iter().map(|c| shorten(&c.arm, 28).chars().count()).max().unwrap_or(0);
    let (left, right, top, step) = (10.0 + 6.5 * longest as f64, 66.0, 30.0, 25.0);
    let (width, height) = (540.0, top + step * rows.len() as f64 + 26.0);
    let bottom = step * rows.len() as f64;
    let w = width - left - right;
    let x = |value: f64| left + w * (value - low) / (high - low);
    let title = titled(&format!("Difference from {}", shorten(&report.baseline, 40)), unit);
    let mut out = open(width, height, &title);
    let _ = write!(out, "<text class=\"title\" x=\"0\" y=\"14\">{}</text>", html(&title));
    for tick in ticks(low, high, 6) {
        let class = if tick.abs() < 1e-9 * (high - low) { "axis" } else { "grid" };
        let at = x(tick);
        let label = rounded(tick);
        let _ = write!(
            out,
            "<path class=\"{class}\" d=\"M{at:.1} {top}v{bottom:.1}\"/><text class=\"tick mid\" x=\"{at:.1}\" y=\"{:.1}\">{label}</text>",
            height - 8.0
        );
    }
    for (place, comparison) in rows.iter().enumerate() {
        let y = top + step * (place as f64 + 0.5);
        let of_page = names.iter().position(|name| *name == comparison.arm).unwrap_or(place);
        let colour = colour(of_page);
        let _ = write!(
            out,
            "<text class=\"end\" x=\"{:.1}\" y=\"{:.1}\">{}</text>",
            left - 8.0,
            y + 4.0,
            html(&shorten(&comparison.arm, 28))
        );
        let [a, b] = [comparison.interval.low, comparison.interval.high].map(|end| x(unit.factor * end));
        if a.is_finite() && b.is_finite() {
            let _ = write!(out, "<path d=\"M{a:.1} {y:.1}H{b:.1}\" style=\"stroke:{colour};stroke-width:3\"/>");
        }
        let _ = write!(
            out,
            "<circle cx=\"{:.1}\" cy=\"{y:.1}\" r=\"4.5\" style=\"fill:{colour}\" stroke=\"var(--bg)\"/><text x=\"{:.1}\" y=\"{:.1}\">{}</text>",
            x(unit.factor * comparison.difference),
            width - right + 8.0,
            y + 4.0,
            rounded(unit.factor * comparison.difference)
        );
    }
    out + "</svg>"
}

/// The metric that decides on a page: the first of `keys` that a record has.
///
/// # Errors
/// If no record has any.
pub fn deciding(records: &[Record], keys: &[&str]) -> Result<&'static Metric> {
    let has = |key: &&&str| records.iter().any(|record| record.metric(key).is_some());
    let metric = keys.iter().find(has).and_then(|key| Metric::named(key));
    metric.ok_or_else(|| Error::config("every run failed: no record has a score"))
}
