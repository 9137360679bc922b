//! [`CpuEngine`]: trains a population on the CPU, advances its clock and reports its scores.

use super::memory;
use super::network::Network;
use super::output::Tally;
use super::vectorised::instruction_set;
use crate::config::Precision;
use crate::data::Split;
use crate::error::{Error, Result};
use crate::train::engine::{AlphaSummary, DeviceInfo, Engine, MemberReport, Report, Score, Wanted, first_not_finite};
use crate::train::population::Population;
use crate::train::state::MemberState;
use rayon::prelude::*;
use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;
use std::time::Instant;

/// Floating-point operations of a step above which spreading the step over the threads saves more time than waking the
/// threads costs.
const FORK_FLOPS: f64 = 4e6;

/// Trains a population on the CPU.
#[derive(Debug)]
pub struct CpuEngine {
    population: Arc<Population>,
    networks: Vec<Network>,
    device: DeviceInfo,
    reports: VecDeque<Report>,
    steps: u32,
    samples_since_tick: u64,
    samples_at_tick: u64,
    train_seconds: f64,
}

impl CpuEngine {
    /// Builds the networks of `population` and sets their `initial` state, one entry per member.
    ///
    /// # Errors
    /// The errors of [`Self::check`].
    pub fn new(population: Arc<Population>, initial: &[MemberState]) -> Result<Self> {
        Self::check(&population)?;
        let mut engine = Self {
            networks: vec![],
            device: device(),
            reports: VecDeque::new(),
            steps: 0,
            samples_since_tick: 0,
            samples_at_tick: 1,
            train_seconds: 0.0,
            population,
        };
        engine.set_state(initial)?;
        Ok(engine)
    }

    /// Refuses a population that this engine cannot train, before anything is allocated.
    ///
    /// # Errors
    /// [`Error::Device`] for half precision, which this engine does not have, and for a run that needs more memory than
    /// this machine has.
    pub fn check(population: &Population) -> Result<()> {
        if population.shared().precision == Precision::F16 {
            return Err(Error::Device(
                "--precision f16: the CPU engine computes in f32 alone; use --precision f32, or a --device that \
                 `homeostat devices` lists with f16"
                    .into(),
            ));
        }
        memory::check(population)
    }

    /// Bytes of the arrays that the engine keeps.
    #[must_use]
    pub fn allocated_bytes(&self) -> u64 {
        self.networks.iter().map(Network::bytes).sum()
    }

    /// Bytes that [`Self::allocated_bytes`] will return for `population`.
    #[must_use]
    pub fn planned_bytes(population: &Population) -> u64 {
        crate::memory::total(&memory::kept(population))
    }

    /// Runs `work(network, member, fork)` on every network; `fork` lets one network use all threads. Members run in
    /// parallel if there are at least as many as threads, or if `samples` samples of one member are too little work to
    /// fork. Otherwise members run one after another.
    fn each<T: Send>(&mut self, samples: usize, work: impl Fn(&mut Network, usize, bool) -> T + Sync) -> Vec<T> {
        let threads = rayon::current_num_threads();
        let fork = threads > 1 && self.population.topology.flops_per_sample() * samples as f64 >= FORK_FLOPS;
        let members = self.networks.len();
        if threads > 1 && members > 1 && (members >= threads || !fork) {
            return self.networks.par_iter_mut().enumerate().map(|(m, network)| work(network, m, false)).collect();
        }
        let mut all = || self.networks.iter_mut().enumerate().map(|(m, network)| work(network, m, fork)).collect();
        // Inside the pool a fork costs little. From outside, every fork would wake a thread and wait for that thread.
        if fork { rayon::scope(|_| all()) } else { all() }
    }
}

/// The processor's name where the system gives one, and the instruction set and threads that the products use.
#[must_use]
pub fn device() -> DeviceInfo {
    let name = std::fs::read_to_string("/proc/cpuinfo")
        .ok()
        .and_then(|text| {
            let line = text.lines().find(|line| line.starts_with("model name"))?;
            Some(line.split_once(':')?.1.trim().to_owned())
        })
        .unwrap_or_else(|| std::env::consts::ARCH.to_owned());
    let threads = rayon::current_num_threads();
    DeviceInfo {
        engine: "cpu".into(),
        adapter: name,
        driver: format!("gemm, {}, {threads} threads", instruction_set()),
    }
}

fn score(tally: Tally) -> Score {
    let samples = tally.samples as f64;
    Score { loss: tally.loss / samples, error: tally.wrong as f64 / samples }
}

impl Engine for CpuEngine {
    fn device(&self) -> &DeviceInfo {
        &self.device
    }

