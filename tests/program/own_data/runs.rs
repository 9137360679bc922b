//! Training longer, stopping early, and cross-validation.

use super::{loans, prices};
use crate::program::{Folder, metrics, without_costs};
use serde_json::Value;

fn result(folder: &Folder, run: &str) -> Value {
    serde_json::from_slice(&std::fs::read(folder.path(run).join("result.json")).unwrap()).unwrap()
}

#[test]
fn an_early_stop_ends_with_the_best_network() {
    let folder = Folder::new();
    folder.write("loans.csv", &loans(90));
    let stop = ["--epochs", "200", "--val-fraction", "0.3", "--early-stopping", "5", "--alpha0", "1"];
    let said = folder.train_in("run", "loans.csv", &[&stop[..], &["--monitor", "val_loss"]].concat());
    let lines = metrics(&folder.path("run"));
    let best = lines.iter().min_by(|a, b| a["val_loss"].as_f64().unwrap().total_cmp(&b["val_loss"].as_f64().unwrap()));
    let (epoch, loss) = (&best.unwrap()["epoch"], &best.unwrap()["val_loss"]);
    assert!(lines.len() < 200 && said.contains(&format!("best in epoch {epoch} (val_loss")), "{said}");
    let found = result(&folder, "run");
    assert_eq!((&found["best"]["epoch"], &found["best"]["value"]), (epoch, loss));
    // The saved network is that of the best epoch.
    let (eval, _) = folder.run(&["eval", "run/model.safetensors", "--device", "cpu", "--json"]);
    let eval: Value = serde_json::from_str(&eval).unwrap();
    let close = |a: &Value, b: &Value| (a.as_f64().unwrap() - b.as_f64().unwrap()).abs() < 1e-6;
    assert!(close(&eval["validation"]["loss"], loss), "{eval} {loss}");
    assert!(close(&eval["test"]["error"], &found["best"]["test_error"]), "{eval}");
    // The last network, where that is asked for.
    folder.train_in("last", "loans.csv", &[&stop[..], &["--monitor", "val_loss", "--no-restore-best"]].concat());
    assert!(result(&folder, "last").get("best").is_none());
    let model = |run: &str| std::fs::read(folder.path(run).join("model.safetensors")).unwrap();
    assert!(model("run") != model("last"));
    let wrong = ["train", "--data", "loans.csv", "--no-save", "--early-stopping", "3"];
    folder.refuse(&wrong, 2, &["--early-stopping 3", "--val-fraction"]);
    folder.refuse(&[&wrong[..], &["--val-fraction", "0.2", "--monitor", "val_r2"]].concat(), 2, &["--monitor val_r2"]);
}

#[test]
fn a_least_improvement_ends_sooner() {
    let folder = Folder::new();
    folder.write("prices.csv", &prices(90));
    let epochs = |out: &str, delta: &str| {
        let stop = ["--epochs", "60", "--val-fraction", "0.3", "--early-stopping", "2", "--monitor", "val_rmse"];
        folder.train_in(out, "prices.csv", &[&stop[..], &["--alpha0", "0.02", "--min-delta", delta]].concat());
        metrics(&folder.path(out)).len()
    };
    assert!(epochs("large", "50") < epochs("small", "0"));
}

#[test]
fn a_finished_run_is_prolonged_as_if_it_had_not_ended() {
    let folder = Folder::new();
    folder.write("loans.csv", &loans(60));
    for rule in [&["--rule", "constant"][..], &["--rule", "adam", "--alpha0", "0.01"], &["--decay-ticks", "3"]] {
        let train = |out: &str, epochs: &str| {
            folder.train_in(out, "loans.csv", &[&["--epochs", epochs, "--force", "--quiet"], rule].concat())
        };
        train("short", "3");
        train("long", "7");
        folder.run(&["train", "--resume", "short", "--epochs", "7", "--quiet"]);
        let model = |run: &str| std::fs::read(folder.path(run).join("model.safetensors")).unwrap();
        assert!(model("short") == model("long"), "{rule:?}");
        let told = |run: &str| without_costs(metrics(&folder.path(run)));
        // The test set is read after the last epoch of each run.
        let without_test = |mut lines: Vec<Value>| {
            for line in &mut lines {
                let line = line.as_object_mut().unwrap();
                ["test_loss", "test_error"].iter().for_each(|key| drop(line.remove(*key)));
            }
            lines
        };
        assert_eq!(without_test(told("short")), without_test(told("long")), "{rule:?}");
    }
    folder.train_in("end", "loans.csv", &["--epochs", "3"]);
    folder.refuse(&["train", "--resume", "end", "--epochs", "9"], 2, &["--epochs 9", "--decay-ticks", "--init"]);
    folder.train_in(
        "share",
        "loans.csv",
        &["--epochs", "3", "--rule", "constant", "--schedule", "step", "--schedule-ticks", "50%"],
    );
    folder.refuse(&["train", "--resume", "share", "--epochs", "9"], 2, &["--epochs 9", "--schedule-ticks", "--init"]);
    folder.refuse(&["train", "--resume", "short", "--epochs", "5"], 2, &["--epochs 5", "7 epochs"]);
    folder.refuse(&["train", "--resume", "end"], 2, &["complete", "--epochs"]);
}

#[test]
fn folds_of_a_sweep_are_compared_pair_by_pair() {
    let folder = Folder::new();
    folder.write("loans.csv", &loans(60));
    let sweep = "seeds = 2\nfolds = 3\n[base]\ndata = \"loans.csv\"\nhidden = 5\nepochs = 2\ndevice = \"cpu\"\n\
                 [[arm]]\nname = \"a\"\n[[arm]]\nname = \"b\"\nrule = \"constant\"\n";
    folder.write("cv.toml", sweep);
    folder.run(&["sweep", "plan", "cv.toml", "--out", "plan.jsonl"]);
    folder.run(&["sweep", "run", "plan.jsonl", "--out", "results"]);
    let (said, _) = folder.run(&["compare", "results", "--baseline", "b", "--json"]);
    let said: Value = serde_json::from_str(&said).unwrap();
    assert_eq!(said["comparisons"][0]["pairs"], 6);
    let arm = "[[arm]]\nname = \"c\"\nfold = \"1/2\"\n";
    folder.write("both.toml", &format!("{sweep}{arm}"));
    folder.refuse(&["sweep", "plan", "both.toml", "--out", "other.jsonl"], 2, &["`c`", "fold"]);
}

#[test]
fn a_config_finds_the_data_beside_it() {
    let folder = Folder::new();
    folder.write("study/loans.csv", &loans(40));
    folder.write("study/run.toml", "data = \"loans.csv\"\nhidden = 5\nlabel = \"group\"\nepochs = 1\n");
    let (said, _) = folder.run(&["train", "--config", "study/run.toml", "--device", "cpu", "--no-save"]);
    assert!(said.contains("after 1 epochs"), "{said}");
}
