//! Makes a run of an [`Engine`] that trains batches: epochs, sample order, clock ticks, quantile thresholds and metrics.
//! Knows no device and no file.
//!
//! The next epoch is already under way while one is reported, so that a device never waits for the host to print.

use super::equilibrium;
use super::measure::Measure;
use super::metrics::{EpochMetrics, Source};
use crate::config::{Clock, Config, Rule, Theta, TrainMetrics};
use crate::data::Split;
use crate::error::{Error, Result};
use crate::rng::{Random, Stream};
use crate::rule::member::calibration_tick;
use crate::rule::psi;
use crate::train::blocking::block_on;
use crate::train::engine::{Engine, NonFinite, Report, Value, Wanted};
use crate::train::population::Population;
use crate::train::search::Search;
use crate::train::state::MemberState;
use serde::{Deserialize, Serialize};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// A place in a run: the next batch to train.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// From 1. After the end of the run, one more than the number of epochs.
    pub epoch: u32,
    /// Batch within the epoch, from 0.
    pub batch: u32,
}

impl Position {
    /// Before the first step.
    pub const START: Self = Self { epoch: 1, batch: 0 };
}

/// Where a value of a network was first not finite.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Divergence {
    /// From 1.
    pub epoch: u32,
    /// Step of the epoch, from 1. One more than the epoch has, if the evaluation after it saw the value first. `None` with
    /// `first`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epoch_step: Option<u32>,
    /// Step of the run, layer and value; `None` if only a loss is known to be not finite.
    #[serde(default, flatten, skip_serializing_if = "Option::is_none")]
    pub first: Option<NonFinite>,
}

impl std::fmt::Display for Divergence {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (Some(batch), Some(NonFinite { step, layer, value })) = (self.epoch_step, self.first) else {
            return write!(f, "epoch {}: the loss is no longer finite", self.epoch);
        };
        let value = if value == Value::Net { "net" } else { "δ or the loss" };
        write!(f, "epoch {}, step {batch} ({step} of the run), layer {layer}: {value} is no longer finite", self.epoch)
    }
}

/// Receives what a run reports. A closure over the metrics is an observer.
pub trait Observer {
    /// The engine has been given all steps before `position`. Called many times per epoch.
    fn progress(&mut self, position: Position) {
        let _ = position;
    }

    /// Metrics of one epoch, one per member. `Break` ends the run after the epoch that is already under way. That epoch is
    /// reported too, test samples included, so the last metrics always describe the final weights.
    ///
    /// # Errors
    /// Stops the run with this error.
    fn epoch(&mut self, metrics: &[EpochMetrics]) -> Result<ControlFlow<()>>;

    /// Whether to read the state before `position`. Called where training pauses anyway.
    fn wants_state(&mut self, position: Position) -> bool {
        let _ = position;
        false
    }

    /// The state before `position`. Within an epoch, the metrics of all earlier epochs have been delivered. At the end of an
    /// epoch, its metrics come next.
    ///
    /// # Errors
    /// Stops the run with this error.
    fn state(&mut self, position: Position, state: Vec<MemberState>) -> Result<()> {
        let _ = (position, state);
        Ok(())
    }

    /// A value of `member` is not finite; called once per member. `Break` fails the run. With `Continue` training continues,
    /// and the member's metrics mean nothing from that epoch on.
    fn diverged(&mut self, member: usize, divergence: Divergence) -> ControlFlow<()> {
        let _ = (member, divergence);
        ControlFlow::Break(())
    }
}

impl<F: FnMut(&[EpochMetrics]) -> Result<ControlFlow<()>>> Observer for F {
    fn epoch(&mut self, metrics: &[EpochMetrics]) -> Result<ControlFlow<()>> {
        self(metrics)
    }
}

/// Floating-point operations between two checks of the interrupt flag: a fraction of a second on two processor cores.
const CALL_FLOPS: f64 = 5e9;
/// Largest number of batches between two checks of the interrupt flag.
const CALL_BATCHES: f64 = 256.0;
/// How long an epoch's report may wait while the next epoch is already under way.
const REPORT_DELAY: Duration = Duration::from_millis(100);

