//! Tests what engines report of the first value that is not finite: step, layer, and whether forward or backward. The
//! networks are made so that the place is known. Runs the CPU engine, both kernel families and the persistent kernel,
//! with one healthy and one diverging member.

use crate::harness::{ENGINES, Make, gpu, small_register};
use homeostat::config::{Activation, Config, Loss, Output, Rule, Scale, Scope};
use homeostat::data::{DataSet, Samples};
use homeostat::gpu::{Persistent, Plan};
use homeostat::train::blocking::Blocking;
use homeostat::train::engine::{Engine, NonFinite, Value, Wanted};
use homeostat::train::population::Population;
use homeostat::train::state::MemberState;
use homeostat::train::trainer::order;
use std::sync::Arc;

const FEATURES: usize = 5;
const ROWS: usize = 24;

fn engines() -> Vec<(&'static str, Make)> {
    let persistent: Make = |population, state| {
        let plan = small_register(&population);
        Blocking(gpu(population, state, Plan { persistent: Some(Persistent::SERIAL), ..plan }).0)
    };
    ENGINES.into_iter().chain([("gpu, persistent", persistent)]).collect()
}

/// 24 equal samples in the order of their rows, and two members that differ only in their states.
fn population(change: impl Fn(&mut Config)) -> Arc<Population> {
    let data = DataSet::new((Samples::F32(vec![0.5; FEATURES * ROWS]), FEATURES), (0..ROWS as u32).map(|row| row % 3))
        .unwrap()
        .named("test")
        .with_classes(3)
        .unwrap();
    let mut config = Config::default()
        .scale(Scale::None)
        .hidden([7, 6])
        .activation(Activation::Tanh)
        .output(Output::Softmax)
        .loss(Loss::CrossEntropy)
        .rule(Rule::Constant)
        .alpha0(0.01)
        .batch_size(4)
        .no_shuffle(true)
        .test_fraction(0.0);
    change(&mut config);
    Arc::new(Population::new(vec![config; 2], Arc::new(data), None).unwrap())
}

/// Each member's first value that is not finite, after training on `batches` batches and an evaluation.
fn seen(make: Make, population: &Arc<Population>, state: &[MemberState], batches: u32) -> Vec<Option<NonFinite>> {
    let mut engine = make(Arc::clone(population), state);
    engine.set_order(&order(population, 1)).unwrap();
    let found = |engine: &mut Blocking<dyn Engine>| -> Vec<Option<NonFinite>> {
        engine.request_report(Wanted { train: true, ..Wanted::default() }).unwrap();
        engine.next_report().unwrap().members.iter().map(|member| member.not_finite).collect()
    };
    if batches > 0 {
        engine.train(0..batches, None).unwrap();
    }
    let first = found(&mut engine);
    // Further training must not change the first finding, and a new state must clear the finding.
    engine.train(0..1, None).unwrap();
    assert_eq!(found(&mut engine)[1], first[1]);
    engine.set_state(&population.initial_state()).unwrap();
    engine.train(0..1, None).unwrap();
    assert_eq!(found(&mut engine), [None, None]);
    first
}

fn at(step: u32, layer: usize, value: Value) -> Option<NonFinite> {
    Some(NonFinite { step, layer, value })
}

/// A weight or bias that is not finite shows in the net of its layer and of no layer below. The first step finds it, or
/// an evaluation before the first step.
#[test]
fn a_broken_weight_shows_in_the_net_of_its_layer() {
    for (name, make) in engines() {
        for scope in [Scope::Neuron, Scope::Weight] {
            let population = population(|config| config.rule.scope = scope);
            for (layer, broken) in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY].into_iter().enumerate() {
                for place in [0, population.initial_state()[1].layers[layer].weights.len() - 1] {
                    let mut state = population.initial_state();
                    state[1].layers[layer].weights[place] = broken;
                    for batches in [0, 2] {
                        let found = seen(make, &population, &state, batches);
                        assert_eq!(found, [None, at(1, layer + 1, Value::Net)], "{name}, {scope}, {broken}, {place}");
                    }
                }
            }
        }
    }
}

