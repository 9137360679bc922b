//! Tests relations between learning rules on every engine: schedules against the ψ that they imitate, replayed controls
//! against the run that they replay, Hebb against BCM.

use crate::close::close;
use crate::harness::ENGINES;
use homeostat::config::{
    Activation, Basis, Config, Decay, DecayTicks, InitScheme, Loss, Output, Replay, Rule, Scale, Schedule, Scope,
};
use homeostat::data::{DataSet, Samples};
use homeostat::rng::{Random, Stream};
use homeostat::rule::trace::Trace;
use homeostat::train::metrics::EpochMetrics;
use homeostat::train::population::Population;
use homeostat::train::state::MemberState;
use homeostat::train::trainer::{Position, Trainer};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

fn data(classes: usize) -> Arc<DataSet> {
    let mut random = Random::new(3, Stream::Order, 0);
    let rows = 43;
    let labels: Vec<u32> = (0..rows).map(|i| i % classes as u32).collect();
    let value = |row: usize, k: usize, random: &mut Random| {
        (if k % classes == row % classes { 1.0 } else { 0.0 }) + 0.3 * random.normal()
    };
    let samples = (0..rows as usize * 11).map(|i| value(i / 11, i % 11, &mut random) as f32).collect();
    Arc::new(DataSet::new((Samples::F32(samples), 11), labels).unwrap().named("blobs").with_classes(classes).unwrap())
}

fn base() -> Config {
    Config::default().scale(Scale::None).hidden([13]).batch_size(8).epochs(4).alpha0(0.1).test_fraction(0.0)
}

fn population(configs: Vec<Config>) -> Arc<Population> {
    Arc::new(Population::new(configs, data(4), None).unwrap())
}

/// Trains from `position` to the end. Returns the states and every epoch's metrics.
fn train(
    engine: usize,
    population: &Arc<Population>,
    state: &[MemberState],
    position: Position,
) -> (Vec<MemberState>, Vec<Vec<EpochMetrics>>) {
    let engine = (ENGINES[engine].1)(Arc::clone(population), state);
    let mut trainer = Trainer::new(Arc::clone(population), engine.0, position, Arc::new(AtomicBool::new(false)));
    let mut epochs = vec![];
    let mut keep = |metrics: &[EpochMetrics]| {
        epochs.push(metrics.to_vec());
        Ok(ControlFlow::Continue(()))
    };
    trainer.run(&mut keep).unwrap();
    (trainer.state().unwrap(), epochs)
}

fn from_start(engine: usize, population: &Arc<Population>) -> (Vec<MemberState>, Vec<Vec<EpochMetrics>>) {
    train(engine, population, &population.initial_state(), Position::START)
}

/// If ψ of every neuron triggers at the first tick, the run equals a global schedule with the same curve.
#[test]
fn a_schedule_equals_the_psi_that_triggers_at_once() {
    let decays = [
        (Schedule::Linear, Decay::Linear),
        (Schedule::Log, Decay::Log),
        (Schedule::Hyperbolic, Decay::Hyperbolic),
        (Schedule::Cosine, Decay::Cosine),
    ];
    for (schedule, decay) in decays {
        let psi = base().rule(Rule::Psi).basis(Basis::Net2).theta(0.0).decay(decay).decay_ticks(DecayTicks::ToEnd);
        let scheduled = base().rule(Rule::Constant).schedule(schedule);
        for (engine, _) in ENGINES.iter().enumerate() {
            let (states, epochs) = from_start(engine, &population(vec![psi.clone(), scheduled.clone()]));
            for metrics in &epochs {
                close("mean α", &metrics[1].alpha_mean, &metrics[0].alpha_mean, 1e-6, 1e-9).unwrap();
            }
            let wide = |m: usize| states[m].layers[0].weights.iter().map(|&w| f64::from(w)).collect::<Vec<_>>();
            close("weights", &wide(1), &wide(0), 1e-5, 1e-6).unwrap();
            assert_eq!(
                epochs.last().unwrap()[1].frozen_fraction.iter().all(|&f| f == 1.0),
                schedule != Schedule::Hyperbolic
            );
        }
    }
}

