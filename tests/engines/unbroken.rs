//! Going on from a state kept in the middle of an epoch equals not stopping, to the last bit, for everything that a run
//! can remember between steps: weights, learning rates, thresholds, running sums and random streams.

use crate::harness::{ENGINES, small_register};
use clap::ValueEnum;
use homeostat::config::{Config, Rule};
use homeostat::cpu::CpuEngine;
use homeostat::data::{DataSet, Samples};
use homeostat::error::Result;
use homeostat::gpu::Plan;
use homeostat::rng::{Random, Stream};
use homeostat::rule::trace::Trace;
use homeostat::run::{Checkpoint, Progress};
use homeostat::train::blocking::Blocking;
use homeostat::train::engine::Engine;
use homeostat::train::metrics::EpochMetrics;
use homeostat::train::population::Population;
use homeostat::train::state::MemberState;
use homeostat::train::trainer::{Observer, Position, Trainer};
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

/// 898 noisy images of 4 × 4 pixels in two classes, of which 808 are to be trained on: 270 batches, the last of one sample. An
/// engine takes at most 256 at once.
fn data() -> Arc<DataSet> {
    let mut random = Random::new(1, Stream::Order, 0);
    let rows = 898;
    let pixel = |i: usize| (0.4 * random.normal() + if i / 16 % 2 == i % 2 { 0.7 } else { 0.2 }) as f32;
    let samples = Samples::F32((0..rows * 16).map(pixel).collect());
    let labels = (0..rows as u32).map(|row| row % 2);
    Arc::new(DataSet::new((samples, 16), labels).unwrap().named("stripes").with_classes(2).unwrap())
}

const BASE: &str = "
    hidden = [6]
    batch-size = 3
    epochs = 2
    alpha0 = 0.05
    test-fraction = 0.0
    val-fraction = 0.1
";

/// Between them every rule, every memory that a step leaves for the next, and every source of randomness.
const SETTINGS: [&str; 22] = [
    "rule = 'psi'\ntheta = 0.3",
    "activation = 'logistic'\ntheta = 0.5\nclock = 'steps:70'\nmomentum = 0.5\ntrain-metrics = 'running'",
    "scope = 'weight'\ntheta = 0.3\nclock = 'steps:70'\nmomentum = 0.5\ndecay = 'cosine'",
    "scope = 'weight'\nbasis = 'coactivation'\ntheta = 0.2\nclock = 'steps:70'",
    "scope = 'layer'\nbasis = 'act2'\ntheta-quantile = 0.5\nwarmup = 1\nclock = 'steps:60'\ndecay = 'log'",
    "latch = 'gated'\nbasis = 'net2'\ntheta = 0.4\nclock = 'steps:40'\ndecay = 'hyperbolic'",
    "theta-sliding = '1.1:3'\nclock = 'steps:50'",
    "basis = 'delta'\narm = true\ntheta = 0.1\nclock = 'steps:30'\nmomentum = 0.6\ncoast = true",
    "theta = 0.3\ndropout = 0.2\ndropout-input = 0.1\ndistort = 'both'\nelastic-sigma = 1.0\nelastic-alpha = 2.0",
    "rule = 'constant'\nmomentum = 0.5\nnesterov = true\nschedule = 'cosine'\nclock = 'steps:9'",
    "rule = 'constant'\nschedule = 'one-cycle'\nlabel-noise = 0.1\nweight-decay = 0.01",
    "rule = 'constant'\nhidden = [6, 5]\nfreeze-out = '0.5:cubed:scaled'\nclock = 'steps:20'",
    "rule = 'replay'\nreplay = 'shuffle'\nclock = 'steps:70'",
    "rule = 'delta-bar-delta'\ndropout = 0.2",
    "rule = 'rprop'\nalpha0 = 0.001",
    "rule = 'irprop-'\nalpha0 = 0.001\ndropout-input = 0.1",
    "rule = 'lipschitz'\nfreeze-out = '0.5'\nclock = 'steps:100'",
    "rule = 'idbd'\nmax-norm = 2.0",
    "rule = 'adam'\nalpha0 = 0.01\nweight-decay = 0.01",
    "rule = 'adam'\nalpha0 = 0.01\ndistort = 'affine'\nclock = 'steps:100'",
    "rule = 'hebb'\nalpha0 = 0.0001",
    "rule = 'bcm'\ntheta-sliding = '1:9'\nalpha0 = 0.001\nclock = 'steps:7'",
];

fn population(settings: &str, trace: &Path) -> Arc<Population> {
    let replayed = if settings.contains("'replay'") { format!("trace = '{}'", trace.display()) } else { String::new() };
    let [base, own] = [BASE.to_owned(), format!("{settings}\n{replayed}")].map(|text| text.parse().expect("TOML"));
    let config = Config::overlay([&base, &own]).unwrap_or_else(|e| panic!("{settings}: {e}"));
    Arc::new(Population::new(vec![config], data(), None).unwrap_or_else(|e| panic!("{settings}: {e}")))
}

type Make = fn(Arc<Population>, &[MemberState]) -> Blocking<dyn Engine>;

fn cpu(population: Arc<Population>, state: &[MemberState]) -> Blocking<dyn Engine> {
    Blocking(Box::new(CpuEngine::new(population, state).unwrap()))
}

/// Whole steps in one dispatch where the program would do so, and else a dispatch per phase, on tiles that compile quickly.
fn gpu(population: Arc<Population>, state: &[MemberState]) -> Blocking<dyn Engine> {
    let plan = Plan { persistent: Plan::guess_persistent(&population), ..small_register(&population) };
    Blocking(crate::harness::gpu(population, state, plan).0)
}

