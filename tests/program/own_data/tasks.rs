//! What is learnt is inferred from the labels, printed, and never guessed where guesses go wrong.

use super::{loans, prices, tags};
use crate::program::{Folder, metrics};
use serde_json::Value;

#[test]
fn tasks_are_told_from_the_labels() {
    let folder = Folder::new();
    folder.write("loans.csv", &loans(60));
    folder.write("prices.csv", &prices(60));
    folder.write("tags.csv", &tags(60));
    assert!(folder.quick("loans.csv", &[]).contains("2 classes"));
    let said = folder.quick("prices.csv", &[]);
    assert!(said.contains("1 target (regression)") && said.contains("RMSE") && said.contains("R²"), "{said}");
    let said = folder.quick("tags.csv", &["--label", "up,right,corner"]);
    assert!(said.contains("3 labels (multilabel)") && said.contains("exact match") && said.contains("F1"), "{said}");
    let several = folder.quick("prices.csv", &["--label", "rooms,price"]);
    assert!(several.contains("2 targets (regression)"), "{several}");
}

#[test]
fn amounts_that_look_like_classes_are_asked_about() {
    let folder = Folder::new();
    let table: String = (0..60).map(|i| format!("{i},{}\n", 100 + i / 2 * 3)).collect();
    folder.write("amounts.csv", &format!("x,y\n{table}"));
    let train = ["train", "--data", "amounts.csv", "--no-save", "--device", "cpu"];
    folder.refuse(&train, 3, &["30 different", "--task regression", "--task classification"]);
    assert!(folder.quick("amounts.csv", &["--task", "regression"]).contains("RMSE"));
    assert!(folder.quick("amounts.csv", &["--task", "classification"]).contains("30 classes"));
    folder.write("text.csv", "x,y\n1,a\n2,b\n3,a\n4,b\n");
    let text = ["train", "--data", "text.csv", "--no-save", "--task", "regression"];
    folder.refuse(&text, 3, &["`y`", "text"]);
    let softmax = [&train[..], &["--task", "regression", "--output", "logistic", "--loss", "mse"]].concat();
    folder.refuse(&softmax, 2, &["--output logistic", "--output linear"]);
}

#[test]
fn class_names_are_kept_and_gaps_are_closed() {
    let folder = Folder::new();
    let table: String = (0..60).map(|i| format!("{},{},{}\n", i % 3, i % 5, [-1.0, 1.0, 7.0][i % 3])).collect();
    folder.write("gaps.csv", &format!("a,b,y\n{table}"));
    let said = folder.train_in("run", "gaps.csv", &["--epochs", "40", "--batch-size", "4"]);
    assert!(said.contains("3 classes") && said.contains("-1, 1, 7"), "{said}");
    let (said, _) = folder.run(&["predict", "run/model.safetensors", "--csv"]);
    assert!(said.starts_with("row,class,output,label,right,p_-1,p_1,p_7\n"), "{said}");
    let (said, _) = folder.run(&["eval", "run/model.safetensors", "--device", "cpu", "--json", "--per-class"]);
    let said: Value = serde_json::from_str(&said).unwrap();
    assert_eq!(said["names"], serde_json::json!(["-1", "1", "7"]));
    assert_eq!(said["test"]["error"], 0.0);
}

#[test]
fn what_cannot_be_learnt_is_said() {
    let folder = Folder::new();
    let table: String = (0..40).map(|i| format!("{i},{},yes\n", i % 7)).collect();
    folder.write("one.csv", &format!("a,b,y\n{table}"));
    folder.refuse(&["train", "--data", "one.csv", "--no-save"], 2, &["class yes", "nothing to learn"]);
    // Unscaled incomes: every answer is alike, and the loss is no better than that of one answer.
    folder.write("loans.csv", &loans(80));
    let said = folder.quick("loans.csv", &["--scale", "none", "--alpha0", "1e-12", "--epochs", "2"]);
    assert!(said.contains("note: the training loss"), "{said}");
    let said = folder.quick("loans.csv", &["--decay", "step", "--theta", "0", "--epochs", "5"]);
    assert!(said.contains("every α is 0 after epoch"), "{said}");
    let constant: String =
        loans(40).lines().enumerate().map(|(i, line)| format!("{},{line}\n", if i == 0 { "z" } else { "5" })).collect();
    folder.write("constant.csv", &constant);
    let said = folder.quick("constant.csv", &[]);
    assert!(said.contains("1 feature never changes and is no use: z"), "{said}");
}