/// `P%` stands for N = P/100 · T, to the last bit.
#[test]
fn a_share_of_the_run_is_its_number_of_ticks() {
    for (clock, percent) in [("epoch", 75.0), ("steps:2", 37.5)] {
        let base = base().clock(clock.parse().unwrap());
        let ticks = f64::from(population(vec![base.clone()]).ticks());
        let lengths = [DecayTicks::Share { percent }, DecayTicks::Ticks(percent / 100.0 * ticks), DecayTicks::ToEnd];
        let falls = lengths.map(|length| base.clone().rule(Rule::Psi).theta(0.2).decay_ticks(length));
        let curves =
            lengths.map(|length| base.clone().rule(Rule::Constant).schedule(Schedule::OneCycle).schedule_ticks(length));
        let population = population([falls, curves].concat());
        for (engine, (name, _)) in ENGINES.iter().enumerate() {
            let (states, _) = from_start(engine, &population);
            for (what, members) in ["ψ", "schedule"].into_iter().zip(states.chunks(3)) {
                assert!(members[0] == members[1], "{name}, {what}, {percent} %");
                assert!(members[0] != members[2], "{name}, {what}: no α has fallen");
            }
        }
    }
}

/// No δ is computed for a layer that a schedule has frozen. The missing δ must not count as a δ below θ.
#[test]
fn a_layer_frozen_by_a_schedule_observes_no_delta() {
    let config = base()
        .rule(Rule::Psi)
        .basis(Basis::Delta)
        .freeze_out(Some("0.5".parse().unwrap()))
        .epochs(8)
        .decay_ticks(DecayTicks::Ticks(20.0));
    let members: Vec<Config> = [1e-9, 10.0].map(|theta| config.clone().theta(theta)).to_vec();
    for scope in [Scope::Neuron, Scope::Layer] {
        let members = members.iter().map(|member| member.clone().scope(scope)).collect();
        let population = population(members);
        for (engine, (name, _)) in ENGINES.iter().enumerate() {
            let (states, _) = from_start(engine, &population);
            let slots = |m: usize, l: usize| states[m].layers[l].slots.iter().map(|slot| (slot.onset, slot.n));
            for l in 0..2 {
                // Every mean is above the first member's threshold, and below the second member's from the first tick.
                assert!(slots(0, l).all(|slot| slot == (0.0, 0.0)), "{name}, {scope}, layer {l}");
                assert!(slots(1, l).all(|slot| slot.0 == 1.0), "{name}, {scope}, layer {l}");
            }
            assert!(slots(1, 0).all(|slot| slot.1 == 8.0), "α stops falling, {name}, {scope}");
            assert!(states[0].layers[0].psi.iter().all(|&psi| psi == 0.0), "{name}");
        }
    }
}

/// The number of rows per dispatch depends on the number of members. The order in which losses are added must not.
#[test]
fn losses_are_the_same_together_as_alone() {
    let (data, rows) = (data(4), 2_600);
    let Samples::F32(samples) = data.samples() else { unreachable!() };
    let samples: Vec<f32> = samples.iter().copied().cycle().take(rows * 11).collect();
    let data = Arc::new(DataSet::new((samples, 11), data.labels().iter().copied().cycle().take(rows)).unwrap());
    let member = |seed| base().seed(seed).hidden([400]).epochs(1).batch_size(200).val_fraction(0.5);
    let population = |configs: Vec<Config>| Arc::new(Population::new(configs, Arc::clone(&data), None).unwrap());
    for (engine, rule) in (0..ENGINES.len()).flat_map(|engine| [(engine, Rule::Psi), (engine, Rule::Hebb)]) {
        let name = ENGINES[engine].0;
        let member = |seed| member(seed).rule(rule).alpha0(1e-4);
        let together = population((0..12).map(member).collect());
        let alone = population(vec![member(3)]);
        let (_, epochs) = from_start(engine, &together);
        let (_, epochs_alone) = from_start(engine, &alone);
        let (one, all) = (&epochs_alone[0][0], &epochs[0][3]);
        assert_eq!((one.train_loss, one.val_loss), (all.train_loss, all.val_loss), "{name}, {rule}");
    }
}

/// Trains a run of ψ and writes its trace. Returns the trace's folder, the trace, the last state, the metrics, and a
/// function that gives the settings of each kind of replay.
fn traced(
    config: &Config,
) -> (tempfile::TempDir, Trace, MemberState, Vec<Vec<EpochMetrics>>, impl Fn(Replay) -> Config) {
    let source = population(vec![config.clone()]);
    let (states, epochs) = from_start(0, &source);
    let trace = Trace::new(config.clone(), &source.topology, states[0].onsets(), source.ticks());
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("trace.safetensors");
    trace.write(&source.topology, &path).unwrap();
    assert_eq!(Trace::read(&path, config, &source.topology, source.ticks()).unwrap(), trace);
    let config = config.clone();
    let replay = move |replay| config.clone().rule(Rule::Replay).replay(replay).trace(path.clone());
    (folder, trace, states[0].clone(), epochs, replay)
}