/// What a run reports, and its states inside epochs.
#[derive(Default)]
struct Log {
    metrics: Vec<EpochMetrics>,
    states: Vec<(Position, MemberState)>,
}

impl Observer for Log {
    fn epoch(&mut self, metrics: &[EpochMetrics]) -> Result<ControlFlow<()>> {
        // Times are all that may differ.
        self.metrics.push(EpochMetrics { seconds: 0.0, samples_per_second: 0.0, ..metrics[0].clone() });
        Ok(ControlFlow::Continue(()))
    }

    fn wants_state(&mut self, position: Position) -> bool {
        position.batch > 0
    }

    fn state(&mut self, position: Position, mut state: Vec<MemberState>) -> Result<()> {
        self.states.push((position, state.remove(0)));
        Ok(())
    }
}

/// Trains to the end from `state` at `position`; the last state, and what was seen on the way.
fn train(population: &Arc<Population>, make: Make, state: &MemberState, position: Position) -> (MemberState, Log) {
    let engine = make(Arc::clone(population), std::slice::from_ref(state));
    let mut trainer = Trainer::new(Arc::clone(population), engine.0, position, Arc::default());
    let mut log = Log::default();
    trainer.run(&mut log).unwrap();
    (trainer.state().unwrap().remove(0), log)
}

fn whole(population: &Arc<Population>, make: Make) -> (MemberState, Log) {
    train(population, make, &population.initial_state()[0], Position::START)
}

/// A state as it comes back from a file.
fn through_a_file(folder: &Path, population: &Population, position: Position, state: &MemberState) -> MemberState {
    let progress = Progress {
        position,
        steps: state.steps,
        samples_since_tick: state.samples_since_tick,
        running_samples: state.running.samples,
        seconds: 1.0,
        best: None,
        end: None,
        divergence: None,
    };
    let path = folder.join("checkpoint.safetensors");
    let checkpoint = Checkpoint { progress, state: state.clone() };
    checkpoint.write(population.shared(), population.checksum(), &path).unwrap();
    assert!(Checkpoint::read(&path, population).unwrap() == checkpoint);
    Checkpoint::read(&path, population).unwrap().state
}

/// A folder with the trace of a run of ψ, to be replayed.
fn trace() -> (tempfile::TempDir, std::path::PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("trace.safetensors");
    let source = population("theta = 0.3\nclock = 'steps:70'", &path);
    let (state, _) = whole(&source, cpu);
    let trace = Trace::new(source.shared().clone(), &source.topology, state.onsets(), source.ticks());
    assert!(trace.onsets.concat().iter().any(|&onset| onset > 0), "nothing triggered");
    trace.write(&source.topology, &path).unwrap();
    (folder, path)
}

fn every_rule_goes_on(make: Make) {
    let (folder, trace) = trace();
    let mut rules = vec![];
    for settings in SETTINGS {
        let population = population(settings, &trace);
        rules.push(population.shared().rule.kind);
        let (end, log) = whole(&population, make);
        assert_eq!(log.metrics.len(), 2, "{settings}");
        let (position, state) = &log.states[(log.states.len() - 1) / 2];
        assert!(
            position.batch > 0 && state.running.samples == 3 * u64::from(position.batch),
            "{settings}: {position:?}"
        );
        let weights = |state: &MemberState| state.layers.iter().map(|layer| layer.weights.clone()).collect::<Vec<_>>();
        // From batch to batch as small as these g changes by more than itself, so that Lipschitz's rates shrink to nothing.
        let learns = population.shared().rule.kind != Rule::Lipschitz;
        assert!(!learns || weights(state) != weights(&end), "{settings}: nothing was learnt after {position:?}");
        let state = through_a_file(folder.path(), &population, *position, state);
        let (resumed, rest) = train(&population, make, &state, *position);
        assert!(resumed == end, "{settings}: another state after {position:?}");
        assert_eq!(rest.metrics, log.metrics[position.epoch as usize - 1..], "{settings}: from {position:?}");
    }
    assert!(Rule::value_variants().iter().all(|rule| rules.contains(rule)), "{rules:?}");
}

#[test]
fn every_rule_goes_on_on_the_cpu() {
    every_rule_goes_on(cpu);
}

#[test]
fn every_rule_goes_on_on_the_gpu() {
    every_rule_goes_on(gpu);
}

/// A dispatch per phase, in both kernel families; what the program would take for larger nets.
#[test]
fn both_kernel_families_go_on() {
    let (folder, trace) = trace();
    for settings in [SETTINGS[1], SETTINGS[17]] {
        let population = population(settings, &trace);
        for (name, make) in &ENGINES[1..] {
            let (end, log) = whole(&population, *make);
            let (position, state) = &log.states[0];
            let state = through_a_file(folder.path(), &population, *position, state);
            let (resumed, rest) = train(&population, *make, &state, *position);
            assert!(resumed == end && rest.metrics == log.metrics, "{name}: {settings}");
        }
    }
}

/// Engines add up losses in another way each, but what one has added up the other goes on with.
#[test]
fn a_run_may_change_its_device() {
    let population = population(SETTINGS[0], Path::new(""));
    let (_, expected) = whole(&population, cpu);
    for (from, to) in [(cpu as Make, gpu as Make), (gpu as Make, cpu as Make)] {
        let (_, log) = whole(&population, from);
        let (position, state) = &log.states[0];
        let (_, rest) = train(&population, to, state, *position);
        for (got, want) in rest.metrics.iter().zip(&expected.metrics) {
            assert!((got.running_loss - want.running_loss).abs() < 1e-4 * want.running_loss, "{got:?}, {want:?}");
            // One borderline sample may fall to either side.
            assert!((got.running_error - want.running_error).abs() <= 1.01 / 808.0, "{got:?}, {want:?}");
        }
    }
}