    fn set_order(&mut self, order: &[Vec<u32>]) -> Result<()> {
        for (network, order) in self.networks.iter_mut().zip(order) {
            network.order.clone_from(order);
        }
        Ok(())
    }

    fn train(&mut self, batches: Range<u32>, tick: Option<u32>) -> Result<()> {
        let started = Instant::now();
        let population = Arc::clone(&self.population);
        let (size, all) = (population.batch_size(), population.train_rows());
        let before = self.samples_since_tick;
        let sampled = |batch: u32| (batch as usize * size).min(all);
        let seen = before + (sampled(batches.end) - sampled(batches.start)) as u64;
        let steps = self.steps..;
        self.each(size, |network, m, fork| {
            let config = &population.configs[m];
            for (number, batch) in steps.clone().zip(batches.clone()) {
                let (first, end) = (sampled(batch), sampled(batch + 1));
                let anew = before == 0 && batch == batches.start;
                let samples = (&*population.data, population.labels(m));
                network.step(config, samples, number, (first, end - first), anew, fork);
            }
            if let Some(t) = tick
                && config.moves_alpha()
            {
                network.tick(config, t, seen);
            }
        });
        self.steps += batches.end - batches.start;
        self.samples_since_tick = seen;
        if tick.is_some() {
            self.samples_at_tick = std::mem::take(&mut self.samples_since_tick);
        }
        self.train_seconds += started.elapsed().as_secs_f64();
        Ok(())
    }

    fn observed_means(&mut self) -> Result<Vec<Vec<Vec<f32>>>> {
        let samples = self.samples_at_tick;
        let member = |network: &Network| network.layers.iter().map(|layer| layer.means(samples)).collect();
        Ok(self.networks.iter().map(member).collect())
    }

    fn set_theta(&mut self, theta: &[Option<Vec<f32>>]) -> Result<()> {
        for (network, theta) in self.networks.iter_mut().zip(theta) {
            for (layer, &theta) in network.layers.iter_mut().zip(theta.iter().flatten()) {
                layer.set_theta(theta);
            }
        }
        Ok(())
    }

    fn set_scale(&mut self, scale: &[Vec<f32>]) -> Result<()> {
        for (network, scale) in self.networks.iter_mut().zip(scale) {
            for (layer, &scale) in network.layers.iter_mut().zip(scale) {
                layer.scale = scale;
            }
        }
        Ok(())
    }

    fn request_report(&mut self, wanted: Wanted) -> Result<()> {
        let population = Arc::clone(&self.population);
        let rows = population.train_rows();
        let steps = self.steps;
        let members = self.each(rows, |network, m, fork| {
            let (config, samples) = (&population.configs[m], (&*population.data, population.labels(m)));
            let over = |rows: &[u32]| score(network.evaluate(config, samples, rows, steps, fork));
            let Split { validation, test, .. } = &population.splits[m];
            let train = wanted.train.then(|| over(&network.order));
            let validation = (wanted.validation && !validation.is_empty()).then(|| over(validation));
            let test = (wanted.test && !test.is_empty()).then(|| over(test));
            MemberReport {
                train,
                validation,
                test,
                not_finite: first_not_finite(network.layers.iter().map(|layer| layer.canary.words())),
                alpha: network
                    .layers
                    .iter()
                    .map(|layer| AlphaSummary::new(layer.state.alpha(config.rule).into_iter()))
                    .collect(),
                running: score(std::mem::take(&mut network.running)),
            }
        });
        self.reports.push_back(Report { members, train_seconds: std::mem::take(&mut self.train_seconds) });
        Ok(())
    }

    fn next_report(&mut self) -> Result<Report> {
        Ok(self.reports.pop_front().expect("a report was requested"))
    }

    fn state(&mut self) -> Result<Vec<MemberState>> {
        Ok(self.networks.iter().map(|network| network.state(self.steps, self.samples_since_tick)).collect())
    }

    fn set_state(&mut self, state: &[MemberState]) -> Result<()> {
        let population = &self.population;
        let network = |((config, &settings), (state, split)): ((_, _), (&MemberState, &Split))| {
            let batch = population.batch_size();
            let mut network = Network::new(config, settings, state, population.topology.widths(), batch);
            network.order.clone_from(&split.train);
            network
        };
        let members = population.configs.iter().zip(&population.members);
        self.networks = members.zip(state.iter().zip(&population.splits)).map(network).collect();
        self.steps = state.first().map_or(0, |state| state.steps);
        self.samples_since_tick = state.first().map_or(0, |state| state.samples_since_tick);
        Ok(())
    }
}
