//! Tests validation, dropout, distorted images and label noise on whole runs. Prepared images equal the oracle's, and
//! evaluation uses the samples as they are. `kernels.rs` compares single steps with the oracle.

use crate::close::close;
use crate::harness::{ENGINES, gpu, small_register, tiled};
use crate::oracle::{Matrix, Network, prepare};
use homeostat::config::{Activation, Basis, Config, Distort, Loss, Output, Rule, Scale, Scope};
use homeostat::data::distort::Amounts;
use homeostat::data::distort::Distortion;
use homeostat::data::{DataSet, Samples};
use homeostat::gpu::{Context, GpuEngine, Options, Pick, Plan, Product};
use homeostat::rng::{Random, Stream};
use homeostat::train::blocking::{Blocking, block_on};
use homeostat::train::engine::{Engine, Report, Wanted};
use homeostat::train::population::Population;
use homeostat::train::trainer::order;
use std::sync::Arc;

const SIDE: usize = 5;
const EPOCHS: u32 = 3;

/// 61 images of 5 × 5 pixels, as bytes or as reals.
fn data(bytes: bool) -> Arc<DataSet> {
    let (rows, features) = (61, SIDE * SIDE);
    let mut random = Random::new(61, Stream::Order, 0);
    let values: Vec<u8> = (0..rows * features).map(|_| random.below(256) as u8).collect();
    let samples = match bytes {
        true => Samples::U8(values),
        false => Samples::F32(values.iter().map(|&b| f32::from(b) / 100.0 - 1.0).collect()),
    };
    let labels = (0..rows as u32).map(|i| i % 5);
    Arc::new(DataSet::new((samples, features), labels).unwrap().named("test").with_classes(5).unwrap())
}

fn population(configs: Vec<Config>, bytes: bool) -> Arc<Population> {
    Arc::new(Population::new(configs, data(bytes), None).unwrap())
}

/// Each regulariser alone and several together, with rules and networks that use the code around them.
fn variants() -> Vec<(Config, bool)> {
    let base = Config::default()
        .scale(Scale::None)
        .hidden([19, 10])
        .batch_size(8)
        .epochs(EPOCHS)
        .alpha0(0.1)
        .basis(Basis::Act)
        .theta(0.3)
        .test_fraction(0.1)
        .val_fraction(0.15);
    let images = base.clone().distort_rotation(30.0).elastic_sigma(1.0).elastic_alpha(2.0);
    vec![
        (base.clone().dropout(0.4).momentum(0.5), true),
        (
            base.clone().dropout(0.2).dropout_input(0.3).scope(Scope::Weight).basis(Basis::Coactivation).theta(0.02),
            false,
        ),
        (images.clone().distort(Distort::Affine).activation(Activation::Tanh).basis(Basis::Net2), true),
        (images.clone().distort(Distort::Elastic).rule(Rule::Constant).hidden([]), false),
        (base.label_noise(0.4).batch_size(1).basis(Basis::Delta), true),
        (
            images
                .distort(Distort::Both)
                .dropout(0.5)
                .dropout_input(0.2)
                .label_noise(0.2)
                .output(Output::Logistic)
                .loss(Loss::Mse)
                .batch_size(13),
            true,
        ),
    ]
}

/// Members that differ in their seed and in the strength of their regularisers.
fn differing_members(config: &Config) -> Vec<Config> {
    let member = |i: u32| {
        let more = 1.0 + 0.2 * f64::from(i);
        config
            .clone()
            .seed(u64::from(i) << 33 | 5)
            .dropout(config.regularisation.dropout * more)
            .dropout_input(config.regularisation.dropout_input * more)
            .label_noise(config.regularisation.label_noise * more)
            .distort_rotation(config.regularisation.distort_rotation * more)
            .elastic_alpha(config.regularisation.elastic_alpha * more)
    };
    (0..3).map(member).collect()
}

fn report<E: Engine + ?Sized>(engine: &mut Blocking<E>) -> Report {
    engine.request_report(Wanted { train: true, validation: true, test: true }).unwrap();
    engine.next_report().unwrap()
}

