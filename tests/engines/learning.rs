//! The learning rules other than ψ, on every engine: whole runs against the oracle, together = alone, resuming = not
//! stopping, schedules against the ψ that they imitate, and the replayed controls.

use crate::cases::Case;
use crate::close::close;
use crate::harness::ENGINES;
use crate::oracle::Matrix;
use homeostat::config::{
    Activation, Basis, Config, Decay, DecayTicks, InitScheme, Loss, Output, Replay, Rule, Schedule, Scope,
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

/// Every rule that keeps a memory of its own, with rates at which a small net learns.
const OWN: [(Rule, f64); 6] = [
    (Rule::DeltaBarDelta, 0.1),
    (Rule::Rprop, 0.01),
    (Rule::IrpropMinus, 0.01),
    (Rule::Lipschitz, 0.1),
    (Rule::Idbd, 0.1),
    (Rule::Adam, 0.01),
];

fn matrix(random: &mut Random, rows: usize, columns: usize, scale: f64) -> Matrix {
    let value = |random: &mut Random| f64::from((scale * random.normal()) as f32);
    (0..rows).map(|_| (0..columns).map(|_| value(random)).collect()).collect()
}

fn case(random: &mut Random, config: Config) -> Option<Case> {
    let mut width = |limit: u32| 1 + random.below(limit) as usize;
    let widths = [width(14), width(9), 1 + width(4)];
    let rows = 6 + width(12);
    let config = config
        .hidden([widths[1]])
        .activation(Activation::Tanh)
        .output(Output::Softmax)
        .loss(Loss::CrossEntropy)
        .batch_size(width(6))
        .epochs(2)
        .no_shuffle(true)
        .test_fraction(0.0);
    config.check().unwrap();
    let x = matrix(random, rows, widths[0], 0.8);
    let initial = widths.windows(2).map(|w| matrix(random, w[0] + 1, w[1], 1.0 / (w[0] as f64).sqrt())).collect();
    let labels = (0..rows).map(|i| i % widths[2]).collect();
    Case::from_oracle(config, x, labels, initial)
}

fn runs_equal_the_oracle(engines: &[usize], count: usize) {
    for (rule, alpha0) in OWN {
        let mut random = Random::new(7, Stream::Order, rule as u32);
        let mut done = 0;
        while done < count {
            let config = Config::default()
                .rule(rule)
                .alpha0(alpha0)
                .weight_decay(if done % 2 == 1 { 0.02 } else { 0.0 })
                .max_norm((done % 3 == 2).then_some(0.8))
                .idbd_rate(0.05);
            let Some(case) = case(&mut random, config) else { continue };
            done += 1;
            for &engine in engines {
                let (name, make) = ENGINES[engine];
                case.check(make, 2e-3, 5e-5).unwrap_or_else(|e| panic!("{name}: {e}"));
            }
        }
    }
}

#[test]
fn rules_equal_the_oracle_on_the_cpu() {
    runs_equal_the_oracle(&[0], 12);
}

#[test]
fn rules_equal_the_oracle_on_the_gpu() {
    runs_equal_the_oracle(&[1, 2], 3);
}

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
    Config::default().hidden([13]).batch_size(8).epochs(4).alpha0(0.1).test_fraction(0.0)
}

fn population(configs: Vec<Config>) -> Arc<Population> {
    Arc::new(Population::new(configs, data(4), None).unwrap())
}

/// Trains from `position` to the end; the state and every epoch's metrics.
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

