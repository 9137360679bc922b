//! The table of metrics: what is reported of one member after one epoch, and how every output shows each value.
//!
//! `metrics.jsonl`, `metrics.csv`, the event files for TensorBoard, the table that `homeostat train` prints and the curves of
//! a report all iterate over [`METRICS`]. A new metric is a row of this table; a value that no row could take from the
//! engine's [`MemberReport`] so far is also a field there.

use super::engine::{MemberReport, Score};
pub use super::measure::Scored;
use super::measure::{Measure, Told};
pub use super::shown::{Chart, Column, Format};
use crate::config::Task;
use crate::network::topology::Topology;
use serde::{Deserialize, Deserializer, Serialize};

/// What a member's metrics are made from.
#[derive(Clone, Copy, Debug)]
pub(super) struct Source<'a> {
    /// From 1.
    pub epoch: u32,
    /// What the engine says of the member.
    pub member: &'a MemberReport,
    /// How its scores are reported.
    pub measure: &'a Measure,
    /// Its widths.
    pub topology: &'a Topology,
    /// Training samples of the epoch that this process trained.
    pub samples: u64,
    /// Training samples of this member per second of training.
    pub samples_per_second: f64,
    /// Wall-clock seconds of the epoch.
    pub seconds: f64,
}

impl Source<'_> {
    /// The score of the training samples after the epoch, or of its batches where no other was asked for.
    fn train(&self) -> Told {
        self.told(self.member.train.unwrap_or(self.member.running), Scored::Training)
    }

    fn running(&self) -> Told {
        self.told(self.member.running, Scored::Training)
    }

    fn validation(&self) -> Option<Told> {
        self.member.validation.map(|score| self.told(score, Scored::Validation))
    }

    fn test(&self) -> Option<Told> {
        self.member.test.map(|score| self.told(score, Scored::Test))
    }

    fn living(&self) -> f64 {
        let all: usize = self.topology.widths()[1..].iter().sum();
        self.member.living.iter().sum::<usize>() as f64 / all as f64
    }

    fn living_per_layer(&self) -> Vec<f64> {
        let layers = self.member.living.iter().zip(&self.topology.widths()[1..]);
        layers.map(|(&living, &neurons)| living as f64 / neurons as f64).collect()
    }

    fn told(&self, score: Score, of: Scored) -> Told {
        self.measure.tell(score, of)
    }
}

/// A row of the table.
#[derive(Clone, Copy, Debug)]
pub struct Metric {
    /// Key in JSON and heading in CSV, where `_1`, `_2` … follow if there is one value per layer.
    pub key: &'static str,
    /// Name for people.
    pub label: &'static str,
    /// Tag in TensorBoard, where `/layer_1` … follow if there is one value per layer.
    pub tag: Option<&'static str>,
    /// Column of the progress table.
    pub column: Column,
    /// Chart of the report.
    pub chart: Option<Chart>,
    /// How people read it.
    pub format: Format,
    /// The samples it scores, if it is a score.
    pub scored: Option<Scored>,
    /// The only task that has it; `None` = every task.
    pub only: Option<Task>,
    /// Whether it states what the epoch cost, not what the epoch achieved. A repeated run may take another time, and a resumed
    /// run or another engine another number of operations.
    pub is_cost: bool,
    /// Whether there is one value per layer.
    pub per_layer: bool,
    get: fn(&EpochMetrics) -> Values<'_>,
}

/// The values of a metric.
#[derive(Clone, Copy, Debug)]
enum Values<'a> {
    One(Option<f64>),
    PerLayer(&'a [f64]),
}

/// A type that metrics have.
trait Held {
    const PER_LAYER: bool = false;

    fn values(&self) -> Values<'_>;
}

impl Held for f64 {
    fn values(&self) -> Values<'_> {
        Values::One(Some(*self))
    }
}

impl Held for Option<f64> {
    fn values(&self) -> Values<'_> {
        Values::One(*self)
    }
}

impl Held for Vec<f64> {
    const PER_LAYER: bool = true;

    fn values(&self) -> Values<'_> {
        Values::PerLayer(self)
    }
}

/// One value, and where it belongs.
#[derive(Clone, Copy, Debug)]
pub struct Reading {
    /// The metric.
    pub metric: &'static Metric,
    /// The layer, from 1, where there is one value per layer.
    pub layer: Option<usize>,
    /// The value; `None` where nothing was measured.
    pub value: Option<f64>,
}

