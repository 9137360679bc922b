//! Tests the trainer with an engine that only records its calls: batches, ticks, thresholds, reports, interruption.

use homeostat::config::{Clock, Config};
use homeostat::data::DataSet;
use homeostat::error::{Error, Result};
use homeostat::train::engine::{
    AlphaSummary, DeviceInfo, Engine, MemberReport, NonFinite, Report, Request, Score, Value, Wanted,
};
use homeostat::train::metrics::EpochMetrics;
use homeostat::train::population::Population;
use homeostat::train::state::MemberState;
use homeostat::train::trainer::{Divergence, Observer, Position, Trainer, order};
use std::ops::{ControlFlow, Range};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

#[derive(Clone, Debug, PartialEq)]
enum Call {
    Order(Vec<Vec<u32>>),
    Train(Range<u32>, Option<u32>),
    Theta(Vec<Option<Vec<f32>>>),
    Scale(Vec<Vec<f32>>),
    Report(Wanted),
    Take,
}

struct Recorder {
    calls: Arc<Mutex<Vec<Call>>>,
    info: DeviceInfo,
    members: usize,
    loss: f64,
    not_finite: Option<NonFinite>,
    interrupt_after: Option<(usize, Arc<AtomicBool>)>,
}

impl Recorder {
    fn note(&self, call: Call) {
        let mut calls = self.calls.lock().unwrap();
        calls.push(call);
        if let Some((after, flag)) = &self.interrupt_after {
            flag.store(calls.len() >= *after, Ordering::Relaxed);
        }
    }

    /// A request that is recorded when it is polled, because engines work when polled.
    fn request(&self, call: Call) -> Request<'_> {
        Box::pin(async {
            self.note(call);
            Ok(())
        })
    }
}

impl Engine for Recorder {
    fn device(&self) -> &DeviceInfo {
        &self.info
    }
    fn set_order<'a>(&'a mut self, order: &'a [Vec<u32>]) -> Request<'a> {
        self.request(Call::Order(order.to_vec()))
    }
    fn train(&mut self, batches: Range<u32>, tick: Option<u32>) -> Request<'_> {
        self.request(Call::Train(batches, tick))
    }
    fn observed_means(&mut self) -> Request<'_, Vec<Vec<Vec<f32>>>> {
        let members = self.members;
        Box::pin(async move { Ok(vec![vec![vec![3.0, 1.0, 2.0], vec![10.0, 20.0]]; members]) })
    }
    fn set_theta<'a>(&'a mut self, theta: &'a [Option<Vec<f32>>]) -> Request<'a> {
        self.request(Call::Theta(theta.to_vec()))
    }
    fn set_scale<'a>(&'a mut self, scale: &'a [Vec<f32>]) -> Request<'a> {
        self.request(Call::Scale(scale.to_vec()))
    }
    fn request_report(&mut self, wanted: Wanted) -> Request<'_> {
        self.request(Call::Report(wanted))
    }
    fn next_report(&mut self) -> Request<'_, Report> {
        Box::pin(async {
            self.note(Call::Take);
            let score = Score { loss: self.loss, error: 0.5 };
            let member = MemberReport {
                running: score,
                train: Some(score),
                validation: None,
                test: None,
                alpha: vec![AlphaSummary::new([0.1, 0.0].into_iter())],
                living: vec![1, 0],
                flops: 2e9,
                not_finite: self.not_finite,
            };
            Ok(Report { members: vec![member; self.members], train_seconds: 2.0 })
        })
    }
    fn state(&mut self) -> Request<'_, Vec<MemberState>> {
        Box::pin(async { Ok(vec![]) })
    }
    fn set_state<'a>(&'a mut self, _: &'a [MemberState]) -> Request<'a> {
        Box::pin(async { Ok(()) })
    }
}

/// 23 samples in batches of 5: five steps per epoch, the last with 3 samples.
fn population(configs: Vec<Config>) -> Arc<Population> {
    let rows = 23;
    let data = DataSet::new((vec![0.5; 2 * rows], 2), (0..rows as u32).map(|i| i % 2))
        .unwrap()
        .named("test")
        .with_classes(2)
        .unwrap();
    Arc::new(Population::new(configs, Arc::new(data), None).unwrap())
}

fn config(epochs: u32) -> Config {
    Config::default().hidden([3]).batch_size(5).epochs(epochs).test_fraction(0.0)
}

struct Outcome {
    calls: Vec<Call>,
    metrics: Vec<EpochMetrics>,
    end: Result<()>,
    position: Position,
}

