//! Work that follows the living neurons: skipping what frozen neurons need not compute changes no bit, wherever and
//! whenever neurons freeze, and takes the arithmetic of the living alone.

use crate::harness::{Outcome, cpu, train, train_from};
use crate::thorough::is_thorough;
use homeostat::config::Config;
use homeostat::data::{DataSet, Samples};
use homeostat::rng::{Random, Stream};
use homeostat::rule::psi;
use homeostat::train::engine::Wanted;
use homeostat::train::living::{Need, needs};
use homeostat::train::population::Population;
use homeostat::train::state::{LayerState, MemberState};
use std::sync::Arc;

/// Six epochs of 241 samples, in which neurons freeze at different times. Every row overrides these settings.
const BASE: &str = "
    hidden = [37, 29]
    activation = 'logistic'
    batch-size = 16
    epochs = 6
    alpha0 = 0.3
    basis = 'act'
    theta = 0.45
    decay-ticks = 2.0
    val-fraction = 0.1
    test-fraction = 0.1
    scale = 'none'
";

/// Settings under which some neurons freeze before others. `rests` tells whether some then answer from the cache.
const ROWS: [(&str, Rests); 34] = [
    ("", Rests::Cached),
    ("clock = 'steps:5'", Rests::Cached),
    ("clock = 'steps:1'\ndecay-ticks = 7.0", Rests::Cached),
    ("train-metrics = 'running'\nval-fraction = 0.0\nhidden = [50]", Rests::Cached),
    ("hidden = [33]\nbatch-size = 1\nalpha0 = 0.02\nepochs = 4", Rests::Cached),
    ("hidden = [20, 24, 22]\nbatch-size = 2\nalpha0 = 0.05\nepochs = 4", Rests::Cached),
    ("batch-size = 33\nmomentum = 0.5", Rests::Cached),
    ("batch-size = 194\nepochs = 12", Rests::Cached),
    ("momentum = 0.7\nnesterov = true\nweight-decay = 0.001", Rests::Cached),
    ("max-norm = 1.2\nweight-decay = 0.01", Rests::Cached),
    ("momentum = 0.5\ncoast = true", Rests::Never),
    ("scope = 'weight'\nclock = 'steps:4'", Rests::Cached),
    ("scope = 'weight'\nbasis = 'coactivation'\ntheta = 0.05\nclock = 'steps:4'", Rests::Never),
    ("scope = 'layer'\nclock = 'steps:4'\nlatch = 'gated'", Rests::Computed),
    ("basis = 'net2'\ntheta = 0.2\nactivation = 'relu'\nclock = 'steps:3'", Rests::Cached),
    ("basis = 'delta'\ntheta = 0.02\narm = true\nclock = 'steps:3'", Rests::Cached),
    ("basis = 'delta2'\ntheta = 0.001\nlatch = 'gated'", Rests::Cached),
    ("theta-quantile = 0.6", Rests::Cached),
    ("theta-sliding = '1.02:3'\nclock = 'steps:3'", Rests::Cached),
    ("activation-cache = 'off'", Rests::Computed),
    ("activation-cache = '1K'", Rests::Computed),
    ("dropout = 0.3", Rests::Never),
    ("dropout-input = 0.2", Rests::Computed),
    ("rule = 'constant'\nfreeze-out = '0.3'\nhidden = [21, 22, 23]\nclock = 'steps:7'", Rests::Cached),
    ("freeze-out = '0.5'\ntheta = 0.6\ndecay-ticks = 40.0\nhidden = [21, 22]", Rests::Computed),
    ("schedule = 'linear'\nschedule-ticks = 30.0\nclock = 'steps:2'", Rests::Cached),
    ("rule = 'constant'\nschedule = 'cosine'\nschedule-ticks = 3.0", Rests::Cached),
    ("rule = 'adam'\nalpha0 = 0.01\nfreeze-out = '0.4'", Rests::Cached),
    ("rule = 'lipschitz'\nfreeze-out = '0.4:cubed'\nhidden = [9, 300]", Rests::Cached),
    ("rule = 'rprop'\nalpha0 = 0.01\nfreeze-out = '0.5'\nbatch-size = 300", Rests::Cached),
    ("hidden = [1100, 7]\nepochs = 4", Rests::Cached),
    ("rule = 'neq'\nneq-epsilon = 0.001\nactivation = 'tanh'\nepochs = 8", Rests::Cached),
    (
        "rule = 'neq'\nneq-epsilon = 0.001\nactivation = 'tanh'\nepochs = 8\nmax-norm = 1.5\nschedule = 'cosine'",
        Rests::Cached,
    ),
    ("rule = 'neq'\nneq-epsilon = 0.001\nactivation = 'tanh'\nepochs = 8\nactivation-cache = 'off'", Rests::Computed),
];

