//! The page of several runs: their curves in shared charts, and their outcomes and differing settings side by side.

use super::curves::{chart, over_epochs, scale};
use super::html::Page;
use super::single::settings;
use super::source::Run;
use super::svg::{COLOURS, colour};
use super::text::{capitalised, number};
use crate::text::percent;
use crate::train::metrics::{METRICS, Metric, Scored};
use std::collections::{BTreeMap, BTreeSet};

/// Writes the page of `runs`.
pub fn write(page: &mut Page, runs: &[Run], title: &str) {
    let names: Vec<&str> = runs.iter().map(|run| run.name.as_str()).collect();
    page.heading(title, &[names.join(" · "), same_device(runs).unwrap_or_default()]);
    for run in runs {
        run.notes.iter().for_each(|note| page.remark(&format!("{}: {note}", run.name)));
    }
    outcomes(page, runs);
    page.section("curves", "Learning", "Scores after each epoch.");
    let mut drawings = vec![];
    let charted = || METRICS.iter().filter(|metric| metric.chart.is_some_and(|chart| chart.compared));
    for scored in Scored::ALL {
        // The error comes first, because it matters most.
        for metric in charted().filter(|metric| metric.scored == Some(scored)).rev() {
            let values = runs.iter().flat_map(|run| over_epochs(run, metric, None)).map(|point| point.1);
            let mut chart = chart(capitalised(metric.label), scale(metric, values)).sized(520.0, 280.0);
            for (i, run) in runs.iter().enumerate().filter(|(_, run)| !metric.is_error() || has_errors(run)) {
                chart.line(&run.name, colour(i), over_epochs(run, metric, None));
            }
            // The test set is usually read only at the end. The table shows that value.
            if runs.iter().any(|run| over_epochs(run, metric, None).len() > 1) {
                drawings.push(chart.render());
            }
        }
    }
    page.grid("wide", &drawings);
    if runs.len() > COLOURS {
        page.remark("Colours repeat after the eighth run.");
    }
    let layers = runs.iter().map(|run| run.last().alpha_mean.len()).max().unwrap_or(0);
    page.section("alpha", "Learning rates", "Mean α of the step that follows each epoch.");
    let drawing = |metric: &Metric, layer: usize| {
        let title = format!("{}, layer {layer}", capitalised(metric.label));
        let mut chart = chart(title, scale(metric, std::iter::empty())).sized(520.0, 280.0);
        for (i, run) in runs.iter().enumerate() {
            chart.line(&run.name, colour(i), over_epochs(run, metric, Some(layer)));
        }
        chart.render()
    };
    let of_layers = || charted().filter(|metric| metric.per_layer);
    let drawings = (1..=layers).flat_map(|layer| of_layers().map(move |metric| (metric, layer)));
    page.grid("wide", &drawings.map(|(metric, layer)| drawing(metric, layer)).collect::<Vec<_>>());
    differences(page, runs);
}

/// Whether answers can be wrong. Without targets they cannot.
fn has_errors(run: &Run) -> bool {
    !run.config.rule.kind.is_unsupervised() && run.last().train_rmse.is_none()
}

/// The device of all runs, if they share one.
fn same_device(runs: &[Run]) -> Option<String> {
    let device = runs[0].device();
    device.filter(|device| runs.iter().all(|run| run.device().as_ref() == Some(device)))
}

fn outcomes(page: &mut Page, runs: &[Run]) {
    page.section("outcome", "Outcome", "After the last epoch of each.");
    let mut head = vec![
        "run",
        "test error",
        "validation error",
        "training error",
        "test loss",
        "training loss",
        "epochs",
        "samples/s",
        "seconds",
    ];
    let devices = same_device(runs).is_none();
    head.extend(devices.then_some("device"));
    let row = |run: &Run| {
        let (last, none) = (run.last(), || "–".to_owned());
        let error = |value: Option<f64>| value.filter(|_| has_errors(run)).map_or_else(none, percent);
        let mut cells = vec![
            run.name.clone(),
            error(last.test_error),
            error(last.val_error),
            error(Some(last.train_error)),
            last.test_loss.map_or_else(none, number),
            number(last.train_loss),
            run.progress(),
            number(run.speed().round()),
            format!("{:.1}", run.seconds()),
        ];
        cells.extend(devices.then(|| run.device().unwrap_or_default()));
        cells
    };
    page.table(
        &head.into_iter().map(str::to_owned).collect::<Vec<_>>(),
        &runs.iter().map(row).collect::<Vec<_>>(),
        true,
    );
}

fn differences(page: &mut Page, runs: &[Run]) {
    let tables: Vec<BTreeMap<String, String>> =
        runs.iter().map(|run| settings(&run.config).into_iter().collect()).collect();
    let keys: BTreeSet<&String> = tables.iter().flat_map(BTreeMap::keys).collect();
    let differ = |key: &&&String| tables.iter().any(|table| table.get(**key) != tables[0].get(**key));
    let rows: Vec<Vec<String>> = keys
        .iter()
        .filter(differ)
        .map(|key| {
            let cells = tables.iter().map(|table| table.get(*key).cloned().unwrap_or_else(|| "–".into()));
            std::iter::once((*key).clone()).chain(cells).collect()
        })
        .collect();
    let remark = if rows.is_empty() { "All settings are the same." } else { "Where they differ." };
    page.section("settings", "Settings", remark);
    if !rows.is_empty() {
        let head: Vec<String> = std::iter::once(String::new()).chain(runs.iter().map(|run| run.name.clone())).collect();
        page.table(&head, &rows, false);
    }
    let all: Vec<Vec<String>> = tables[0].iter().map(|(key, value)| vec![key.clone(), value.clone()]).collect();
    page.folded(&format!("all settings of {}", runs[0].name), &all);
}
