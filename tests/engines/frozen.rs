//! Leaving out what frozen neurons need not compute changes no bit: states and reports equal those of a run that computes
//! everything, whatever freezes and wherever the run resumes.

use crate::harness::{Outcome, gpu, small_register, train, train_from};
use crate::table::Form::{self, Persistent, Register, Tiled, Wide};
use crate::table::images;
use homeostat::config::{Config, Precision, Task};
use homeostat::data::{DataSet, Samples};
use homeostat::gpu::{Context, GpuEngine, Options, Pick};
use homeostat::rng::{Random, Stream};
use homeostat::train::blocking::Blocking;
use homeostat::train::engine::{MemberReport, Wanted};
use homeostat::train::population::Population;
use homeostat::train::state::MemberState;
use std::sync::Arc;

/// Ragged widths. Half of the neurons of a layer or more exceed θ, so some freeze and others do not.
const BASE: &str = "
    hidden = [19, 13]
    activation = 'tanh'
    batch-size = 8
    epochs = 6
    alpha0 = 0.1
    basis = 'act'
    theta-quantile = 0.4
    warmup = 1
    decay-ticks = 2.0
    val-fraction = 0.1
    test-fraction = 0.1
    test-every = 2
    scale = 'none'
";

/// TOML that overrides the base, and the form of the engine.
const ROWS: &[(&str, Form)] = &[
    ("", Register),
    ("clock = 'steps:3'\nmomentum = 0.5\ndecay = 'cosine'\ndecay-ticks = 3.0", Tiled),
    ("basis = 'net2'\nclock = 'steps:5'\nlatch = 'gated'\nhidden = [19, 13, 6]", Register),
    ("basis = 'act2'\nscope = 'weight'\nmax-norm = 0.9\nweight-decay = 0.01", Tiled),
    ("basis = 'delta'\ntheta-quantile = 0.55\nclock = 'steps:4'\nmomentum = 0.5", Register),
    ("scope = 'layer'\ntheta-quantile = 0.5\nbasis = 'act2'", Register),
    ("activation-cache = 'off'\nclock = 'steps:3'", Register),
    ("dropout = 0.3\nclock = 'steps:3'", Register),
    ("dropout-input = 0.2\nbasis = 'net2'\ntheta-quantile = 0.3", Tiled),
    ("clock = 'steps:3'\ntrain-metrics = 'running'", Persistent),
    // Whole layers freeze from below.
    ("rule = 'constant'\nfreeze-out = '0.3'\nclock = 'steps:2'\nhidden = [19, 13, 6]", Register),
    ("rule = 'adam'\nalpha0 = 0.01\nfreeze-out = '0.5:cubed'\nclock = 'steps:3'", Tiled),
    // A schedule freezes all neurons and thaws them again.
    (
        "rule = 'constant'\nschedule = 'cyclical'\nschedule-ticks = 2.0\nschedule-low = 2e-38\nalpha0 = 1e-8\nmomentum = 0.5",
        Register,
    ),
    (
        "schedule = 'cyclical'\nschedule-ticks = 3.0\nschedule-low = 2e-38\nalpha0 = 1e-8\nmomentum = 0.5\nclock = 'steps:3'",
        Register,
    ),
    ("momentum = 0.5\ncoast = true", Register),
    // Neurons rest for an epoch and learn again.
    ("rule = 'neq'\nneq-epsilon = 0.004\nepochs = 8\nalpha0 = 0.2", Register),
    ("rule = 'neq'\nneq-epsilon = 0.004\nepochs = 8\nalpha0 = 0.2\nactivation-cache = 'off'\nmax-norm = 1.1", Tiled),
    ("rule = 'neq'\nneq-epsilon = 0.004\nepochs = 8\nalpha0 = 0.2\nmomentum = 0.0", Persistent),
    ("clock = 'steps:3'\nmomentum = 0.5\ntheta-quantile = 0.4", Wide),
    ("task = 'regression'\nscale = 'standard'", Register),
];

/// Three members that freeze differently.
fn population(settings: &str, more: &str) -> Arc<Population> {
    let mut tables: Vec<toml::Table> = [BASE, settings, more].iter().map(|text| text.parse().expect("TOML")).collect();
    if tables[1].contains_key("rule") {
        for key in ["theta-quantile", "warmup", "decay-ticks"] {
            tables[0].remove(key);
        }
    }
    let config = |member: u32| {
        let mut own = toml::Table::new();
        own.insert("seed".into(), toml::Value::Integer(i64::from(7 + member)));
        for key in ["alpha0", "theta-quantile"] {
            let value = tables.iter().rev().find_map(|table| table.get(key)).and_then(toml::Value::as_float);
            if let Some(value) = value {
                own.insert(key.into(), toml::Value::Float(value * (1.0 + 0.3 * f64::from(member))));
            }
        }
        Config::overlay(tables.iter().chain([&own])).unwrap_or_else(|e| panic!("{settings}: {e}"))
    };
    let configs = (0..3).map(config).collect();
    let task = if settings.contains("regression") { Task::Regression } else { Task::Classification };
    let data = Arc::new(images(false, task, true));
    Arc::new(Population::new(configs, data, None).unwrap_or_else(|e| panic!("{settings}: {e}")))
}

