//! [`Session`]: a workload on a device that trains any number of steps. `homeostat bench` and the criterion benches
//! time it.

use super::settings::Settings;
use super::workload::Workload;
use crate::device;
use crate::error::{Error, Result};
use crate::rng::{Random, Stream};
use crate::rule::psi::Slot;
use crate::stats::median;
use crate::train::blocking::{Blocking, block_on};
use crate::train::engine::{DeviceInfo, Engine, KernelTime, Wanted};
use crate::train::population::Population;
use crate::train::state::MemberState;
use crate::train::trainer;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// A workload on a device.
pub struct Session {
    population: Arc<Population>,
    pub(super) engine: Blocking<dyn Engine>,
    settings: Settings,
    /// The next batch of the epoch.
    pub(super) batch: u32,
    /// The epoch, from 1. Its last step ends with the tick of the same number.
    pub(super) epoch: u32,
    /// Most steps per call of the engine.
    stride: u32,
}

impl Session {
    /// Opens the device of `choice` and allocates `workload` there.
    ///
    /// # Errors
    /// If the device does not exist or cannot hold the workload.
    pub fn open(workload: &Workload, choice: &device::Device, settings: &Settings) -> Result<Self> {
        let population = Arc::new(workload.population(settings)?);
        block_on(device::check(choice, &population))?;
        let opened = block_on(device::open(choice, &population, &frozen_state(&population, settings.living)))?;
        let mut engine = Blocking(opened.engine);
        engine.set_order(&trainer::order(&population, 1))?;
        let stride = trainer::stride(&population);
        Ok(Self { population, engine, settings: settings.clone(), batch: 0, epoch: 1, stride })
    }

    /// The device that trains.
    #[must_use]
    pub fn device(&self) -> &DeviceInfo {
        self.engine.device()
    }

    /// The population that is trained.
    #[must_use]
    pub fn population(&self) -> &Population {
        &self.population
    }

    /// Samples of one step; counts all members.
    #[must_use]
    pub fn samples_per_step(&self) -> usize {
        self.population.batch_size() * self.population.len()
    }

    /// Trains `steps` steps and waits for the device. Every epoch has the same order and ends with a clock tick.
    /// Returns the training time, without the report at the end.
    ///
    /// # Errors
    /// If the device fails or a loss is not finite; [`Error::Interrupted`] once the interrupt flag is set.
    pub fn train(&mut self, mut steps: u64) -> Result<Duration> {
        let in_epoch = self.population.steps_per_epoch();
        while steps > 0 {
            self.check_interrupt()?;
            let most = self.stride.min(in_epoch - self.batch);
            let end = self.batch + steps.min(u64::from(most)) as u32;
            self.engine.train(self.batch..end, (end == in_epoch).then_some(self.epoch))?;
            steps -= u64::from(end - self.batch);
            self.batch = end;
            if end == in_epoch {
                (self.batch, self.epoch) = (0, self.epoch + 1);
            }
        }
        self.engine.request_report(Wanted::default())?;
        let report = self.engine.next_report()?;
        if report.members.iter().any(|member| member.not_finite.is_some() || !member.running.loss.is_finite()) {
            return Err(Error::Run("the loss is no longer finite".into()));
        }
        Ok(Duration::from_secs_f64(report.train_seconds))
    }

    /// The kernels of one step, each with its median time over `steps` steps. Empty if the device has no timestamps.
    ///
    /// # Errors
    /// The errors of [`Self::train`], except that the loss is not checked.
    pub fn kernel_times(&mut self, steps: usize) -> Result<Vec<KernelTime>> {
        let mut all = vec![];
        for _ in 0..steps {
            self.check_interrupt()?;
            let times = self.engine.kernel_times(0)?;
            if times.is_empty() {
                return Ok(times);
            }
            all.push(times);
        }
        let mut medians = all[0].clone();
        for (place, kernel) in medians.iter_mut().enumerate() {
            let samples: Vec<f64> =
                all.iter().filter_map(|times| times.get(place)).map(|time| time.microseconds).collect();
            kernel.microseconds = median(&samples);
        }
        Ok(medians)
    }

    fn check_interrupt(&self) -> Result<()> {
        if self.settings.interrupt.load(Ordering::Relaxed) { Err(Error::Interrupted) } else { Ok(()) }
    }
}

/// The state before the first step, with the share 1 − `living` of each hidden layer's neurons at the end of their fall.
/// The frozen neurons are drawn, because ψ does not freeze neighbours together.
pub(crate) fn frozen_state(population: &Population, living: f64) -> Vec<MemberState> {
    let mut states = population.initial_state();
    for ((state, config), settings) in states.iter_mut().zip(&population.configs).zip(&population.members) {
        let (_, hidden) = state.layers.split_last_mut().expect("a network has a layer");
        for (l, layer) in hidden.iter_mut().enumerate() {
            let mut neurons: Vec<u32> = (0..layer.slots.len() as u32).collect();
            Random::new(config.run.seed, Stream::Frozen, l as u32).shuffle(&mut neurons);
            let frozen = ((1.0 - living) * neurons.len() as f64).round() as usize;
            for &neuron in &neurons[..frozen] {
                let slot = &mut layer.slots[neuron as usize];
                *slot = Slot { n: settings.decay_ticks + 1.0, onset: 1.0, ..*slot };
                layer.psi[neuron as usize] = 0.0;
            }
        }
    }
    states
}
