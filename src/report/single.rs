//! The page of one run: headline numbers, learning curves and the tables of settings. `rates.rs`, `neurons.rs`
//! and `answers.rs` write its other sections.

use super::curves::{chart, over_epochs, scale};
use super::html::Page;
use super::source::Run;
use super::svg::colour;
use super::text::number;
use super::{answers, neurons, rates};
use crate::config::{Config, Rule, Theta};
use crate::model::file::Model;
use crate::text::percent;
use crate::train::metrics::{METRICS, Metric};
use serde_json::Value;
use std::collections::BTreeMap;

/// Writes the page of `run`.
pub fn write(page: &mut Page, run: &Run) {
    page.heading(&run.name, &[description(run), run.device().unwrap_or_default()]);
    for note in &run.notes {
        page.remark(note);
    }
    page.cards(&headline(run));
    curves(page, run);
    rates::over_time(page, run);
    neurons::write(page, run);
    rates::triggers(page, run);
    rates::observed(page, run);
    answers::write(page, run);
    tables(page, run);
}

/// The network, its rule and its main settings in one line.
fn description(run: &Run) -> String {
    let config = &run.config;
    let hidden = || format!("hidden widths {}", config.network.hidden);
    let widths = run.model.as_ref().map_or_else(hidden, |model| widths(model).join("-"));
    let units = match config.rule.kind.is_unsupervised() {
        true => format!("{} units", config.network.activation),
        false => format!(
            "{} hidden and {} output units, {}",
            config.network.activation, config.network.output, config.network.loss
        ),
    };
    let rule = match (config.rule.kind, config.threshold()) {
        (Rule::Psi, threshold) => {
            let side = if config.rule.basis.triggers_below() { "below" } else { "above" };
            let theta = match threshold {
                Theta::Absolute(theta) => number(theta),
                Theta::Quantile(q) => format!("the {q} quantile"),
                Theta::Sliding(sliding) => format!("sliding {sliding}"),
            };
            let (decay, latch, scope) = (config.rule.decay, config.rule.latch, config.rule.scope);
            format!(
                "ψ on {} {side} θ_M = {theta}, {decay} fall, {latch}, one α per {scope}",
                rates::symbol(config.rule.basis)
            )
        }
        (rule, _) => format!("rule {rule}"),
    };
    format!(
        "{widths} on {}, {units} · {rule} · α0 = {}, batch {}, seed {}",
        config.data.source,
        number(config.rule.alpha0),
        config.run.batch_size,
        config.run.seed
    )
}

fn widths(model: &Model) -> Vec<String> {
    let first = model.layers.first().map(|layer| layer.n_in);
    first.into_iter().chain(model.layers.iter().map(|layer| layer.n_out)).map(|n| n.to_string()).collect()
}

fn headline(run: &Run) -> Vec<(String, String)> {
    let last = run.last();
    let unsupervised = run.config.rule.kind.is_unsupervised();
    let mut cards = vec![];
    let mut add = |name: &str, value: Option<String>| {
        if let Some(value) = value {
            cards.push((name.to_owned(), value));
        }
    };
    if last.train_rmse.is_some() {
        for (name, rmse, r2) in [
            ("test", last.test_rmse, last.test_r2),
            ("validation", last.val_rmse, last.val_r2),
            ("training", last.train_rmse, last.train_r2),
        ] {
            add(&format!("{name} RMSE"), rmse.map(number));
            add(&format!("{name} R²"), r2.map(|r2| format!("{r2:.4}")));
        }
    } else if !unsupervised {
        add("test error", last.test_error.map(percent));
        add("validation error", last.val_error.map(percent));
        add("training error", Some(percent(last.train_error)));
    }
    add("test loss", last.test_loss.map(number));
    add("training loss", Some(number(last.train_loss)));
    add(if run.config.run.epochs == 1 { "epoch" } else { "epochs" }, Some(run.progress()));
    add("samples/s in training", Some(number(run.speed().round())));
    add("seconds", Some(format!("{:.1}", run.seconds())));
    cards
}