/// If all neurons of a layer trigger together, ψ equals its layer-wise controls.
#[test]
fn replay_of_a_layer_wise_psi_is_that_psi() {
    let config = base().scope(Scope::Layer).basis(Basis::Act).theta(0.4).decay(Decay::Cosine).alpha0(0.3);
    let (_folder, trace, state, epochs, replay) = traced(&config);
    assert!(trace.onsets.iter().all(|layer| layer.iter().all(|&onset| onset == layer[0])));
    assert!(epochs.last().unwrap()[0].alpha_mean.iter().any(|&alpha| alpha < 0.3), "nothing triggered");
    for kind in [Replay::Layer, Replay::Shuffle] {
        let (replayed, again) = from_start(0, &population(vec![replay(kind)]));
        assert_eq!(replayed[0].layers[0].weights, state.layers[0].weights, "{kind}");
        for (one, other) in again.iter().zip(&epochs) {
            assert_eq!(one[0].alpha_mean, other[0].alpha_mean, "{kind}");
        }
    }
}

#[test]
fn replays_keep_what_they_promise() {
    for (scope, basis, theta) in [(Scope::Neuron, Basis::Act, 0.35), (Scope::Weight, Basis::Coactivation, 0.2)] {
        let config = base().scope(scope).basis(basis).theta(theta).alpha0(0.3).epochs(6);
        let (_folder, trace, _, epochs, replay) = traced(&config);
        let triggered = trace.onsets.concat().iter().filter(|&&onset| onset > 0).count();
        assert!(
            triggered > 3 && trace.onsets[0].iter().any(|&onset| onset != trace.onsets[0][0]),
            "{:?}",
            trace.onsets
        );
        let all = population([Replay::Layer, Replay::Global, Replay::Shuffle, Replay::Random].map(&replay).to_vec());
        for (engine, (name, _)) in ENGINES.iter().enumerate() {
            let (states, again) = from_start(engine, &all);
            let onsets = |m: usize| -> Vec<Vec<u32>> {
                let of =
                    |layer: &homeostat::train::state::LayerState| layer.slots.iter().map(|s| s.onset as u32).collect();
                states[m].layers.iter().map(of).collect()
            };
            let sorted = |mut values: Vec<u32>| {
                values.sort_unstable();
                values
            };
            for (epoch, source) in again.iter().zip(&epochs) {
                // `layer` and `shuffle` keep every layer's mean α, `global` keeps the net's.
                for m in [0, 2] {
                    close("layer's mean α", &epoch[m].alpha_mean, &source[0].alpha_mean, 1e-5, 1e-8).unwrap();
                }
                let weights = [12.0 * 13.0, 14.0 * 4.0];
                let mean = |alpha: &[f64]| (alpha[0] * weights[0] + alpha[1] * weights[1]) / (weights[0] + weights[1]);
                let (global, own) = (mean(&epoch[1].alpha_mean), mean(&source[0].alpha_mean));
                close("net's mean α", &[global], &[own], 1e-5, 1e-8).unwrap();
                assert!((epoch[1].alpha_mean[0] - epoch[1].alpha_mean[1]).abs() < 1e-7);
            }
            assert_eq!(onsets(0).concat().iter().sum::<u32>(), 0);
            for l in 0..2 {
                assert_eq!(sorted(onsets(2)[l].clone()), sorted(trace.onsets[l].clone()), "{name}");
            }
            assert_ne!(onsets(2), trace.onsets);
            assert_eq!(sorted(onsets(3).concat()), sorted(trace.onsets.concat()));
            assert_ne!(onsets(3), onsets(2));
        }
    }
}

