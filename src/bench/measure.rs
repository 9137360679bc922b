//! Measures one workload on one device: timed windows of training, and the figures that follow from them.

use super::roofline::Roofline;
use super::session::Session;
use super::settings::Settings;
use super::workload::Workload;
use crate::config::{Rule, Scope};
use crate::device;
use crate::error::{Error, Result};
use crate::stats::median;
use crate::train::engine::{DeviceInfo, KernelTime};
use serde::Serialize;

/// The figures of one workload: a line of `--json`.
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
    /// The device that trained the workload.
    pub device: DeviceInfo,
    /// Rule of all members.
    pub rule: Rule,
    /// Scope of α.
    pub scope: Scope,
    /// Share of the neurons of each hidden layer that can change; the others are frozen.
    pub living: f64,
    /// Median over the windows; counts the samples of all members.
    pub samples_per_second: f64,
    /// `samples_per_second` of the slowest window.
    pub samples_per_second_min: f64,
    /// `samples_per_second` of the fastest window.
    pub samples_per_second_max: f64,
    /// Weights written per second; counts biases, the weights of all members, and those of frozen neurons.
    pub weight_updates_per_second: f64,
    /// Operations per second of the matrix products, in 10⁹. Every product counts in full, even where an engine skips
    /// frozen neurons, or zeros of its input as the CPU engine does for single samples. So `fraction_of_peak` can exceed 1.
    pub gflops: f64,
    /// Peak of the device without memory traffic, in 10⁹ operations per second.
    pub peak_gflops: f64,
    /// `gflops / peak_gflops`.
    pub fraction_of_peak: f64,
    /// Peak of a copy larger than the caches, in 10⁹ bytes read and written per second.
    pub peak_gigabytes_per_second: f64,
    /// Training steps in one window.
    pub window_steps: u64,
    /// Measured windows, without the warm-up.
    pub windows: u32,
    /// Time per kernel in one training step, the median over several steps, by the device's own timestamps. Absent if
    /// the device has no timestamps.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub kernels: Vec<KernelTime>,
}

impl Measurement {
    /// Each kernel's share of all kernels' time, 0 … 1.
    pub fn kernel_shares(&self) -> impl Iterator<Item = (&KernelTime, f64)> {
        let all: f64 = self.kernels.iter().map(|kernel| kernel.microseconds).sum();
        self.kernels.iter().map(move |kernel| (kernel, kernel.microseconds / all.max(f64::MIN_POSITIVE)))
    }
}

/// Seconds of training that suffice to size the windows.
const LOOK_SECONDS: f64 = 0.05;
/// Steps whose kernels are timed.
const TIMED_STEPS: usize = 7;

/// Measures one workload on one device, whose peaks are `roofline`.
///
/// # Errors
/// If `settings` ask for no window, if the device cannot hold or train the workload, or once the interrupt flag is set.
pub fn measure(
    workload: &Workload,
    choice: &device::Device,
    settings: &Settings,
    roofline: &Roofline,
) -> Result<Measurement> {
    if settings.runs == 0 {
        return Err(Error::config("`runs = 0`: must be at least 1"));
    }
    let mut session = Session::open(workload, choice, settings)?;
    let steps = window_steps(&mut session, settings.window_seconds)?;
    let per_step = session.samples_per_step() as f64;
    let mut window = || -> Result<f64> {
        // A clock too coarse to see the training must not make the rate infinite, because JSON has no infinity.
        Ok(steps as f64 * per_step / session.train(steps)?.as_secs_f64().max(1e-9))
    };
    for _ in 0..settings.warmup {
        window()?;
    }
    let mut rates = (0..settings.runs).map(|_| window()).collect::<Result<Vec<_>>>()?;
    rates.sort_by(f64::total_cmp);
    let kernels = session.kernel_times(TIMED_STEPS)?;
    let rate = median(&rates);
    let topology = &session.population().topology;
    let gflops = rate * topology.flops_per_sample() / 1e9;
    Ok(Measurement {
        workload: workload.name.clone(),
        layers: workload.layers(),
        batch_size: workload.batch_size,
        members: settings.members,
        device: session.device().clone(),
        rule: settings.rule,
        scope: settings.scope,
        living: settings.living,
        samples_per_second: rate,
        samples_per_second_min: rates[0],
        samples_per_second_max: rates[rates.len() - 1],
        weight_updates_per_second: rate / workload.batch_size as f64 * topology.parameters() as f64,
        gflops,
        peak_gflops: roofline.gflops,
        fraction_of_peak: gflops / roofline.gflops,
        peak_gigabytes_per_second: roofline.gigabytes_per_second,
        window_steps: steps,
        windows: settings.runs,
        kernels,
    })
}

