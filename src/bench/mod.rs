//! Measuring training: fixed workloads, run through the same [`Trainer`] as any training, and a device's practical peaks
//! to hold the figures against. Every figure is a median over windows of training, evaluation not counted.

mod roofline;

pub use roofline::Roofline;

use crate::config::{Activation, Config, Hidden, Loss, Output, Rule, Scope, TrainMetrics};
use crate::data::{DataSet, Samples};
use crate::device;
use crate::engine::{DeviceInfo, KernelTime};
use crate::error::{Error, Result};
use crate::population::Population;
use crate::rng::{Random, Stream};
use crate::trainer::{EpochMetrics, Position, Trainer};
use serde::Serialize;
use std::ops::ControlFlow;
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// A network and a batch size.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Workload {
    /// What it is called.
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

    /// The layers as one word.
    #[must_use]
    pub fn layers(&self) -> String {
        let words: Vec<String> = self.widths.iter().map(ToString::to_string).collect();
        words.join(",")
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
            let batch_size = batch.parse().ok()?;
            let sound =
                widths.len() >= 2 && !widths.contains(&0) && widths.iter().all(|&n| n < 1 << 20) && batch_size > 0;
            sound.then(|| Self { name: text.to_owned(), widths, batch_size })
        };
        numbers().ok_or_else(|| {
            Error::config(format!(
                "workload `{text}`: use small, mid, big, online, or LAYERS:BATCH, for example 784,100,10:32"
            ))
        })
    }
}

/// How to run the workloads.
#[derive(Clone, Debug)]
pub struct Settings {
    /// α0 of `constant`, or the whole of ψ.
    pub rule: Rule,
    /// What shares one α.
    pub scope: Scope,
    /// P.
    pub members: usize,
    /// Windows that are thrown away.
    pub warmup: u32,
    /// Windows that count.
    pub runs: u32,
    /// Aim for the length of a window.
    pub window_seconds: f64,
}

/// One measured workload: a line of `--json`.
#[derive(Clone, Debug, Serialize)]
pub struct Measurement {
    /// Name of the workload.
    pub workload: String,
    /// Widths, comma-separated.
    pub layers: String,
    /// B.
    pub batch_size: usize,
    /// P.
    pub members: usize,
    /// What it ran on.
    pub device: DeviceInfo,
    /// Rule of all members.
    pub rule: Rule,
    /// Scope of α.
    pub scope: Scope,
    /// Median over the windows, samples of all members together.
    pub samples_per_second: f64,
    /// Slowest window.
    pub samples_per_second_min: f64,
    /// Fastest window.
    pub samples_per_second_max: f64,
    /// Weights written per second.
    pub weight_updates_per_second: f64,
    /// Floating-point operations per second of the products, in 10⁹.
    pub gflops: f64,
    /// What the device reaches without memory, in 10⁹ per second.
    pub peak_gflops: f64,
    /// `gflops / peak_gflops`.
    pub fraction_of_peak: f64,
    /// `gflops` over what peak and bandwidth allow for this workload's arithmetic intensity.
    pub fraction_of_roofline: f64,
    /// Samples of one window.
    pub window_samples: usize,
    /// Time per kernel in one training step, where the device can tell.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub kernels: Vec<KernelTime>,
}

/// Rows that windows draw from at most.
const MAX_ROWS: usize = 60_000;

/// Measures one workload on one device, whose peaks are `roofline`.
///
/// # Errors
/// If the device cannot hold or run it.
pub fn measure(
    workload: &Workload,
    choice: &device::Choice,
    settings: &Settings,
    roofline: &Roofline,
) -> Result<Measurement> {
    let most = (MAX_ROWS / workload.batch_size).max(1);
    // A short look first, to size the windows.
    let steps = 4.min(most);
    let (rates, _) = run(workload, choice, settings, steps, 2)?;
    let per_step = (workload.batch_size * settings.members) as f64;
    let wanted = (settings.window_seconds * median(&rates[1..]) / per_step) as usize;
    let (rates, run) = run(workload, choice, settings, wanted.clamp(steps, most), settings.warmup + settings.runs)?;
    let mut counted = rates[settings.warmup as usize..].to_vec();
    counted.sort_by(f64::total_cmp);
    let rate = median(&counted);
    let topology = &run.population.topology;
    let flops = topology.flops_per_sample();
    let gflops = rate * flops / 1e9;
    let intensity = flops * per_step / bytes_per_step(&run.population);
    let attainable = roofline.gflops.min(intensity * roofline.gigabytes_per_second);
    Ok(Measurement {
        workload: workload.name.clone(),
        layers: workload.layers(),
        batch_size: workload.batch_size,
        members: settings.members,
        device: run.device,
        rule: settings.rule,
        scope: settings.scope,
        samples_per_second: rate,
        samples_per_second_min: counted[0],
        samples_per_second_max: counted[counted.len() - 1],
        weight_updates_per_second: rate / workload.batch_size as f64 * topology.parameters() as f64,
        gflops,
        peak_gflops: roofline.gflops,
        fraction_of_peak: gflops / roofline.gflops,
        fraction_of_roofline: gflops / attainable,
        window_samples: run.population.train_rows(),
        kernels: run.kernels,
    })
}

