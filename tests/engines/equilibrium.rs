//! Neurons at equilibrium (`rule = neq`): whole runs with random settings against the definition, and what follows from it at
//! once. The [table](crate::table) has the promises of all rules, [`crate::living`] and [`crate::frozen`] the work that is left
//! out.

use crate::close::close;
use crate::harness::{ENGINES, MARGIN, Make, cpu, train};
use crate::oracle::equilibrium::Neuron;
use crate::promises::run_oracle;
use crate::settings::pick;
use crate::table::images;
use homeostat::config::{Config, Rule, Task};
use homeostat::rng::{Random, Stream};
use homeostat::train::population::Population;
use homeostat::train::state::LayerState;
use std::sync::Arc;

fn population(settings: &str) -> Arc<Population> {
    let base =
        "activation = 'tanh'\nbatch-size = 8\nalpha0 = 0.1\nval-fraction = 0.2\ntest-fraction = 0.0\nscale = 'none'";
    let config = Config::overlay([&base.parse().unwrap(), &settings.parse().unwrap()]).unwrap();
    let data = images(false, Task::Classification, false);
    Arc::new(Population::new(vec![config], Arc::new(data), None).unwrap_or_else(|e| panic!("{settings}: {e}")))
}

fn random_settings(random: &mut Random) -> String {
    let hidden = pick(random, &["[]", "[11]", "[9, 6]", "[7, 5, 6]"]);
    let activation = pick(random, &["tanh", "logistic", "relu", "scaled-tanh"]);
    let output = pick(
        random,
        &[("softmax", "cross-entropy"), ("logistic", "mse"), ("linear", "mse"), ("logistic", "cross-entropy")],
    );
    let more = pick(
        random,
        &["", "weight-decay = 0.02", "max-norm = 1.2", "schedule = 'linear'", "freeze-out = '0.6'", "dropout = 0.2"],
    );
    format!(
        "rule = 'neq'\nhidden = {hidden}\nactivation = '{activation}'\noutput = '{}'\nloss = '{}'\nneq-epsilon = {}\n\
         neq-mu = {}\nalpha0 = {}\nval-fraction = {}\nepochs = {}\nseed = {}\n{more}",
        output.0,
        output.1,
        pick(random, &["0.0003", "0.002", "0.01", "0.05"]),
        pick(random, &["0.0", "0.5", "0.9"]),
        pick(random, &["0.05", "0.3"]),
        pick(random, &["0.1", "0.4"]),
        3 + random.below(6),
        random.below(1000)
    )
}

/// Whether the neuron rested and learnt again.
fn thawed(config: &Config, neuron: &Neuron) -> bool {
    let rests = |v: &f64| v.abs() < config.constants.neq_epsilon;
    neuron.velocities[1..].windows(2).any(|pair| rests(&pair[0]) && !rests(&pair[1]))
}

/// Compares a run with the definition. `None` if a comparison is so close that f32 may decide differently, or if `thawing` runs
/// are wanted and no neuron of the run learns again. Also returns whether some neurons of a layer rested, and whether some learnt
/// again.
fn differences(make: Make, settings: &str, thawing: bool) -> Option<(Vec<String>, bool, bool)> {
    let population = population(settings);
    let (network, after) = run_oracle(&population);
    let thaws = network.neurons.iter().flatten().any(|neuron| thawed(&population.configs[0], neuron));
    if network.margin <= MARGIN || (thawing && !thaws) {
        return None;
    }
    let outcome = train(make, &population);
    let mut failures = vec![];
    let mut compare = |what: String, got: Vec<f64>, want: Vec<f64>, tolerance: f64| {
        failures.extend(close(&what, &got, &want, 2e-3, tolerance).err().map(|e| format!("{settings}\n  {e}")));
    };
    let wide = |values: &[f32]| values.iter().map(|&v| f64::from(v)).collect::<Vec<f64>>();
    for (l, (layer, neurons)) in outcome.end[0].layers.iter().zip(&network.neurons).enumerate() {
        compare(format!("weights of layer {l}"), wide(&layer.weights), network.layers[l].w.concat(), 5e-5);
        compare(format!("α of layer {l}"), wide(&layer.alpha(Rule::Neq)), network.alphas(l).concat(), 5e-5);
        let last = |of: fn(&Neuron) -> &Vec<f64>| neurons.iter().map(|neuron| *of(neuron).last().unwrap()).collect();
        let kept = |of: fn(&LayerState) -> Vec<f32>| wide(&of(layer));
        let similarities = kept(|layer| layer.slots.iter().map(|slot| 1.0 - slot.trigger.value()).collect());
        compare(format!("φ of layer {l}"), similarities, last(|neuron| &neuron.similarities), 1e-5);
        let velocities = kept(|layer| layer.slots.iter().map(|slot| slot.onset).collect());
        compare(format!("v of layer {l}"), velocities, last(|neuron| &neuron.velocities), 1e-5);
    }
    for (got, want) in outcome.epochs.iter().zip(&after) {
        compare(
            format!("mean α after epoch {}", got[0].epoch),
            got[0].alpha_mean.clone(),
            want.alpha_mean.clone(),
            1e-7,
        );
        compare(
            format!("frozen after epoch {}", got[0].epoch),
            got[0].frozen_fraction.clone(),
            want.frozen.clone(),
            1e-9,
        );
        let moving = want.frozen.iter().map(|frozen| 1.0 - frozen).collect();
        compare(format!("living after epoch {}", got[0].epoch), got[0].living_per_layer.clone(), moving, 1e-9);
    }
    let rested = after.iter().any(|after| after.frozen.iter().any(|&share| share > 0.0 && share < 1.0));
    Some((failures, rested, thaws))
}

