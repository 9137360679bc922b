//! Half precision: the copies of W, y and δ follow their originals, whoever writes them, and runs keep what runs in f32
//! promise. `src/gpu/tune/half.rs` tests the products themselves.

use crate::thorough::is_thorough;
use homeostat::config::{Config, Precision};
use homeostat::data::DataSet;
use homeostat::gpu::{Context, GpuEngine, Options, Pick, Plan, Product};
use homeostat::rng::{Random, Stream};
use homeostat::train::blocking::{Blocking, block_on};
use homeostat::train::population::Population;
use homeostat::train::state::MemberState;
use std::sync::Arc;

const BATCH: usize = 100;
const SAMPLES: usize = 250;

const BASE: &str = "
    hidden = [700, 500]
    activation = 'tanh'
    batch-size = 100
    epochs = 2
    precision = 'f16'
    scale = 'none'
    test-fraction = 0.0
    val-fraction = 0.0
";

/// Settings that give W, y and δ their values in different kernels. The widths make the first forward pass, the backward
/// pass to its outputs and the update products in half precision, and the other passes products in single precision.
const ROWS: [&str; 6] = [
    "momentum = 0.5",
    "max-norm = 0.6\nscope = 'weight'\nbasis = 'net2'",
    "dropout = 0.3\nmomentum = 0.5\ncoast = true\nrule = 'constant'",
    "dropout-input = 0.2\nrule = 'adam'\nalpha0 = 0.01\nweight-decay = 0.1",
    "freeze-layers = 1\nrule = 'constant'",
    "rule = 'hebb'\ninhibition = 0.1\nhidden = [700]\nalpha0 = 1e-4",
];

/// Members that differ in their seeds.
fn population(settings: &str, seeds: &[u64]) -> Arc<Population> {
    let [base, table]: [toml::Table; 2] = [BASE, settings].map(|text| text.parse().expect("TOML"));
    let config = |&seed: &u64| {
        let own = toml::Table::from_iter([("seed".to_owned(), toml::Value::Integer(seed as i64))]);
        Config::overlay([&base, &table, &own]).unwrap_or_else(|e| panic!("{settings}: {e}"))
    };
    let mut random = Random::new(5, Stream::Order, 0);
    let features: Vec<f32> = (0..12 * SAMPLES).map(|_| random.normal() as f32).collect();
    let labels: Vec<u32> = (0..SAMPLES).map(|_| random.below(7)).collect();
    let data = DataSet::new((features, 12), labels).unwrap();
    Arc::new(Population::new(seeds.iter().map(config).collect(), Arc::new(data), None).unwrap())
}

fn engine(population: &Arc<Population>, state: &[MemberState]) -> Blocking<GpuEngine> {
    let context = Context::open_for(&Pick::Any, Precision::F16).expect("an adapter with f16");
    let product = match context.cooperative() {
        Some(matrices) => Product::Cooperative(matrices, context.room()),
        None => Product::Tiled(context.room()),
    };
    // The smallest tiles, because software Vulkan compiles them fastest.
    let plan = Plan::choose(product, population, |shapes| *product.menu(shapes).last().unwrap());
    let plan = Plan { joined: plan.can_join(population), ..plan };
    assert!(plan.forward[0].half && plan.forward[1..].iter().all(|tile| !tile.half));
    let options = Options { plan: Some(plan), checked: true, ..Options::default() };
    let mut engine = GpuEngine::with_options(context, Arc::clone(population), state, options).unwrap();
    engine.inspect().poison();
    let mut engine = Blocking(Box::new(engine));
    let order: Vec<Vec<u32>> = population.splits.iter().map(|split| split.train.clone()).collect();
    engine.set_order(&order).unwrap();
    engine
}

/// Two whole batches, a tick, and a short batch.
fn train(engine: &mut Blocking<GpuEngine>) {
    engine.train(0..2, Some(1)).unwrap();
    engine.train(2..3, None).unwrap();
}

fn assert_copies(engine: &mut Blocking<GpuEngine>, arrays: &[usize], what: &str) {
    let layers = block_on(engine.inspect().copies(SAMPLES % BATCH)).unwrap();
    for (l, layer) in layers.iter().flat_map(|member| member.iter().enumerate()) {
        for &array in arrays {
            // Nobody multiplies by the outputs, so y of the last layer has no copy.
            if array == 1 && l + 1 == layers[0].len() {
                continue;
            }
            let (original, copy) = &layer[array];
            let rounded: Vec<f32> = original.iter().map(|&value| half::f16::from_f32(value).to_f32()).collect();
            let differ = rounded.iter().zip(copy).filter(|(a, b)| a != b).count();
            let array = ["W", "y", "δ"][array];
            assert!(original.iter().any(|&value| value != 0.0), "{what}: {array} of layer {} is 0", l + 1);
            assert_eq!(differ, 0, "{what}: of {} copies of {array} of layer {}", copy.len(), l + 1);
        }
    }
    assert!(!layers.is_empty());
}

#[test]
fn copies_follow_their_originals() {
    for settings in ROWS {
        let population = population(settings, &[3, 4]);
        let start = population.initial_state();
        let mut engine = engine(&population, &start);
        assert_copies(&mut engine, &[0], &format!("{settings}, at the start"));
        train(&mut engine);
        // Nobody computes δ of a layer that never learns.
        let arrays = if settings.contains("freeze-layers") { &[0, 1][..] } else { &[0, 1, 2] };
        assert_copies(&mut engine, arrays, settings);
    }
}

/// A run goes on from its state as if it had not stopped, and a member trains as it would alone.
#[test]
fn half_precision_resumes_and_packs_without_a_trace() {
    for settings in ROWS.into_iter().take(if is_thorough() { ROWS.len() } else { 2 }) {
        let both = population(settings, &[3, 4]);
        let mut unbroken = engine(&both, &both.initial_state());
        unbroken.train(0..2, Some(1)).unwrap();
        let middle = unbroken.state().unwrap();
        unbroken.train(2..3, None).unwrap();
        let end = unbroken.state().unwrap();
        let mut resumed = engine(&both, &middle);
        resumed.train(2..3, None).unwrap();
        assert!(resumed.state().unwrap() == end, "{settings}: resumed");
        let single = population(settings, &[4]);
        let mut alone = engine(&single, &single.initial_state());
        train(&mut alone);
        assert!(alone.state().unwrap()[0] == end[1], "{settings}: alone");
    }
}

/// Kernels that write copies bind one array more than every adapter has.
#[test]
fn an_adapter_without_room_for_the_copies_is_refused() {
    let lower = |limits: &mut wgpu::Limits| limits.max_storage_buffers_per_shader_stage = 8;
    let context = Context::open_with_limits(&Pick::Any, Precision::F16, lower).expect("an adapter with f16");
    let population = population(ROWS[0], &[3]);
    let error = GpuEngine::new(context, Arc::clone(&population), &population.initial_state()).unwrap_err().to_string();
    assert!(error.contains("bind 9 arrays") && error.contains("`precision = f32`"), "{error}");
}
