//! The page of one run: headline numbers, learning curves and the tables of its settings; its other sections are in
//! `rates.rs` and `answers.rs`.

use super::html::Page;
use super::source::Run;
use super::svg::{Chart, Scale, colour};
use super::text::number;
use super::{answers, rates};
use crate::config::{Config, Rule, Theta};
use crate::model::file::Model;
use crate::text::percent;
use crate::train::metrics::EpochMetrics;
use serde_json::Value;
use std::collections::BTreeMap;

/// Writes the page.
pub fn write(page: &mut Page, run: &Run) {
    page.heading(&run.name, &[description(run), run.device().unwrap_or_default()]);
    for note in &run.notes {
        page.remark(note);
    }
    page.cards(&headline(run));
    curves(page, run);
    rates::write(page, run);
    answers::write(page, run);
    tables(page, run);
}

/// What was trained, in a line.
fn description(run: &Run) -> String {
    let config = &run.config;
    let hidden = || format!("hidden widths {}", config.hidden);
    let widths = run.model.as_ref().map_or_else(hidden, |model| widths(model).join("-"));
    let units = match config.rule.is_unsupervised() {
        true => format!("{} units", config.activation),
        false => format!("{} hidden and {} output units, {}", config.activation, config.output, config.loss),
    };
    let rule = match (config.rule, config.threshold()) {
        (Rule::Psi, threshold) => {
            let side = if config.basis.triggers_below() { "below" } else { "above" };
            let theta = match threshold {
                Theta::Absolute(theta) => number(theta),
                Theta::Quantile(q) => format!("the {q} quantile"),
                Theta::Sliding(sliding) => format!("sliding {sliding}"),
            };
            let (decay, latch, scope) = (config.decay, config.latch, config.scope);
            format!(
                "ψ on {} {side} θ_M = {theta}, {decay} fall, {latch}, one α per {scope}",
                rates::symbol(config.basis)
            )
        }
        (rule, _) => format!("rule {rule}"),
    };
    format!(
        "{widths} on {}, {units} · {rule} · α0 = {}, batch {}, seed {}",
        config.data,
        number(config.alpha0),
        config.batch_size,
        config.seed
    )
}

fn widths(model: &Model) -> Vec<String> {
    let first = model.layers.first().map(|layer| layer.n_in);
    first.into_iter().chain(model.layers.iter().map(|layer| layer.n_out)).map(|n| n.to_string()).collect()
}

fn headline(run: &Run) -> Vec<(String, String)> {
    let last = run.last();
    let unsupervised = run.config.rule.is_unsupervised();
    let mut cards = vec![];
    let mut add = |name: &str, value: Option<String>| {
        if let Some(value) = value {
            cards.push((name.to_owned(), value));
        }
    };
    if !unsupervised {
        add("test error", last.test_error.map(percent));
        add("validation error", last.val_error.map(percent));
        add("training error", Some(percent(last.train_error)));
    }
    add("test loss", last.test_loss.map(number));
    add("training loss", Some(number(last.train_loss)));
    add(if run.config.epochs == 1 { "epoch" } else { "epochs" }, Some(run.progress()));
    add("samples/s in training", Some(number(run.speed().round())));
    add("seconds", Some(format!("{:.1}", run.seconds())));
    cards
}

/// A value of an epoch that may be missing.
type Metric = fn(&EpochMetrics) -> Option<f64>;

/// The scores after each epoch: what it is called, its loss and its error.
pub const SCORES: [(&str, Metric, Metric); 3] = [
    ("training", |m| Some(m.train_loss), |m| Some(m.train_error)),
    ("validation", |m| m.val_loss, |m| m.val_error),
    ("test", |m| m.test_loss, |m| m.test_error),
];

/// The points of a metric over epochs.
pub fn over_epochs(run: &Run, of: Metric) -> Vec<(f64, f64)> {
    run.epochs.iter().filter_map(|metrics| Some((f64::from(metrics.epoch), of(metrics)?))).collect()
}

/// The scale that shows these losses best: logarithmic where they span more than a decade.
pub fn loss_scale(values: impl Iterator<Item = f64>) -> Scale {
    let range = |(low, high): (f64, f64), value: f64| (low.min(value), high.max(value));
    let (low, high) = values.fold((f64::INFINITY, 0.0), range);
    if low > 0.0 && high > 10.0 * low { Scale::Log } else { Scale::Linear }
}

fn curves(page: &mut Page, run: &Run) {
    let running = run.config.train_metrics == crate::config::TrainMetrics::Running;
    let remark = if run.config.rule.is_unsupervised() {
        "The loss is the mean of −½ Σ y²; without targets nothing counts as an error."
    } else if running {
        "Training scores are means over the batches of the epoch; the others are taken after it."
    } else {
        "Scores after each epoch, over all samples. The test set is read once, after the last epoch, unless asked for more often."
    };
    page.section("curves", "Learning", remark);
    let scale = loss_scale(SCORES.iter().flat_map(|(_, loss, _)| over_epochs(run, *loss)).map(|point| point.1));
    let mut loss = Chart::new("Loss", "epoch").counting().scaled(scale);
    let mut error = Chart::new("Error", "epoch").counting().scaled(Scale::Percent);
    for (i, (name, loss_of, error_of)) in SCORES.into_iter().enumerate() {
        loss.line(name, colour(i), over_epochs(run, loss_of));
        error.line(name, colour(i), over_epochs(run, error_of));
    }
    let mut speed = Chart::new("Training speed, 1000 samples/s", "epoch").counting();
    let rates = run.epochs.iter().map(|m| (f64::from(m.epoch), m.samples_per_second / 1000.0)).collect();
    speed.line("", colour(5), rates);
    let charts = if run.config.rule.is_unsupervised() { vec![loss, speed] } else { vec![loss, error, speed] };
    page.grid("", &charts.iter().map(Chart::render).collect::<Vec<_>>());
}

/// Settings as texts, in the order of the flags.
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

/// Settings that every reader asks for, whether or not they are the defaults.
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
/// The same for runs of ψ.
const OF_PSI: [&str; 7] = ["basis", "scope", "theta", "decay", "decay-ticks", "clock", "latch"];

fn tables(page: &mut Page, run: &Run) {
    page.section("settings", "Settings", "Those that matter most, and all that are not the defaults.");
    let usual: BTreeMap<String, String> = settings(&Config::default()).into_iter().collect();
    let matters = |key: &str, value: &String| {
        let psi = run.config.rule == Rule::Psi && OF_PSI.contains(&key);
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

/// The leaves of a JSON value with their paths.
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
