//! Half precision: the copies of W, y and δ follow their originals, whoever writes them, and runs keep what runs in f32
//! promise. `src/gpu/tune/half.rs` tests the products themselves.

use crate::harness::blocks;
use crate::thorough::is_thorough;
use homeostat::config::{Config, Precision};
use homeostat::data::DataSet;
use homeostat::gpu::{Context, Copied, GpuEngine, Options, Pick, Plan};
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
    scale = 'none'
    test-fraction = 0.0
    val-fraction = 0.0
";

/// Settings that give W, y and δ their values in different kernels. The widths make the first forward pass, the backward
/// pass to its outputs and the update products in half precision, and the other passes products in single precision.
const ROWS: [&str; 5] = [
    "max-norm = 0.6\nscope = 'weight'\nbasis = 'net2'",
    "dropout = 0.3\nmomentum = 0.5\ncoast = true\nrule = 'constant'",
    "dropout-input = 0.2\nrule = 'adam'\nalpha0 = 0.01\nweight-decay = 0.1",
    "freeze-layers = 1\nrule = 'constant'",
    "rule = 'hebb'\ninhibition = 0.1\nhidden = [700]\nalpha0 = 1e-4",
];

/// Members that differ in their seeds.
fn population(settings: &str, precision: Precision, seeds: &[u64]) -> Arc<Population> {
    let [mut base, table]: [toml::Table; 2] = [BASE, settings].map(|text| text.parse().expect("TOML"));
    base.insert("precision".into(), toml::Value::String(precision.to_string()));
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
    let precision = population.shared().run.precision;
    let context = Context::open_for(&Pick::Any, precision).expect("an adapter with f16");
    let product = blocks(&context);
    // The smallest tiles, because software Vulkan compiles them fastest.
    let plan = Plan::choose(product, population, |shapes| *product.menu(shapes).last().unwrap());
    let plan = Plan { joined: plan.can_join(population), ..plan };
    assert!(plan.forward[0].halves == precision.halves() && plan.forward[1..].iter().all(|tile| tile.halves == 0));
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
            let Copied { original, parts } = &layer[array];
            let array = ["W", "y", "δ"][array];
            assert!(original.iter().any(|&value| value != 0.0), "{what}: {array} of layer {} is 0", l + 1);
            let round = |value: f32| half::f16::from_f32(value).to_f32();
            // The second part holds what the first leaves, times 2¹¹.
            let expected = |part: usize, value: f32| match part {
                0 => round(value),
                _ => round((value - round(value)) * 2048.0),
            };
            for (part, copy) in parts.iter().enumerate() {
                let differ = original.iter().zip(copy).filter(|&(&value, &copy)| expected(part, value) != copy).count();
                assert_eq!(differ, 0, "{what}: of {} in part {part} of {array} of layer {}", copy.len(), l + 1);
            }
        }
    }
    assert!(!layers.is_empty());
}

/// What the adapter has of half precision. `f16x3` needs cooperative matrices.
fn precisions() -> Vec<Precision> {
    let has = |&precision: &Precision| precision.halves() > 0 && Context::open_for(&Pick::Any, precision).is_ok();
    let precisions: Vec<Precision> = Precision::ALL.iter().copied().filter(has).collect();
    assert!(precisions.contains(&Precision::F16), "these tests need an adapter with f16, as llvmpipe has");
    precisions
}

#[test]
fn copies_follow_their_originals() {
    for (settings, precision) in ROWS.into_iter().flat_map(|row| precisions().into_iter().map(move |p| (row, p))) {
        let population = population(settings, precision, &[3, 4]);
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
    let rows = ROWS.into_iter().take(if is_thorough() { ROWS.len() } else { 2 });
    for (settings, precision) in rows.flat_map(|row| precisions().into_iter().map(move |p| (row, p))) {
        let both = population(settings, precision, &[3, 4]);
        let mut unbroken = engine(&both, &both.initial_state());
        unbroken.train(0..2, Some(1)).unwrap();
        let middle = unbroken.state().unwrap();
        unbroken.train(2..3, None).unwrap();
        let end = unbroken.state().unwrap();
        let mut resumed = engine(&both, &middle);
        resumed.train(2..3, None).unwrap();
        assert!(resumed.state().unwrap() == end, "{settings}: resumed");
        let single = population(settings, precision, &[4]);
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
    let population = population(ROWS[0], Precision::F16, &[3]);
    let error = GpuEngine::new(context, Arc::clone(&population), &population.initial_state()).unwrap_err().to_string();
    assert!(error.contains("bind 9 arrays") && error.contains("`precision = f32`"), "{error}");
}

/// A run without a large product is a run in single precision, and says so.
#[test]
fn small_networks_round_nothing() {
    let train = |precision| {
        let population = population("hidden = [20, 10]\ntheta = 0.5", precision, &[3]);
        let context = Context::open_for(&Pick::Any, precision).expect("an adapter with f16");
        let engine = GpuEngine::new(context, Arc::clone(&population), &population.initial_state()).unwrap();
        let note = engine.note().map(str::to_owned);
        let mut engine = Blocking(Box::new(engine));
        engine.set_order(&[population.splits[0].train.clone()]).unwrap();
        engine.train(0..2, Some(1)).unwrap();
        (engine.state().unwrap(), note)
    };
    let ((single, none), (half, note)) = (train(Precision::F32), train(Precision::F16));
    assert!(single == half && none.is_none());
    assert_eq!(note.unwrap(), "`precision = f16` changes nothing, because no product has enough outputs");
}