/// What a row's frozen neurons do.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Rests {
    /// They rest, and answer from the cache.
    Cached,
    /// They rest, but answer anew.
    Computed,
    /// No work is left out for some neurons of a layer alone, unless they are few.
    Never,
}

/// 241 samples of 20 bytes, of which three stripes tell the class.
fn stripes() -> Arc<DataSet> {
    let mut random = Random::new(3, Stream::Order, 0);
    let labels: Vec<u32> = (0..241).map(|_| random.below(3)).collect();
    let pixel = |(class, place): (u32, u32)| (random.below(120) + if place / 7 == class { 110 } else { 0 }) as u8;
    let bytes = labels.iter().flat_map(|&class| (0..20).map(move |place| (class, place))).map(pixel).collect();
    Arc::new(DataSet::new((Samples::U8(bytes), 20), labels).unwrap().named("stripes"))
}

fn population(row: &str, members: usize, skips: bool) -> Arc<Population> {
    let config = |member: usize| {
        let (mut base, own): (toml::Table, toml::Table) = (BASE.parse().unwrap(), row.parse().unwrap());
        let own_theta = own.keys().any(|key| key.starts_with("theta-"));
        if own_theta {
            base.remove("theta");
        }
        let config = Config::overlay([&base, &own]).unwrap_or_else(|e| panic!("{row}: {e}"));
        let more = 1.0 + 0.13 * member as f64;
        let config = config.clone().seed(member as u64).alpha0(config.rule.alpha0 * more).no_skip_frozen(!skips);
        if own_theta { config } else { config.clone().theta(config.rule.theta.map(|theta| theta * more.sqrt())) }
    };
    let configs = (0..members).map(config).collect();
    Arc::new(Population::new(configs, stripes(), None).unwrap_or_else(|e| panic!("{row}: {e}")))
}

/// Without the sums of slots that observe nothing any more.
fn used(population: &Population, states: &[MemberState]) -> Vec<MemberState> {
    let mut states = states.to_vec();
    for (m, state) in states.iter_mut().enumerate() {
        for LayerState { observed, slots, psi, .. } in &mut state.layers {
            let settings = &population.members[m];
            for ((sum, slot), &factor) in observed.iter_mut().zip(slots).zip(&*psi) {
                if psi::psi(settings, slot) == 0.0 || !settings.sees(factor) || !population.configs[m].observes() {
                    *sum = [0.0; 2];
                }
            }
        }
    }
    states
}

fn assert_same(what: &str, population: &Population, got: &Outcome, want: &Outcome) {
    for (m, (got, want)) in used(population, &got.end).iter().zip(&used(population, &want.end)).enumerate() {
        let layer = got.layers.iter().zip(&want.layers).position(|(got, want)| got != want);
        assert!(layer.is_none(), "{what}: member {m} differs in layer {layer:?}");
        assert!(got == want, "{what}: member {m}");
    }
    for (got, want) in got.epochs.iter().zip(&want.epochs) {
        assert!(got == want, "{what}: epoch {} differs: {got:?}, {want:?}", want[0].epoch);
    }
    assert_eq!(got.epochs.len(), want.epochs.len(), "{what}");
}

