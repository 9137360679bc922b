//! The sections on learning rates: α over time, α of every neuron at the end, the triggers of ψ, and the variable that
//! ψ observes.

use super::curves::{chart, over_epochs, scale};
use super::html::Page;
use super::source::{Onsets, Run};
use super::svg::{Chart, colour, open};
use super::text::number;
use super::{forward, image};
use crate::config::{Basis, Clock, Latch, Rule, Theta};
use crate::data::{DataSet, Search, Split};
use crate::model::file::{Alpha, Model};
use crate::rule::member::Member;
use crate::rule::psi::{Slot, psi};
use crate::rule::schedule;
use crate::text::html;
use crate::train::metrics::{Format, METRICS};
use std::collections::BTreeMap;
use std::fmt::Write;

/// Most training samples in the mean of the observed variable.
const SAMPLES: usize = 10_000;
/// Most neurons of a map that draws each neuron as a cell.
const CELLS: usize = 1200;

/// Writes the sections about `run`.
pub fn write(page: &mut Page, run: &Run) {
    over_time(page, run);
    triggers(page, run);
    observed(page, run);
}

fn layer(l: usize) -> String {
    format!("layer {}", l + 1)
}

fn over_time(page: &mut Page, run: &Run) {
    page.section("alpha", "Learning rates", "α of the step that follows each epoch. A weight whose α is 0 is frozen.");
    let mut drawings = vec![];
    for metric in METRICS.iter().filter(|metric| metric.per_layer) {
        let Some(titled) = metric.chart else { continue };
        let mut drawing = chart(titled.title, scale(metric, std::iter::empty()));
        if matches!(metric.format, Format::Percent(_)) {
            drawing = drawing.y_range(0.0, 1.0);
        }
        for l in 0..run.last().alpha_mean.len() {
            drawing.line(layer(l), colour(l), over_epochs(run, metric, Some(l + 1)));
        }
        drawings.push(drawing.render());
    }
    let mut note = String::new();
    match &run.onsets {
        Some(onsets) if run.config.rule.latch == Latch::Latched && (run.config.network.init.is_none() || run.config.network.fresh_alpha) => {
            drawings.extend(onsets.layers.iter().enumerate().map(|(l, layer)| deciles(run, onsets, l, layer)));
            note = "Deciles of α follow from the trigger times and ψ: each band within a band leaves out another tenth of the αs at either end; the line is the median.".into();
        }
        Some(_) => note = "Deciles are left out: a fall that can pause, or an α that was given, does not follow from the trigger time.".into(),
        None => {}
    }
    page.grid("", &drawings);
    page.remark(&note);
    let Some(model) = &run.model else { return };
    let rates = model.layers.iter().filter_map(|layer| layer.alpha.as_ref());
    let values = |alpha: &Alpha| match alpha {
        Alpha::PerNeuron(alpha) | Alpha::PerWeight(alpha) => alpha.iter().copied().fold(0.0, f32::max),
    };
    let most = rates.map(values).fold(0.0, f32::max);
    if most == 0.0 {
        page.remark("At the end every α is 0.");
        return;
    }
    let maps: Vec<String> = model.layers.iter().enumerate().filter_map(|(l, _)| map(model, l, most)).collect();
    page.raw(&format!(
        "<h3 style=\"margin-top:26px\">α at the end: empty is 0, full colour {}</h3>",
        number(f64::from(most))
    ));
    page.grid("", &maps);
}