fn random_runs(engines: &[usize], count: usize, seed: u64, thawing: bool) {
    let mut random = Random::new(seed, Stream::Order, 0);
    let (mut done, mut rested, mut thawed, mut failures) = (0, 0, 0, vec![]);
    while done < count {
        let (name, make) = ENGINES[engines[done % engines.len()]];
        let Some((found, rests, thaws)) = differences(make, &random_settings(&mut random), thawing) else { continue };
        done += 1;
        rested += usize::from(rests);
        thawed += usize::from(thaws);
        failures.extend(found.iter().map(|failure| format!("{name}: {failure}")));
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    assert!(
        3 * rested > count && 3 * thawed > count,
        "of {count} runs, neurons rested in {rested}, thawed in {thawed}"
    );
}

#[test]
fn random_runs_on_the_cpu() {
    random_runs(&[0], 80, 5, false);
}

/// Software Vulkan takes long to compile, so every run is one in which neurons learn again.
#[test]
fn random_runs_on_the_gpu() {
    random_runs(&[1, 2], 4, 6, true);
}

/// A bound of 0 lets no neuron rest, which is plain back-propagation. A bound above all velocities lets every neuron rest from
/// epoch 3 on.
#[test]
fn the_bound_decides() {
    let hidden = "hidden = [9, 6]\nepochs = 5\n";
    let run = |settings: &str| train(cpu, &population(&format!("{hidden}{settings}")));
    let (never, plain) = (run("rule = 'neq'\nneq-epsilon = 0.0"), run("rule = 'constant'"));
    let wide = |layer: &LayerState| layer.weights.iter().map(|&w| f64::from(w)).collect::<Vec<_>>();
    for (never, plain) in never.end[0].layers.iter().zip(&plain.end[0].layers) {
        close("weights", &wide(never), &wide(plain), 1e-5, 1e-6).unwrap();
    }
    let always = run("rule = 'neq'\nneq-epsilon = 10.0");
    let frozen: Vec<Vec<f64>> = always.epochs.iter().map(|epoch| epoch[0].frozen_fraction.clone()).collect();
    assert_eq!(frozen, [[0.0; 3], [1.0; 3], [1.0; 3], [1.0; 3], [1.0; 3]]);
    let third = always.pauses.iter().find(|(position, _)| (position.epoch, position.batch) == (3, 0)).unwrap();
    let weights = |layers: &[LayerState]| layers.iter().map(|layer| layer.weights.clone()).collect::<Vec<_>>();
    assert_eq!(weights(&always.end[0].layers), weights(&third.1[0].layers));
    assert_ne!(
        weights(&always.end[0].layers),
        weights(&population(&format!("{hidden}rule = 'neq'")).initial_state()[0].layers)
    );
}

/// The pass over the validation samples is cut into blocks, which threads take as they come.
#[test]
fn the_number_of_threads_changes_no_bit() {
    let population = population("rule = 'neq'\nneq-epsilon = 0.003\nhidden = [9, 6]\nepochs = 6\nval-fraction = 0.5");
    let on = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| train(cpu, &population))
    };
    let (one, three) = (on(1), on(3));
    assert!(one.end == three.end && one.epochs == three.epochs);
}

#[test]
fn without_validation_samples_the_rule_is_refused() {
    let config = Config::overlay([&"rule = 'neq'\nhidden = [3]\nscale = 'none'".parse().unwrap()]).unwrap();
    let data = Arc::new(images(false, Task::Classification, false));
    let error = Population::new(vec![config.clone()], Arc::clone(&data), None).unwrap_err().to_string();
    assert!(error.contains("`rule = neq`") && error.contains("`val-fraction`"), "{error}");
    Population::new(vec![config.val_fraction(0.1)], data, None).unwrap();
}