/// The state after two of four epochs of the same run.
fn half_way(engine: usize, population: &Arc<Population>) -> Vec<MemberState> {
    let engine = (ENGINES[engine].1)(Arc::clone(population), &population.initial_state());
    let mut trainer = Trainer::new(Arc::clone(population), engine.0, Position::START, Arc::new(AtomicBool::new(false)));
    let mut epochs = 0;
    trainer
        .run(&mut |_: &[EpochMetrics]| {
            epochs += 1;
            Ok(if epochs == 1 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
        })
        .unwrap();
    assert_eq!(trainer.position(), Position { epoch: 3, batch: 0 });
    trainer.state().unwrap()
}

/// Settings beyond ψ's that reach every branch of the kernels between them.
fn variants() -> Vec<Config> {
    let own = |&(rule, alpha0): &(Rule, f64)| base().rule(rule).alpha0(alpha0);
    let mut all: Vec<Config> = OWN.iter().map(own).collect();
    all[0].schedule.freeze_out = Some("0.5:cubed:scaled".parse().unwrap());
    all[4].regularisation.max_norm = Some(0.7);
    all[5].schedule.curve = Schedule::OneCycle;
    all.push(
        base()
            .rule(Rule::Constant)
            .momentum(0.8)
            .nesterov(true)
            .weight_decay(0.01)
            .max_norm(0.9)
            .schedule(Schedule::Cyclical)
            .schedule_ticks(DecayTicks::Ticks(3.0))
            .clock("steps:2".parse().unwrap()),
    );
    let sliding = Some("1.2:3".parse().unwrap());
    let steps = "steps:1".parse().unwrap();
    let unsupervised = base().theta(None).theta_sliding(sliding).clock(steps).alpha0(0.01);
    all.push(unsupervised.clone().rule(Rule::Bcm));
    all.push(unsupervised.rule(Rule::Hebb).activation(Activation::Logistic).theta(1.0).theta_sliding(None));
    all
}

#[test]
fn together_equals_alone_and_resuming_equals_not_stopping() {
    for config in variants() {
        let members: Vec<Config> =
            (0..3).map(|i| config.clone().seed(i).alpha0(config.rule.alpha0 * (1.0 + 0.2 * i as f64))).collect();
        let together = population(members.clone());
        for (engine, (name, _)) in ENGINES.iter().enumerate() {
            let what = format!("{name}: {config:?}");
            let (states, epochs) = from_start(engine, &together);
            let alone = population(vec![members[1].clone()]);
            let (state, epochs_alone) = from_start(engine, &alone);
            assert!(state[0] == states[1], "alone, {what}");
            for (one, all) in epochs_alone.iter().zip(&epochs) {
                assert_eq!(one[0].alpha_mean, all[1].alpha_mean, "{what}");
                assert_eq!(one[0].train_loss, all[1].train_loss, "{what}");
            }
            assert_ne!(states[0].layers[0].weights, states[2].layers[0].weights, "{what}");
            let half = half_way(engine, &together);
            let (resumed, _) = train(engine, &together, &half, Position { epoch: 3, batch: 0 });
            assert!(resumed == states, "resumed, {what}");
        }
    }
}

/// A neuron-wise ψ that triggers everywhere at the first tick is a global schedule of the same curve.
#[test]
fn a_schedule_equals_the_psi_that_triggers_at_once() {
    let decays = [
        (Schedule::Linear, Decay::Linear),
        (Schedule::Log, Decay::Log),
        (Schedule::Hyperbolic, Decay::Hyperbolic),
        (Schedule::Cosine, Decay::Cosine),
    ];
    for (schedule, decay) in decays {
        let psi = base().rule(Rule::Psi).basis(Basis::Net2).theta(0.0).decay(decay);
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

/// A δ that is no longer computed, as nothing below a frozen layer needs it, is none that falls below θ.
#[test]
fn what_a_schedule_has_frozen_observes_no_delta() {
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
                // Every mean is above the one threshold, and below the other from the start.
                assert!(slots(0, l).all(|slot| slot == (0.0, 0.0)), "{name}, {scope}, layer {l}");
                assert!(slots(1, l).all(|slot| slot.0 == 1.0), "{name}, {scope}, layer {l}");
            }
            assert!(slots(1, 0).all(|slot| slot.1 == 8.0), "a fall goes on, {name}, {scope}");
            assert!(states[0].layers[0].psi.iter().all(|&psi| psi == 0.0), "{name}");
        }
    }
}

/// How many rows one dispatch takes depends on the members; in which order their losses are added up must not.
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

/// A run of ψ, its trace on disk, and the settings that replay it.
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

/// When all neurons of a layer trigger together nothing distinguishes ψ from its layer-wise controls.
#[test]
fn replay_of_a_layer_wise_psi_is_that_psi() {
    let config = base().scope(Scope::Layer).theta(0.4).decay(Decay::Cosine).alpha0(0.3);
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
                // Layer and shuffle keep every layer's mean α, global and random that of the net.
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

/// Single-layer rules on K linearly independent patterns: Hebb's weights grow without bound on correlated input; BCM's stay
/// bounded and each of its neurons ends selective for one pattern (Bienenstock, Cooper & Munro 1982).
#[test]
fn hebb_grows_and_bcm_selects() {
    let (k, features) = (4, 8);
    // Correlated but independent: all share the first inputs, each has one of its own.
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
