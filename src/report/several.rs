//! The page of several runs: their curves over each other, their outcomes and the settings they differ in side by side.

use super::html::Page;
use super::single::{SCORES, loss_scale, over_epochs, percent, settings};
use super::source::Run;
use super::svg::{Chart, Scale, colour, number};
use std::collections::{BTreeMap, BTreeSet};

/// Writes the page.
pub fn write(page: &mut Page, runs: &[Run], title: &str) {
    let names: Vec<&str> = runs.iter().map(|run| run.name.as_str()).collect();
    page.heading(title, &[names.join(" · ")]);
    outcomes(page, runs);
    page.section("curves", "Learning", "Scores after each epoch.");
    let mut drawings = vec![];
    for (name, loss, error) in SCORES {
        let losses = || runs.iter().flat_map(|run| over_epochs(run, loss)).map(|point| point.1);
        let charts = [("error", error, Scale::Percent), ("loss", loss, loss_scale(losses()))];
        for (what, of, scale) in charts {
            let title = format!("{}{} {what}", name[..1].to_uppercase(), &name[1..]);
            let mut chart = Chart::new(title, "epoch").counting().scaled(scale).sized(520.0, 280.0);
            for (i, run) in runs.iter().enumerate() {
                chart.line(&run.name, colour(i), over_epochs(run, of));
            }
            // The test set is usually read at the end alone: that is in the table.
            if runs.iter().any(|run| over_epochs(run, of).len() > 1) {
                drawings.push(chart.render());
            }
        }
    }
    page.grid("wide", &drawings);
    let layers = runs.iter().map(|run| run.last().alpha_mean.len()).max().unwrap_or(0);
    page.section("alpha", "Learning rates", "Mean α of the step that follows each epoch.");
    let chart = |l: usize| {
        let mut chart = Chart::new(format!("Mean α, layer {}", l + 1), "epoch").counting().sized(520.0, 280.0);
        for (i, run) in runs.iter().enumerate() {
            let points = run.epochs.iter().filter_map(|m| Some((f64::from(m.epoch), *m.alpha_mean.get(l)?)));
            chart.line(&run.name, colour(i), points.collect());
        }
        chart.render()
    };
    page.grid("wide", &(0..layers).map(chart).collect::<Vec<_>>());
    differences(page, runs);
}

fn outcomes(page: &mut Page, runs: &[Run]) {
    page.section("outcome", "Outcome", "After the last epoch of each.");
    let head = [
        "run",
        "test error",
        "validation error",
        "training error",
        "test loss",
        "training loss",
        "epochs",
        "samples/s",
        "seconds",
        "device",
    ];
    let row = |run: &Run| {
        let (last, none) = (run.last(), || "–".to_owned());
        vec![
            run.name.clone(),
            last.test_error.map_or_else(none, percent),
            last.val_error.map_or_else(none, percent),
            percent(last.train_error),
            last.test_loss.map_or_else(none, number),
            number(last.train_loss),
            last.epoch.to_string(),
            number(run.speed().round()),
            format!("{:.1}", run.seconds()),
            run.device().unwrap_or_default(),
        ]
    };
    page.table(&head.map(str::to_owned), &runs.iter().map(row).collect::<Vec<_>>(), true);
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