struct Run {
    population: Arc<Population>,
    device: DeviceInfo,
    kernels: Vec<KernelTime>,
}

/// Trains `windows` epochs of `steps` steps; samples per second of each, all members together.
fn run(
    workload: &Workload,
    choice: &device::Choice,
    settings: &Settings,
    steps: usize,
    windows: u32,
) -> Result<(Vec<f64>, Run)> {
    let population = Arc::new(population(workload, settings, steps, windows)?);
    let opened = device::open(choice, &population, &population.initial_state())?;
    let interrupt = Arc::new(AtomicBool::new(false));
    let device = opened.engine.device().clone();
    let mut trainer = Trainer::new(Arc::clone(&population), opened.engine, Position::START, interrupt);
    let mut rates = vec![];
    let mut keep = |metrics: &[EpochMetrics]| {
        rates.push(metrics[0].samples_per_second * settings.members as f64);
        Ok(ControlFlow::Continue(()))
    };
    trainer.run(&mut keep)?;
    let kernels = trainer.into_engine().kernel_times(0)?;
    Ok((rates, Run { population, device, kernels }))
}

/// The workload as a population on `steps` batches of MNIST, or of noise where its shape is another.
fn population(workload: &Workload, settings: &Settings, steps: usize, windows: u32) -> Result<Population> {
    let (features, classes) = (workload.widths[0], workload.widths[workload.widths.len() - 1]);
    let rows = steps * workload.batch_size;
    let mut data = match (features, classes) {
        (784, 10) if rows <= MAX_ROWS => DataSet::open("mnist")?,
        _ => noise(features, classes, rows),
    };
    if let Samples::U8(bytes) = &mut data.samples {
        bytes.truncate(rows * features);
    }
    data.labels.truncate(rows);
    data.test_rows = 0;
    let config = Config {
        data: data.name.clone(),
        test_fraction: Some(0.0),
        hidden: Hidden(workload.widths[1..workload.widths.len() - 1].to_vec()),
        // The units of the paper, which are also the dearest.
        activation: Activation::Logistic,
        output: Output::Logistic,
        loss: Loss::Mse,
        rule: settings.rule,
        scope: settings.scope,
        alpha0: 0.1,
        theta: Some(0.6),
        epochs: windows,
        batch_size: workload.batch_size,
        train_metrics: TrainMetrics::Running,
        ..Config::default()
    };
    let member = |seed: usize| Config { seed: seed as u64, ..config.clone() };
    Population::new((0..settings.members).map(member).collect(), Arc::new(data), Some(classes))
}

fn noise(features: usize, classes: usize, rows: usize) -> DataSet {
    let mut random = Random::new(0, Stream::Order, 0);
    let bytes = (0..rows * features).map(|_| random.below(256) as u8).collect();
    let labels = (0..rows).map(|row| (row % classes) as u32).collect();
    DataSet { name: "noise".into(), features, classes, samples: Samples::U8(bytes), labels, test_rows: 0 }
}

/// Bytes that a step must move at least: W read by the forward and the backward pass, read and written by the update,
/// with its rates and velocity; the rows; y and δ once written and once read.
fn bytes_per_step(population: &Population) -> f64 {
    let shared = population.shared();
    let per_weight = 16 + if shared.scope == Scope::Weight { 4 } else { 0 } + if shared.momentum > 0.0 { 8 } else { 0 };
    let widths = population.topology.widths();
    let per_sample = widths[0] + 16 * widths[1..].iter().sum::<usize>();
    let bytes = population.topology.parameters() * per_weight + population.batch_size() * per_sample;
    (bytes * population.len()) as f64
}

/// The middle of sorted or unsorted values.
fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let n = sorted.len();
    if n == 0 { f64::NAN } else { 0.5 * (sorted[(n - 1) / 2] + sorted[n / 2]) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn workloads_are_read_by_name_and_by_shape() {
        assert_eq!("small".parse::<Workload>().unwrap().widths, [784, 256, 10]);
        let own: Workload = "20,5,3:7".parse().unwrap();
        assert_eq!((own.widths, own.batch_size), (vec![20, 5, 3], 7));
        for bad in ["huge", "20:7", "20,0,3:7", "20,5,3:0", "20,5,3", "a,b:1", ":1"] {
            assert!(bad.parse::<Workload>().is_err(), "{bad}");
        }
    }

    #[test]
    fn the_median_is_the_middle() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), 2.5);
    }

    #[test]
    fn a_tiny_workload_is_measured() {
        let settings =
            Settings { rule: Rule::Psi, scope: Scope::Weight, members: 2, warmup: 1, runs: 3, window_seconds: 1e-4 };
        let roofline = Roofline { gflops: 10.0, gigabytes_per_second: 10.0 };
        let row = measure(&"20,5,3:7".parse().unwrap(), &device::Choice::Cpu, &settings, &roofline).unwrap();
        assert!(row.samples_per_second_min <= row.samples_per_second);
        assert!(row.samples_per_second <= row.samples_per_second_max);
        assert!((row.gflops - row.samples_per_second * (20.0 * 5.0 * 4.0 + 5.0 * 3.0 * 6.0) / 1e9).abs() < 1e-9);
        assert!((row.fraction_of_peak - row.gflops / 10.0).abs() < 1e-12);
    }
}