/// relu(1e19 · 0.5 · 5) times 1e25 exceeds f32, but only in the layer and the member that have such weights.
#[test]
fn an_overflow_counts_like_a_broken_weight() {
    for (name, make) in engines() {
        let population = population(|config| config.network.activation = Activation::Relu);
        let mut state = population.initial_state();
        for (layer, size) in [(0, 1e19), (1, 1e25)] {
            state[1].layers[layer].weights.fill(size);
        }
        assert_eq!(seen(make, &population, &state, 3), [None, at(1, 2, Value::Net)], "{name}");
    }
}

/// Nets stay finite, and so do the loss and δ of the upper layers: x W1 = 2.5e-20, y1 W2 = O(1), y2 W3 = 1e20. Only δ
/// of layer 1 overflows, because δ2 = 1e20 is multiplied by W2 = 1e20.
#[test]
fn a_delta_is_seen_in_the_layer_it_belongs_to() {
    for (name, make) in engines() {
        let population = population(|config| {
            config.network.activation = Activation::Relu;
            config.rule.alpha0 = 1e-30;
        });
        let mut state = population.initial_state();
        for (layer, size) in [(0, 1e-20), (1, 1e20), (2, 1e20)] {
            let (inputs, outputs) = sizes(layer);
            let weights = &mut state[1].layers[layer].weights;
            weights.fill(size);
            weights[inputs * outputs..].fill(0.0);
            if layer == 2 {
                // The weights of the classes must differ, because the terms of δ2 would cancel otherwise.
                weights[..inputs * outputs].iter_mut().enumerate().for_each(|(i, w)| *w *= (i % outputs) as f32);
            }
        }
        assert_eq!(seen(make, &population, &state, 2), [None, at(1, 1, Value::Delta)], "{name}");
        // A frozen layer needs no δ, so the engine must not report an overflow of its δ.
        state[1].layers[0].psi.fill(0.0);
        state[0].layers[0].psi.fill(0.0);
        let mut engine = make(Arc::clone(&population), &state);
        engine.set_order(&order(&population, 1)).unwrap();
        engine.train(0..2, None).unwrap();
        engine.request_report(Wanted::default()).unwrap();
        assert_eq!(engine.next_report().unwrap().members[1].not_finite, None, "{name}");
    }
}

/// The numbers of inputs and neurons of a layer.
fn sizes(layer: usize) -> (usize, usize) {
    let widths = [FEATURES, 7, 6, 3];
    (widths[layer], widths[layer + 1])
}

/// A loss may overflow although every net and δ is finite: a linear output of 1e25 has the loss (1e25)² / 2.
#[test]
fn a_loss_counts_as_the_output_layers() {
    for (name, make) in engines() {
        let population = population(|config| {
            (config.network.output, config.network.loss) = (Output::Linear, Loss::Mse);
            config.rule.alpha0 = 1e-30;
        });
        let mut state = population.initial_state();
        let (inputs, outputs) = sizes(2);
        state[1].layers[2].weights[inputs * outputs..].fill(1e25);
        assert_eq!(seen(make, &population, &state, 1), [None, at(1, 3, Value::Delta)], "{name}");
    }
}

/// The third batch has an input that overflows in the first layer.
#[test]
fn the_step_is_the_one_that_saw_it() {
    for (name, make) in engines() {
        let mut population = Population::clone(&population(|_| ()));
        let mut data = (*population.data).clone();
        let Samples::F32(values) = data.samples_mut() else { unreachable!("the data are reals") };
        values[FEATURES * 9] = 3e38;
        population.data = Arc::new(data);
        let population = Arc::new(population);
        let mut state = population.initial_state();
        state.iter_mut().for_each(|member| member.steps = 100);
        state[1].layers[0].weights.fill(1e20);
        state[0].layers[0].weights.fill(1e-20);
        let mut engine = make(Arc::clone(&population), &state);
        engine.set_order(&order(&population, 1)).unwrap();
        engine.train(0..6, None).unwrap();
        engine.request_report(Wanted::default()).unwrap();
        let found: Vec<_> = engine.next_report().unwrap().members.iter().map(|member| member.not_finite).collect();
        assert_eq!(found, [None, at(103, 1, Value::Net)], "{name}");
    }
}