#[test]
fn weights_of_samples_and_classes_count() {
    let folder = Folder::new();
    let mut table = String::from("a,b,importance,y\n");
    for i in 0..90 {
        table += &format!("{},{},{},{}\n", i % 10, i % 7, 1 + i % 2, if i % 10 == 0 { "rare" } else { "common" });
    }
    folder.write("rare.csv", &table);
    let loss = |out: &str, more: &[&str]| {
        folder.train_in(out, "rare.csv", &[&["--epochs", "2", "--drop", "importance", "--quiet"], more].concat());
        metrics(&folder.path(out)).last().unwrap()["train_loss"].as_f64().unwrap()
    };
    let plain = loss("plain", &[]);
    assert_ne!(loss("balanced", &["--class-weight", "balanced"]), plain);
    folder.write("weights.csv", "class,weight\nrare,9\ncommon,1\n");
    folder.write("even.csv", "rare,2\ncommon,2\n");
    // Weights that are all alike are no weights, because their mean over the training samples becomes 1.
    assert_eq!(loss("even", &["--class-weight", "even.csv"]), plain);
    assert_ne!(loss("given", &["--class-weight", "weights.csv"]), plain);
    folder.write("half.csv", "rare,2\n");
    let refused = |file: &str, part: &str| {
        let train = ["train", "--data", "rare.csv", "--no-save", "--class-weight", file];
        folder.refuse(&train, 2, &["--class-weight", part]);
    };
    refused("half.csv", "common");
    refused("none.csv", "balanced");
}

#[test]
fn a_regression_is_told_in_its_units() {
    let folder = Folder::new();
    folder.write("prices.csv", &prices(120));
    folder.train_in("run", "prices.csv", &["--epochs", "60", "--alpha0", "0.05", "--val-fraction", "0.2"]);
    let last = metrics(&folder.path("run")).pop().unwrap();
    let value = |key: &str| last[key].as_f64().unwrap_or_else(|| panic!("{key} in {last}"));
    // The price varies by about 900, and the network explains nearly all of it.
    assert!(value("test_rmse") < 100.0 && value("test_r2") > 0.98 && value("test_mae") <= value("test_rmse"), "{last}");
    let (said, _) = folder.run(&["eval", "run/model.safetensors", "--device", "cpu", "--json"]);
    let eval: Value = serde_json::from_str(&said).unwrap();
    for (key, of) in [("rmse", "test_rmse"), ("mae", "test_mae"), ("r2", "test_r2")] {
        let found = eval["test"][key].as_f64().unwrap();
        assert!((found - value(of)).abs() <= 1e-5 * value(of).abs(), "{key}: {found} and {last}");
    }
    // The answers of predict, sample by sample, have the same errors.
    let (said, _) = folder.run(&["predict", "run/model.safetensors", "--csv"]);
    let mut squares = (0.0, 0);
    for line in said.lines().skip(1) {
        let cells: Vec<f64> = line.split(',').map(|cell| cell.parse().unwrap()).collect();
        squares = (squares.0 + (cells[1] - cells[2]).powi(2), squares.1 + 1);
    }
    let rmse = f64::sqrt(squares.0 / f64::from(squares.1));
    assert!((rmse - value("test_rmse")).abs() < 1e-3 * rmse, "{rmse} and {last}");
}
