//! The sections on learning rates in sum: mean α over time, α at the end, the triggers of ψ, and the variable that ψ
//! observes. `neurons.rs` shows α neuron by neuron.

use super::curves::{chart, over_epochs, scale};
use super::html::Page;
use super::raster::{self, Timeline};
use super::source::Run;
use super::svg::{Chart, colour};
use super::text::number;
use super::{forward, image};
use crate::config::{Basis, Rule, Theta};
use crate::data::{DataSet, Search, Split};
use crate::model::file::{Alpha, Model, ModelLayer};
use crate::train::metrics::{Format, METRICS};

/// Most training samples in the mean of the observed variable.
const SAMPLES: usize = 10_000;

fn layer(l: usize) -> String {
    format!("layer {}", l + 1)
}

/// Writes how α went on the whole, and α at the end where no raster shows it.
pub fn over_time(page: &mut Page, run: &Run) {
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
    page.grid("", &drawings);
    at_the_end(page, run);
}

/// α at the end, where no raster shows it: histograms of the rates of neurons, pictures of the rates of weights.
fn at_the_end(page: &mut Page, run: &Run) {
    let Some(model) = &run.model else { return };
    let rates = || {
        model.layers.iter().filter_map(|layer| layer.alpha.as_ref()).flat_map(|alpha| match alpha {
            Alpha::PerNeuron(alpha) | Alpha::PerWeight(alpha) => alpha,
        })
    };
    let Some(&first) = rates().next() else { return };
    if rates().all(|&alpha| alpha == first) {
        return page.remark(&format!("At the end every α is {}.", number(f64::from(first))));
    }
    let most = rates().copied().fold(0.0, f32::max);
    let drawing = |(l, shape): (usize, &ModelLayer)| match shape.alpha.as_ref()? {
        Alpha::PerNeuron(_) if raster::onsets(run).is_ok() => None,
        Alpha::PerNeuron(alpha) => {
            let values: Vec<f64> = alpha.iter().map(|alpha| f64::from(*alpha)).collect();
            let title = format!("Layer {}: {} neurons", l + 1, alpha.len());
            Some(histogram(title, "α at the end", l, (&values, 1.05 * f64::from(most))).render())
        }
        Alpha::PerWeight(alpha) => {
            let values: Vec<f32> = alpha.iter().map(|a| a / most).collect();
            let (values, columns) = image::shrunk(&values, shape.n_out, (128, 96));
            Some(format!(
                "<h3>Layer {}: {} inputs and the bias (down) × {} neurons (across), means of cells</h3>{}",
                l + 1,
                shape.n_in,
                shape.n_out,
                picture(&values, columns)
            ))
        }
    };
    let drawings: Vec<String> = model.layers.iter().enumerate().filter_map(drawing).collect();
    if drawings.iter().any(|drawing| drawing.starts_with("<h3>")) {
        page.raw(&format!(
            "<h3 style=\"margin-top:26px\">α at the end: empty is 0, full colour {}</h3>",
            number(f64::from(most))
        ));
    }
    page.grid("", &drawings);
}

/// A histogram of values from 0 to `most`, in 30 bins.
fn histogram(title: String, x_label: &str, l: usize, (values, most): (&[f64], f64)) -> Chart {
    let bins = 30;
    let mut counts = vec![0.0; bins];
    values.iter().for_each(|value| counts[((value / most * bins as f64) as usize).min(bins - 1)] += 1.0);
    let edge = |i: usize| most * i as f64 / bins as f64;
    let mut chart = Chart::new(title, x_label).x_range(0.0, most);
    chart.bars(colour(l), counts.iter().enumerate().map(|(i, count)| (edge(i), edge(i + 1), *count)).collect());
    chart
}

fn picture(values: &[f32], columns: usize) -> String {
    format!("<img class=\"map\" alt=\"α at the end\" src=\"{}\">", image::diverging(values, columns))
}

/// Writes when ψ triggered.
pub fn triggers(page: &mut Page, run: &Run) {
    let Some(onsets) = &run.onsets else { return };
    page.section(
        "triggers",
        "When ψ triggered",
        "How many neurons, or in weight scope weights, had their α begin to fall at each tick.",
    );
    let unit = Timeline::of(run).unit;
    let width = onsets.ticks.div_ceil(50).max(1);
    let chart = |(l, layer_onsets): (usize, &Vec<u32>)| {
        let mut counts = vec![0usize; onsets.ticks.div_ceil(width) as usize];
        for onset in layer_onsets.iter().filter(|onset| (1..=onsets.ticks).contains(*onset)) {
            counts[((onset - 1) / width) as usize] += 1;
        }
        let triggered: usize = counts.iter().sum();
        let title = format!("Layer {}: {triggered} of {} triggered", l + 1, layer_onsets.len());
        let span = (0.5, f64::from(onsets.ticks) + 0.5);
        let mut chart = Chart::new(title, unit).counting().x_range(span.0, span.1);
        let bars = counts.iter().enumerate().map(|(i, count)| {
            let from = f64::from(width) * i as f64 + 0.5;
            (from, (from + f64::from(width)).min(span.1), *count as f64)
        });
        chart.bars(colour(l), bars.collect());
        chart.render()
    };
    page.grid("", &onsets.layers.iter().enumerate().map(chart).collect::<Vec<_>>());
}

/// Writes what ψ observes at the end.
pub fn observed(page: &mut Page, run: &Run) {
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
        let above = theta.map(|theta| values.iter().filter(|value| **value > theta).count());
        let share = above.map_or(String::new(), |above| format!(": {above} of {} above θ", values.len()));
        let of = format!("mean {}", symbol(run.config.rule.basis));
        let mut chart = histogram(format!("Layer {}{share}", l + 1), &of, l, (values, most));
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