fn curves(page: &mut Page, run: &Run) {
    let running = run.config.run.train_metrics == crate::config::TrainMetrics::Running;
    let remark = if run.config.rule.kind.is_unsupervised() {
        "The loss is the mean of −½ Σ y²; without targets nothing counts as an error."
    } else if running {
        "Training scores are means over the batches of the epoch; the others are taken after it."
    } else {
        "Scores after each epoch, over all samples. The test set is read once, after the last epoch, unless asked for more often."
    };
    page.section("curves", "Learning", remark);
    let has_errors = !run.config.rule.kind.is_unsupervised() && run.last().train_rmse.is_none();
    let charted = METRICS.iter().filter(|metric| {
        let is_there = metric.only.is_none() || !over_epochs(run, metric, None).is_empty();
        is_there && !metric.per_layer && (has_errors || !metric.is_error())
    });
    let mut charts: Vec<(&str, Vec<&Metric>)> = vec![];
    for metric in charted {
        let Some(chart) = metric.chart else { continue };
        match charts.iter_mut().find(|(title, _)| *title == chart.title) {
            Some((_, metrics)) => metrics.push(metric),
            None => charts.push((chart.title, vec![metric])),
        }
    }
    // Runs of older versions lack some metrics.
    charts.retain(|(_, metrics)| metrics.iter().any(|metric| !over_epochs(run, metric, None).is_empty()));
    let drawing = |(title, metrics): &(&str, Vec<&Metric>)| {
        let values = metrics.iter().flat_map(|metric| over_epochs(run, metric, None)).map(|point| point.1);
        let mut chart = chart(*title, scale(metrics[0], values));
        for (i, metric) in metrics.iter().enumerate() {
            match metric.scored {
                Some(scored) => chart.line(scored.name(), colour(i), over_epochs(run, metric, None)),
                None if metrics.len() > 1 => chart.line(metric.label, colour(i), over_epochs(run, metric, None)),
                None => chart.line("", colour(5), over_epochs(run, metric, None)),
            }
        }
        chart.render()
    };
    page.grid("", &charts.iter().map(drawing).collect::<Vec<_>>());
}

/// The settings as text, in the order of the flags.
pub fn settings(config: &Config) -> Vec<(String, String)> {
    config.to_table().iter().map(|(key, value)| (key.clone(), setting(value))).collect()
}

fn setting(value: &toml::Value) -> String {
    match value {
        toml::Value::String(text) => text.clone(),
        toml::Value::Float(real) => number(*real),
        toml::Value::Array(values) if values.is_empty() => "none".into(),
        toml::Value::Array(values) => values.iter().map(setting).collect::<Vec<_>>().join(","),
        value => value.to_string(),
    }
}

/// The settings that every reader asks for; shown even at their defaults.
const ALWAYS: [&str; 12] = [
    "data",
    "hidden",
    "activation",
    "output",
    "loss",
    "rule",
    "alpha0",
    "epochs",
    "batch-size",
    "seed",
    "val-fraction",
    "momentum",
];
/// More such settings, for runs of ψ.
const OF_PSI: [&str; 7] = ["basis", "scope", "theta", "decay", "decay-ticks", "clock", "latch"];

fn tables(page: &mut Page, run: &Run) {
    page.section("settings", "Settings", "Those that matter most, and all that are not the defaults.");
    let usual: BTreeMap<String, String> = settings(&Config::default()).into_iter().collect();
    let matters = |key: &str, value: &String| {
        let psi = run.config.rule.kind == Rule::Psi && OF_PSI.contains(&key);
        ALWAYS.contains(&key) || psi || usual.get(key) != Some(value)
    };
    let (shown, others): (Vec<_>, Vec<_>) =
        settings(&run.config).into_iter().partition(|(key, value)| matters(key, value));
    let rows =
        |pairs: Vec<(String, String)>| pairs.into_iter().map(|(key, value)| vec![key, value]).collect::<Vec<_>>();
    page.table(&[], &rows(shown), false);
    page.folded("all other settings, at their defaults", &rows(others));
    page.section("environment", "Environment", "");
    let mut facts = vec![];
    flatten("", &run.environment, &mut facts);
    if facts.is_empty() {
        flatten("", run.result.get("device").unwrap_or(&Value::Null), &mut facts);
    }
    if facts.is_empty() {
        page.remark("Nothing was recorded.");
    } else {
        page.table(&[], &rows(facts), false);
    }
}

/// Collects the leaves of a JSON value with their paths.
fn flatten(path: &str, value: &Value, out: &mut Vec<(String, String)>) {
    match value {
        Value::Object(object) => {
            for (key, value) in object {
                flatten(&if path.is_empty() { key.clone() } else { format!("{path} {key}") }, value, out);
            }
        }
        Value::Null => {}
        Value::String(text) => out.push((path.to_owned(), text.clone())),
        value => out.push((path.to_owned(), value.to_string())),
    }
}
