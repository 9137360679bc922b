//! Tests what a run tells of its living neurons, and that nothing else changes with the settings that decide how frozen
//! neurons are computed.

use crate::program::{Folder, both, command, fail, failure, lines, metrics, refused, succeed, success, without_costs};
use homeostat::config::{Config, DecayTicks, Rule};
use homeostat::data::DataSet;
use homeostat::model::file::{Alpha, ModelLayer};
use homeostat::prelude::*;
use homeostat::train::metrics::EpochMetrics;

/// 9 hidden neurons and 3 outputs.
const NEURONS: f64 = 12.0;
/// Operations of a training step per sample, by hand: 4-9-3, three products of two operations per weight, and no δ of
/// the inputs.
const FLOPS: f64 = (4 * 9 * 2 * 2 + 9 * 3 * 3 * 2) as f64;

fn train(config: Config) -> (Vec<EpochMetrics>, Model) {
    train_on(Device::Cpu, config)
}

fn train_on(device: Device, config: Config) -> (Vec<EpochMetrics>, Model) {
    let config = config.hidden([9]).epochs(8).alpha0(0.1);
    let mut training = Training::new(config, DataSet::open("iris").unwrap()).unwrap().on(device).unwrap();
    (training.by_ref().map(Result::unwrap).collect(), training.finish().unwrap())
}

fn living(epochs: &[EpochMetrics]) -> Vec<f64> {
    epochs.iter().map(|epoch| epoch.living_fraction.unwrap()).collect()
}

#[test]
fn a_neuron_lives_while_a_weight_of_it_can_change() {
    let (epochs, _) = train(Config::default().rule(Rule::Constant));
    assert_eq!(living(&epochs), [1.0; 8]);

    // Layer 1 freezes after half of the 8 ticks, layer 2 after the last.
    let (epochs, _) = train(Config::default().rule(Rule::Constant).freeze_out("0.5".parse().ok()));
    assert_eq!(living(&epochs), [1.0, 1.0, 1.0, 3.0 / NEURONS, 3.0 / NEURONS, 3.0 / NEURONS, 3.0 / NEURONS, 0.0]);

    // Every neuron that triggers falls within two ticks.
    let (epochs, model) = train(Config::default().theta(0.3).decay_ticks(DecayTicks::Ticks(2.0)));
    let shares = living(&epochs);
    assert!(shares.is_sorted_by(|before, after| before >= after) && shares[0] == 1.0 && shares[7] < 1.0, "{shares:?}");
    let moving = |layer: &ModelLayer| match &layer.alpha {
        Some(Alpha::PerNeuron(alpha)) => alpha.iter().filter(|&&alpha| alpha != 0.0).count(),
        other => panic!("{other:?}"),
    };
    let moving: usize = model.layers.iter().map(moving).sum();
    assert_eq!(shares[7], moving as f64 / NEURONS);
}

#[test]
fn each_layer_has_its_own_share() {
    for device in ["cpu", "gpu"] {
        let freezing = Config::default().rule(Rule::Constant).freeze_out("0.5".parse().ok());
        let (epochs, _) = train_on(device.parse().unwrap(), freezing);
        let shares: Vec<&[f64]> = epochs.iter().map(|epoch| &epoch.living_per_layer[..]).collect();
        let (before, between, after) = (&[1.0, 1.0][..], &[0.0, 1.0][..], &[0.0, 0.0][..]);
        assert_eq!(shares, [[before; 3].as_slice(), &[between; 4], &[after]].concat(), "{device}");

        let (epochs, _) =
            train_on(device.parse().unwrap(), Config::default().theta(0.3).decay_ticks(DecayTicks::Ticks(2.0)));
        for epoch in &epochs {
            let living = 9.0 * epoch.living_per_layer[0] + 3.0 * epoch.living_per_layer[1];
            assert!((living / NEURONS - epoch.living_fraction.unwrap()).abs() < 1e-12, "{device}: {epoch:?}");
        }
    }
}

#[test]
fn full_arithmetic_is_that_of_the_shape() {
    let (epochs, _) = train(Config::default().theta(0.3).decay_ticks(DecayTicks::Ticks(2.0)));
    let samples = 135.0;
    for epoch in &epochs {
        let (done, full) = (epoch.gflop_per_epoch.unwrap(), epoch.gflop_full.unwrap());
        assert!((full * 1e9 - samples * FLOPS).abs() < 1e-3 && done > 0.0, "{done} of {full}");
    }
    // Nothing is frozen before the first tick, which ends the first epoch; at the end only a part is alive.
    let done = |epoch: usize| epochs[epoch].gflop_per_epoch.unwrap() / epochs[epoch].gflop_full.unwrap();
    assert!((done(0) - 1.0).abs() < 1e-9 && done(epochs.len() - 1) < 0.9, "{} {}", done(0), done(epochs.len() - 1));
}

/// Trains iris in a folder of its own and returns the model, the trace and the metrics.
fn outcome(more: &[&str]) -> (Vec<u8>, Vec<u8>, Vec<serde_json::Value>) {
    let folder = Folder::new();
    let usual =
        ["train", "--data", "iris", "--hidden", "9,6", "--epochs", "12", "--theta", "0.3", "--decay-ticks", "2"];
    let arguments = [&usual[..], &["--quiet", "--out", "run"], more].concat();
    success(&arguments, &command(&arguments).current_dir(folder.0.path()).output().unwrap());
    let read = |name: &str| std::fs::read(folder.path("run").join(name)).unwrap();
    (read("model.safetensors"), read("trace.safetensors"), without_costs(metrics(&folder.path("run"))))
}