/// A row that leaves out all it can; `key`, `per_layer` and `get` come from the macro.
const PLAIN: Metric = Metric {
    key: "",
    label: "",
    tag: None,
    column: Column::new("", 0),
    chart: None,
    format: Format::Decimals(5),
    scored: None,
    only: None,
    is_cost: false,
    per_layer: false,
    get: |_| Values::One(None),
};

const LOSS: Chart = Chart { title: "Loss", unit: 1.0, compared: true };
const ERROR: Chart = Chart { title: "Error", unit: 1.0, compared: true };
const RMSE: Chart = Chart { title: "RMSE", unit: 1.0, compared: true };
const R2: Chart = Chart { title: "R²", unit: 1.0, compared: true };
const COMPUTE: Chart = Chart { title: "Compute per epoch, GFLOP", unit: 1.0, compared: false };

/// Makes [`EpochMetrics`] and [`METRICS`] of rows `field: type = value from the source, row of the table`.
macro_rules! metrics {
    (|$source:ident| $($(#[$attribute:meta])* $name:ident: $type:ty = $value:expr, $row:expr;)*) => {
        /// One line of `metrics.jsonl`: one member after one epoch. JSON has no infinities and no NaN; a number that is not
        /// finite is written as null and read back as NaN.
        #[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
        pub struct EpochMetrics {
            /// From 1.
            pub epoch: u32,
            $($(#[$attribute])* pub $name: $type,)*
        }

        impl EpochMetrics {
            pub(super) fn new($source: &Source<'_>) -> Self {
                Self { epoch: $source.epoch, $($name: $value,)* }
            }
        }

        /// Every metric, in the order of `metrics.jsonl` and `metrics.csv`, where the number of the epoch comes first.
        pub const METRICS: &[Metric] = &[$(Metric {
            key: stringify!($name),
            per_layer: <$type as Held>::PER_LAYER,
            get: |metrics| metrics.$name.values(),
            ..$row
        },)*];
    };
}

// A metric that old files lack is an `Option` or a `Vec` with `#[serde(default)]`, so that they can still be read.
metrics! { |source|
    /// Mean loss over the training samples: after the epoch's last update, or running (`--train-metrics`).
    #[serde(deserialize_with = "number")]
    train_loss: f64 = source.train().loss, Metric {
        label: "training loss",
        tag: Some("loss/train"),
        column: Column::new("train loss", 10).short("loss").rank(1),
        chart: Some(LOSS),
        scored: Some(Scored::Training),
        ..PLAIN
    };
    /// Share of training samples answered wrongly, 0 … 1, as `train_loss`. In a regression 1 − R².
    #[serde(deserialize_with = "number")]
    train_error: f64 = source.train().error, Metric {
        label: "training error",
        tag: Some("error/train"),
        column: Column::new("error", 7).short("error").rank(2),
        chart: Some(ERROR),
        format: Format::Percent(2),
        scored: Some(Scored::Training),
        ..PLAIN
    };
    /// Root of the mean squared error over the training samples, of a regression.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "known_number")]
    train_rmse: Option<f64> = source.train().rmse, Metric {
        label: "training RMSE",
        tag: Some("rmse/train"),
        column: Column::new("train RMSE", 10).short("rmse").rank(2),
        chart: Some(RMSE),
        format: Format::Significant(4),
        scored: Some(Scored::Training),
        only: Some(Task::Regression),
        ..PLAIN
    };
    /// Mean absolute error over the training samples, of a regression.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "known_number")]
    train_mae: Option<f64> = source.train().mae, Metric {
        label: "training MAE",
        tag: Some("mae/train"),
        column: Column::new("train MAE", 10).short("mae").rank(13),
        format: Format::Significant(4),
        scored: Some(Scored::Training),
        only: Some(Task::Regression),
        ..PLAIN
    };
    /// Share of the variance of the training targets that is explained, of a regression.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "known_number")]
    train_r2: Option<f64> = source.train().r2, Metric {
        label: "training R²",
        tag: Some("r2/train"),
        column: Column::new("train R²", 8).short("r2").rank(12),
        chart: Some(R2),
        scored: Some(Scored::Training),
        only: Some(Task::Regression),
        ..PLAIN
    };
    /// Mean loss over the validation samples after the epoch; `None` without any.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "known_number")]
    val_loss: Option<f64> = source.validation().map(|told| told.loss), Metric {
        label: "validation loss",
        tag: Some("loss/validation"),
        column: Column::new("val loss", 10).rank(11),
        chart: Some(LOSS),
        scored: Some(Scored::Validation),
        ..PLAIN
    };
    /// Share of validation samples answered wrongly, 0 … 1.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "known_number")]
    val_error: Option<f64> = source.validation().map(|told| told.error), Metric {
        label: "validation error",
        tag: Some("error/validation"),
        column: Column::new("val error", 9).rank(3),
        chart: Some(ERROR),
        format: Format::Percent(2),
        scored: Some(Scored::Validation),
        ..PLAIN
    };
    /// Root of the mean squared error over the validation samples, of a regression.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "known_number")]
    val_rmse: Option<f64> = source.validation().and_then(|told| told.rmse), Metric {
        label: "validation RMSE",
        tag: Some("rmse/validation"),
        column: Column::new("val RMSE", 10).rank(3),
        chart: Some(RMSE),
        format: Format::Significant(4),
        scored: Some(Scored::Validation),
        only: Some(Task::Regression),
        ..PLAIN
    };
    /// Mean absolute error over the validation samples, of a regression.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "known_number")]
    val_mae: Option<f64> = source.validation().and_then(|told| told.mae), Metric {
        label: "validation MAE",
        tag: Some("mae/validation"),
        column: Column::new("val MAE", 10).rank(14),
        format: Format::Significant(4),
        scored: Some(Scored::Validation),
        only: Some(Task::Regression),
        ..PLAIN
    };
    /// Share of the variance of the validation targets that is explained, of a regression.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "known_number")]
    val_r2: Option<f64> = source.validation().and_then(|told| told.r2), Metric {
        label: "validation R²",
        tag: Some("r2/validation"),
        column: Column::new("val R²", 8).rank(9),
        chart: Some(R2),
        scored: Some(Scored::Validation),
        only: Some(Task::Regression),
        ..PLAIN
    };
    /// Mean loss over the test samples after the epoch; `None` where they were not read.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "known_number")]
    test_loss: Option<f64> = source.test().map(|told| told.loss), Metric {
        label: "test loss",
        tag: Some("loss/test"),
        column: Column::new("test loss", 10).rank(12),
        chart: Some(LOSS),
        scored: Some(Scored::Test),
        ..PLAIN
    };
    /// Share of test samples answered wrongly, 0 … 1.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "known_number")]
    test_error: Option<f64> = source.test().map(|told| told.error), Metric {
        label: "test error",
        tag: Some("error/test"),
        column: Column::new("test error", 10).rank(4),
        chart: Some(ERROR),
        format: Format::Percent(2),
        scored: Some(Scored::Test),
        ..PLAIN
    };
    /// Root of the mean squared error over the test samples, of a regression.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "known_number")]
    test_rmse: Option<f64> = source.test().and_then(|told| told.rmse), Metric {
        label: "test RMSE",
        tag: Some("rmse/test"),
        column: Column::new("test RMSE", 10).rank(4),
        chart: Some(RMSE),
        format: Format::Significant(4),
        scored: Some(Scored::Test),
        only: Some(Task::Regression),
        ..PLAIN
    };
    /// Mean absolute error over the test samples, of a regression.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "known_number")]
    test_mae: Option<f64> = source.test().and_then(|told| told.mae), Metric {
        label: "test MAE",
        tag: Some("mae/test"),
        column: Column::new("test MAE", 10).rank(15),
        format: Format::Significant(4),
        scored: Some(Scored::Test),
        only: Some(Task::Regression),
        ..PLAIN
    };
    /// Share of the variance of the test targets that is explained, of a regression.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "known_number")]
    test_r2: Option<f64> = source.test().and_then(|told| told.r2), Metric {
        label: "test R²",
        tag: Some("r2/test"),
        column: Column::new("test R²", 8).rank(10),
        chart: Some(R2),
        scored: Some(Scored::Test),
        only: Some(Task::Regression),
        ..PLAIN
    };
    /// Mean α of the next step, one entry per layer.
    #[serde(deserialize_with = "numbers")]
    alpha_mean: Vec<f64> = source.member.alpha.iter().map(|alpha| alpha.mean).collect(), Metric {
        label: "mean α",
        tag: Some("alpha_mean"),
        column: Column::new("α", 6).short("alpha").rank(7),
        chart: Some(Chart { title: "Mean α", unit: 1.0, compared: true }),
        ..PLAIN
    };
    /// Share of the αs that are exactly 0, one entry per layer.
    frozen_fraction: Vec<f64> = source.member.alpha.iter().map(|alpha| alpha.frozen).collect(), Metric {
        label: "frozen share",
        tag: Some("frozen_fraction"),
        column: Column::new("frozen", 7).short("frozen"),
        chart: Some(Chart { title: "Frozen share", unit: 1.0, compared: false }),
        format: Format::Percent(0),
        ..PLAIN
    };
    /// Share of all neurons, outputs included, with a weight that can change in the next step; `None` in old files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    living_fraction: Option<f64> = Some(source.living()), Metric {
        label: "living share",
        tag: Some("living_fraction"),
        column: Column::new("living %", 8),
        chart: Some(Chart { title: "Living neurons", unit: 1.0, compared: false }),
        format: Format::Percent(0),
        ..PLAIN
    };
    /// Share of each layer's neurons with a weight that can change in the next step, one entry per layer; empty in old files.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    living_per_layer: Vec<f64> = source.living_per_layer(), Metric {
        label: "living share of the layer",
        tag: Some("living_per_layer"),
        column: Column::new("living", 6).short("living").rank(5).bars(),
        format: Format::Percent(0),
        ..PLAIN
    };
    /// Mean loss over the epoch's batches while the weights changed.
    #[serde(deserialize_with = "number")]
    running_loss: f64 = source.running().loss, Metric {
        label: "running loss",
        column: Column::new("running loss", 12),
        ..PLAIN
    };
    /// Share of wrong answers over the epoch's batches while the weights changed.
    #[serde(deserialize_with = "number")]
    running_error: f64 = source.running().error, Metric {
        label: "running error",
        column: Column::new("running error", 13),
        format: Format::Percent(2),
        ..PLAIN
    };
    /// Operations that the products of the epoch's training steps took, in 10⁹; `None` in old files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    gflop_per_epoch: Option<f64> = Some(source.member.flops / 1e9), Metric {
        label: "arithmetic done",
        tag: Some("gflop/done"),
        column: Column::new("GFLOP", 9).short("gflop"),
        chart: Some(COMPUTE),
        format: Format::Significant(4),
        is_cost: true,
        ..PLAIN
    };
    /// Operations that these products would take if no neuron were frozen, in 10⁹; `None` in old files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    gflop_full: Option<f64> = Some(source.topology.flops_per_sample() * source.samples as f64 / 1e9), Metric {
        label: "arithmetic in full",
        tag: Some("gflop/full"),
        column: Column::new("GFLOP full", 10),
        chart: Some(COMPUTE),
        format: Format::Significant(4),
        is_cost: true,
        ..PLAIN
    };
    /// Training samples of this member per second of training, evaluation not counted.
    samples_per_second: f64 = source.samples_per_second, Metric {
        label: "samples/s in training",
        tag: Some("samples_per_second"),
        column: Column::new("samples/s", 9).short("speed").rank(6),
        chart: Some(Chart { title: "Training speed, 1000 samples/s", unit: 1000.0, compared: false }),
        format: Format::Count,
        is_cost: true,
        ..PLAIN
    };
    /// Wall-clock seconds of the epoch, evaluation included.
    seconds: f64 = source.seconds, Metric {
        label: "seconds",
        column: Column::new("seconds", 7).rank(8),
        format: Format::Decimals(2),
        is_cost: true,
        ..PLAIN
    };
}

