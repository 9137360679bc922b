//! Tests memory. Engines allocate exactly the planned bytes. An array above a limit is cut into pieces, or refused with
//! its name and a fix. No size, however absurd, ends the program in another way.

use crate::harness::{small_register, tiled};
use crate::settings::{pick, random_settings};
use crate::thorough::is_thorough;
use homeostat::config::{Config, Distort, Precision, Rule};
use homeostat::cpu::CpuEngine;
use homeostat::data::{DataSet, Samples};
use homeostat::error::Result;
use homeostat::gpu::{Context, GpuEngine, Layout, MemoryBudget, Options, Persistent, Pick, Plan, Product};
use homeostat::rng::{Random, Stream};
use homeostat::train::blocking::Blocking;
use homeostat::train::engine::Wanted;
use homeostat::train::population::Population;
use homeostat::train::state::MemberState;
use std::sync::Arc;

const SIDE: usize = 6;

/// `rows` samples of `features` features in three classes.
fn data(bytes: bool, rows: usize, features: usize) -> Arc<DataSet> {
    let mut random = Random::new(5, Stream::Order, 0);
    let count = rows * features;
    let samples = match bytes {
        true => Samples::U8((0..count).map(|_| random.below(256) as u8).collect()),
        false => Samples::F32((0..count).map(|_| random.uniform() as f32).collect()),
    };
    let labels = (0..rows as u32).map(|row| row % 3);
    Arc::new(
        DataSet::new((samples, features), labels)
            .unwrap()
            .named("made")
            .with_classes(3)
            .unwrap()
            .with_test_rows(rows / 5)
            .unwrap(),
    )
}

fn try_population(config: &Config, members: usize, data: &Arc<DataSet>) -> Result<Arc<Population>> {
    let member = |seed| config.clone().seed(seed);
    Population::new((0..members as u64).map(member).collect(), Arc::clone(data), None).map(Arc::new)
}

fn population(config: &Config, members: usize, data: &Arc<DataSet>) -> Arc<Population> {
    try_population(config, members, data).unwrap()
}

/// Random settings of every kind: rules, scopes, bases, momentum, regularisers, widths, batches.
fn random_config(random: &mut Random) -> Config {
    let any = random_settings(random);
    let theta = any.theta(0.1).theta_quantile(None).theta_sliding(None);
    let rules = [Rule::Psi, Rule::Psi, Rule::Constant, Rule::Adam, Rule::Lipschitz, Rule::DeltaBarDelta];
    let rule = pick(random, &rules);
    let base = if rule == Rule::Psi { theta } else { Config::default().activation(theta.network.activation) };
    let widths: Vec<usize> = (0..random.below(3)).map(|_| 1 + random.below(40) as usize).collect();
    base.rule(rule)
        .hidden(widths)
        .batch_size(pick(random, &[1, 3, 16, 100]))
        .dropout(pick(random, &[0.0, 0.3]))
        .dropout_input(pick(random, &[0.0, 0.2]))
        .distort(pick(random, &[Distort::None, Distort::None, Distort::Affine]))
        .label_noise(pick(random, &[0.0, 0.1]))
        .max_norm(pick(random, &[None, Some(2.0)]))
        .val_fraction(pick(random, &[0.0, 0.2]))
        .epochs(3)
}

/// The adapter, with limits that `lower` reduces.
fn context(lower: impl FnOnce(&mut wgpu::Limits)) -> Context {
    Context::open_with_limits(&Pick::Any, Precision::F32, lower)
        .expect("the GPU tests need an adapter; tests/run.sh installs one")
}

fn binding(most: u64) -> Context {
    context(|limits| limits.max_storage_buffer_binding_size = most)
}

#[test]
fn the_plan_is_what_the_device_allocates() {
    let mut random = Random::new(11, Stream::Order, 0);
    let sets = [data(true, 60, SIDE * SIDE), data(false, 9000, SIDE * SIDE)];
    let (mut tried, mut with_rates, mut with_memory, mut cut) = (0, 0, 0, 0);
    while tried < 24 {
        let config = random_config(&mut random);
        let (set, members) = (&sets[random.below(2) as usize], 1 + random.below(3) as usize);
        // Some random settings contradict each other.
        let Ok(population) = try_population(&config, members, set) else { continue };
        tried += 1;
        // Bindings this small force the data set of reals into pieces.
        let context = if tried % 2 == 0 { context(|_| ()) } else { binding(1_200_000) };
        let planned = GpuEngine::memory_budget(&context, &population).unwrap();
        let options = Options { plan: Some(small_register(&population)), ..Options::default() };
        let engine = GpuEngine::with_options(context, Arc::clone(&population), &population.initial_state(), options);
        let mut engine = engine.unwrap_or_else(|error| panic!("{error}: {config:?}"));
        assert_eq!(planned.bytes(), engine.allocated_bytes(), "{config:?}");
        // The driver's allocator may round an array up, by less than 4096 bytes.
        let mut held = engine.inspect().allocations();
        for (role, array) in &planned.buffers {
            let place = held.iter().position(|(name, bytes)| *name == array.name && *bytes >= array.bytes);
            let place = place.unwrap_or_else(|| panic!("{role:?} is not allocated: {held:?}"));
            let (_, bytes) = held.swap_remove(place);
            assert!(bytes < array.bytes + 4096, "{role:?}: {bytes} bytes instead of {}", array.bytes);
        }
        with_rates += usize::from(planned.buffers.iter().any(|(_, array)| array.name == "learning rates"));
        cut += usize::from(planned.buffers.iter().any(|(_, array)| array.name == "data set, 2 of 2"));
        with_memory += usize::from(planned.buffers.iter().any(|(_, array)| array.name == "rule's memory"));
    }
    assert!(with_rates > 1 && with_memory > 1 && cut > 1, "{with_rates} {with_memory} {cut}");
}