/// The number of steps that take about `seconds`.
fn window_steps(session: &mut Session, seconds: f64) -> Result<u64> {
    // The first step also pays for late compilation and page faults.
    session.train(1)?;
    let mut steps = 1;
    loop {
        let taken = session.train(steps)?.as_secs_f64();
        if taken >= LOOK_SECONDS.min(seconds) || steps >= 1 << 24 {
            return Ok(((steps as f64 * seconds / taken.max(1e-9)).ceil() as u64).clamp(1, 1 << 24));
        }
        steps *= 2;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Precision;
    use std::sync::Arc;

    fn settings() -> Settings {
        Settings {
            rule: Rule::Psi,
            scope: Scope::Weight,
            living: 1.0,
            members: 2,
            precision: Precision::F32,
            no_autotune: false,
            warmup: 1,
            runs: 3,
            window_seconds: 1e-4,
            interrupt: Arc::default(),
        }
    }

    const ROOFLINE: Roofline = Roofline { gflops: 10.0, gigabytes_per_second: 10.0 };

    #[test]
    fn a_tiny_workload_is_measured() {
        let row = measure(&"20,5,3:7".parse().unwrap(), &device::Device::Cpu, &settings(), &ROOFLINE).unwrap();
        assert!(row.samples_per_second_min <= row.samples_per_second);
        assert!(row.samples_per_second <= row.samples_per_second_max);
        assert!((row.gflops - row.samples_per_second * (20.0 * 5.0 * 4.0 + 5.0 * 3.0 * 6.0) / 1e9).abs() < 1e-9);
        assert!((row.fraction_of_peak - row.gflops / 10.0).abs() < 1e-12);
    }

    #[test]
    fn epochs_follow_one_another_and_nothing_freezes() {
        // Sigmoids saturate at once on 784 bytes, so ψ triggers in the first epoch.
        let workload: Workload = "784,4,10:6000".parse().unwrap();
        let mut session = Session::open(&workload, &device::Device::Cpu, &settings()).unwrap();
        assert_eq!(session.population().steps_per_epoch(), 10);
        for steps in [1, 8, 23, 11] {
            session.train(steps).unwrap();
        }
        assert_eq!((session.epoch, session.batch), (5, 3));
        session.engine.request_report(crate::train::engine::Wanted::default()).unwrap();
        let report = session.engine.next_report().unwrap();
        assert!(report.members.iter().all(|m| m.alpha.iter().all(|a| a.frozen == 0.0 && a.mean > 0.099)));
    }

    #[test]
    fn the_chosen_neurons_are_frozen_and_all_others_learn() {
        let workload: Workload = "20,6,4,3:7".parse().unwrap();
        for scope in [Scope::Neuron, Scope::Weight] {
            let settings = Settings { living: 0.5, scope, ..settings() };
            let mut session = Session::open(&workload, &device::Device::Cpu, &settings).unwrap();
            let before = session.engine.state().unwrap();
            let per_epoch = u64::from(session.population().steps_per_epoch());
            for _ in 0..3 {
                session.train(per_epoch / 2 + 1).unwrap();
            }
            assert!(session.epoch > 1);
            for (before, after) in before.iter().zip(&session.engine.state().unwrap()) {
                for ((before, after), frozen) in before.layers.iter().zip(&after.layers).zip([3, 2, 0]) {
                    let is_frozen: Vec<bool> = before.psi.iter().map(|&psi| psi == 0.0).collect();
                    assert_eq!(is_frozen.iter().filter(|&&is_frozen| is_frozen).count(), frozen);
                    let column = |weights: &[f32], neuron: usize| -> Vec<f32> {
                        weights.iter().skip(neuron).step_by(is_frozen.len()).copied().collect()
                    };
                    for (neuron, &is_frozen) in is_frozen.iter().enumerate() {
                        assert_eq!(after.psi[neuron] == 0.0, is_frozen);
                        assert_eq!(column(&after.weights, neuron) == column(&before.weights, neuron), is_frozen);
                    }
                }
            }
            // Members are drawn apart.
            assert!(
                before[0].layers[0].psi != before[1].layers[0].psi
                    || before[0].layers[1].psi != before[1].layers[1].psi
            );
        }
    }

    #[test]
    fn a_share_that_cannot_be_frozen_is_refused() {
        let open = |text: &str, settings: Settings| {
            Session::open(&text.parse().unwrap(), &device::Device::Cpu, &settings).err().unwrap().to_string()
        };
        for living in [0.0, -0.5, 1.5, f64::NAN] {
            assert!(open("20,5,3:7", Settings { living, ..settings() }).contains("`living = "), "{living}");
        }
        let constant = Settings { living: 0.5, rule: Rule::Constant, ..settings() };
        assert!(open("20,5,3:7", constant).contains("`rule = constant`"));
        assert!(open("20,3:7", Settings { living: 0.5, ..settings() }).contains("no hidden layer"));
    }

    #[test]
    fn an_interrupt_ends_it() {
        let settings = settings();
        settings.interrupt.store(true, std::sync::atomic::Ordering::Relaxed);
        let outcome = measure(&"20,5,3:7".parse().unwrap(), &device::Device::Cpu, &settings, &ROOFLINE);
        assert!(matches!(outcome, Err(Error::Interrupted)));
    }
}