/// Trains a population on an engine.
pub struct Trainer {
    population: Arc<Population>,
    engine: Box<dyn Engine>,
    interrupt: Arc<AtomicBool>,
    position: Position,
    /// The last epoch to train.
    epochs: u32,
    /// Largest number of batches per call of the engine.
    stride: u32,
    stage: Stage,
    pending: Option<Pending>,
    last_report: Option<Instant>,
    /// Members that have been reported as not finite.
    diverged: Vec<bool>,
    /// How the scores of each member are reported.
    measures: Vec<Measure>,
    /// The outer loop of rules that search.
    search: Search,
}

/// What the next [step](Trainer::step) does.
#[derive(Clone, Copy, Debug)]
enum Stage {
    /// Begins an epoch, unless the last epoch is over or the observer has ended the run.
    Between { ended: bool },
    /// Trains further batches of an epoch that began here with batch `first`.
    Within { first: u32, ended: bool },
    /// Nothing, because a step is under way, was dropped before its end, or has failed.
    Broken,
}

/// How a step ended.
enum Progress {
    More,
    Over,
    Interrupted,
}

/// A report that has been requested and not yet delivered.
struct Pending {
    epoch: u32,
    samples: u64,
    since: Instant,
    /// The report itself, where it had to be taken at once.
    taken: Option<Report>,
}

impl Trainer {
    /// A trainer for `engine`, which holds the state of `population` before `position`. Setting `interrupt` makes
    /// [`Self::step`] and [`Self::run`] stop within a fraction of a second.
    #[must_use]
    pub fn new(
        population: Arc<Population>,
        engine: Box<dyn Engine>,
        position: Position,
        interrupt: Arc<AtomicBool>,
    ) -> Self {
        let (stride, epochs) = (stride(&population), population.shared().run.epochs);
        let diverged = vec![false; population.len()];
        let measures = (0..population.len()).map(|member| Measure::new(&population, member)).collect();
        Self {
            population,
            engine,
            interrupt,
            position,
            epochs,
            stride,
            stage: Stage::Between { ended: false },
            pending: None,
            last_report: None,
            diverged,
            measures,
            search: Search::default(),
        }
    }

    /// Makes `epoch` the last one, if it is earlier than the configured end. Clocks and schedules still follow the configured
    /// end.
    pub fn end_after(&mut self, epoch: u32) {
        self.epochs = self.epochs.min(epoch);
    }

    /// Pauses at least every `batches` batches, to look at the interrupt flag and to offer the state to the observer. The
    /// results are the same to the last bit.
    pub fn pause_every(&mut self, batches: u32) {
        self.stride = self.stride.min(batches.max(1));
    }

    /// The next batch to train.
    #[must_use]
    pub fn position(&self) -> Position {
        self.position
    }

    /// The engine.
    #[must_use]
    pub fn engine(&self) -> &dyn Engine {
        &*self.engine
    }

    /// The training state before [`Self::position`], one entry per member.
    ///
    /// # Errors
    /// If the device fails.
    pub async fn read_state(&mut self) -> Result<Vec<MemberState>> {
        self.engine.state().await
    }

    /// As [`Self::read_state`], and waits.
    ///
    /// # Errors
    /// As [`Self::read_state`].
    pub fn state(&mut self) -> Result<Vec<MemberState>> {
        block_on(self.read_state())
    }

    /// Gives the engine another state, and scores it on all samples: metrics of `epoch`, one per member.
    ///
    /// # Errors
    /// If the device fails.
    pub async fn restore(&mut self, epoch: u32, state: Vec<MemberState>) -> Result<Vec<EpochMetrics>> {
        self.engine.set_state(&state).await?;
        self.engine.set_order(&order(&self.population, epoch)).await?;
        self.engine.request_report(Wanted { train: true, validation: true, test: true }).await?;
        let report = self.engine.next_report().await?;
        let members = report.members.iter().zip(&self.measures);
        let topology = &self.population.topology;
        let metrics = members.map(|(member, measure)| {
            let (samples_per_second, seconds) = (0.0, 0.0);
            EpochMetrics::new(&Source { epoch, member, measure, topology, samples: 0, samples_per_second, seconds })
        });
        Ok(metrics.collect())
    }