/// Draws α of a layer's slots over ticks: nested bands between deciles.
fn deciles(run: &Run, onsets: &Onsets, l: usize, layer_onsets: &[u32]) -> String {
    let config = &run.config;
    let member = Member::new(config, config, onsets.ticks);
    // Slots that triggered at the same tick share their α, so one evaluation per trigger tick suffices.
    let mut by_tick: BTreeMap<u32, usize> = BTreeMap::new();
    layer_onsets.iter().for_each(|&onset| *by_tick.entry(onset).or_default() += 1);
    let (label, last) = match config.rule.clock {
        Clock::Epoch => ("epoch", onsets.ticks.min(run.last().epoch)),
        Clock::Steps(_) => ("tick", onsets.ticks),
    };
    let every = (last / 200).max(1);
    let times = (0..last).step_by(every as usize).chain([last]);
    let mut bands = vec![vec![]; 5];
    let mut median = vec![];
    for t in times {
        let factor = config.rule.alpha0 * schedule::scale(config, None, (l, onsets.layers.len()), t, onsets.ticks);
        let alpha = |onset: u32| factor * f64::from(psi(&member, &Slot::latched(onset, t)));
        let mut values: Vec<(f64, usize)> = by_tick.iter().map(|(&onset, &count)| (alpha(onset), count)).collect();
        values.sort_by(|a, b| a.0.total_cmp(&b.0));
        let quantile = |q: f64| {
            let mut left = q * (layer_onsets.len() - 1) as f64;
            let found = values.iter().find(|(_, count)| {
                left -= *count as f64;
                left < 0.0
            });
            found.or(values.last()).map_or(f64::NAN, |value| value.0)
        };
        for (i, band) in bands.iter_mut().enumerate() {
            let q = 0.1 * i as f64;
            band.push((f64::from(t), quantile(q), quantile(1.0 - q)));
        }
        median.push((f64::from(t), quantile(0.5)));
    }
    let mut chart =
        Chart::new(format!("Deciles of α, {}", layer(l)), label).counting().y_range(0.0, 1.04 * config.rule.alpha0);
    bands.into_iter().for_each(|band| chart.band(colour(l), 0.14, band));
    chart.line("", colour(l), median);
    chart.render()
}

/// Draws α of a layer at the end: of each neuron, row by row, or of all weights as a picture, shrunk to fit.
fn map(model: &Model, l: usize, most: f32) -> Option<String> {
    let shape = &model.layers[l];
    let title = |what: String| format!("<h3>Layer {}: {}</h3>", l + 1, html(&what));
    match shape.alpha.as_ref()? {
        Alpha::PerNeuron(alpha) if alpha.len() <= CELLS => {
            let columns = ((2.0 * alpha.len() as f64).sqrt().ceil() as usize).max(5);
            let (cell, rows) = (360.0 / columns as f64, alpha.len().div_ceil(columns));
            let cell = cell.min(24.0);
            let mut out = open(360.0, cell * rows as f64 + 1.0, &format!("α at the end, {}", layer(l)));
            for (j, alpha) in alpha.iter().enumerate() {
                let _ = write!(
                    out,
                    "<rect x=\"{:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{:.1}\" style=\"fill:{};fill-opacity:{:.3}\" stroke=\"var(--grid)\"><title>neuron {j}: α = {}</title></rect>",
                    (j % columns) as f64 * cell + 0.5,
                    (j / columns) as f64 * cell + 0.5,
                    cell - 1.0,
                    cell - 1.0,
                    colour(l),
                    alpha / most,
                    number(f64::from(*alpha))
                );
            }
            Some(title(format!("{} neurons, row by row", alpha.len())) + &out + "</svg>")
        }
        Alpha::PerNeuron(alpha) => {
            let columns = (2.0 * alpha.len() as f64).sqrt().ceil() as usize;
            let mut values: Vec<f32> = alpha.iter().map(|a| a / most).collect();
            values.resize(columns * alpha.len().div_ceil(columns), 0.0);
            Some(title(format!("{} neurons, row by row", alpha.len())) + &picture(&values, columns))
        }
        Alpha::PerWeight(alpha) => {
            let values: Vec<f32> = alpha.iter().map(|a| a / most).collect();
            let (values, columns) = image::shrunk(&values, shape.n_out, (128, 96));
            let what =
                format!("{} inputs and the bias (down) × {} neurons (across), means of cells", shape.n_in, shape.n_out);
            Some(title(what) + &picture(&values, columns))
        }
    }
}

fn picture(values: &[f32], columns: usize) -> String {
    format!("<img class=\"map\" alt=\"α at the end\" src=\"{}\">", image::diverging(values, columns))
}