/// Shares of the hidden neurons that rest, at every pause of the run.
fn resting(population: &Population, outcome: &Outcome) -> Vec<f64> {
    let config = &population.configs[0];
    let share = |states: &Vec<MemberState>| {
        let hidden = population.topology.shapes().zip(&states[0].layers).take(population.topology.layers() - 1);
        let (mut rest, mut all) = (0, 0);
        for ((_, n_out), layer) in hidden {
            let needs = needs(config, &population.members[0], layer, n_out);
            rest += needs.iter().filter(|&&need| need == Need::Rests).count();
            all += n_out;
        }
        rest as f64 / all as f64
    };
    outcome.pauses.iter().map(|(_, states)| share(states)).collect()
}

#[test]
fn skipping_changes_no_bit_on_the_cpu() {
    for (row, rests) in ROWS {
        let (skips, whole) = (population(row, 3, true), population(row, 3, false));
        let (got, want) = (train(cpu, &skips), train(cpu, &whole));
        assert_same(row, &skips, &got, &want);
        assert!(!row.contains("neq") || got.thaws(), "{row}: no neuron learns again");
        let resting = resting(&skips, &got);
        // In one row ψ continues to observe what a schedule freezes.
        let observes = row.contains("freeze-out") && !row.contains("rule");
        assert!(rests == Rests::Never || observes || resting.iter().any(|&share| share > 0.0), "{row}: {resting:?}");
    }
}

#[test]
fn a_run_resumed_amid_frozen_neurons_goes_on_alike() {
    for (row, _) in ROWS {
        let skips = population(row, 2, true);
        let unbroken = train(cpu, &skips);
        let pauses = &unbroken.pauses;
        let chosen = if is_thorough() { 1 } else { pauses.len().div_ceil(4) };
        for (position, states) in pauses.iter().skip(pauses.len() / 3).step_by(chosen) {
            let resumed = train_from(cpu, &skips, states, *position);
            let rest = Outcome {
                epochs: unbroken.epochs[position.epoch as usize - 1..].to_vec(),
                end: unbroken.end.clone(),
                pauses: vec![],
            };
            assert_same(&format!("{row} from {position:?}"), &skips, &resumed, &rest);
        }
    }
}

/// A state in which every other neuron of the first layer is frozen for good.
fn half_frozen(population: &Population) -> Vec<MemberState> {
    let mut states = population.initial_state();
    for (state, config) in states.iter_mut().zip(&population.configs) {
        let n_out = population.topology.widths()[1];
        let LayerState { psi, slots, .. } = &mut state.layers[0];
        for (i, (psi, slot)) in psi.iter_mut().zip(slots).enumerate().filter(|(i, _)| i % n_out % 2 == 1) {
            *psi = 0.0;
            // Where a schedule freezes, ψ continues to observe.
            slot.n = if config.schedule.freeze_out.is_some() { 0.0 } else { 1e6 };
            assert!(i < n_out || config.slots_per_weight());
        }
    }
    states
}

/// A frozen weight of −0 stays −0, also where its column only fills up the registers of a product.
#[test]
fn frozen_zeros_keep_their_sign() {
    for row in ["", "batch-size = 1", "momentum = 0.5"] {
        let population = population(row, 1, true);
        let (n_in, n_out) = population.topology.shapes().next().unwrap();
        for zeros in [0..0, 0..1, n_in..n_in + 1] {
            let mut states = half_frozen(&population);
            for column in (1..n_out).step_by(2) {
                zeros.clone().for_each(|row| states[0].layers[0].weights[row * n_out + column] = -0.0);
            }
            let mut engine = cpu(Arc::clone(&population), &states);
            engine.train(0..population.steps_per_epoch(), None).unwrap();
            let after = engine.state().unwrap();
            let weights = states[0].layers[0].weights.iter().zip(&after[0].layers[0].weights);
            for (place, (before, after)) in weights.enumerate() {
                let frozen = place % n_out % 2 == 1;
                assert!(!frozen || before.to_bits() == after.to_bits(), "{row}, {zeros:?}, {place}: {before} {after}");
            }
        }
    }
}

