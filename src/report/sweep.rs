//! The page of a sweep: the verdict, the outcomes of its arms, seed by seed with intervals of the mean, and their curves.

use super::arms::{Arm, arms};
use super::curves::{chart, scale};
use super::html::Page;
use super::outcome::{self, decimals, digits, unit};
use super::paired::{self, CONFIDENCE};
use super::pareto;
use super::source::Sources;
use super::spent;
use super::svg::{COLOURS, Chart, Scale, colour};
use super::text::{capitalised, number, shorten};
use crate::run::Record;
use crate::stats::{self, Interval};
use crate::text::{counted, html, thousands};
use crate::train::metrics::Metric;
use serde_json::Value;
use std::path::PathBuf;

/// Resamples of the interval of a point of a curve.
const RESAMPLES: usize = 1000;
/// Most points of a curve.
const POINTS: usize = 60;
/// Most arms that a reader can tell apart in one chart.
const TOGETHER: usize = 5;
/// Most arms that the charts draw, because panels grow with the square of their number. The tables have all arms.
const DRAWN: usize = 100;
/// The metrics whose outcomes are shown if they were recorded; the most important first.
const OUTCOMES: [&str; 8] =
    ["test_rmse", "test_error", "val_rmse", "val_error", "train_rmse", "train_error", "test_loss", "train_loss"];
/// The metrics whose curves are shown too.
const CURVES: [&str; 5] = ["val_rmse", "val_error", "test_rmse", "test_error", "train_loss"];

/// The metrics with these keys, in the order of [`OUTCOMES`].
fn metrics(keys: &[&str]) -> Vec<&'static Metric> {
    OUTCOMES.iter().filter(|key| keys.contains(key)).filter_map(|key| Metric::named(key)).collect()
}

/// The outcomes that mean something for these records: a regression has RMSEs, and its errors are none.
pub fn shown(records: &[Record]) -> Vec<&'static str> {
    let is_regression = records.iter().any(|record| record.metric("train_rmse").is_some());
    OUTCOMES.into_iter().filter(|key| !(is_regression && key.ends_with("_error"))).collect()
}

impl Arm<'_> {
    /// Epoch, mean over the seeds, and interval of the mean.
    fn curve(&self, metric: &str) -> Vec<(f64, f64, Interval)> {
        let whole = || self.records.iter().filter(|record| !record.diverged);
        let last = whole().map(|record| record.epochs.len()).max().unwrap_or(0);
        let every = last.div_ceil(POINTS).max(1);
        // Counted from the end, so that the curve includes the last epoch, which the outcomes come from.
        let places = (0..last).filter(|place| (last - 1 - place).is_multiple_of(every));
        let point = |place: usize| {
            let values: Vec<f64> = whole()
                .filter_map(|record| record.epochs.get(place)?.get(metric)?.as_f64())
                .filter(|value| value.is_finite())
                .collect();
            let epoch = whole().find_map(|record| record.epochs.get(place)?.get("epoch")?.as_f64())?;
            let interval = stats::bootstrap_mean(&values, CONFIDENCE, RESAMPLES, 0);
            (!values.is_empty()).then(|| (epoch, stats::mean(&values), interval))
        };
        places.filter_map(point).collect()
    }
}

