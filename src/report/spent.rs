//! Sections of a sweep's page on what happened inside the runs: mean α, triggers, and what the runs cost.

use super::arms::Arm;
use super::curves::chart;
use super::html::Page;
use super::source::Triggers;
use super::svg::{Scale, colour};
use super::text::number;
use crate::run::Record;
use crate::stats::mean;
use crate::text::thousands;
use serde_json::Value;
use std::collections::HashMap;

/// Most arms whose rates are drawn in one chart.
const TOGETHER: usize = 8;

/// Mean α of a layer after each epoch, as a mean over the runs: (epoch, α).
fn alphas(arm: &Arm<'_>, layer: usize) -> Vec<(f64, f64)> {
    let epochs = arm.whole().map(|record| record.epochs.len()).max().unwrap_or(0);
    let point = |place: usize| {
        let of_epoch = || arm.whole().filter_map(|record| record.epochs.get(place));
        let values: Vec<f64> = of_epoch().filter_map(|epoch| epoch.get("alpha_mean")?.get(layer)?.as_f64()).collect();
        let epoch = of_epoch().find_map(|epoch| epoch.get("epoch")?.as_f64())?;
        (!values.is_empty()).then(|| (epoch, mean(&values)))
    };
    (0..epochs).filter_map(point).collect()
}

/// Writes the learning rates: charts of mean α, and a table of triggers.
pub fn rates(page: &mut Page, arms: &[&Arm<'_>], triggers: &HashMap<String, Vec<Triggers>>) {
    let last = |record: &Record| Some(record.last.as_ref()?.get("alpha_mean")?.as_array()?.len());
    let layers = arms.iter().flat_map(|arm| arm.whole().filter_map(last)).max().unwrap_or(0);
    if layers == 0 {
        return;
    }
    page.section(
        "rates",
        "Learning rates",
        "Mean α of each layer, as a mean over the runs. A trigger is the tick at which an α begins to fall; the traces of ψ have it.",
    );
    if arms.len() <= TOGETHER {
        let drawing = |layer: usize| {
            let mut chart = chart(format!("Mean α, layer {}", layer + 1), Scale::Linear).sized(520.0, 280.0);
            arms.iter().for_each(|arm| chart.line(arm.name, colour(arm.place), alphas(arm, layer)));
            chart.render()
        };
        if arms.iter().any(|arm| alphas(arm, 0).len() > 1) {
            page.grid("wide", &(0..layers).map(drawing).collect::<Vec<_>>());
        }
    }
    let has_triggers = !triggers.is_empty();
    let mut head = vec!["arm".to_owned()];
    for layer in 1..=layers {
        head.push(format!("α at the end, layer {layer}"));
        if has_triggers {
            head.extend([format!("triggered, layer {layer}"), format!("median tick, layer {layer}")]);
        }
    }
    let cell = |value: Option<f64>| value.map_or_else(|| "–".to_owned(), number);
    let row = |arm: &&Arm<'_>| {
        let mut cells = vec![arm.name.to_owned()];
        for layer in 0..layers {
            cells.push(cell(
                arm.mean(|record| record.last.as_ref()?.get("alpha_mean")?.get(layer).and_then(Value::as_f64)),
            ));
            if has_triggers {
                let of = |figure: fn(&Triggers) -> Option<f64>| {
                    arm.mean(|record| figure(triggers.get(&record.id)?.get(layer)?))
                };
                let share = of(|triggers| Some(triggers.share));
                cells.push(share.map_or_else(|| "–".to_owned(), |share| format!("{:.0} %", 100.0 * share)));
                cells.push(cell(of(|triggers| triggers.median)));
            }
        }
        cells
    };
    page.table(&head, &arms.iter().map(row).collect::<Vec<_>>(), true);
}

/// Writes what a run of each arm cost, and returns true; nothing where the records do not say, as merged ones do not.
pub fn costs(page: &mut Page, arms: &[&Arm<'_>]) -> bool {
    let seconds = |arm: &&Arm<'_>| {
        arm.mean(|record| (record.seconds > 0.0).then(|| record.seconds / record.members.unwrap_or(1).max(1) as f64))
    };
    let flops = |arm: &&Arm<'_>| (arm.gflop(), arm.gflop_full());
    if arms.iter().all(|arm| seconds(arm).is_none() && flops(arm).0.is_none()) {
        return false;
    }
    page.section(
        "costs",
        "Compute",
        "Means per run. Frozen neurons need no arithmetic, so a run may do less than the full arithmetic of its network. Runs \
         train side by side, and each counts its equal share of the seconds.",
    );
    let head = ["arm", "runs", "GFLOP done", "GFLOP in full", "share", "seconds"].map(str::to_owned);
    let row = |arm: &&Arm<'_>| {
        let (done, full) = flops(arm);
        let none = || "–".to_owned();
        let share =
            done.zip(full).filter(|(_, full)| *full > 0.0).map(|(done, full)| format!("{:.0} %", 100.0 * done / full));
        vec![
            arm.name.to_owned(),
            thousands(arm.records.len() as f64),
            done.map_or_else(none, number),
            full.map_or_else(none, number),
            share.unwrap_or_else(none),
            seconds(arm).map_or_else(none, number),
        ]
    };
    page.table(&head, &arms.iter().map(row).collect::<Vec<_>>(), true);
    true
}