/// Operations of the steps of one epoch without a tick, once the answers of frozen neurons are known.
fn flops(population: &Arc<Population>) -> f64 {
    let mut engine = cpu(Arc::clone(population), &half_frozen(population));
    let mut of_epoch = || {
        engine.train(0..population.steps_per_epoch(), None).unwrap();
        engine.request_report(Wanted::default()).unwrap();
        engine.next_report().unwrap().members[0].flops
    };
    let first = of_epoch();
    let second = of_epoch();
    assert!(first >= second, "{first} {second}");
    second
}

#[test]
fn the_arithmetic_is_that_of_the_living() {
    for (row, rests) in ROWS {
        let population = population(row, 1, true);
        let samples = population.train_rows() as f64;
        let shapes: Vec<[f64; 2]> = population.topology.shapes().map(|(i, o)| [i as f64, o as f64]).collect();
        let half = (shapes[0][1] / 2.0).ceil();
        // Columns are computed in sixteens.
        let sixteens = (16.0 * (half / 16.0).ceil()).min(shapes[0][1]);
        let (nets, errors, gradients) = match rests {
            Rests::Cached => (sixteens, half, sixteens),
            Rests::Computed => (shapes[0][1], half, sixteens),
            Rests::Never => (shapes[0][1], shapes[0][1], shapes[0][1]),
        };
        let of_layer = |(l, [n_in, n_out]): (usize, &[f64; 2])| match l {
            0 => 2.0 * n_in * (nets + gradients),
            1 => 2.0 * n_out * (2.0 * n_in + errors),
            _ => 6.0 * n_in * n_out,
        };
        let want = shapes.iter().enumerate().map(of_layer).sum::<f64>() * samples;
        // A batch or a block of a single sample is answered alone, and not from a cache of others.
        let single = population.train_rows() % population.batch_size() == 1 && population.batch_size() > 1;
        let got = flops(&population);
        assert!((got - want).abs() < 1e-9 * want || (single && got > want), "{row}: {got}, not {want}");
    }
}

#[test]
fn a_layer_frozen_as_a_whole_is_passed_over() {
    let population = population("hidden = [37, 29, 31]", 1, true);
    let mut states = population.initial_state();
    for layer in &mut states[0].layers[..2] {
        layer.psi.fill(0.0);
        layer.slots.iter_mut().for_each(|slot| slot.n = 1e6);
    }
    let mut engine = cpu(Arc::clone(&population), &states);
    let mut flops = vec![];
    for _ in 0..2 {
        engine.train(0..population.steps_per_epoch(), None).unwrap();
        engine.request_report(Wanted::default()).unwrap();
        flops.push(engine.next_report().unwrap().members[0].flops);
    }
    let (train, validation) = (population.train_rows() as f64, population.validation_rows() as f64);
    let step = 4.0 * 29.0 * 31.0 + 6.0 * 31.0 * 3.0;
    assert_eq!(flops[1], step * train);
    // Once, the two layers answer every row that is visited again.
    assert_eq!(flops[0], step * train + 2.0 * (20.0 * 37.0 + 37.0 * 29.0) * (train + validation));
}

/// No schedule rises again from 0, but an engine must not rely on that.
#[test]
fn neurons_that_learn_again_are_not_answered_from_the_cache() {
    let run = |skips: bool| {
        let population = population("rule = 'constant'\nfreeze-out = '0.9'\nval-fraction = 0.2", 2, skips);
        let mut engine = cpu(Arc::clone(&population), &population.initial_state());
        let layers = population.topology.layers();
        for (epoch, scale) in [1.0f32, 0.0, 0.0, 0.5, 0.0, 1.0].into_iter().enumerate() {
            let scales: Vec<f32> = (0..layers).map(|l| if l == 2 { 1.0 } else { scale }).collect();
            engine.set_scale(&vec![scales; 2]).unwrap();
            engine.train(0..population.steps_per_epoch(), Some(epoch as u32 + 1)).unwrap();
            engine.request_report(Wanted { train: true, validation: true, test: true }).unwrap();
        }
        let scores: Vec<_> = (0..6).map(|_| engine.next_report().unwrap().members).collect();
        let scores: Vec<_> =
            scores.iter().flatten().map(|member| (member.running, member.train, member.test)).collect();
        (used(&population, &engine.state().unwrap()), scores)
    };
    assert!(run(true) == run(false));
}
