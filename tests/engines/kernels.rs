//! Tests every kernel against the oracle, step by step: y, δ, W and the observed sums. Shapes are random and ragged (1
//! … 200), with one and three members, a full and a short batch. Settings cover all activations, outputs, losses,
//! bases, scopes, forms of momentum and tasks, with and without weights. Buffers are poisoned with NaN.

use crate::close::close;
use crate::harness::{gpu, memory_in_rows, sample, small_register, target, tiled};
use crate::oracle::output_delta::Target;
use crate::oracle::{Matrix, Network, Step};
use crate::settings::{pick, random_settings};
use crate::thorough::is_thorough;
use clap::ValueEnum;
use homeostat::config::{Config, Distort, Loss, Output, OutputDerivative, Scope, Task};
use homeostat::cpu::CpuEngine;
use homeostat::data::{DataSet, Samples};
use homeostat::gpu::{Plan, Product};
use homeostat::rng::{Random, Stream};
use homeostat::train::blocking::{Blocking, block_on};
use homeostat::train::engine::Engine;
use homeostat::train::population::Population;
use std::sync::Arc;

/// y and δ per member and layer, `[samples][n_out]`.
type Arenas = Vec<Vec<[Vec<f32>; 2]>>;

/// Members that share shapes and data and differ in seed, α0 and momentum.
struct Setting {
    population: Arc<Population>,
}

/// The settings with an output layer for a task, in turn: classes, classes with the full derivative, amounts, labels.
fn for_task(config: Config, turn: u32) -> (Config, Task) {
    let of_classes = (config.clone(), Task::Classification);
    match turn % 4 {
        0 => of_classes,
        1 => {
            let config = config.output(Output::Softmax).loss(Loss::Mse).output_derivative(OutputDerivative::Full);
            (config, Task::Classification)
        }
        2 => (config.output(Output::Linear).loss(Loss::Mse), Task::Regression),
        _ => (config.output(Output::Logistic), Task::Multilabel),
    }
}

/// Adds random regularisers. The samples must be square images.
fn regularised(random: &mut Random, config: Config) -> Config {
    config
        .dropout(pick(random, &[0.0, 0.2, 0.5]))
        .dropout_input(pick(random, &[0.0, 0.3]))
        .label_noise(pick(random, &[0.0, 0.4]))
        .distort(pick(random, Distort::value_variants()))
        .distort_rotation(pick(random, &[0.0, 20.0, 180.0]))
        .distort_scale(pick(random, &[0.0, 30.0]))
        .distort_shear(pick(random, &[0.0, 25.0]))
        .elastic_sigma(pick(random, &[0.7, 2.0, 9.0]))
        .elastic_alpha(pick(random, &[3.0, 20.0]))
}

fn setting(random: &mut Random, number: u32, regularise: bool) -> Setting {
    let mut width = |limit: u32| 1 + random.below(limit) as usize;
    let (features, classes) = if regularise { (width(14).pow(2), 1 + width(12)) } else { (width(200), 1 + width(12)) };
    let hidden: Vec<usize> = (0..number as usize % 3).map(|_| width(200)).collect();
    // Every fourth batch is so large that the sums of the gradient are split into strands.
    let (batch_size, short) = (width(70) + if number % 4 == 3 { 128 } else { 0 }, width(20));
    let rows = batch_size + short.min(batch_size);
    let base =
        random_settings(random).hidden(hidden).batch_size(batch_size).epochs(1).no_shuffle(true).test_fraction(0.0);
    let base = if regularise { regularised(random, base) } else { base };
    // The number decides, and not chance, so that every task occurs with every number of members and every depth.
    let (mut base, task) = for_task(base, number / 2);
    if task != Task::Classification {
        base.regularisation.label_noise = 0.0;
    }
    let members = if number.is_multiple_of(2) { 1 } else { 3 };
    let configs = (0..members)
        .map(|m| {
            base.clone()
                .seed(u64::from(number * 10 + m))
                .alpha0(base.rule.alpha0 * f64::from(1 + m))
                .momentum(base.rule.momentum / f64::from(1 + m))
        })
        .collect();
    let bytes: Vec<u8> = (0..rows * features).map(|_| random.below(256) as u8).collect();
    let as_bytes = random.below(2) == 0;
    let value = |byte: u8| if as_bytes { f32::from(byte) / 255.0 } else { f32::from(byte) / 64.0 - 2.0 };
    let values: Vec<f32> = bytes.iter().map(|&byte| value(byte)).collect();
    let samples = if as_bytes { Samples::U8(bytes) } else { Samples::F32(values) };
    let data = match task {
        Task::Classification => {
            let labels: Vec<u32> = (0..rows).map(|i| i as u32 % classes as u32).collect();
            DataSet::new((samples, features), labels).unwrap().with_classes(classes)
        }
        Task::Regression => {
            let amounts: Vec<f32> = (0..rows * classes).map(|_| random.normal() as f32).collect();
            DataSet::regression((samples, features), amounts, classes)
        }
        Task::Multilabel => {
            let labels: Vec<f32> = (0..rows * classes).map(|_| random.below(2) as f32).collect();
            DataSet::multilabel((samples, features), labels, classes)
        }
    };
    let data = data.unwrap().named("random");
    let data = match number / 3 % 2 {
        0 => data,
        _ => data.with_weights((0..rows).map(|_| random.below(9) as f32 / 3.0 + 0.1).collect::<Vec<_>>()).unwrap(),
    };
    Setting { population: Arc::new(Population::new(configs, Arc::new(data), Some(classes)).unwrap()) }
}