    /// Trains to the last epoch, or until the observer ends the run, and waits.
    ///
    /// # Errors
    /// As [`Self::step`].
    pub fn run(&mut self, observer: &mut dyn Observer) -> Result<()> {
        block_on(async {
            while self.step(observer).await? {}
            Ok(())
        })
    }

    /// Does the next piece of the run, a fraction of a second of work, and returns whether there are more. After an error
    /// other than [`Error::Interrupted`] there are none.
    ///
    /// # Errors
    /// [`Error::Run`] if a value is not finite and the observer does not let that pass, or if an earlier step failed or its
    /// future was dropped; [`Error::Interrupted`] once the interrupt flag is set; the error of the observer or the device.
    /// Finished epochs have been delivered before, if the device still answers.
    pub async fn step<O: Observer + ?Sized>(&mut self, observer: &mut O) -> Result<bool> {
        self.last_report.get_or_insert_with(Instant::now);
        let stage = std::mem::replace(&mut self.stage, Stage::Broken);
        let (stage, progress) = self.piece(stage, observer).await?;
        self.stage = stage;
        match progress {
            Progress::More => Ok(true),
            Progress::Over => Ok(false),
            Progress::Interrupted => Err(Error::Interrupted),
        }
    }

    async fn piece<O: Observer + ?Sized>(&mut self, stage: Stage, observer: &mut O) -> Result<(Stage, Progress)> {
        let (first, mut ended) = match stage {
            Stage::Broken => return Err(Error::Run("the training was broken off by an error before".into())),
            Stage::Between { ended } if ended || self.position.epoch > self.epochs => {
                let _ = self.deliver(observer).await?;
                return Ok((stage, Progress::Over));
            }
            Stage::Between { ended } => {
                if self.position == Position::START && equilibrium::governs(&self.population) {
                    let mut states = self.engine.state().await?;
                    equilibrium::begin(&mut states);
                    self.engine.set_state(&states).await?;
                }
                self.engine.set_order(&order(&self.population, self.position.epoch)).await?;
                (self.position.batch, ended)
            }
            Stage::Within { first, ended } => (first, ended),
        };
        let steps = self.population.steps_per_epoch();
        if self.position.batch < steps {
            if self.interrupt.load(Ordering::Relaxed) {
                ended |= self.deliver(observer).await?.is_break();
                return Ok((Stage::Within { first, ended }, Progress::Interrupted));
            }
            ended |= self.batches(observer).await?.is_break();
        }
        if self.position.batch < steps {
            return Ok((Stage::Within { first, ended }, Progress::More));
        }
        ended |= self.end_epoch(first, ended, observer).await?.is_break();
        Ok((Stage::Between { ended }, Progress::More))
    }

    /// Trains the next batches of the current epoch. Returns `Break` if the observer has ended the run.
    async fn batches<O: Observer + ?Sized>(&mut self, observer: &mut O) -> Result<ControlFlow<()>> {
        let mut flow = ControlFlow::Continue(());
        if self.population.shared().rule.kind.searches() {
            // A search sets the state, and an engine starts all counts of a report anew when its state is set.
            flow = self.deliver(observer).await?;
        }
        self.call().await?;
        observer.progress(self.position);
        if self.pending.as_ref().is_some_and(|pending| pending.since.elapsed() > REPORT_DELAY) {
            flow = self.deliver(observer).await?;
        }
        if self.position.batch < self.population.steps_per_epoch() && observer.wants_state(self.position) {
            if self.pending.is_some() {
                flow = self.deliver(observer).await?;
            }
            observer.state(self.position, self.engine.state().await?)?;
        }
        Ok(flow)
    }

