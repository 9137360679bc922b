//! One device of the report: its description, its self-test, and its speed.

use super::self_test::{self, SelfTest};
use crate::bench::{self, Roofline, Settings, Workload};
use crate::config::{Config, Precision};
use crate::cpu;
use crate::device::Device;
use crate::error::{Error, Result};
use crate::gpu::{AdapterSummary, Pick};
use crate::train::engine::DeviceInfo;
use serde::{Deserialize, Serialize, Serializer};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// The networks whose speed is measured: the default network, and a larger one, as `bench` names them.
pub const WORKLOADS: [&str; 2] = ["784,256,10:32", "784,1024,1024,10:128"];

/// Windows that are measured, after one that is not, and their length in seconds.
const WINDOWS: (u32, f64) = (3, 0.3);

/// What a device is.
#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
pub enum Description {
    /// An adapter.
    Adapter(AdapterSummary),
    /// The CPU engine.
    Cpu(DeviceInfo),
}

/// The speed of one network, in samples per second.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Rate {
    /// Widths and batch size.
    pub network: String,
    /// Median over the windows.
    pub samples_per_second: f64,
    /// Slowest window.
    pub samples_per_second_min: f64,
    /// Fastest window.
    pub samples_per_second_max: f64,
}

/// The speed of a device.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Speed {
    /// The practical peaks.
    #[serde(flatten)]
    pub peaks: Roofline,
    /// One for each of the two networks that are measured.
    pub rates: Vec<Rate>,
}

/// What was found out about a device.
#[derive(Debug, Serialize)]
pub struct Report {
    /// The value of `device` that means this device.
    pub device: String,
    /// Whether `auto` selects it.
    pub auto: bool,
    /// What it is.
    #[serde(flatten)]
    pub description: Description,
    /// The self-test, if it was passed.
    pub self_test: Option<SelfTest>,
    /// The speed, if it was measured.
    pub speed: Option<Speed>,
    /// Why the self-test or the measurement failed.
    #[serde(rename = "error", skip_serializing_if = "Option::is_none", serialize_with = "in_words")]
    pub failure: Option<Error>,
}

fn in_words<S: Serializer>(failure: &Option<Error>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&failure.as_ref().map(ToString::to_string).unwrap_or_default())
}

/// The name of a workload for people: `784-256-10 B 32`.
#[must_use]
pub fn network(workload: &str) -> String {
    workload.replace(',', "-").replace(':', " B ")
}

impl Description {
    /// The CPU engine of this machine.
    #[must_use]
    pub fn cpu() -> Self {
        Self::Cpu(cpu::device())
    }

    /// The value of `device` that means this device.
    #[must_use]
    pub fn device(&self) -> String {
        match self {
            Self::Adapter(adapter) => adapter.index.to_string(),
            Self::Cpu(_) => "cpu".to_owned(),
        }
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Adapter(adapter) => &adapter.name,
            Self::Cpu(info) => &info.adapter,
        }
    }
}

/// Tests a device, and measures its speed if it passes and if `measures`. An error of the device is a part of the report.
///
/// # Errors
/// [`Error::Interrupted`] once `interrupt` is set.
pub fn examine(description: Description, auto: bool, measures: bool, interrupt: &Arc<AtomicBool>) -> Result<Report> {
    let mut report =
        Report { device: description.device(), auto, description, self_test: None, speed: None, failure: None };
    let tested = guarded(|| match &report.description {
        Description::Adapter(adapter) => self_test::of_adapter(adapter.index),
        Description::Cpu(_) => self_test::of_cpu(),
    });
    let outcome = tested.and_then(|passed| {
        report.self_test = Some(passed);
        if measures {
            let choice = match &report.description {
                Description::Adapter(adapter) => Device::Gpu(Pick::Index(adapter.index)),
                Description::Cpu(_) => Device::Cpu,
            };
            report.speed = Some(guarded(|| speed(&choice, interrupt))?);
        }
        Ok(())
    });
    match outcome {
        Err(error) if error.is_interrupt() => return Err(error),
        outcome => report.failure = outcome.err(),
    }
    Ok(report)
}

/// Runs `work`. A panic of wgpu becomes an error, so that one driver does not end the program.
#[cfg(feature = "gpu")]
fn guarded<T>(work: impl FnOnce() -> Result<T>) -> Result<T> {
    let outcome = crate::gpu::silently(work);
    outcome.unwrap_or_else(|reason| Err(Error::Device(format!("the driver, or wgpu, ended with: {reason}"))))
}

#[cfg(not(feature = "gpu"))]
fn guarded<T>(work: impl FnOnce() -> Result<T>) -> Result<T> {
    work()
}

fn speed(choice: &Device, interrupt: &Arc<AtomicBool>) -> Result<Speed> {
    let defaults = Config::default();
    let (runs, window_seconds) = WINDOWS;
    let settings = Settings {
        rule: defaults.rule.kind,
        scope: defaults.rule.scope,
        living: 1.0,
        members: 1,
        precision: Precision::F32,
        no_autotune: false,
        warmup: 1,
        runs,
        window_seconds,
        interrupt: Arc::clone(interrupt),
    };
    let peaks = Roofline::measure(choice, interrupt)?;
    let rate = |text: &&str| {
        let workload: Workload = text.parse()?;
        let measured = bench::measure(&workload, choice, &settings, &peaks)?;
        Ok(Rate {
            network: network(text),
            samples_per_second: measured.samples_per_second,
            samples_per_second_min: measured.samples_per_second_min,
            samples_per_second_max: measured.samples_per_second_max,
        })
    };
    Ok(Speed { rates: WORKLOADS.iter().map(rate).collect::<Result<_>>()?, peaks })
}

/// The fastest device for a network, and how much slower the others are.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Fastest {
    /// Widths and batch size.
    pub network: String,
    /// The value of `device` that means the fastest.
    pub device: String,
    /// Whether `auto` selects it.
    pub auto: bool,
    /// The other devices that were measured, each with its share of the rate.
    pub others: Vec<(String, f64)>,
}

/// The fastest device for each network that was measured on several devices.
#[must_use]
pub fn fastest(reports: &[Report]) -> Vec<Fastest> {
    let of_network = |workload: &&str| {
        let network = network(workload);
        let mut rates: Vec<(&Report, f64)> = vec![];
        for report in reports {
            let found = report.speed.iter().flat_map(|speed| &speed.rates).find(|rate| rate.network == network);
            rates.extend(found.map(|rate| (report, rate.samples_per_second)));
        }
        rates.sort_by(|(_, a), (_, b)| b.total_cmp(a));
        let ((first, best), others) = rates.split_first()?;
        let others: Vec<(String, f64)> =
            others.iter().map(|(report, rate)| (report.device.clone(), rate / best)).collect();
        (!others.is_empty()).then(|| Fastest { network, device: first.device.clone(), auto: first.auto, others })
    };
    WORKLOADS.iter().filter_map(of_network).collect()
}