fn run(
    configs: Vec<Config>,
    start: Position,
    change: impl FnOnce(&mut Recorder, &Arc<AtomicBool>),
    breaks_at: u32,
) -> Outcome {
    let population = population(configs);
    let calls = Arc::new(Mutex::new(vec![]));
    let interrupt = Arc::new(AtomicBool::new(false));
    let info = DeviceInfo { engine: "recorder".into(), adapter: "none".into(), driver: "none".into() };
    let members = population.len();
    let mut engine =
        Recorder { calls: Arc::clone(&calls), info, members, loss: 1.0, not_finite: None, interrupt_after: None };
    change(&mut engine, &interrupt);
    let mut trainer = Trainer::new(population, Box::new(engine), start, interrupt);
    let mut metrics = vec![];
    let mut observer = |epoch: &[EpochMetrics]| {
        metrics.push(epoch[0].clone());
        Ok(if epoch[0].epoch == breaks_at { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
    };
    let end = trainer.run(&mut observer);
    let position = trainer.position();
    drop(trainer);
    Outcome { calls: Arc::into_inner(calls).unwrap().into_inner().unwrap(), metrics, end, position }
}

/// Each tick, with the number of its step, counted from 1.
fn ticks(calls: &[Call]) -> Vec<(u32, u32)> {
    let (mut steps, mut ticks) = (0, vec![]);
    for call in calls {
        if let Call::Train(batches, tick) = call {
            steps += batches.len() as u32;
            ticks.extend(tick.map(|t| (t, steps)));
        }
    }
    ticks
}

#[test]
fn every_batch_is_trained_once_in_order() {
    let outcome = run(vec![config(3)], Position::START, |_, _| (), 0);
    outcome.end.unwrap();
    let mut batches = vec![];
    for call in &outcome.calls {
        match call {
            Call::Order(rows) => {
                assert_eq!(batches.len() % 5, 0);
                let mut rows = rows[0].clone();
                rows.sort_unstable();
                assert_eq!(rows, (0..23).collect::<Vec<u32>>());
            }
            Call::Train(range, _) => batches.extend(range.clone()),
            _ => {}
        }
    }
    assert_eq!(batches, [0, 1, 2, 3, 4].repeat(3));
    assert_eq!(outcome.position, Position { epoch: 4, batch: 0 });
    assert_eq!(outcome.metrics.iter().map(|m| m.epoch).collect::<Vec<_>>(), [1, 2, 3]);
    assert_eq!(outcome.metrics[0].frozen_fraction, [0.5]);
    assert!((outcome.metrics[0].samples_per_second - 11.5).abs() < 1e-9);
}

#[test]
fn operations_are_those_of_the_steps_since_the_start() {
    let outcome = run(vec![config(3)], Position { epoch: 2, batch: 2 }, |_, _| (), 0);
    outcome.end.unwrap();
    // 2-3-2: two products through the first layer, three through the second. Two batches of 5 were trained before.
    let per_sample = f64::from(2 * 3 * 4 + 3 * 2 * 6);
    for (metrics, samples) in outcome.metrics.iter().zip([13.0, 23.0]) {
        assert!((metrics.gflop_full.unwrap() - per_sample * samples / 1e9).abs() < 1e-15);
        assert_eq!((metrics.gflop_per_epoch, metrics.living_fraction), (Some(2.0), Some(0.2)));
        assert_eq!(metrics.living_per_layer, [1.0 / 3.0, 0.0]);
    }
}

#[test]
fn ticks_fall_where_the_clock_puts_them() {
    let of = |clock, epochs, start| {
        let outcome = run(vec![config(epochs).clock(clock)], start, |_, _| (), 0);
        outcome.end.unwrap();
        ticks(&outcome.calls)
    };
    assert_eq!(of(Clock::Epoch, 3, Position::START), [(1, 5), (2, 10), (3, 15)]);
    // Ticks cross the ends of epochs. The 15 steps have three whole ticks of 4.
    assert_eq!(of(Clock::Steps(4), 3, Position::START), [(1, 4), (2, 8), (3, 12)]);
    assert_eq!(of(Clock::Steps(1), 1, Position::START), [(1, 1), (2, 2), (3, 3), (4, 4), (5, 5)]);
    // From the middle of epoch 2: steps 1 … 7 are done.
    assert_eq!(of(Clock::Steps(4), 3, Position { epoch: 2, batch: 2 }), [(2, 1), (3, 5)]);
    assert_eq!(of(Clock::Epoch, 3, Position { epoch: 2, batch: 2 }), [(2, 3), (3, 8)]);
}

#[test]
fn quantile_thresholds_are_set_once_at_the_calibration_tick() {
    let quantile = |q, warmup| config(4).theta(None).theta_quantile(q).warmup(warmup);
    let outcome = run(vec![quantile(0.5, 0), quantile(1.0, 2), config(4)], Position::START, |_, _| (), 0);
    outcome.end.unwrap();
    let set: Vec<_> = outcome
        .calls
        .iter()
        .enumerate()
        .filter_map(|(i, call)| match call {
            Call::Theta(theta) => Some((ticks(&outcome.calls[..i]).len(), theta.clone())),
            _ => None,
        })
        .collect();
    assert_eq!(set, [(1, vec![Some(vec![2.0, 15.0]), None, None]), (2, vec![None, Some(vec![3.0, 20.0]), None]),]);
}

#[test]
fn the_order_depends_on_seed_and_epoch_only() {
    let shuffled = population(vec![config(9), config(9).seed(1)]);
    assert_eq!(order(&shuffled, 2), order(&shuffled, 2));
    assert_ne!(order(&shuffled, 2), order(&shuffled, 3));
    assert_ne!(order(&shuffled, 2)[0], order(&shuffled, 2)[1]);
    let kept = population(vec![config(9).no_shuffle(true)]);
    assert_eq!(order(&kept, 2), [(0..23).collect::<Vec<u32>>()]);
}

#[test]
fn an_interrupt_stops_between_batches_and_delivers_what_is_done() {
    // The fourth call is the second epoch's order, after the first report. The trainer sees the flag before the epoch's
    // first batch.
    let outcome =
        run(vec![config(3)], Position::START, |engine, flag| engine.interrupt_after = Some((4, Arc::clone(flag))), 0);
    assert!(matches!(outcome.end, Err(Error::Interrupted)));
    assert_eq!(outcome.position, Position { epoch: 2, batch: 0 });
    assert_eq!(outcome.metrics.len(), 1);
}

#[test]
fn a_break_ends_the_run_with_metrics_of_the_last_weights() {
    let outcome = run(vec![config(9)], Position::START, |_, _| (), 2);
    outcome.end.unwrap();
    let trained = outcome.position.epoch - 1;
    assert!(trained < 9);
    assert_eq!(outcome.metrics.last().unwrap().epoch, trained);
}

#[test]
fn a_loss_that_is_not_finite_is_an_error() {
    let outcome = run(vec![config(3)], Position::START, |engine, _| engine.loss = f64::NAN, 0);
    let message = outcome.end.unwrap_err().to_string();
    assert!(message.contains("epoch 1") && message.contains("`alpha0`"), "{message}");
    assert!(outcome.metrics.is_empty());
}

/// The error has the epoch, step and layer of the engine's finding, although the loss is finite.
#[test]
fn a_divergence_is_reported_with_epoch_step_and_layer() {
    // An epoch has five steps, so step 8 is step 3 of epoch 2.
    let first = NonFinite { step: 8, layer: 2, value: Value::Net };
    let start = Position { epoch: 2, batch: 0 };
    let outcome = run(vec![config(3)], start, |engine, _| engine.not_finite = Some(first), 0);
    let message = outcome.end.unwrap_err().to_string();
    assert!(message.starts_with("epoch 2, step 3 (8 of the run), layer 2: net is no longer finite"), "{message}");
}

#[test]
fn running_metrics_need_no_pass_over_the_training_samples() {
    let config = config(1).train_metrics(homeostat::config::TrainMetrics::Running);
    let outcome = run(vec![config], Position::START, |_, _| (), 0);
    assert!(outcome.calls.contains(&Call::Report(Wanted::default())));
}

/// Whether each report reads the validation samples and the test samples.
fn readings(config: &Config, breaks_at: u32) -> Vec<(bool, bool)> {
    let outcome = run(vec![config.clone()], Position::START, |_, _| (), breaks_at);
    outcome.end.unwrap();
    let reading = |call: &Call| match call {
        Call::Report(wanted) => Some((wanted.validation, wanted.test)),
        _ => None,
    };
    outcome.calls.iter().filter_map(reading).collect()
}

#[test]
fn the_test_samples_are_read_last_and_where_asked_for() {
    let tested = |test_every| config(5).test_fraction(0.2).test_every(test_every);
    assert_eq!(readings(&tested(0), 0), [false, false, false, false, true].map(|test| (false, test)));
    assert_eq!(readings(&tested(2), 0), [false, true, false, true, true].map(|test| (false, test)));
    assert_eq!(readings(&tested(1), 0), [(false, true); 5]);
    // A run that its observer ends early reads the test samples too.
    assert_eq!(readings(&tested(0), 2), [false, false, true].map(|test| (false, test)));
    let validated = tested(0).val_fraction(0.2);
    assert_eq!(readings(&validated, 0), [false, false, false, false, true].map(|test| (true, test)));
    assert_eq!(readings(&config(2), 0), [(false, false); 2]);
}

/// Continues past members that diverge. Records each diverged member with its epoch, and counts the metrics.
struct Lenient(Vec<(usize, u32)>, usize);

impl Observer for Lenient {
    fn epoch(&mut self, metrics: &[EpochMetrics]) -> Result<ControlFlow<()>> {
        self.1 += metrics.len();
        Ok(ControlFlow::Continue(()))
    }
    fn diverged(&mut self, member: usize, divergence: Divergence) -> ControlFlow<()> {
        self.0.push((member, divergence.epoch));
        ControlFlow::Continue(())
    }
}

#[test]
fn an_observer_may_pass_over_members_that_diverge() {
    let population = population(vec![config(3), config(3)]);
    let info = DeviceInfo { engine: "recorder".into(), adapter: "none".into(), driver: "none".into() };
    let calls = Arc::new(Mutex::new(vec![]));
    let engine = Recorder { calls, info, members: 2, loss: f64::NAN, not_finite: None, interrupt_after: None };
    let interrupt = Arc::new(AtomicBool::new(false));
    let mut observer = Lenient(vec![], 0);
    Trainer::new(population, Box::new(engine), Position::START, interrupt).run(&mut observer).unwrap();
    // Each divergence is reported once, and the run continues to its end.
    assert_eq!((observer.0, observer.1), (vec![(0, 1), (1, 1)], 6));
}
