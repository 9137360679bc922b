//! Curves of the metrics over the epochs of a run.

use super::source::Run;
use super::svg::{Chart, Scale};
use crate::train::metrics::{EpochMetrics, Format, Metric};

/// (epoch, value) of a metric. `layer`, from 1, selects the value where a metric has one value per layer.
pub fn over_epochs(run: &Run, metric: &Metric, layer: Option<usize>) -> Vec<(f64, f64)> {
    let unit = metric.chart.map_or(1.0, |chart| chart.unit);
    let point = |epoch: &EpochMetrics| Some((f64::from(epoch.epoch), metric.value(epoch, layer)? / unit));
    run.epochs.iter().filter_map(point).collect()
}

/// An empty chart for metrics over epochs.
pub fn chart(title: impl Into<String>, scale: Scale) -> Chart {
    Chart::new(title, "epoch").counting().scaled(scale)
}

/// The scale that shows a metric best. `values` are all values of the chart.
pub fn scale(metric: &Metric, values: impl Iterator<Item = f64>) -> Scale {
    match (metric.format, metric.scored) {
        (Format::Percent(_), _) => Scale::Percent,
        (_, Some(_)) => loss_scale(values),
        _ => Scale::Linear,
    }
}

/// The scale that shows losses best: logarithmic if they span more than a decade.
pub fn loss_scale(values: impl Iterator<Item = f64>) -> Scale {
    let range = |(low, high): (f64, f64), value: f64| (low.min(value), high.max(value));
    let (low, high) = values.fold((f64::INFINITY, 0.0), range);
    if low > 0.0 && high > 10.0 * low { Scale::Log } else { Scale::Linear }
}