fn differences(what: &str, got: &[MemberState], want: &[MemberState]) -> Vec<String> {
    let mut found = vec![];
    for (m, (got, want)) in got.iter().zip(want).enumerate() {
        for (l, (got, want)) in got.layers.iter().zip(&want.layers).enumerate() {
            for (field, equal) in [
                ("weights", got.weights == want.weights),
                ("memory", got.memory == want.memory),
                ("ψ", got.psi == want.psi),
                ("slots", got.slots == want.slots),
                ("observed", got.observed == want.observed),
            ] {
                if !equal {
                    found.push(format!("{what}: {field} of layer {l} of member {m}"));
                }
            }
        }
        if found.is_empty() && got != want {
            found.push(format!("{what}: member {m}"));
        }
    }
    found
}

fn compare(what: &str, got: &Outcome, want: &Outcome, from: usize) -> Vec<String> {
    let mut found = differences(what, &got.end, &want.end);
    for (place, (got, want)) in got.epochs.iter().zip(&want.epochs[from..]).enumerate() {
        if got != want {
            found.push(format!("{what}: report {place}:\n{got:?}\n{want:?}"));
        }
    }
    found
}

fn check(place: usize) -> Vec<String> {
    let (settings, form) = ROWS[place];
    let (skips, all) = (population(settings, ""), population(settings, "no-skip-frozen = true"));
    let (got, want) = (train(form.make(), &skips), train(form.make(), &all));
    let mut found = compare(settings, &got, &want, 0);
    let partly = |share: &f64| *share > 0.0 && *share < 1.0;
    let freezes = want.epochs.iter().flatten().any(|epoch| epoch.frozen_fraction.iter().any(partly));
    let wholly = ["layer", "freeze-out", "'constant'"].iter().any(|word| settings.contains(word));
    if settings.contains("neq") && !want.thaws() {
        found.push(format!("{settings}: no neuron learns again"));
    }
    if !freezes && !wholly {
        found.push(format!("{settings}: no layer freezes in part"));
    }
    for (position, states) in got.pauses.iter().skip(place % 3).step_by(7) {
        let resumed = train_from(form.make(), &skips, states, *position);
        found.extend(compare(&format!("{settings} from {position:?}"), &resumed, &want, position.epoch as usize - 1));
    }
    found
}

macro_rules! rows {
    ($($name:ident: $parts:expr,)+) => {
        $(#[test]
        fn $name() {
            let found: Vec<String> = (0..ROWS.len()).filter(|row| row % 4 == $parts).flat_map(check).collect();
            assert!(found.is_empty(), "{}", found.join("\n"));
        })+
    };
}

rows! {
    skipping_changes_no_bit_0: 0,
    skipping_changes_no_bit_1: 1,
    skipping_changes_no_bit_2: 2,
    skipping_changes_no_bit_3: 3,
}

/// Freezes the neurons of these layers for good, but for every `kept`-th.
fn freeze(states: &mut [MemberState], layers: &[usize], kept: usize) {
    for state in states {
        for &l in layers {
            let layer = &mut state.layers[l];
            for neuron in (0..layer.psi.len()).filter(|neuron| neuron % kept != 0) {
                layer.psi[neuron] = 0.0;
                (layer.slots[neuron].n, layer.slots[neuron].onset) = (9.0, 1.0);
            }
        }
    }
}

/// Two epochs of a population in which most neurons of the first layer rest, on an adapter with smaller limits.
fn two_epochs(
    data: &Arc<DataSet>,
    config: Config,
    spoil: fn(&mut MemberState),
    lower: fn(&mut wgpu::Limits),
) -> (Vec<MemberReport>, Vec<MemberState>) {
    let population = Arc::new(Population::new(vec![config], Arc::clone(data), None).unwrap());
    let mut states = population.initial_state();
    freeze(&mut states, &[0], 5);
    spoil(&mut states[0]);
    let context = Context::open_with_limits(&Pick::Any, Precision::F32, lower).unwrap();
    let options = Options { plan: Some(small_register(&population)), checked: true, ..Options::default() };
    let engine = GpuEngine::with_options(context, Arc::clone(&population), &states, options).unwrap();
    let mut engine = Blocking(Box::new(engine));
    engine.inspect().poison();
    let reports = (0..2).map(|_| epoch(&mut engine, &population)).collect();
    (reports, engine.state().unwrap())
}

