//! Memory: what is planned is what is allocated, what exceeds a limit is cut up or refused by name with the fix, and no
//! size, however absurd, ends the program in any other way.

mod common;
mod program;

use common::{pick, random_settings, small_register};
use homeostat::config::{Config, Distort, Hidden, Precision, Rule};
use homeostat::cpu::CpuEngine;
use homeostat::data::{DataSet, Samples};
use homeostat::engine::{Engine, Wanted};
use homeostat::gpu::{Context, GpuEngine, Options, Pick, Plan};
use homeostat::population::{MemberState, Population};
use homeostat::rng::{Random, Stream};
use program::{Folder, fail, succeed};
use std::sync::Arc;

const SIDE: usize = 6;

/// `rows` samples of 6 × 6 features in three classes.
fn data(bytes: bool, rows: usize, features: usize) -> Arc<DataSet> {
    let mut random = Random::new(5, Stream::Order, 0);
    let count = rows * features;
    let samples = match bytes {
        true => Samples::U8((0..count).map(|_| random.below(256) as u8).collect()),
        false => Samples::F32((0..count).map(|_| random.uniform() as f32).collect()),
    };
    let labels = (0..rows as u32).map(|row| row % 3).collect();
    Arc::new(DataSet { name: "made".into(), features, classes: 3, samples, labels, test_rows: rows / 5 })
}

fn population(config: &Config, members: usize, data: &Arc<DataSet>) -> Arc<Population> {
    let member = |seed| Config { seed, ..config.clone() };
    Arc::new(Population::new((0..members as u64).map(member).collect(), Arc::clone(data), None).unwrap())
}

/// Settings of every kind: rules, scopes, bases, momentum, regularisers, widths, batches.
fn random_config(random: &mut Random) -> Config {
    let any = random_settings(random);
    let theta = Config { theta: Some(0.1), theta_quantile: None, theta_sliding: None, ..any };
    let rules = [Rule::Psi, Rule::Psi, Rule::Constant, Rule::Adam, Rule::Lipschitz, Rule::DeltaBarDelta];
    let rule = pick(random, &rules);
    let base = if rule == Rule::Psi { theta } else { Config { activation: theta.activation, ..Config::default() } };
    let widths = (0..random.below(3)).map(|_| 1 + random.below(40) as usize).collect();
    Config {
        rule,
        hidden: Hidden(widths),
        batch_size: pick(random, &[1, 3, 16, 1000]),
        dropout: pick(random, &[0.0, 0.3]),
        dropout_input: pick(random, &[0.0, 0.2]),
        distort: pick(random, &[Distort::None, Distort::None, Distort::Affine]),
        label_noise: pick(random, &[0.0, 0.1]),
        max_norm: pick(random, &[None, Some(2.0)]),
        val_fraction: pick(random, &[0.0, 0.2]),
        epochs: 3,
        ..base
    }
}

fn context(precision: Precision, binding: Option<u64>) -> Context {
    let lower = |limits: &mut _| lower_binding(limits, binding);
    Context::open_with_limits(&Pick::Any, precision, lower)
        .expect("the GPU tests need an adapter; tests/run.sh installs one")
}

fn lower_binding(limits: &mut wgpu::Limits, binding: Option<u64>) {
    limits.max_storage_buffer_binding_size = binding.unwrap_or(limits.max_storage_buffer_binding_size);
}

#[test]
fn the_plan_is_what_the_device_allocates() {
    let mut random = Random::new(11, Stream::Order, 0);
    let sets = [data(true, 60, SIDE * SIDE), data(false, 45, SIDE * SIDE)];
    let (mut tried, mut with_rates, mut with_memory) = (0, 0, 0);
    while tried < 40 {
        let config = random_config(&mut random);
        let (set, members) = (&sets[random.below(2) as usize], 1 + random.below(3) as usize);
        if config.check().is_err() {
            continue;
        }
        tried += 1;
        let population = population(&config, members, set);
        // A binding this small cuts the data set into pieces.
        let context = context(Precision::F32, pick(&mut random, &[None, Some(64 << 10)]).filter(|_| members == 1));
        let planned = GpuEngine::byte_plan(&context, &population).unwrap();
        let options = Options { plan: Some(small_register(&population)), ..Options::default() };
        let engine = GpuEngine::with_options(context, Arc::clone(&population), &population.initial_state(), options);
        let engine = engine.unwrap_or_else(|error| panic!("{error}: {config:?}"));
        assert_eq!(planned.bytes(), engine.allocated_bytes(), "{config:?}");
        // What the driver's allocator holds, by name; it may round up.
        let mut held = engine.allocations();
        for (role, array) in &planned.buffers {
            let place = held.iter().position(|(name, bytes)| *name == array.name && *bytes >= array.bytes);
            let place = place.unwrap_or_else(|| panic!("{role:?} is not allocated: {held:?}"));
            let (_, bytes) = held.swap_remove(place);
            assert!(bytes < array.bytes + 4096, "{role:?}: {bytes} bytes instead of {}", array.bytes);
        }
        with_rates += usize::from(planned.buffers.iter().any(|(_, array)| array.name == "learning rates"));
        with_memory += usize::from(planned.buffers.iter().any(|(_, array)| array.name == "rule's memory"));
    }
    assert!(with_rates > 3 && with_memory > 3, "{with_rates} {with_memory}");
}