#[test]
fn the_plan_is_what_the_cpu_engine_allocates() {
    let mut random = Random::new(12, Stream::Order, 0);
    let sets = [data(true, 60, SIDE * SIDE), data(false, 45, SIDE * SIDE)];
    let mut tried = 0;
    while tried < 60 {
        let config = random_config(&mut random);
        let (set, members) = (&sets[random.below(2) as usize], 1 + random.below(3) as usize);
        // Some random settings contradict each other.
        let Ok(population) = try_population(&config, members, set) else { continue };
        tried += 1;
        let state = population.initial_state();
        let made: u64 = state.iter().flat_map(|member| &member.layers).map(|layer| layer.bytes()).sum();
        assert_eq!(homeostat::memory::total(&population.state_arrays()), made, "{config:?}");
        let engine = CpuEngine::new(Arc::clone(&population), &state).unwrap();
        assert_eq!(CpuEngine::planned_bytes(&population), engine.allocated_bytes(), "{config:?}");
    }
}

/// Trains two epochs and returns the states and all losses.
fn train(context: Context, population: &Arc<Population>, plan: Plan) -> (Vec<MemberState>, Vec<f64>) {
    let options = Options { plan: Some(plan), checked: true, ..Options::default() };
    let state = population.initial_state();
    let engine = GpuEngine::with_options(context, Arc::clone(population), &state, options).unwrap();
    let mut engine = Blocking(Box::new(engine));
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
        // 400 rows of 1600 features are 640 kB as bytes and 2.56 MB as reals. The other arrays are smaller than a
        // piece, so only the data set is cut.
        let set = data(bytes, 400, 40 * 40);
        let most = if bytes { 200_000 } else { 700_000 };
        for config in [
            Config::default().hidden([9]).batch_size(8),
            Config::default().hidden([]).batch_size(7).distort(Distort::Affine),
        ] {
            let distorts = config.regularisation.distort != Distort::None;
            let population = population(&config.epochs(2), 2, &set);
            let small = binding(most);
            let pieces = GpuEngine::memory_budget(&small, &population).unwrap();
            pieces.check().unwrap();
            let pieces = pieces.buffers.iter().filter(|(_, array)| array.name.starts_with("data set, ")).count();
            assert_eq!(pieces, 4);
            let register = small_register(&population);
            let whole = train(context(|_| ()), &population, register.clone());
            // Without `THOROUGH`, each form reads bytes or reals and distorts one of them, because software Vulkan
            // takes seconds to compile each.
            if is_thorough() || bytes != distorts {
                assert!(train(small.clone(), &population, register.clone()) == whole, "{bytes}, register tiles");
            }
            if is_thorough() || bytes == distorts {
                assert!(train(small.clone(), &population, tiled(&population)) == whole, "{bytes}, blocks");
            }
            if Plan::can_persist(&population) && (is_thorough() || bytes) {
                let persistent = Plan { persistent: Some(Persistent::SERIAL), ..register };
                assert!(train(small, &population, persistent) == whole, "{bytes}, persistent");
            }
        }
    }
}

/// A population that exceeds a limit, words of the refusal, and settings that follow the advice of the refusal.
struct Excess {
    config: Config,
    members: usize,
    lower: fn(&mut wgpu::Limits),
    says: &'static [&'static str],
    mended: (Config, usize),
}

