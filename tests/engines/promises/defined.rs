//! Whole runs on every engine agree with the oracle: weights, the rule's memory, α, and the metrics of epochs.

use super::{Kind, MEMBERS, Subject, on_every_engine};
use crate::close::close;
use crate::harness::{memory_in_rows, sample, target};
use crate::oracle::output_delta::{Answer, Target};
use crate::oracle::{After, Network, Score};
use crate::table::TABLE;
use homeostat::config::{Rule, Scope, Task, TrainMetrics};
use homeostat::train::population::Population;

on_every_engine!(super::Turn::Every);

fn promise(subject: &Subject, kind: Kind) -> Result<(), String> {
    let outcome = subject.outcome(kind);
    let population = &subject.population;
    let mut failures = vec![];
    for member in 0..MEMBERS {
        let config = &population.configs[member];
        let (network, after) = &subject.defined[member];
        let mut compare = |what: String, got: &[f64], want: &[f64], (rtol, atol): (f64, f64)| {
            failures.extend(close(&format!("member {member}: {what}"), got, want, rtol, atol).err());
        };
        let weights = (2e-3, 5e-5);
        for (l, layer) in outcome.end[member].layers.iter().enumerate() {
            compare(format!("weights of layer {l}"), &wide(&layer.weights), &network.layers[l].w.concat(), weights);
            compare(
                format!("memory of layer {l}"),
                &wide(&layer.memory),
                &memory_in_rows(&network.layers[l]),
                (5e-3, 1e-4),
            );
            compare(
                format!("α of layer {l}"),
                &wide(&layer.alpha(config.rule.kind)),
                &network.alphas(l).concat(),
                weights,
            );
        }
        let split = &population.splits[member];
        let targets_of = |rows: &[u32]| -> Vec<Target> {
            let label = |row: u32| population.data.labels().get(row as usize).map(|&label| label as usize);
            rows.iter().map(|&row| target(&population.data, row, label(row))).collect()
        };
        let train_targets = targets_of(&split.train);
        let tell = |score: Score, targets: &[Target]| told(population, member, score, targets);
        // One borderline sample may be classified either way. The errors of a regression are as exact as its loss.
        let one = |samples: usize| if is_regression(population) { weights } else { (0.0, 1.01 / samples as f64) };
        for (epoch, want) in outcome.epochs.iter().zip(after) {
            let got = &epoch[member];
            let train = if config.run.train_metrics == TrainMetrics::Running { want.running } else { want.score };
            let what = |what: &str| format!("{what} after epoch {}", got.epoch);
            compare(what("loss"), &[got.train_loss], &[train.loss], weights);
            let (error, mae) = tell(train, &train_targets);
            compare(what("error"), &[got.train_error], &[error], one(population.train_rows()));
            compare(what("mean absolute error"), got.train_mae.as_slice(), mae.as_slice(), weights);
            compare(what("running loss"), &[got.running_loss], &[want.running.loss], weights);
            let (error, _) = tell(want.running, &train_targets);
            compare(what("running error"), &[got.running_error], &[error], one(population.train_rows()));
            compare(what("mean α"), &got.alpha_mean, &want.alpha_mean, weights);
            compare(what("frozen fraction"), &got.frozen_fraction, &want.frozen, (0.0, 1e-9));
        }
        let last = &outcome.epochs[outcome.epochs.len() - 1][member];
        for (what, rows, loss, error, mae) in [
            ("validation", &split.validation, last.val_loss, last.val_error, last.val_mae),
            ("test", &split.test, last.test_loss, last.test_error, last.test_mae),
        ] {
            let x: Vec<_> = rows.iter().map(|&row| sample(&population.data, row)).collect();
            let targets = targets_of(rows);
            let samples: Vec<(&[f64], Target)> = x.iter().map(Vec::as_slice).zip(targets.iter().cloned()).collect();
            let want = network.score(&samples);
            let (want_error, want_mae) = tell(want, &targets);
            compare(format!("{what} loss"), &[loss.expect(what)], &[want.loss], weights);
            compare(format!("{what} error"), &[error.expect(what)], &[want_error], one(rows.len()));
            compare(format!("{what} mean absolute error"), mae.as_slice(), want_mae.as_slice(), weights);
        }
    }
    if failures.is_empty() { Ok(()) } else { Err(failures.join("\n  ")) }
}

/// Whether reports are of a regression. Rules without a target report a share of wrong answers.
fn is_regression(population: &Population) -> bool {
    population.data.task() == Task::Regression && !population.shared().rule.kind.is_unsupervised()
}

/// The error that a report gives, and the mean absolute error of a regression. The error of a regression is 1 − R²: the
/// squared errors over the squared deviations from the mean target, both weighted. A single target is told in its own units.
fn told(population: &Population, member: usize, score: Score, targets: &[Target]) -> (f64, Option<f64>) {
    if !is_regression(population) {
        return (score.error, None);
    }
    let outputs = population.data.classes();
    let amounts = |target: &Target| match &target.answer {
        Answer::Amounts(amounts) => amounts.clone(),
        other => panic!("{other:?} in a regression"),
    };
    let total: f64 = targets.iter().map(|target| target.weight).sum();
    let mut deviations = 0.0;
    for k in 0..outputs {
        let mean = targets.iter().map(|target| target.weight * amounts(target)[k]).sum::<f64>() / total;
        deviations += targets.iter().map(|target| target.weight * (amounts(target)[k] - mean).powi(2)).sum::<f64>();
    }
    let unit = match (&population.preparations[member].targets, outputs) {
        (Some(scaling), 1) => scaling.deviation[0],
        _ => 1.0,
    };
    (2.0 * score.loss * targets.len() as f64 / deviations, Some(unit * score.error / outputs as f64))
}

/// Checks that the rows trigger, because the promises would mean little otherwise. In every ψ row some slots trigger;
/// slots of neurons and weights do not all trigger at once. In every row of `neq` some neurons of a layer rest. In some row
/// the hidden layers freeze while the output layer learns.
#[test]
fn the_rows_trigger() {
    let mut hidden_layers_froze = false;
    for place in 0..TABLE.len() {
        let subject = Subject::of(place);
        let config = &subject.population.configs[0];
        let of_member = |(network, _): &(Network, Vec<After>)| -> Vec<u32> {
            network.layers.iter().flat_map(|layer| layer.slots.iter().flatten()).map(|slot| slot.onset).collect()
        };
        let onsets: Vec<Vec<u32>> = subject.defined.iter().map(of_member).collect();
        let is_psi = config.rule.kind == Rule::Psi;
        assert!(!is_psi || onsets.iter().flatten().any(|&onset| onset > 0), "{:?}: nothing triggers", subject.row);
        let apart = onsets.iter().any(|onsets| onsets.iter().any(|onset| onset != &onsets[0]));
        assert!(!is_psi || config.rule.scope == Scope::Layer || apart, "{:?}: all at once", subject.row);
        let partly = |after: &&After| after.frozen.iter().any(|&share| share > 0.0 && share < 1.0);
        let rests = subject.defined.iter().all(|(_, after)| after.iter().any(|after| partly(&after)));
        assert!(config.rule.kind != Rule::Neq || rests, "{:?}: no neuron rests", subject.row);
        let epochs = subject.defined.iter().flat_map(|(_, after)| after);
        hidden_layers_froze |= epochs.into_iter().any(|epoch| epoch.frozen == [1.0, 1.0, 0.0]);
    }
    assert!(hidden_layers_froze);
}

fn wide(values: &[f32]) -> Vec<f64> {
    values.iter().map(|&v| f64::from(v)).collect()
}