/// The arms that the charts draw, in the order of the sweep, and why others are left out. Of more than [`DRAWN`] arms,
/// those with the lowest means of the most important metric are drawn.
fn drawn<'a, 'b>(arms: &'b [Arm<'a>]) -> (Vec<&'b Arm<'a>>, Option<String>) {
    let has = |metric: &&Metric| arms.iter().any(|arm| !arm.outcomes(metric.key).is_empty());
    let Some(metric) = metrics(&OUTCOMES).into_iter().find(has).filter(|_| arms.len() > DRAWN) else {
        return (arms.iter().take(DRAWN).collect(), None);
    };
    let mut means: Vec<(f64, &Arm<'_>)> =
        arms.iter().map(|arm| (stats::mean(&arm.outcomes(metric.key)), arm)).collect();
    // The mean of no run is NaN. Such arms come last.
    means.sort_by(|a, b| (a.0.is_nan(), a.0).partial_cmp(&(b.0.is_nan(), b.0)).unwrap_or(std::cmp::Ordering::Equal));
    let mut best: Vec<&Arm<'_>> = means.into_iter().take(DRAWN).map(|(_, arm)| arm).collect();
    best.sort_by_key(|arm| arm.place);
    let all = thousands(arms.len() as f64);
    (
        best,
        Some(format!(
            "The charts draw the {DRAWN} arms with the lowest mean {}; the tables have all {all} arms.",
            metric.label
        )),
    )
}

/// The title of a page about these records.
pub fn title(records: &[Record], paths: &[PathBuf]) -> String {
    let names: Vec<String> =
        paths.iter().filter_map(|path| path.file_stem()).map(|name| name.to_string_lossy().into_owned()).collect();
    let arms = arms(records);
    let seeds = arms.iter().map(|arm| arm.records.len()).max().unwrap_or(0);
    format!("{}: {} × {}", names.join(", "), counted(arms.len(), "arm"), counted(seeds, "seed"))
}

/// Writes the sections, below a heading if there is a `title`.
pub fn write(page: &mut Page, sources: &Sources, baseline: Option<&str>, title: Option<&String>) {
    let records = &sources.records;
    let arms = arms(records);
    let data = records.iter().find_map(|record| record.config.get("data")?.as_str()).unwrap_or("unknown data");
    let summary = format!("{} runs on {data}", records.len());
    if let Some(title) = title {
        page.heading(title, &[summary]);
    }
    let names: Vec<&str> = arms.iter().map(|arm| arm.name).collect();
    let keys = shown(records);
    if (2..=DRAWN).contains(&arms.len())
        && let Ok(metric) = paired::deciding(records, &keys)
    {
        paired::write(page, records, &names, metric, baseline.unwrap_or(names[0]));
    }
    page.section(
        "outcome",
        "Outcome",
        "Dots are runs, one per seed; the bar is the 95 % bootstrap interval of the mean, which is written beside it. Lower is better. \
         Overlapping intervals decide nothing between arms whose seeds are paired: the verdict does, and so does homeostat compare.",
    );
    let failed: Vec<String> = arms.iter().filter_map(failures).collect();
    failed.iter().take(DRAWN).for_each(|failed| page.remark(failed));
    if failed.len() > DRAWN {
        page.remark(&format!(
            "Runs of {} more arms diverged or were skipped.",
            thousands((failed.len() - DRAWN) as f64)
        ));
    }
    let (drawn, left_out) = drawn(&arms);
    page.remark(&left_out.unwrap_or_default());
    let outcomes = metrics(&keys).into_iter();
    let drawings: Vec<String> =
        outcomes.filter_map(|metric| outcome::drawing(&drawn, metric, decimals(&arms, metric))).collect();
    page.grid("wide", &drawings);
    curves(page, &drawn);
    spent::rates(page, &drawn, &sources.triggers);
    if spent::costs(page, &drawn)
        && let Ok(metric) = paired::deciding(records, &keys)
    {
        page.grid("wide", &pareto::panels(&drawn, metric).into_iter().map(|panel| panel.drawing()).collect::<Vec<_>>());
    }
    table(page, &arms, &keys);
    settings(page, &arms);
}

fn failures(arm: &Arm<'_>) -> Option<String> {
    let failed = arm.records.iter().filter(|record| record.diverged || record.last.is_none()).count();
    (failed > 0).then(|| {
        format!("{}: {failed} of {} runs diverged or were skipped and are left out.", arm.name, arm.records.len())
    })
}

fn curves(page: &mut Page, arms: &[&Arm<'_>]) {
    let remark = "Means over the seeds with their 95 % bootstrap intervals.";
    if arms.iter().all(|arm| arm.records.iter().all(|record| record.epochs.is_empty())) {
        page.section("curves", "Learning", "No epochs were kept; homeostat sweep run --keep-epochs keeps them.");
        return;
    }
    page.section("curves", "Learning", remark);
    for metric in metrics(&CURVES) {
        let name = capitalised(metric.label);
        let all: Vec<Vec<(f64, f64, Interval)>> = arms.iter().map(|arm| arm.curve(metric.key)).collect();
        // The test set is usually read only at the end, and one point is no curve.
        if all.iter().all(|curve| curve.len() < 2) {
            continue;
        }
        let means = |i: usize| all[i].iter().map(|(epoch, mean, _)| (*epoch, *mean)).collect::<Vec<_>>();
        let scale = scale(metric, all.iter().flatten().map(|p| p.1));
        let add = |chart: &mut Chart, i: usize| {
            chart.band(
                colour(arms[i].place),
                0.2,
                all[i].iter().map(|(epoch, _, c)| (*epoch, c.low, c.high)).collect(),
            );
        };
        let range = shared_range(&all, scale);
        if arms.len() <= TOGETHER {
            let mut chart = chart(&name, scale).sized(760.0, 320.0);
            if let Some((low, high)) = range {
                chart = chart.y_range(low, high);
            }
            (0..arms.len()).for_each(|i| add(&mut chart, i));
            (0..arms.len()).for_each(|i| chart.line(arms[i].name, colour(arms[i].place), means(i)));
            page.grid("wide", &[chart.render()]);
            continue;
        }
        page.raw(&format!(
            "<h3 style=\"margin-top:22px\">{}: each arm in colour, all others in grey</h3>",
            html(&name)
        ));
        let panel = |i: usize| {
            let mut chart = chart(shorten(arms[i].name, 44), scale);
            if let Some((low, high)) = range {
                chart = chart.y_range(low, high);
            }
            (0..arms.len()).filter(|k| *k != i).for_each(|k| chart.styled("", "var(--muted)", "faint", means(k)));
            add(&mut chart, i);
            chart.line("", colour(arms[i].place), means(i));
            chart.render()
        };
        page.grid("", &(0..arms.len()).map(panel).collect::<Vec<_>>());
    }
}

/// The range of all curves and their intervals, with a little room. A shared range makes panels comparable.
fn shared_range(all: &[Vec<(f64, f64, Interval)>], scale: Scale) -> Option<(f64, f64)> {
    let ends = |&(_, mean, c): &(f64, f64, Interval)| [mean, c.low, c.high];
    let values = || all.iter().flatten().flat_map(ends).filter(|v| v.is_finite() && (scale != Scale::Log || *v > 0.0));
    let (low, high) = values().fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), v| (l.min(v), h.max(v)));
    // Only differences between arms matter here, so the axis does not begin at 0.
    let room = if high > low { 0.04 * (high - low) } else { 0.5 * high.abs().max(1e-9) };
    low.is_finite().then(|| if scale == Scale::Log { (low, high) } else { (low - room, high + room) })
}