/// A number, or null.
fn number<'de, D: Deserializer<'de>>(source: D) -> std::result::Result<f64, D::Error> {
    Ok(Option::deserialize(source)?.unwrap_or(f64::NAN))
}

/// A number, or null, where something is written at all.
fn known_number<'de, D: Deserializer<'de>>(source: D) -> std::result::Result<Option<f64>, D::Error> {
    number(source).map(Some)
}

/// Numbers, or nulls.
fn numbers<'de, D: Deserializer<'de>>(source: D) -> std::result::Result<Vec<f64>, D::Error> {
    let values = Vec::<Option<f64>>::deserialize(source)?;
    Ok(values.into_iter().map(|value| value.unwrap_or(f64::NAN)).collect())
}

impl Metric {
    /// The metric with this key.
    #[must_use]
    pub fn named(key: &str) -> Option<&'static Self> {
        METRICS.iter().find(|metric| metric.key == key)
    }

    /// Its value in an epoch: of a layer, from 1, where there is one value per layer.
    #[must_use]
    pub fn value(&self, metrics: &EpochMetrics, layer: Option<usize>) -> Option<f64> {
        match ((self.get)(metrics), layer) {
            (Values::One(value), None) => value,
            (Values::PerLayer(values), Some(layer)) => values.get(layer.checked_sub(1)?).copied(),
            _ => None,
        }
    }

    /// Whether it is a share of wrong answers, which means nothing where there are no targets.
    #[must_use]
    pub fn is_error(&self) -> bool {
        self.scored.is_some() && matches!(self.format, Format::Percent(_))
    }
}

