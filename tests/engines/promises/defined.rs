//! Whole runs on every engine agree with the oracle: weights, the rule's memory, α, and the metrics of epochs.

use super::{Kind, MEMBERS, Subject, on_every_engine, sample};
use crate::close::close;
use crate::harness::memory_in_rows;
use crate::oracle::{After, Network};
use crate::table::TABLE;
use homeostat::config::{Rule, Scope, TrainMetrics};

on_every_engine!();

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
        // One borderline sample may be classified either way.
        let one = |samples: usize| (0.0, 1.01 / samples as f64);
        for (epoch, want) in outcome.epochs.iter().zip(after) {
            let got = &epoch[member];
            let train = if config.run.train_metrics == TrainMetrics::Running { want.running } else { want.score };
            let what = |what: &str| format!("{what} after epoch {}", got.epoch);
            compare(what("loss"), &[got.train_loss], &[train.loss], weights);
            compare(what("error"), &[got.train_error], &[train.error], one(population.train_rows()));
            compare(what("running loss"), &[got.running_loss], &[want.running.loss], weights);
            compare(what("running error"), &[got.running_error], &[want.running.error], one(population.train_rows()));
            compare(what("mean α"), &got.alpha_mean, &want.alpha_mean, weights);
            compare(what("frozen fraction"), &got.frozen_fraction, &want.frozen, (0.0, 1e-9));
        }
        let last = &outcome.epochs[outcome.epochs.len() - 1][member];
        let split = &population.splits[member];
        for (what, rows, loss, error) in [
            ("validation", &split.validation, last.val_loss, last.val_error),
            ("test", &split.test, last.test_loss, last.test_error),
        ] {
            let x: Vec<_> = rows.iter().map(|&row| sample(&population.data, row)).collect();
            let labels = rows.iter().map(|&row| population.data.labels()[row as usize] as usize);
            let samples: Vec<(&[f64], usize)> = x.iter().map(Vec::as_slice).zip(labels).collect();
            let want = network.score(&samples);
            compare(format!("{what} loss"), &[loss.expect(what)], &[want.loss], weights);
            compare(format!("{what} error"), &[error.expect(what)], &[want.error], one(rows.len()));
        }
    }
    if failures.is_empty() { Ok(()) } else { Err(failures.join("\n  ")) }
}

/// Checks that the rows trigger, because the promises would mean little otherwise. In every ψ row some slots trigger;
/// slots of neurons and weights do not all trigger at once. In some row the hidden layers freeze while the output layer
/// learns.
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
        let epochs = subject.defined.iter().flat_map(|(_, after)| after);
        hidden_layers_froze |= epochs.into_iter().any(|epoch| epoch.frozen == [1.0, 1.0, 0.0]);
    }
    assert!(hidden_layers_froze);
}

fn wide(values: &[f32]) -> Vec<f64> {
    values.iter().map(|&v| f64::from(v)).collect()
}