#[test]
fn an_array_above_a_limit_is_refused_by_name_with_a_fix() {
    let few = data(true, 60, SIDE * SIDE);
    let many = data(true, 6000, SIDE * SIDE);
    // Where nothing freezes, activations need no room for another order.
    let plain = toml("rule = 'constant'").batch_size(4).hidden([10]);
    let psi = toml("theta = 0.1").batch_size(4);
    let with_hidden = |config: &Config, hidden: &[usize]| config.clone().hidden(hidden.to_vec());
    let squared = toml("scope = 'weight'\nbasis = 'coactivation'\ntheta = 0.1");
    let cases = [
        (
            &few,
            Excess {
                config: with_hidden(&plain, &[10, 3000, 5]),
                members: 1,
                lower: |limits| limits.max_storage_buffer_binding_size = 100_000,
                says: &["the weights", "97.7 KiB", "layer 2 (10 → 3000)", "`hidden`", "`device = cpu`"],
                mended: (with_hidden(&plain, &[10, 100, 5]), 1),
            },
        ),
        (
            &few,
            Excess {
                config: plain.clone(),
                members: 50,
                lower: |limits| limits.max_buffer_size = 20_000,
                says: &["the weights", "19.5 KiB", "use at most 6 members", "`max-members`"],
                mended: (plain.clone(), 6),
            },
        ),
        (
            &few,
            Excess {
                config: with_hidden(&squared, &[60, 60]),
                members: 1,
                lower: |limits| limits.max_storage_buffer_binding_size = 30_000,
                says: &["the learning rates", "`basis`", "6 values per weight", "layer 2 (60 → 60)"],
                mended: (with_hidden(&toml("scope = 'weight'\nrule = 'constant'"), &[60, 60]), 1),
            },
        ),
        (
            &few,
            Excess {
                config: with_hidden(&toml("rule = 'adam'"), &[60, 60]),
                members: 1,
                lower: |limits| limits.max_storage_buffer_binding_size = 40_000,
                says: &["the rule's memory", "`rule`", "layer 2 (60 → 60)"],
                mended: (with_hidden(&toml("rule = 'constant'"), &[60, 60]), 1),
            },
        ),
        (
            &many,
            Excess {
                config: plain.clone().batch_size(4800),
                members: 1,
                lower: |limits| limits.max_storage_buffer_binding_size = 250_000,
                says: &["the activations", "use `batch-size = 3906` or less", "layer 1 (36 → 10)"],
                mended: (plain.clone().batch_size(3906), 1),
            },
        ),
        (
            &many,
            Excess {
                config: plain.clone(),
                members: 1,
                lower: |limits| {
                    limits.max_storage_buffer_binding_size = 70_000;
                    limits.max_storage_buffers_per_shader_stage = 8;
                },
                says: &["the data set needs 4 arrays of at most 68.4 KiB", "fewer samples in `data`", "`device = cpu`"],
                mended: (plain.clone(), 1),
            },
        ),
        (
            &few,
            Excess {
                config: with_hidden(&plain, &[1; 700]),
                members: 1,
                lower: |limits| limits.max_uniform_buffer_binding_size = 32 << 10,
                says: &["the layer table", "32.0 KiB", "fewer layers in `hidden`"],
                mended: (with_hidden(&plain, &[1; 40]), 1),
            },
        ),
        (
            &few,
            Excess {
                config: with_hidden(&psi, &[5; 4]),
                members: 1,
                lower: |limits| limits.max_compute_workgroups_per_dimension = 4,
                says: &["kernel tick needs 1 × 5 workgroups", "`hidden`"],
                mended: (with_hidden(&psi, &[5; 3]), 1),
            },
        ),
    ];
    for (set, Excess { config, members, lower, says, mended }) in cases {
        let refused = population(&config, members, set);
        let opened = GpuEngine::new(context(lower), Arc::clone(&refused), &refused.initial_state());
        let error = opened.expect_err(says[0]);
        assert_eq!(error.exit_code(), 4, "{error}");
        for words in says {
            assert!(error.to_string().contains(words), "{words}: {error}");
        }
        // If the data set is too large, a smaller data set is the fix.
        let set = if says[0].starts_with("the data set") { &data(true, 1900, SIDE * SIDE) } else { set };
        let mended = GpuEngine::memory_budget(&context(lower), &population(&mended.0, mended.1, set)).unwrap();
        assert_eq!(mended.problems, Vec::<String>::new(), "{}", says[0]);
    }
}

#[test]
fn indices_and_workgroups_stay_within_their_limits() {
    let unlimited = wgpu::Limits {
        max_storage_buffer_binding_size: u64::MAX,
        max_buffer_size: u64::MAX,
        ..wgpu::Limits::defaults()
    };
    let problems = |width: usize| {
        let config = toml("theta = 0.1").hidden([width]).batch_size(4);
        let population = population(&config, 1, &data(true, 60, SIDE * SIDE));
        let plan = Plan::guess(Product::Register, &population);
        let layout = Layout::new(&population, &plan);
        MemoryBudget::new("an adapter without limits", &unlimited, &population, &layout, &plan).problems
    };
    assert_eq!(problems(4_000_000), Vec::<String>::new());
    // The tick kernel needs a workgroup for every 64 neurons, and the limit is 65535 workgroups.
    let wide = problems(5_000_000);
    assert!(wide.len() == 1 && wide[0].contains("kernel tick needs 78125 × 2 workgroups"), "{wide:?}");
    let wider = &problems(2_000_000_000)[0];
    assert!(wider.contains("the weights") && wider.contains("2³² elements") && wider.contains("layer 1"), "{wider}");
}

fn toml(text: &str) -> Config {
    Config::overlay([&text.parse().expect("TOML")]).unwrap()
}