fn config(more: &str) -> Config {
    let text = format!(
        "hidden = [19, 13]\nactivation = 'tanh'\ntheta = 1e9\nepochs = 9\ndecay-ticks = 2.0\nscale = 'none'\n{more}"
    );
    Config::overlay([&text.parse().expect("TOML")]).unwrap()
}

#[test]
fn the_cache_may_come_in_pieces() {
    let mut random = Random::new(5, Stream::Order, 0);
    let rows = 5000;
    let bytes: Vec<u8> = (0..rows * 16).map(|_| random.below(256) as u8).collect();
    let labels = (0..rows as u32).map(|row| row % 3);
    let data = Arc::new(DataSet::new((Samples::U8(bytes), 16), labels).unwrap().named("noise"));
    for basis in ["act", "net2"] {
        let settings = format!("basis = '{basis}'\nbatch-size = 100\nval-fraction = 0.1\n");
        let run = |more: &str, lower| two_epochs(&data, config(&format!("{settings}{more}")), |_| {}, lower);
        let (want, end) = run("no-skip-frozen = true", |_| {});
        for lower in [
            |_: &mut wgpu::Limits| {},
            |limits: &mut wgpu::Limits| {
                limits.max_storage_buffer_binding_size = 300_000;
            },
        ] {
            let (got, got_end) = run("", lower);
            assert!(got[0].flops < 0.8 * want[0].flops, "{got:?}");
            for (got, want) in got.iter().zip(&want) {
                assert_eq!(&MemberReport { flops: want.flops, ..got.clone() }, want);
            }
            assert_eq!(differences(basis, &got_end, &end), Vec::<String>::new());
        }
    }
}

/// The pass that fills the cache sees all samples before their step. A net that overflows must be reported by its step all
/// the same.
#[test]
fn an_overflow_of_a_resting_neuron_is_reported_by_its_step() {
    let mut values: Vec<f32> = (0..67 * 16).map(|i| (i % 11) as f32 / 11.0).collect();
    values[45 * 16] = 1e30;
    let data = Arc::new(DataSet::new((Samples::F32(values), 16), (0..67).map(|row| row % 3)).unwrap().named("large"));
    let spoil = |state: &mut MemberState| state.layers[0].weights[1] = 1e20;
    let run =
        |more: &str| two_epochs(&data, config(&format!("batch-size = 8\ntest-fraction = 0.0\n{more}")), spoil, |_| {});
    let (want, end) = run("no-skip-frozen = true");
    let (got, got_end) = run("");
    let found = want[0].not_finite.expect("an overflow");
    assert!(found.step > 1 && found.layer == 1, "{found:?}");
    for (got, want) in got.iter().zip(&want) {
        assert_eq!(&MemberReport { flops: want.flops, ..got.clone() }, want);
    }
    assert_eq!(differences("overflow", &got_end, &end), Vec::<String>::new());
}

fn epoch(engine: &mut Blocking<GpuEngine>, population: &Population) -> MemberReport {
    let rows = population.splits.iter().map(|split| split.train.clone()).collect::<Vec<_>>();
    engine.set_order(&rows).unwrap();
    engine.train(0..population.steps_per_epoch(), None).unwrap();
    engine.request_report(Wanted { train: true, validation: true, test: true }).unwrap();
    engine.next_report().unwrap().members.remove(0)
}

/// A report counts the work that was done, and frozen neurons are left out.
#[test]
fn reports_count_the_work() {
    let run = |layers: &[usize], more: &str| {
        let population = population("", more);
        let mut states = population.initial_state();
        freeze(&mut states, layers, 5);
        let mut engine = gpu(Arc::clone(&population), &states, small_register(&population));
        let report = epoch(&mut engine, &population);
        let samples = population.train_rows() as f64;
        (report.flops / samples, population.topology.flops_per_sample(), report, engine.state().unwrap())
    };
    let (flops, all, ..) = run(&[], "");
    assert_eq!(flops, all);
    let (flops, _, want, end) = run(&[0], "no-skip-frozen = true");
    assert_eq!(flops, all);
    // Of 19 neurons 4 learn: one vec4 of nets, errors and, scattered over the layer, whole vec4s before they are sorted.
    let (flops, _, got, sorted) = run(&[0], "");
    let columns = [(16, 19, 4, 0, 4), (19, 13, 13, 4, 13), (13, 3, 3, 13, 3)];
    let expected: usize = columns.iter().map(|(i, o, nets, errors, g)| 2 * (i * (nets + g) + o * errors)).sum();
    assert_eq!(flops, expected as f64);
    assert_eq!(MemberReport { flops: want.flops, ..got }, want);
    assert_eq!(differences("sorted", &sorted, &end), Vec::<String>::new());
    let (flops, ..) = run(&[0], "activation-cache = 'off'");
    assert_eq!(flops, expected as f64 + 2.0 * 16.0 * 15.0);
}
