//! [`Workload`]: a network and a batch size, by name or by shape, and the data they train on.

use super::settings::Settings;
use crate::config::{Activation, Basis, Config, DecayTicks, Loss, Output, TrainMetrics};
use crate::data::{DataSet, Samples};
use crate::error::{Error, Result};
use crate::memory::{self, Array};
use crate::rng::{Random, Stream};
use crate::text::quoted;
use crate::train::population::Population;
use std::str::FromStr;
use std::sync::Arc;

/// A network and a batch size.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Workload {
    /// The name, or the shape as the user wrote it.
    pub name: String,
    /// n_0 … n_L.
    pub widths: Vec<usize>,
    /// B.
    pub batch_size: usize,
}

/// The named workloads: name, widths, B.
const NAMED: [(&str, &[usize], usize); 4] = [
    ("small", &[784, 256, 10], 128),
    ("mid", &[784, 1024, 1024, 10], 128),
    ("big", &[784, 2500, 2000, 1500, 1000, 500, 10], 512),
    ("online", &[784, 100, 10], 1),
];

/// Most rows of data.
const MAX_ROWS: usize = 60_000;
/// Most features of all rows together. Fewer rows of noise measure the same.
const MAX_FEATURES: usize = 60_000 * 784;
/// Epochs of the nominal run, unless they make too many steps. With so many epochs α stays near α0 even if it falls
/// until the end. Frozen weights would let an engine skip the work that the benchmark measures.
const EPOCHS: u32 = 1_000_000;

impl Workload {
    /// All named workloads.
    #[must_use]
    pub fn named() -> Vec<Self> {
        let workload = |&(name, widths, batch_size): &(&str, &[usize], usize)| Self {
            name: name.to_owned(),
            widths: widths.to_vec(),
            batch_size,
        };
        NAMED.iter().map(workload).collect()
    }

    /// The widths, comma-separated.
    #[must_use]
    pub fn layers(&self) -> String {
        let words: Vec<String> = self.widths.iter().map(ToString::to_string).collect();
        words.join(",")
    }

    /// The workload as a population. Trains on whole batches of MNIST, or of noise if MNIST does not fit the shape.
    pub(super) fn population(&self, settings: &Settings) -> Result<Population> {
        settings.check()?;
        if settings.freezes() && self.widths.len() == 2 {
            return Err(Error::config(format!(
                "`living = {}`: workload {} has no hidden layer to freeze neurons of; leave `living` out",
                settings.living,
                quoted(&self.name)
            )));
        }
        let (features, classes) = (self.widths[0], self.widths[self.widths.len() - 1]);
        let most = MAX_ROWS.min(MAX_FEATURES / features).max(1);
        let rows = (most / self.batch_size).max(1) * self.batch_size;
        let noise_bytes = Array::new("data set", 1, &[("rows", rows), ("features", features)]);
        memory::check_machine(&self.name, &[noise_bytes], "use a smaller batch, or fewer inputs")?;
        let data = match (features, classes) {
            (784, 10) if rows <= MAX_ROWS => DataSet::open("mnist")?,
            _ => noise(features, classes, rows),
        };
        let data = data.head(rows);
        let epochs = EPOCHS.min(u32::MAX / (rows / self.batch_size) as u32);
        let config = Config::default()
            .data(data.name.clone())
            .test_fraction(0.0)
            .hidden(self.widths[1..self.widths.len() - 1].to_vec())
            // The paper's model; its activations are also the most expensive.
            .activation(Activation::Logistic)
            .output(Output::Logistic)
            .loss(Loss::Mse)
            .rule(settings.rule)
            .scope(settings.scope)
            .precision(settings.precision)
            .no_autotune(settings.no_autotune)
            .alpha0(0.1)
            .basis(Basis::Act)
            .theta(0.6)
            .decay_ticks(DecayTicks::ToEnd)
            .epochs(epochs)
            .batch_size(self.batch_size)
            .train_metrics(TrainMetrics::Running);
        let config = match settings.freezes() {
            // Only a fall of known length has an end, at which a neuron can already be. It is as slow as the usual fall.
            true => config.decay_ticks(DecayTicks::Ticks(f64::from(epochs))),
            false => config,
        };
        let member = |seed: usize| config.clone().seed(seed as u64);
        Population::new((0..settings.members).map(member).collect(), Arc::new(data), Some(classes))
    }
}

impl FromStr for Workload {
    type Err = Error;
    fn from_str(text: &str) -> Result<Self> {
        if let Some(named) = Self::named().into_iter().find(|workload| workload.name == text) {
            return Ok(named);
        }
        let numbers = || {
            let (layers, batch) = text.split_once(':')?;
            let widths: Vec<usize> = layers.split(',').map(|n| n.trim().parse().ok()).collect::<Option<_>>()?;
            let batch_size = batch.trim().parse().ok()?;
            let small = |&n: &usize| (1..1 << 20).contains(&n);
            let sound = widths.len() >= 2 && widths.iter().all(small) && small(&batch_size);
            sound.then(|| Self { name: text.to_owned(), widths, batch_size })
        };
        numbers().ok_or_else(|| {
            Error::config(format!(
                "workload {}: use small, mid, big, online, or LAYERS:BATCH, for example 784,100,10:32",
                quoted(text)
            ))
        })
    }
}

fn noise(features: usize, classes: usize, rows: usize) -> DataSet {
    let mut random = Random::new(0, Stream::Order, 0);
    let bytes = (0..rows * features).map(|_| random.below(256) as u8).collect();
    let labels = (0..rows).map(|row| (row % classes) as u32).collect();
    DataSet::assemble(features, Samples::U8(bytes), labels, 0).named("noise")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn workloads_are_read_by_name_and_by_shape() {
        assert_eq!("small".parse::<Workload>().unwrap().widths, [784, 256, 10]);
        let own: Workload = "20,5,3:7".parse().unwrap();
        assert_eq!((own.widths, own.batch_size), (vec![20, 5, 3], 7));
        for bad in ["huge", "20:7", "20,0,3:7", "20,5,3:0", "20,5,3", "a,b:1", ":1", "20,5,3:9999999", "-1,2:1"] {
            assert!(bad.parse::<Workload>().is_err(), "{bad}");
        }
    }
}