/// Before the first step, a network with regularisers has the scores of a network without. Only label noise changes a
/// score, and only the training score. All scores equal the oracle's.
#[test]
fn evaluation_sees_the_samples_as_they_are() {
    for (name, make) in ENGINES {
        for (config, bytes) in variants() {
            let scores = |config: &Config| {
                let population = population(vec![config.clone()], bytes);
                let mut engine = make(Arc::clone(&population), &population.initial_state());
                engine.set_order(&order(&population, 1)).unwrap();
                (report(&mut engine).members.remove(0), population)
            };
            let (with, population) = scores(&config);
            let plain = config.clone().dropout(0.0).dropout_input(0.0).label_noise(0.0).distort(Distort::None);
            let (without, _) = scores(&plain);
            assert_eq!((with.validation, with.test), (without.validation, without.test), "{name}: {config:?}");
            assert_eq!(with.train == without.train, config.regularisation.label_noise == 0.0, "{name}: {config:?}");
            let wide = |values: &[f32]| values.iter().map(|&v| f64::from(v)).collect::<Vec<_>>();
            let initial = population.initial_state();
            let weights: Vec<Matrix> = population
                .topology
                .shapes()
                .zip(&initial[0].layers)
                .map(|((_, n_out), layer)| layer.weights.chunks(n_out).map(wide).collect())
                .collect();
            let over = |rows: &[u32], labels: &[u32]| {
                let x: Vec<Vec<f64>> = rows.iter().map(|&row| sample(&population.data, row)).collect();
                let labels = rows.iter().map(|&row| labels[row as usize] as usize);
                let samples: Vec<_> = x.iter().map(Vec::as_slice).zip(labels).collect();
                let score = Network::new(&config, &weights, rows.len(), None).score(&samples);
                [score.loss, score.error]
            };
            let split = &population.splits[0];
            for (what, score, expected) in [
                ("train", with.train, over(&split.train, population.labels(0))),
                ("validation", with.validation, over(&split.validation, population.data.labels())),
                ("test", with.test, over(&split.test, population.data.labels())),
            ] {
                let score = score.unwrap();
                close(what, &[score.loss, score.error], &expected, 1e-4, 1e-6).unwrap();
            }
        }
    }
}

fn sample(data: &DataSet, row: u32) -> Vec<f64> {
    let mut x = vec![0.0; data.features()];
    data.copy_row(row as usize, &mut x);
    x.iter().map(|&v| f64::from(v)).collect()
}

/// The inputs that the GPU prepares equal the oracle's: for the smallest and the largest image, two members and a short
/// batch.
#[test]
fn prepared_images_equal_the_oracle() {
    let mut random = Random::new(63, Stream::Order, 0);
    for (side, distort, bytes) in [
        (1, Distort::Both, true),
        (28, Distort::Both, true),
        (32, Distort::Elastic, false),
        (31, Distort::Affine, false),
    ] {
        let (rows, features) = (5, side * side);
        let values: Vec<u8> = (0..rows * features).map(|_| random.below(256) as u8).collect();
        let samples = match bytes {
            true => Samples::U8(values),
            false => Samples::F32(values.iter().map(|&b| f32::from(b)).collect()),
        };
        let labels = vec![0, 1, 0, 1, 0];
        let data =
            Arc::new(DataSet::new((samples, features), labels).unwrap().named("images").with_classes(2).unwrap());
        let config = Config::default()
            .scale(Scale::None)
            .distort(distort)
            .dropout_input(0.1)
            .hidden([])
            .batch_size(3)
            .test_fraction(0.0)
            .rule(Rule::Constant);
        let configs = vec![config.clone(), config.seed(9).distort_rotation(90.0)];
        let population = Arc::new(Population::new(configs, Arc::clone(&data), None).unwrap());
        let mut engine = gpu(Arc::clone(&population), &population.initial_state(), small_register(&population));
        engine.set_order(&vec![(0..5).collect(); 2]).unwrap();
        for step in 0..2_u32 {
            engine.train(step..step + 1, None).unwrap();
            let samples = if step == 0 { 3 } else { 2 };
            let prepared = block_on(engine.inspect().prepared_inputs(samples)).unwrap();
            for (m, config) in population.configs.iter().enumerate() {
                for (place, got) in prepared[m].chunks(features).enumerate() {
                    let x = sample(&data, 3 * step + place as u32);
                    let expected = prepare::inputs(config, step, place, &x);
                    let got: Vec<f64> = got.iter().map(|&v| f64::from(v)).collect();
                    let what = format!("{distort} {side}, member {m}, step {step}, sample {place}");
                    close(&what, &got, &expected, 1e-4, if bytes { 1e-4 } else { 2e-2 }).unwrap();
                }
            }
        }
    }
}