fn triggers(page: &mut Page, run: &Run) {
    let Some(onsets) = &run.onsets else { return };
    page.section(
        "triggers",
        "When ψ triggered",
        "How many neurons, or in weight scope weights, had their α begin to fall at each tick.",
    );
    let width = onsets.ticks.div_ceil(50).max(1);
    let chart = |(l, layer_onsets): (usize, &Vec<u32>)| {
        let mut counts = vec![0usize; onsets.ticks.div_ceil(width) as usize];
        for onset in layer_onsets.iter().filter(|onset| (1..=onsets.ticks).contains(*onset)) {
            counts[((onset - 1) / width) as usize] += 1;
        }
        let triggered: usize = counts.iter().sum();
        let title = format!("Layer {}: {triggered} of {} triggered", l + 1, layer_onsets.len());
        let span = (0.5, f64::from(onsets.ticks) + 0.5);
        let mut chart = Chart::new(title, "tick").counting().x_range(span.0, span.1);
        let bars = counts.iter().enumerate().map(|(i, count)| {
            let from = f64::from(width) * i as f64 + 0.5;
            (from, (from + f64::from(width)).min(span.1), *count as f64)
        });
        chart.bars(colour(l), bars.collect());
        chart.render()
    };
    page.grid("", &onsets.layers.iter().enumerate().map(chart).collect::<Vec<_>>());
}

fn observed(page: &mut Page, run: &Run) {
    if run.config.rule.kind != Rule::Psi {
        return;
    }
    page.section("observed", "What ψ observes", "");
    let Some(model) = &run.model else { return page.remark("Left out: the network was not saved.") };
    let (data, split) = match samples(run, model) {
        Ok(found) => found,
        Err(reason) => return page.remark(&format!("Left out: {reason}.")),
    };
    let rows = forward::sample(model, &split.train, SAMPLES);
    let Some(means) = forward::observed(model, &run.config, &data, &rows) else {
        return page.remark(&format!(
            "Left out: {} takes more than the forward pass that a report makes.",
            run.config.rule.basis
        ));
    };
    let theta = match run.config.threshold() {
        Theta::Absolute(theta) => Some(theta),
        Theta::Quantile(_) | Theta::Sliding(_) => None,
    };
    let derived = if theta.is_none() { " The threshold came from the data and was not kept." } else { "" };
    page.remark(&format!(
        "How many neurons have which mean of {} over {} training samples, with the weights as they are at the end.{derived}",
        symbol(run.config.rule.basis),
        number(rows.len() as f64)
    ));
    let chart = |(l, values): (usize, &Vec<f64>)| {
        let most = values.iter().copied().chain(theta).fold(0.0, f64::max) * 1.05;
        let most = if most > 0.0 { most } else { 1.0 };
        let bins = 30;
        let mut counts = vec![0.0; bins];
        values.iter().for_each(|value| counts[((value / most * bins as f64) as usize).min(bins - 1)] += 1.0);
        let above = theta.map(|theta| values.iter().filter(|value| **value > theta).count());
        let share = above.map_or(String::new(), |above| format!(": {above} of {} above θ", values.len()));
        let mut chart =
            Chart::new(format!("Layer {}{share}", l + 1), format!("mean {}", symbol(run.config.rule.basis)))
                .x_range(0.0, most);
        let edge = |i: usize| most * i as f64 / bins as f64;
        chart.bars(colour(l), counts.iter().enumerate().map(|(i, count)| (edge(i), edge(i + 1), *count)).collect());
        if let Some(theta) = theta {
            chart.mark(theta, format!("θ = {}", number(theta)));
        }
        chart.render()
    };
    page.grid("", &means.iter().enumerate().map(chart).collect::<Vec<_>>());
}

/// The formula of the variable that a basis observes.
pub fn symbol(basis: Basis) -> &'static str {
    basis.variable().symbol
}

/// The data set of a run and its split, or the reason why there is none.
pub fn samples(run: &Run, model: &Model) -> Result<(DataSet, Split), String> {
    let open = || {
        let data = model.open_data(&run.config.data, &Search::new(None))?;
        model.check_data(&data)?;
        let split = Split::of(&data, &run.config.data, run.config.run.seed)?;
        Ok((data, split))
    };
    open().map_err(|e: crate::error::Error| format!("the data set cannot be used ({e})"))
}