fn table(page: &mut Page, arms: &[Arm<'_>], keys: &[&str]) {
    page.section("table", "Means", "Mean ± standard deviation over the seeds.");
    let known: Vec<(&Metric, Option<usize>)> = metrics(keys)
        .into_iter()
        .filter(|metric| arms.iter().any(|arm| !arm.outcomes(metric.key).is_empty()))
        .map(|metric| (metric, decimals(arms, metric)))
        .collect();
    let head = ["arm".to_owned(), "runs".to_owned()].into_iter().chain(known.iter().map(|(m, _)| m.label.to_owned()));
    let row = |arm: &Arm<'_>| {
        let cell = |(metric, decimals): &(&Metric, Option<usize>)| {
            let share = metric.is_error();
            let values = arm.outcomes(metric.key);
            let digits = |value: f64| digits(value, share, *decimals);
            match values.len() {
                0 => "–".into(),
                1 => digits(values[0]) + unit(share),
                _ => format!("{} ± {}{}", digits(stats::mean(&values)), digits(stats::sd(&values)), unit(share)),
            }
        };
        [arm.name.to_owned(), arm.records.len().to_string()].into_iter().chain(known.iter().map(cell)).collect()
    };
    page.table(&head.collect::<Vec<_>>(), &arms.iter().map(row).collect::<Vec<Vec<String>>>(), true);
    if arms.len() > COLOURS {
        page.remark("Colours repeat after the eighth arm.");
    }
}

/// Writes the settings in which arms differ, and folds away those that all arms share.
fn settings(page: &mut Page, arms: &[Arm<'_>]) {
    let configs: Vec<&Value> = arms.iter().map(|arm| &arm.records[0].config).collect();
    let cell = |value: Option<&Value>| match value {
        None | Some(Value::Null) => "–".to_owned(),
        Some(Value::String(text)) => text.clone(),
        Some(Value::Number(real)) => real.as_f64().map_or_else(|| real.to_string(), number),
        Some(value) => value.to_string(),
    };
    let mut keys: Vec<&String> = configs.iter().filter_map(|c| c.as_object()).flat_map(|c| c.keys()).collect();
    keys.sort();
    keys.dedup();
    // These two differ between the runs of one arm.
    keys.retain(|key| !["seed", "trace"].contains(&key.as_str()));
    let (same, differ): (Vec<&String>, Vec<&String>) =
        keys.into_iter().partition(|key| configs.iter().all(|config| config.get(*key) == configs[0].get(*key)));
    page.section(
        "settings",
        "Settings",
        if differ.is_empty() { "All arms have the same." } else { "Where the arms differ." },
    );
    if !differ.is_empty() {
        let head: Vec<String> = std::iter::once("arm".into()).chain(differ.iter().map(|key| (*key).clone())).collect();
        let row = |(arm, config): (&Arm<'_>, &&Value)| {
            let cells = differ.iter().map(|key| shorten(&cell(config.get(*key)), 40));
            std::iter::once(arm.name.to_owned()).chain(cells).collect()
        };
        page.table(&head, &arms.iter().zip(&configs).map(row).collect::<Vec<Vec<String>>>(), false);
    }
    let rows: Vec<Vec<String>> = same.iter().map(|key| vec![(*key).clone(), cell(configs[0].get(*key))]).collect();
    page.folded("settings that all arms share", &rows);
}