#[test]
fn distortions_are_drawn_anew_and_repeat() {
    let config = Config::default().scale(Scale::None).distort(Distort::Both);
    let still = config.clone().distort_rotation(0.0).distort_scale(0.0).distort_shear(0.0).elastic_alpha(0.0);
    let image: Vec<f32> = (0..784).map(|i| (i as f32 * 0.37).sin()).collect();
    let make = |config: &Config, number, place| {
        let mut out = image.clone();
        Distortion::new(config, 784).unwrap().apply(&Amounts::new(config), number, place, &mut out);
        out
    };
    assert_eq!(make(&still, 3, 4), image, "limits of 0 change nothing");
    assert_eq!(make(&config, 3, 4), make(&config, 3, 4));
    for (number, place, seed) in [(4, 4, 0), (3, 5, 0), (3, 4, 1)] {
        assert_ne!(make(&config, 3, 4), make(&config.clone().seed(seed), number, place));
    }
}

/// The share of dropped values is close to the setting.
#[test]
fn dropout_leaves_out_its_share() {
    let mut data = (*data(false)).clone();
    *data.samples_mut() = Samples::F32(vec![1.0; 61 * 25]);
    let config = variants().swap_remove(0).0.dropout_input(0.3).batch_size(55).val_fraction(0.0);
    let population = Arc::new(Population::new(vec![config], Arc::new(data), None).unwrap());
    let mut engine = gpu(Arc::clone(&population), &population.initial_state(), tiled(&population));
    engine.set_order(&order(&population, 1)).unwrap();
    engine.train(0..1, None).unwrap();
    let x = &block_on(engine.inspect().prepared_inputs(55)).unwrap()[0];
    let dropped = x.iter().filter(|&&x| x == 0.0).count();
    // 1375 draws at p = 0.3 have a standard deviation of 17, and 85 is five of them.
    assert!(dropped.abs_diff(412) < 85, "{dropped}");
    assert!(x.iter().all(|&x| x == 0.0 || (x - 1.0 / 0.7).abs() < 1e-6));
    let [y, delta] = &block_on(engine.inspect().activations_and_deltas(55)).unwrap()[0][0];
    let gone = y.iter().zip(delta).filter(|&(&y, &delta)| y == 0.0 && delta == 0.0).count();
    assert!(gone >= 55 * 19 * 3 / 10, "{gone} of {} hidden activations are 0 with their δ", y.len());
}

#[test]
fn images_that_cannot_be_distorted_are_refused() {
    let config = Config::default().scale(Scale::None).distort(Distort::Elastic).test_fraction(0.0);
    let blank = |features: usize| {
        let samples = Samples::U8(vec![0; 4 * features]);
        Arc::new(DataSet::new((samples, features), vec![0, 1, 0, 1]).unwrap().named("blank").with_classes(2).unwrap())
    };
    let message = Population::new(vec![config.clone()], blank(24), None).unwrap_err().to_string();
    assert!(message.contains("`distort = elastic`") && message.contains("24 features"), "{message}");
    let wide = Arc::new(Population::new(vec![config], blank(33 * 33), None).unwrap());
    let context = Context::open(&Pick::Any).expect("an adapter");
    let message = GpuEngine::new(context, Arc::clone(&wide), &wide.initial_state()).unwrap_err().to_string();
    assert!(message.contains("`device = cpu`") && message.contains("33 × 33"), "{message}");
    (ENGINES[0].1)(Arc::clone(&wide), &wide.initial_state()).train(0..1, None).unwrap();
}

/// The prepared inputs are within the 4 · B · Σ n floats per member of the usual bound. Noisy labels come on top.
#[test]
fn gpu_memory_stays_within_the_promise() {
    for (config, bytes) in variants().into_iter().filter(|(config, _)| !config.slots_per_weight()) {
        let population = population(differing_members(&config.batch_size(40)), bytes);
        let shared = population.shared();
        let per_weight = 1 + usize::from(shared.rule.scope == Scope::Weight) + population.memory_per_weight();
        let neurons: usize = population.topology.widths().iter().sum();
        let labels = if population.uses_label_noise() { 4 * population.data.len() } else { 0 };
        let state = 4 * population.topology.parameters() * per_weight + 4 * 40 * neurons * 4 + labels;
        let data = population.data.len() * population.data.features() * if bytes { 1 } else { 4 };
        let context = Context::open(&Pick::Any).expect("an adapter");
        let plan = Plan::guess(Product::TILED, &population);
        let options = Options { plan: Some(plan), ..Options::default() };
        let engine =
            GpuEngine::with_options(context, Arc::clone(&population), &population.initial_state(), options).unwrap();
        assert!(engine.allocated_bytes() <= (data + population.len() * state + 16_000_000) as u64);
    }
}