impl Setting {
    /// Per member and step, the oracle's network after the step, and y and δ of the step.
    fn oracle(&self) -> Vec<Vec<(Network, Step)>> {
        let states = self.population.initial_state();
        let data = &self.population.data;
        let x: Vec<Vec<f64>> = (0..data.len() as u32).map(|row| sample(data, row)).collect();
        let member = |(m, (config, state)): (usize, (&Config, &homeostat::train::state::MemberState))| {
            let labels = self.population.labels(m);
            let targets =
                (0..data.len()).map(|row| target(data, row as u32, labels.get(row).map(|&label| label as usize)));
            let samples: Vec<(&[f64], Target)> = x.iter().map(Vec::as_slice).zip(targets).collect();
            let weights: Vec<Matrix> = self
                .population
                .topology
                .shapes()
                .zip(&state.layers)
                .map(|((_, n_out), layer)| {
                    layer.weights.chunks(n_out).map(|row| row.iter().map(|&w| f64::from(w)).collect()).collect()
                })
                .collect();
            let mut network = Network::new(config, &weights, samples.len(), None);
            // No tick follows, because a tick would reset the observed sums, which are compared.
            let step = |batch: &[(&[f64], Target)]| {
                let trace = network.step(batch, false);
                (network.clone(), trace)
            };
            samples.chunks(config.run.batch_size).map(step).collect()
        };
        self.population.configs.iter().zip(&states).enumerate().map(member).collect()
    }

    /// Trains both steps on an engine and lists every difference.
    fn check<E: Engine>(
        &self,
        engine: &mut Blocking<E>,
        arenas: fn(&mut Blocking<E>, usize) -> Option<Arenas>,
    ) -> Vec<String> {
        let mut failures = vec![];
        let oracle = self.oracle();
        let all: Vec<u32> = (0..self.population.data.len() as u32).collect();
        engine.set_order(&vec![all; self.population.len()]).unwrap();
        for step in 0..2 {
            engine.train(step..step + 1, None).unwrap();
            let samples = oracle[0][step as usize].1.y[0].len();
            let computed = arenas(engine, samples);
            let states = engine.state().unwrap();
            for (m, steps) in oracle.iter().enumerate() {
                let (network, trace) = &steps[step as usize];
                for (l, layer) in states[m].layers.iter().enumerate() {
                    let mut compare = |what: &str, got: &[f32], want: Vec<f64>| {
                        let got: Vec<f64> = got.iter().map(|&v| f64::from(v)).collect();
                        let scale = want.iter().fold(0.0, |a: f64, v| a.max(v.abs()));
                        let what = format!("step {step}, member {m}, layer {l}: {what}");
                        failures.extend(close(&what, &got, &want, 1e-4, 1e-5 * scale.max(1e-3)).err());
                    };
                    if let Some(computed) = &computed {
                        compare("y", &computed[m][l][0], trace.y[l].concat());
                        compare("δ", &computed[m][l][1], trace.delta[l].concat());
                    }
                    compare("W", &layer.weights, network.layers[l].w.concat());
                    compare("memory", &layer.memory, memory_in_rows(&network.layers[l]));
                    let sums: Vec<f32> = layer.observed.iter().map(|pair| pair[0]).collect();
                    let rows = network.layers[l].sums.len();
                    assert_eq!(
                        rows > 1,
                        network.config.rule.scope == Scope::Weight && network.config.slots_per_weight()
                    );
                    compare("observed sums", &sums, network.layers[l].sums.concat());
                }
            }
        }
        failures
    }
}

#[test]
fn cpu_steps_equal_the_oracle() {
    let mut random = Random::new(21, Stream::Order, 0);
    for number in 0..120 {
        let setting = setting(&mut random, number, number >= 60);
        let engine = CpuEngine::new(Arc::clone(&setting.population), &setting.population.initial_state()).unwrap();
        let mut engine = Blocking(Box::new(engine));
        let failures = setting.check(&mut engine, |_, _| None);
        assert!(failures.is_empty(), "{:?}\n{}", setting.population.configs[0], failures.join("\n"));
    }
}

#[test]
fn gpu_kernels_equal_the_oracle() {
    let mut random = Random::new(22, Stream::Order, 0);
    gpu_steps(&mut random, false);
}

#[test]
fn gpu_kernels_with_regularisers_equal_the_oracle() {
    let mut random = Random::new(23, Stream::Order, 0);
    gpu_steps(&mut random, true);
}

fn gpu_steps(random: &mut Random, regularise: bool) {
    // Without `THOROUGH`, each setting runs in one kernel family, because software Vulkan compiles kernels for every
    // setting. Both families run every task; with regularisers, each task runs once.
    let numbers: Vec<u32> = match (is_thorough(), regularise) {
        (true, _) => (0..24).collect(),
        (false, false) => (0..8).collect(),
        (false, true) => vec![0, 3, 4, 7],
    };
    for number in numbers {
        let setting = setting(random, number, regularise);
        // Only two settings use the production tiles, one with one member and one with three, because these tiles take
        // seconds to compile on software Vulkan.
        let production = |population: &_| Plan::guess(Product::Register, population);
        let register: fn(&_) -> Plan = if [0, 5].contains(&number) { production } else { small_register };
        let is_register = (number + number / 4) % 2 == 0;
        let families: &[fn(&Population) -> Plan] = match is_register {
            _ if is_thorough() => &[register, tiled],
            true => &[register],
            false => &[tiled],
        };
        for choose in families {
            let plan = choose(&setting.population);
            let mut engine = gpu(Arc::clone(&setting.population), &setting.population.initial_state(), plan.clone());
            let failures = setting
                .check(&mut engine, |engine, samples| block_on(engine.inspect().activations_and_deltas(samples)).ok());
            let widths = setting.population.topology.widths();
            assert!(
                failures.is_empty(),
                "{:?} {widths:?} {:?}\n{}",
                plan,
                setting.population.configs[0],
                failures.join("\n")
            );
        }
    }
}