#[test]
fn the_plan_is_what_the_processor_keeps() {
    let mut random = Random::new(12, Stream::Order, 0);
    let sets = [data(true, 60, SIDE * SIDE), data(false, 45, SIDE * SIDE)];
    let mut tried = 0;
    while tried < 60 {
        let config = random_config(&mut random);
        let (set, members) = (&sets[random.below(2) as usize], 1 + random.below(3) as usize);
        if config.check().is_err() {
            continue;
        }
        tried += 1;
        let population = population(&config, members, set);
        let state = population.initial_state();
        let made: u64 = state.iter().flat_map(|member| &member.layers).map(|layer| layer.bytes()).sum();
        assert_eq!(homeostat::bytes::total(&population.state_arrays()), made, "{config:?}");
        let engine = CpuEngine::new(Arc::clone(&population), &state).unwrap();
        assert_eq!(CpuEngine::planned_bytes(&population), engine.allocated_bytes(), "{config:?}");
    }
}

/// Trains two epochs and reads everything back.
fn train(context: Context, population: &Arc<Population>, plan: Plan) -> (Vec<MemberState>, Vec<f64>) {
    let options = Options { plan: Some(plan), checked: true, ..Options::default() };
    let state = population.initial_state();
    let mut engine = GpuEngine::with_options(context, Arc::clone(population), &state, options).unwrap();
    let order: Vec<Vec<u32>> = population.splits.iter().map(|split| split.train.clone()).collect();
    let mut losses = vec![];
    for epoch in 1..=2 {
        engine.set_order(&order).unwrap();
        engine.train(0..population.steps_per_epoch(), Some(epoch)).unwrap();
        engine.request_report(Wanted { train: true, validation: true, test: true }).unwrap();
        for member in engine.next_report().unwrap().members {
            losses.extend([member.running.loss, member.train.unwrap().loss, member.test.unwrap().loss]);
        }
    }
    (engine.state().unwrap(), losses)
}

#[test]
fn a_data_set_in_pieces_trains_the_same_bits() {
    for bytes in [true, false] {
        // 400 rows of 1600 features: 640 kB as bytes, 2.5 MB as reals; the other arrays are smaller than a piece.
        let set = data(bytes, 400, 40 * 40);
        let most = if bytes { 200_000 } else { 700_000 };
        for config in [
            Config { hidden: Hidden(vec![9]), batch_size: 8, ..Config::default() },
            Config { hidden: Hidden(vec![]), batch_size: 7, distort: Distort::Affine, ..Config::default() },
        ] {
            let population = population(&Config { epochs: 2, ..config }, 2, &set);
            let small = context(Precision::F32, Some(most));
            let pieces = GpuEngine::byte_plan(&small, &population).unwrap();
            pieces.check().unwrap();
            let pieces = pieces.buffers.iter().filter(|(_, array)| array.name.starts_with("data set, ")).count();
            assert_eq!(pieces, 4);
            let register = small_register(&population);
            let whole = train(context(Precision::F32, None), &population, register.clone());
            assert!(train(small.clone(), &population, register.clone()) == whole, "{bytes}, register tiles");
            assert!(train(small.clone(), &population, common::tiled(&population)) == whole, "{bytes}, blocks");
            if Plan::can_persist(&population) {
                let persistent = Plan { persistent: true, ..register };
                assert!(train(small, &population, persistent) == whole, "{bytes}, persistent");
            }
        }
    }
}

/// What opening `config` on an adapter with this binding limit is refused with.
fn refusal(config: &Config, members: usize, set: &Arc<DataSet>, binding: u64) -> String {
    let population = population(config, members, set);
    let context = context(Precision::F32, Some(binding));
    let state = population.initial_state();
    let error = GpuEngine::new(context, Arc::clone(&population), &state).expect_err("it must not fit");
    assert_eq!(error.exit_code(), 4, "{error}");
    error.to_string()
}