    /// Asks for the report of the epoch, which was trained from batch `first` on. Returns `Break` if the observer has ended the
    /// run.
    async fn end_epoch<O: Observer + ?Sized>(
        &mut self,
        first: u32,
        ended: bool,
        observer: &mut O,
    ) -> Result<ControlFlow<()>> {
        let mut flow = ControlFlow::Continue(());
        if self.pending.is_some() {
            flow = self.deliver(observer).await?;
        }
        let epoch = self.position.epoch;
        let population = &*self.population;
        let shared = population.shared();
        // The last epoch is known from the start, or is this one if the observer has ended the run.
        let last = epoch == self.epochs || ended || flow.is_break();
        let wanted = Wanted {
            train: shared.run.train_metrics == TrainMetrics::AfterEpoch,
            validation: population.validation_rows() > 0,
            test: population.test_rows() > 0
                && (last || (shared.run.test_every > 0 && epoch.is_multiple_of(shared.run.test_every))),
        };
        self.engine.request_report(wanted).await?;
        let taken = match equilibrium::governs(population) {
            true => Some(self.settle(epoch).await?),
            false => None,
        };
        let population = &*self.population;
        let skipped = first as usize * population.batch_size();
        let samples = (population.train_rows() - skipped) as u64;
        self.pending = Some(Pending { epoch, samples, since: Instant::now(), taken });
        self.position = Position { epoch: epoch + 1, batch: 0 };
        if observer.wants_state(self.position) {
            observer.state(self.position, self.engine.state().await?)?;
        }
        Ok(flow)
    }

    /// Decides which neurons rest in the next epoch. Returns the report of the epoch that ended, with the rates of the next.
    async fn settle(&mut self, epoch: u32) -> Result<Report> {
        // An engine starts all counts of a report anew when its state is set, so the report is taken first.
        let mut report = self.engine.next_report().await?;
        let mut states = self.engine.state().await?;
        equilibrium::settle(&self.population, epoch, &mut states).await;
        self.engine.set_state(&states).await?;
        equilibrium::tell(&states, &mut report);
        Ok(report)
    }

    /// Gives the engine its next batches, up to the stride, the next tick or the end of the epoch.
    async fn call(&mut self) -> Result<()> {
        if self.population.shared().rule.kind.searches() {
            let ended = self.search.step(&mut *self.engine, &self.population, &self.interrupt).await?;
            self.position.batch = u32::from(ended);
            return Ok(());
        }
        let steps = self.population.steps_per_epoch();
        let first = self.position.batch;
        let (to_tick, number) = next_tick(&self.population, self.position);
        let end = u64::from(steps.min(first.saturating_add(self.stride))).min(u64::from(first) + to_tick) as u32;
        let ends_tick = u64::from(end - first) == to_tick && number <= u64::from(self.population.ticks());
        let tick = ends_tick.then_some(number as u32);
        if let Some(tick) = tick
            && self.population.is_scheduled()
        {
            self.engine.set_scale(&self.population.scale(tick)).await?;
        }
        self.engine.train(first..end, tick).await?;
        self.position.batch = end;
        match tick {
            Some(tick) => self.calibrate(tick).await,
            None => Ok(()),
        }
    }

    /// Sets θ_M of the members whose quantile threshold is fixed at this tick.
    async fn calibrate(&mut self, tick: u32) -> Result<()> {
        let quantile_now = |config: &Config| match config.threshold() {
            Theta::Quantile(q) if calibration_tick(config) == tick => Some(q),
            _ => None,
        };
        let population = Arc::clone(&self.population);
        let due: Vec<Option<f64>> = population
            .configs
            .iter()
            .map(|config| quantile_now(config).filter(|_| config.rule.kind == Rule::Psi))
            .collect();
        if due.iter().all(Option::is_none) {
            return Ok(());
        }
        let mut means = self.engine.observed_means().await?;
        let of_member = |(q, layers): (&Option<f64>, &mut Vec<Vec<f32>>)| {
            q.map(|q| layers.iter_mut().map(|slots| psi::quantile(slots, q)).collect())
        };
        let theta: Vec<Option<Vec<f32>>> = due.iter().zip(&mut means).map(of_member).collect();
        self.engine.set_theta(&theta).await
    }