/// Single-layer rules on K linearly independent, correlated patterns. Hebb's weights grow without bound. BCM's weights
/// stay bounded, and each neuron becomes selective for one pattern (Bienenstock, Cooper & Munro 1982).
#[test]
fn hebb_grows_and_bcm_selects() {
    let (k, features) = (4, 8);
    // All patterns share the last inputs, so they are correlated. Each has an input of its own, so they are
    // independent.
    let pattern = |p: usize, i: usize| {
        if i == p {
            1.0
        } else if i >= k {
            0.3
        } else {
            0.0
        }
    };
    let samples = (0..k * features).map(|at| pattern(at / features, at % features) as f32).collect();
    let data = DataSet::new((Samples::F32(samples), features), 0..k as u32)
        .unwrap()
        .named("patterns")
        .with_classes(k)
        .unwrap();
    let data = Arc::new(data);
    let run = |engine: usize, config: Config, epochs: u32| {
        let config = config.epochs(epochs);
        let population = Arc::new(Population::new(vec![config], Arc::clone(&data), None).unwrap());
        from_start(engine, &population).0.swap_remove(0).layers.swap_remove(0).weights
    };
    let norm = |w: &[f32]| w.iter().map(|w| f64::from(w * w)).sum::<f64>().sqrt();
    let bcm = Config::default()
        .scale(Scale::None)
        .rule(Rule::Bcm)
        .hidden([10])
        .activation(Activation::Relu)
        .init_scheme(InitScheme::Uniform(0.5))
        .alpha0(0.02)
        .theta(None)
        .theta_sliding(Some("1:10".parse().unwrap()))
        .clock("steps:1".parse().unwrap())
        .batch_size(1)
        .test_fraction(0.0);
    let hebb = bcm.clone().rule(Rule::Hebb).theta(1.0).theta_sliding(None);
    for engine in [0, 1] {
        let name = ENGINES[engine].0;
        let hebb = [10, 20, 30].map(|epochs| norm(&run(engine, hebb.clone(), epochs)));
        assert!(hebb[1] > 1.5 * hebb[0] && hebb[2] > 1.5 * hebb[1], "{name}: {hebb:?}");
        let w = run(engine, bcm.clone(), 700);
        assert!(norm(&w) < 100.0, "{name}: {}", norm(&w));
        let mut selected = 0;
        for j in 0..10 {
            let response = |p: usize| {
                let net = (0..features).map(|i| pattern(p, i) * f64::from(w[i * 10 + j])).sum::<f64>();
                (net - f64::from(w[features * 10 + j])).max(0.0)
            };
            let responses: Vec<f64> = (0..k).map(response).collect();
            let most = responses.iter().copied().fold(0.0, f64::max);
            if most == 0.0 {
                continue; // a rectified neuron that starts silent never learns
            }
            let selectivity = 1.0 - responses.iter().sum::<f64>() / k as f64 / most;
            assert!(selectivity > 0.7, "{name}: neuron {j}: {responses:?}");
            selected += 1;
        }
        assert!(selected >= 5, "{name}: only {selected} neurons respond");
    }
}

/// A pass counts as a step, also where it is a trial. Without a gradient the first trial is taken, because nothing moves.
#[test]
fn the_arithmetic_of_a_search_is_that_of_its_passes() {
    let run = |config: &Config, features: Vec<f32>| {
        let data = DataSet::new((Samples::F32(features), 2), (0..20).map(|row| row % 2)).unwrap();
        let config = config.clone().batch_size(20).epochs(3);
        let population = Arc::new(Population::new(vec![config], Arc::new(data), None).unwrap());
        let (states, epochs) = from_start(0, &population);
        let passes = |metrics: &Vec<EpochMetrics>| metrics[0].gflop_per_epoch.unwrap() / metrics[0].gflop_full.unwrap();
        (epochs.iter().map(passes).collect::<Vec<f64>>(), states[0].layers[0].alpha(Rule::LipschitzArmijo))
    };
    let noise = || {
        let mut random = Random::new(3, Stream::Order, 0);
        (0..40).map(|_| random.normal() as f32).collect::<Vec<f32>>()
    };
    let base = base().hidden([3]);
    assert_eq!(run(&base.clone().rule(Rule::IrpropPlus).alpha0(0.01), noise()).0, [1.0; 3]);
    let (passes, _) = run(&base.clone().rule(Rule::LipschitzArmijo).alpha0(1e4), noise());
    assert!(passes.iter().all(|passes| (passes - passes.round()).abs() < 1e-9) && passes[0] > 1.0, "{passes:?}");
    // Inputs of 0 have no gradient, and biases none where the outputs are right on average.
    let still = base.hidden([]).output(Output::Linear).loss(Loss::Mse).rule(Rule::LipschitzArmijo).alpha0(0.5);
    let (passes, rates) = run(&still.init_scheme(InitScheme::Uniform(0.0)), vec![0.0; 40]);
    assert!(passes[2] == 1.0 && rates.iter().all(|&rate| rate <= 1.0), "{passes:?} {rates:?}");
}