impl EpochMetrics {
    /// The values of these metrics, in this order, without those of another task. Neighbours with one value per layer come
    /// layer by layer.
    #[must_use]
    pub fn readings(&self, metrics: impl IntoIterator<Item = &'static Metric>) -> Vec<Reading> {
        let is_regression = self.train_rmse.is_some();
        let metrics: Vec<_> = metrics.into_iter().filter(|metric| metric.only.is_none() || is_regression).collect();
        let mut readings = vec![];
        for neighbours in metrics.chunk_by(|one, other| one.per_layer && other.per_layer) {
            let read = |layer| {
                neighbours.iter().map(move |metric| Reading { metric, layer, value: metric.value(self, layer) })
            };
            if neighbours[0].per_layer {
                // Every file has the rates of each layer. A metric that an old file lacks has places without values.
                readings.extend((1..=self.alpha_mean.len()).flat_map(|layer| read(Some(layer))));
            } else {
                readings.extend(read(None));
            }
        }
        readings
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metrics() -> EpochMetrics {
        EpochMetrics {
            val_loss: Some(0.5),
            alpha_mean: vec![0.3, 0.2],
            frozen_fraction: vec![0.0, 1.0],
            ..Default::default()
        }
    }

    #[test]
    fn keys_are_those_of_the_file_in_its_order() {
        let some = Some(0.5);
        let regression = EpochMetrics { train_rmse: some, train_mae: some, train_r2: some, ..metrics() };
        let validated = EpochMetrics { val_error: some, val_rmse: some, val_mae: some, val_r2: some, ..regression };
        let tested = EpochMetrics { test_loss: some, test_error: some, test_rmse: some, ..validated };
        let scored = EpochMetrics { test_mae: some, test_r2: some, ..tested };
        let living = EpochMetrics { living_fraction: some, living_per_layer: vec![0.5], ..scored };
        let full = EpochMetrics { gflop_per_epoch: some, gflop_full: some, ..living };
        let text = serde_json::to_string(&full).unwrap();
        let places: Vec<_> = METRICS.iter().map(|metric| text.find(&format!("\"{}\":", metric.key)).unwrap()).collect();
        assert!(places.is_sorted(), "{text}");
        assert_eq!(serde_json::from_str::<serde_json::Map<_, _>>(&text).unwrap().len(), METRICS.len() + 1);
    }

    #[test]
    fn readings_go_layer_by_layer() {
        let rows = METRICS.iter().filter(|metric| metric.per_layer || metric.key.starts_with("val"));
        let readings = metrics().readings(rows);
        let told: Vec<_> = readings.iter().map(|r| (r.metric.key, r.layer, r.value)).collect();
        assert_eq!(
            told,
            [
                ("val_loss", None, Some(0.5)),
                ("val_error", None, None),
                ("alpha_mean", Some(1), Some(0.3)),
                ("frozen_fraction", Some(1), Some(0.0)),
                ("living_per_layer", Some(1), None),
                ("alpha_mean", Some(2), Some(0.2)),
                ("frozen_fraction", Some(2), Some(1.0)),
                ("living_per_layer", Some(2), None),
            ]
        );
    }

    #[test]
    fn numbers_that_are_not_finite_come_back() {
        let diverged = EpochMetrics { train_loss: f64::NAN, alpha_mean: vec![f64::INFINITY], ..metrics() };
        let text = serde_json::to_string(&diverged).unwrap();
        assert!(text.contains("\"train_loss\":null") && text.contains("\"alpha_mean\":[null]"), "{text}");
        let read: EpochMetrics = serde_json::from_str(&text).unwrap();
        assert!(read.train_loss.is_nan() && read.alpha_mean[0].is_nan() && read.test_loss.is_none());
    }
}