    /// Takes the pending report, if there is one, and passes its metrics to the observer.
    async fn deliver<O: Observer + ?Sized>(&mut self, observer: &mut O) -> Result<ControlFlow<()>> {
        let Some(pending) = self.pending.take() else { return Ok(ControlFlow::Continue(())) };
        let Pending { epoch, samples, taken, .. } = pending;
        let mut report = match taken {
            Some(report) => report,
            None => self.engine.next_report().await?,
        };
        report.members.iter_mut().zip(&self.search.flops).for_each(|(member, &flops)| member.flops = flops);
        let now = Instant::now();
        let seconds = self.last_report.replace(now).map_or(0.0, |before| (now - before).as_secs_f64());
        self.check_finite(epoch, &report, observer)?;
        // A coarse clock may measure 0 seconds, and JSON has no infinite rate.
        let rate = samples as f64 / report.train_seconds.max(1e-9);
        let topology = &self.population.topology;
        let source =
            |(member, measure)| Source { epoch, member, measure, topology, samples, samples_per_second: rate, seconds };
        let members = report.members.iter().zip(&self.measures);
        let metrics: Vec<_> = members.map(|pair| EpochMetrics::new(&source(pair))).collect();
        observer.epoch(&metrics)
    }

    fn check_finite<O: Observer + ?Sized>(&mut self, epoch: u32, report: &Report, observer: &mut O) -> Result<()> {
        for (index, (member, config)) in report.members.iter().zip(&self.population.configs).enumerate() {
            let scores = [Some(member.running), member.train, member.validation, member.test];
            let finite = scores.iter().flatten().all(|score| score.loss.is_finite());
            if self.diverged[index] || (finite && member.not_finite.is_none()) {
                continue;
            }
            self.diverged[index] = true;
            let before = u64::from(epoch - 1) * u64::from(self.population.steps_per_epoch());
            let epoch_step = member.not_finite.map(|first| u64::from(first.step).saturating_sub(before) as u32);
            let divergence = Divergence { epoch, epoch_step, first: member.not_finite };
            if observer.diverged(index, divergence).is_continue() {
                continue;
            }
            let who = if self.population.len() > 1 { format!("member {index}: ") } else { String::new() };
            let untrained = member.not_finite.is_some_and(|first| first.step == 1 && first.value == Value::Net);
            let remedy = match untrained {
                true => "the initial weights or the data are too large (`init-scheme`, `init`)".to_owned(),
                false => format!("use a smaller `alpha0` (it was {})", config.rule.alpha0),
            };
            return Err(Error::Run(format!("{who}{divergence}; {remedy}")));
        }
        Ok(())
    }
}

/// Largest number of batches in one call of an engine, so that the interrupt flag is checked often enough.
#[must_use]
pub fn stride(population: &Population) -> u32 {
    let samples_per_batch = (population.batch_size() * population.len()) as f64;
    let step = population.topology.flops_per_sample() * samples_per_batch;
    (CALL_FLOPS / step).clamp(1.0, CALL_BATCHES) as u32
}

/// The rows of each member's training samples in the order in which `epoch` (from 1) visits them.
#[must_use]
pub fn order(population: &Population, epoch: u32) -> Vec<Vec<u32>> {
    let of_member = |(config, split): (&Config, &Split)| {
        let mut rows = split.train.clone();
        if !config.data.no_shuffle && !config.rule.kind.searches() {
            Random::new(config.run.seed, Stream::Order, epoch).shuffle(&mut rows);
        }
        rows
    };
    population.configs.iter().zip(&population.splits).map(of_member).collect()
}

/// Batches from `position` to the next tick, and that tick's number from 1. The tick may lie beyond this epoch, or beyond
/// the run.
fn next_tick(population: &Population, position: Position) -> (u64, u64) {
    let steps = u64::from(population.steps_per_epoch());
    let batch = u64::from(position.batch);
    match population.shared().rule.clock {
        Clock::Epoch => (steps - batch, u64::from(position.epoch)),
        Clock::Steps(k) => {
            let (done, k) = (u64::from(position.epoch - 1) * steps + batch, u64::from(k));
            (k - done % k, done / k + 1)
        }
    }
}