#[test]
fn what_exceeds_a_binding_is_refused_by_name_with_the_fix() {
    let set = data(true, 60, SIDE * SIDE);
    let plain = Config { theta: Some(0.1), batch_size: 4, hidden: Hidden(vec![10]), ..Config::default() };
    let wide = Config { hidden: Hidden(vec![10, 3000, 5]), ..plain.clone() };
    let deep = |rule: Config| Config { hidden: Hidden(vec![60, 60]), ..rule };
    let weight = deep(toml("scope = 'weight'"));
    let adam = deep(toml("rule = 'adam'"));
    let cases: [(Config, usize, u64, &[&str]); 5] = [
        (wide.clone(), 1, 100_000, &["weights", "layer 2 (10 → 3000)", "--hidden", "97.7 KiB", "--device cpu"]),
        (plain.clone(), 50, 20_000, &["weights", "use at most 2 members", "--max-members"]),
        (weight, 1, 30_000, &["weights"]),
        (adam, 1, 60_000, &["rule's memory", "--rule", "layer 2 (60 → 60)"]),
        (Config { batch_size: 48, ..plain }, 1, 4_000, &["weights"]),
    ];
    for (config, members, binding, words) in cases {
        let message = refusal(&config, members, &set, binding);
        for word in words {
            assert!(message.contains(word), "{word}: {message}");
        }
    }
}

fn toml(text: &str) -> Config {
    Config::overlay([&text.parse().expect("TOML")]).unwrap()
}

/// Nothing but an error of its own ends the program, however absurd the sizes.
#[test]
fn absurd_sizes_are_refused_and_never_panic() {
    let most = u32::MAX;
    for device in ["cpu", "gpu"] {
        for hidden in
            ["4000000000,4000000000", "18446744073709551615", "100000000", "1000000,1000000", &format!("{most},{most}")]
        {
            let arguments = ["train", "--data", "mnist", "--device", device, "--hidden", hidden];
            let message = fail(&arguments, 4);
            assert!(message.contains("layer ") && message.contains("--hidden"), "{hidden}: {message}");
            let mut dry = arguments.to_vec();
            dry.push("--dry-run");
            fail(&dry, 4);
        }
    }
    fail(&["train", "--hidden", "0"], 2);
    fail(&["train", "--hidden", "18446744073709551616"], 2);
    fail(&["train", "--batch-size", "0"], 2);
    fail(&["bench", "1000000,1000000:1", "--device", "cpu"], 4);
    fail(&["bench", "1000000,2:1000000", "--device", "cpu"], 4);
    fail(&["bench", "20,5,3:7", "--members", "4000000000", "--device", "cpu"], 2);
    // A batch larger than the training set is the training set.
    let huge = ["train", "--data", "iris", "--epochs", "1", "--device", "cpu", "--batch-size", "18446744073709551615"];
    succeed(&huge);
}

#[test]
fn a_dry_run_says_what_the_run_then_does() {
    let folder = Folder::new();
    let out = folder.name("run");
    for device in ["cpu", "gpu"] {
        let settings = ["train", "--data", "iris", "--hidden", "7,5", "--epochs", "2", "--val-fraction", "0.2"];
        let place = ["--device", device, "--out", &out, "--force"];
        let arguments = [&settings[..], &place].concat();
        let json = succeed(&[&arguments[..], &["--dry-run", "--json"]].concat());
        let told: serde_json::Value = serde_json::from_str(&json).expect("one JSON object");
        assert_eq!(told["fits"], true);
        assert_eq!(told["parameters"], 5 * 7 + 8 * 5 + 6 * 3);
        assert_eq!(told["samples"], serde_json::json!([108, 27, 15]));
        assert_eq!((&told["steps_per_epoch"], &told["ticks"]), (&1.into(), &2.into()));
        assert_eq!(told["flops_per_step"], 108.0 * f64::from(4 * 28 + 6 * 35 + 6 * 15));
        let arrays =
            |key: &str| told[key].as_array().unwrap().iter().map(|a| a["bytes"].as_u64().unwrap()).sum::<u64>();
        assert_eq!(told["device_bytes"], arrays("device_arrays"));
        assert_eq!(told["host_bytes"], arrays("host_arrays"));
        assert_eq!(arrays("device_arrays") > 0, device == "gpu");
        let text = succeed(&[&arguments[..], &["--dry-run"]].concat());
        assert!(text.contains("it fits") && text.contains(&out), "{text}");

        succeed(&arguments);
        let mut left: Vec<String> = std::fs::read_dir(&out)
            .unwrap()
            .map(|entry| {
                let entry = entry.unwrap();
                let name = entry.file_name().into_string().unwrap();
                match name.strip_prefix("events.out.tfevents.") {
                    Some(_) => "events.out.tfevents.*".into(),
                    None if entry.path().is_dir() => name + "/",
                    None => name,
                }
            })
            .collect();
        let mut files: Vec<String> = serde_json::from_value(told["files"].clone()).unwrap();
        left.sort();
        files.sort();
        assert_eq!(left, files);
    }
    let text = succeed(&["train", "--data", "iris", "--dry-run", "--device", "cpu"]);
    assert!(text.contains("files: none"), "{text}");
}
