//! Tests that a weight counts a sample as often as it says.

use crate::close::close;
use crate::harness::{cpu, train};
use homeostat::config::{Config, Loss, Output, OutputDerivative, Rule, Scale, Task};
use homeostat::data::DataSet;
use homeostat::rng::{Random, Stream};
use homeostat::train::population::Population;
use std::sync::Arc;

const FEATURES: usize = 5;

/// 12 samples, the first of them as often as `times` says, and in the other places once.
fn data(task: Task, times: usize, is_weighted: bool) -> Arc<DataSet> {
    let mut random = Random::new(17, Stream::Order, 0);
    let mut samples: Vec<(Vec<f32>, [f32; 3], u32)> = (0..12)
        .map(|row| {
            let x = (0..FEATURES).map(|_| random.normal() as f32).collect();
            (x, [0; 3].map(|_| random.below(2) as f32), row % 3)
        })
        .collect();
    let weights: Vec<f32> = (0..12).map(|row| if row == 0 { times as f32 } else { 1.0 }).collect();
    let first = samples[0].clone();
    if !is_weighted {
        samples.extend((1..times).map(|_| first.clone()));
    }
    let x: Vec<f32> = samples.iter().flat_map(|(x, ..)| x.clone()).collect();
    let values: Vec<f32> = samples.iter().flat_map(|(_, values, _)| *values).collect();
    let data = match task {
        Task::Classification => DataSet::new((x, FEATURES), samples.iter().map(|(.., class)| *class)),
        Task::Regression => DataSet::regression((x, FEATURES), values, 3),
        Task::Multilabel => DataSet::multilabel((x, FEATURES), values, 3),
    };
    Arc::new(if is_weighted { data.unwrap().with_weights(weights).unwrap() } else { data.unwrap() })
}

/// A run on a sample with the weight 2 or 3 equals the run with the sample twice or three times. Both train on all
/// samples at once, so that a step is the mean over all of them.
#[test]
fn a_weight_counts_like_copies_of_the_sample() {
    let base = Config::default()
        .hidden([7])
        .rule(Rule::Constant)
        .alpha0(0.3)
        .batch_size(100)
        .epochs(5)
        .no_shuffle(true)
        .scale(Scale::None)
        .test_fraction(0.0);
    let squared = base.clone().loss(Loss::Mse);
    let cases = [
        (base.clone(), Task::Classification),
        (squared.clone(), Task::Classification),
        (squared.clone().output_derivative(OutputDerivative::Full), Task::Classification),
        (base, Task::Multilabel),
        (squared.output(Output::Logistic), Task::Multilabel),
    ];
    for (config, task) in cases {
        for times in [2, 3] {
            let outcome = |is_weighted| {
                let data = data(task, times, is_weighted);
                train(cpu, &Arc::new(Population::new(vec![config.clone()], data, None).unwrap()))
            };
            let (weighted, copied) = (outcome(true), outcome(false));
            let what = format!("{task}, {times} times");
            let wide = |values: &[f32]| values.iter().map(|&v| f64::from(v)).collect::<Vec<_>>();
            for (one, other) in weighted.end[0].layers.iter().zip(&copied.end[0].layers) {
                close(&what, &wide(&one.weights), &wide(&other.weights), 1e-5, 1e-6).unwrap();
            }
            for (one, other) in weighted.epochs.iter().zip(&copied.epochs) {
                close(&what, &[one[0].train_loss], &[other[0].train_loss], 1e-5, 0.0).unwrap();
            }
        }
    }
}