#[test]
fn ways_to_compute_frozen_neurons_change_no_byte() {
    for device in ["cpu", "gpu"] {
        let usual = outcome(&["--device", device]);
        let last = usual.2.last().unwrap()["living_fraction"].as_f64().unwrap();
        assert!(last < 0.9, "only frozen neurons are skipped, and {last} of all live");
        for more in [&["--no-skip-frozen"][..], &["--activation-cache", "off"], &["--activation-cache", "1K"]] {
            assert!(outcome(&[&["--device", device], more].concat()) == usual, "{device}: {more:?}");
        }
    }
}

#[test]
fn a_resumed_run_may_compute_frozen_neurons_in_another_way() {
    let folder = Folder::new();
    let run = |arguments: &[&str]| command(arguments).current_dir(folder.0.path()).output().unwrap();
    let usual = ["train", "--data", "iris", "--hidden", "9", "--rule", "constant", "--quiet", "--device", "cpu"];
    for (out, epochs) in [("short", "3"), ("whole", "5")] {
        let arguments = [&usual[..], &["--epochs", epochs, "--out", out]].concat();
        success(&arguments, &run(&arguments));
    }
    let prolong = ["train", "--resume", "short", "--epochs", "5", "--quiet"];
    let refused = [&prolong[..], &["--alpha0", "0.2"]].concat();
    let message = failure(&refused, 2, &run(&refused));
    for flag in ["--epochs", "--device", "--no-autotune", "--no-skip-frozen", "--activation-cache"] {
        assert!(message.contains(flag), "{message}");
    }
    let arguments = [&prolong[..], &["--no-skip-frozen", "--activation-cache", "4M"]].concat();
    success(&arguments, &run(&arguments));
    let told = |out: &str| without_costs(lines(&folder.path(out).join("metrics.jsonl")));
    assert_eq!(told("short")[3..], told("whole")[3..]);
    fail(&["train", "--data", "iris", "--activation-cache", "5X"], 2);
}

/// Version 0.1 wrote neither the living share nor operations.
#[test]
fn a_run_of_an_older_version_is_reported_and_prolonged() {
    let folder = Folder::new();
    let (run, page) = (folder.name("run"), folder.name("page.html"));
    let usual = ["train", "--data", "iris", "--hidden", "9", "--rule", "constant", "--quiet", "--device", "cpu"];
    succeed(&[&usual[..], &["--epochs", "3", "--out", &run]].concat());
    let charts = || {
        succeed(&["report", &run, "-o", &page, "--force"]);
        let page = std::fs::read_to_string(&page).unwrap();
        ["Living neurons", "Compute per epoch", "arithmetic in full"].map(|text| page.contains(text))
    };
    assert_eq!(charts(), [true; 3]);

    let newer = ["living_fraction", "living_per_layer", "gflop_per_epoch", "gflop_full"];
    let mut old = String::new();
    for mut line in metrics(&folder.path("run")) {
        line.as_object_mut().unwrap().retain(|key, _| !newer.contains(&key.as_str()));
        old += &format!("{line}\n");
    }
    folder.write("run/metrics.jsonl", &old);
    let rows = |name: &str| -> Vec<Vec<String>> {
        let text = std::fs::read_to_string(folder.path(name)).unwrap();
        text.lines().map(|line| line.split(',').map(str::to_owned).collect()).collect()
    };
    let header = rows("run/metrics.csv")[0].clone();
    let old = rows("run/metrics.csv").into_iter().map(|row| {
        let cells = header.iter().zip(row).filter(|(key, _)| !newer.iter().any(|new| key.starts_with(new)));
        cells.map(|(_, cell)| cell).collect::<Vec<_>>().join(",") + "\n"
    });
    folder.write("run/metrics.csv", &old.collect::<String>());
    assert_eq!(charts(), [false; 3]);

    succeed(&["train", "--resume", &run, "--epochs", "4", "--quiet"]);
    let table = rows("run/metrics.csv");
    assert_eq!((table.len(), &table[0]), (5, &header));
    assert!(table.iter().all(|row| row.len() == header.len()), "{table:?}");
}

/// A neuron of `rule = neq` rests for an epoch. Only if none has learnt for an epoch and none will in the next, the network never
/// changes again. That comes after epoch 3 at the earliest, and at once with a bound above all velocities.
#[test]
fn a_network_that_rests_for_good_is_noted() {
    let notes = |epsilon: &str| {
        let settings =
            ["--data", "iris", "--rule", "neq", "--neq-epsilon", epsilon, "--val-fraction", "0.2", "--epochs", "6"];
        both(&[&["train", "--hidden", "9", "--no-save", "--device", "cpu"], &settings[..]].concat()).1
    };
    let note = "every α is 0 after epoch 3, so the network does not change any more";
    assert_eq!(notes("10").matches(note).count(), 1);
    assert!(!notes("0").contains("every α is 0"));
}

/// Neurons can only be compared over validation samples.
#[test]
fn the_rule_that_compares_neurons_names_the_samples_it_lacks() {
    refused(
        &["train", "--data", "iris", "--rule", "neq", "--no-save"],
        2,
        &["--rule neq", "--val-fraction", "--val-data"],
    );
    refused(&["bench", "--rule", "neq"], 2, &["--rule neq", "--rule constant"]);
}
