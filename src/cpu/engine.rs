//! [`CpuEngine`]: trains a population on the CPU, advances its clock and reports its scores.

use super::cache::Kept;
use super::layout;
use super::memory;
use super::network::Network;
use super::output::Tally;
use super::vectorised::instruction_set;
use crate::config::Precision;
use crate::data::{Samples, Split};
use crate::error::{Error, Result};
use crate::files;
use crate::train::blocking::yield_now;
use crate::train::engine::{
    AlphaSummary, DeviceInfo, Engine, MemberReport, Report, Request, Score, Wanted, first_not_finite,
};
use crate::train::living::living;
use crate::train::population::Population;
use crate::train::state::MemberState;
use rayon::prelude::*;
use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;
use std::time::Instant;

/// Floating-point operations of one piece of an evaluation: a fraction of a second on two processor cores. Between
/// pieces the thread can do other work.
const PIECE_FLOPS: f64 = 5e9;
/// Floating-point operations of a step above which spreading the step over the threads saves more time than waking the
/// threads costs.
const FORK_FLOPS: f64 = 2e6;

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
        engine.write_state(initial);
        Ok(engine)
    }

    /// Refuses a population that this engine cannot train, before anything is allocated.
    ///
    /// # Errors
    /// [`Error::Device`] for half precision, which this engine does not have, and for a run that needs more memory than
    /// this machine has.
    pub fn check(population: &Population) -> Result<()> {
        let precision = population.shared().run.precision;
        if precision != Precision::F32 {
            return Err(Error::Device(format!(
                "`precision = {precision}`: the CPU engine computes in f32 alone; use `precision = f32`, or a `device` that \
                 `homeostat devices` lists with {}",
                if precision == Precision::F16 { "f16" } else { "cooperative matrices" }
            )));
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
}

/// Runs `work(network, member, fork)` on every network; `fork` lets one network use all threads. Members run in
/// parallel if they keep all threads busy, or if the `flops` operations of one member are too little work to fork.
/// Otherwise members run one after another.
fn each<N: Send, T: Send>(
    population: &Population,
    flops: f64,
    networks: impl Iterator<Item = N> + Send,
    work: impl Fn(N, usize, bool) -> T + Sync,
) -> Vec<T> {
    let threads = rayon::current_num_threads();
    let fork = threads > 1 && flops >= FORK_FLOPS;
    let members = population.len();
    if threads > 1 && members > 1 && (members >= threads || !fork) {
        let networks: Vec<N> = networks.collect();
        return networks.into_par_iter().enumerate().map(|(m, network)| work(network, m, false)).collect();
    }
    let all = || networks.enumerate().map(|(m, network)| work(network, m, fork)).collect();
    // Inside the pool a fork costs little. From outside, every fork would wake a thread and wait for that thread.
    if fork { rayon::scope(|_| all()) } else { all() }
}

/// The processor's name where the system gives one, and the instruction set and threads that the products use.
#[must_use]
pub fn device() -> DeviceInfo {
    let name = files::system("/proc/cpuinfo")
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
    Score { loss: tally.loss / samples, error: tally.wrong / samples }
}

impl CpuEngine {
    fn write_order(&mut self, order: &[Vec<u32>]) {
        for (network, order) in self.networks.iter_mut().zip(order) {
            network.order.clone_from(order);
        }
    }

    fn run_steps(&mut self, batches: Range<u32>, tick: Option<u32>) {
        let started = Instant::now();
        let population = Arc::clone(&self.population);
        let (size, all) = (population.batch_size(), population.train_rows());
        let before = self.samples_since_tick;
        let sampled = |batch: u32| (batch as usize * size).min(all);
        let seen = before + (sampled(batches.end) - sampled(batches.start)) as u64;
        let steps = self.steps..;
        let flops = self.flops_of_step(size);
        each(&population, flops, self.networks.iter_mut(), |network, m, fork| {
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
    }

    /// Floating-point operations of a training step of the member that computes most.
    fn flops_of_step(&self, rows: usize) -> f64 {
        let population = &*self.population;
        let of_member = |(m, network): (usize, &Network)| {
            network.flops_of_step(&population.configs[m], (&*population.data, population.labels(m)), rows)
        };
        self.networks.iter().enumerate().map(of_member).fold(0.0, f64::max)
    }

    /// Blocks of `size` samples of every member that make a piece of [`PIECE_FLOPS`]: a multiple of the threads, so that no
    /// thread idles at the end of a piece.
    fn blocks_of_piece(&self, size: usize) -> usize {
        let flops = self.population.topology.flops_per_sample() * (size * self.population.len()) as f64;
        ((PIECE_FLOPS / flops) as usize).max(1).next_multiple_of(rayon::current_num_threads())
    }

    /// Caches y of frozen neurons for the rows that each epoch visits, so that no step computes y of these neurons. Yields
    /// between pieces. Returns the floating-point operations of each member.
    async fn remember(&mut self, epoch_starts: bool) -> Vec<f64> {
        let population = Arc::clone(&self.population);
        let blocks = self.blocks_of_piece(layout::BLOCK);
        let mut flops = vec![0.0; population.len()];
        while self.networks.iter().any(|network| network.waits(epoch_starts)) {
            let piece = each(&population, PIECE_FLOPS, self.networks.iter_mut(), |network, m, fork| {
                let samples = (&*population.data, population.labels(m));
                let kept = || Kept::new(&population, m);
                network.remember(&population.configs[m], samples, kept, (epoch_starts, blocks), fork)
            });
            flops.iter_mut().zip(piece).for_each(|(sum, flops)| *sum += flops);
            yield_now().await;
        }
        flops
    }

    fn means(&self) -> Vec<Vec<Vec<f32>>> {
        let samples = self.samples_at_tick;
        let member = |network: &Network| network.layers.iter().map(|layer| layer.means(samples)).collect();
        self.networks.iter().map(member).collect()
    }

    fn write_theta(&mut self, theta: &[Option<Vec<f32>>]) {
        for (network, theta) in self.networks.iter_mut().zip(theta) {
            for (layer, &theta) in network.layers.iter_mut().zip(theta.iter().flatten()) {
                layer.set_theta(theta);
            }
        }
    }

    fn write_scale(&mut self, scale: &[Vec<f32>]) {
        for (network, scale) in self.networks.iter_mut().zip(scale) {
            for (layer, &scale) in network.layers.iter_mut().zip(scale) {
                layer.scale = scale;
            }
        }
    }

    fn read_state(&self) -> Vec<MemberState> {
        self.networks.iter().map(|network| network.state(self.steps, self.samples_since_tick)).collect()
    }

    fn write_state(&mut self, state: &[MemberState]) {
        let population = &self.population;
        let cache_bytes = memory::cache_bytes(population) / population.len() as u64;
        let network = |((config, &settings), (state, split)): ((_, _), (&MemberState, &Split))| {
            let batch = population.batch_size();
            let (widths, bytes) = (population.topology.widths(), matches!(population.data.samples, Samples::U8(_)));
            let mut network = Network::new(config, settings, state, widths, batch, cache_bytes, bytes);
            network.order.clone_from(&split.train);
            network
        };
        let members = population.configs.iter().zip(&population.members);
        self.networks = members.zip(state.iter().zip(&population.splits)).map(network).collect();
        self.steps = state.first().map_or(0, |state| state.steps);
        self.samples_since_tick = state.first().map_or(0, |state| state.samples_since_tick);
    }

    /// Scores every member over its own rows; `None` without rows. Yields between pieces.
    async fn evaluate(&self, rows: impl for<'a> Fn(&'a Network, &'a Split) -> &'a [u32] + Sync) -> Option<Vec<Score>> {
        let population = &*self.population;
        let of_member = |m: usize| rows(&self.networks[m], &population.splits[m]);
        let (all, size) = (of_member(0).len(), Network::evaluation_block(of_member(0).len()));
        let flops = population.topology.flops_per_sample() * all as f64;
        let blocks = self.blocks_of_piece(size);
        let mut tallies = vec![Tally::default(); population.len()];
        for first in (0..all).step_by(blocks * size) {
            if first > 0 {
                yield_now().await;
            }
            let part = first..all.min(first + blocks * size);
            tallies = each(population, flops, self.networks.iter(), |network, m, fork| {
                let (config, samples) = (&population.configs[m], (&*population.data, population.labels(m)));
                network.evaluate(config, samples, (&of_member(m)[part.clone()], size), self.steps, fork, tallies[m])
            });
        }
        (all > 0).then(|| tallies.into_iter().map(score).collect())
    }
}

impl Engine for CpuEngine {
    fn device(&self) -> &DeviceInfo {
        &self.device
    }

    fn set_order<'a>(&'a mut self, order: &'a [Vec<u32>]) -> Request<'a> {
        Box::pin(async {
            self.write_order(order);
            Ok(())
        })
    }

    fn train(&mut self, batches: Range<u32>, tick: Option<u32>) -> Request<'_> {
        Box::pin(async move {
            let started = Instant::now();
            let flops = self.remember(batches.start == 0).await;
            self.networks.iter_mut().zip(flops).for_each(|(network, flops)| network.flops += flops);
            self.train_seconds += started.elapsed().as_secs_f64();
            self.run_steps(batches, tick);
            Ok(())
        })
    }

    fn observed_means(&mut self) -> Request<'_, Vec<Vec<Vec<f32>>>> {
        Box::pin(async { Ok(self.means()) })
    }

    fn set_theta<'a>(&'a mut self, theta: &'a [Option<Vec<f32>>]) -> Request<'a> {
        Box::pin(async {
            self.write_theta(theta);
            Ok(())
        })
    }

    fn set_scale<'a>(&'a mut self, scale: &'a [Vec<f32>]) -> Request<'a> {
        Box::pin(async {
            self.write_scale(scale);
            Ok(())
        })
    }

    fn request_report(&mut self, wanted: Wanted) -> Request<'_> {
        Box::pin(async move {
            if wanted.train || wanted.validation {
                // The evaluation would compute all this anyway, so it counts no more than an evaluation.
                self.remember(true).await;
            }
            let train = if wanted.train { self.evaluate(|network, _| &network.order).await } else { None };
            let validation = if wanted.validation { self.evaluate(|_, split| &split.validation).await } else { None };
            let test = if wanted.test { self.evaluate(|_, split| &split.test).await } else { None };
            let of = |scores: &Option<Vec<Score>>, m: usize| scores.as_ref().map(|scores| scores[m]);
            let members = self.networks.iter_mut().zip(&self.population.configs).enumerate();
            let members = members.map(|(m, (network, config))| {
                let alphas = network.layers.iter().map(|layer| (layer.alphas(config), layer.place.n_out));
                let told =
                    alphas.map(|(alphas, n_out)| (living(&alphas, n_out), AlphaSummary::new(alphas.into_iter())));
                let (living, alpha) = told.unzip();
                MemberReport {
                    running: score(std::mem::take(&mut network.running)),
                    train: of(&train, m),
                    validation: of(&validation, m),
                    test: of(&test, m),
                    alpha,
                    living,
                    flops: std::mem::take(&mut network.flops),
                    not_finite: first_not_finite(network.layers.iter().map(|layer| layer.canary.words())),
                }
            });
            let members = members.collect();
            self.reports.push_back(Report { members, train_seconds: std::mem::take(&mut self.train_seconds) });
            Ok(())
        })
    }

    fn next_report(&mut self) -> Request<'_, Report> {
        Box::pin(async { Ok(self.reports.pop_front().expect("a report was requested")) })
    }

    fn state(&mut self) -> Request<'_, Vec<MemberState>> {
        Box::pin(async { Ok(self.read_state()) })
    }

    fn set_state<'a>(&'a mut self, state: &'a [MemberState]) -> Request<'a> {
        Box::pin(async {
            self.write_state(state);
            Ok(())
        })
    }
}
