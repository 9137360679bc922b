//! A model knows its data: it answers other files alike, and refuses what it cannot answer.

use super::{loans, prices};
use crate::program::Folder;
use safetensors::SafeTensors;
use serde_json::Value;

fn class_of(said: &str) -> Vec<&str> {
    said.lines().skip(1).map(|line| line.split(',').nth(1).unwrap()).collect()
}

#[test]
fn columns_are_matched_by_name() {
    let folder = Folder::new();
    folder.write("loans.csv", &loans(120));
    folder.train_in("run", "loans.csv", &["--epochs", "30"]);
    let model = "run/model.safetensors";
    folder.write("new.csv", "income,age\n69000,60\n31000,30\n");
    let (said, _) = folder.run(&["predict", model, "--data", "new.csv", "--csv"]);
    assert!(said.starts_with("row,class,output,p_bad,p_good\n"), "{said}");
    assert_eq!(class_of(&said), ["good", "bad"]);
    // Another order, a further column, an id.
    folder.write("more.csv", "who,age,extra,income\nann,60,7,69000\nbob,30,7,31000\n");
    let (said, told) = folder.run(&["predict", model, "--data", "more.csv", "--csv", "--id", "who"]);
    assert!(said.starts_with("who,class,output,p_bad,p_good\nann,good,"), "{said}");
    assert!(told.contains("extra"), "{told}");
    folder.write("less.csv", "income\n69000\n");
    folder.refuse(&["predict", model, "--data", "less.csv"], 3, &["less.csv", "`age`"]);
    folder.write("typo.csv", "income,age\n69000,old\n");
    folder.refuse(&["predict", model, "--data", "typo.csv"], 3, &["line 2", "`age`", "old"]);
    folder.write("unknown.csv", "income,age,group\n69000,60,excellent\n");
    folder.refuse(&["eval", model, "--data", "unknown.csv", "--device", "cpu"], 3, &["excellent", "bad, good"]);
    folder.refuse(&["eval", model, "--data", "new.csv", "--device", "cpu"], 3, &["no labels", "predict"]);
}

#[test]
fn changed_data_are_refused_and_new_data_are_whole() {
    let folder = Folder::new();
    folder.write("loans.csv", &loans(100));
    folder.train_in("run", "loans.csv", &["--epochs", "3", "--val-fraction", "0.2"]);
    let eval = ["eval", "run/model.safetensors", "--device", "cpu"];
    let (before, _) = folder.run(&eval);
    assert!(before.contains("validation") && before.contains("test"), "{before}");
    folder.write("new.csv", &loans(70));
    let (said, _) = folder.run(&[&eval[..], &["--data", "new.csv"]].concat());
    assert!(said.contains("all") && said.contains("70") && !said.contains("validation"), "{said}");
    folder.write("loans.csv", &loans(101));
    folder.refuse(&eval, 3, &["loans.csv", "has changed", "--data"]);
    folder.refuse(&["predict", "run/model.safetensors"], 3, &["has changed"]);
}

#[test]
fn exports_contain_the_scaling() {
    let folder = Folder::new();
    folder.write("prices.csv", &prices(100));
    folder.train_in("run", "prices.csv", &["--epochs", "20", "--alpha0", "0.05"]);
    let model = "run/model.safetensors";
    folder.run(&["export", model, "--format", "safetensors"]);
    let (by_model, _) = folder.run(&["predict", model, "--split", "all", "--csv"]);
    // The exported file has no scaling of its own, so it is folded into the weights, targets included.
    let (by_weights, _) = folder.run(&["predict", "run/model.weights.safetensors", "--split", "all", "--csv"]);
    let answers = |said: &str| -> Vec<f64> {
        said.lines().skip(1).map(|line| line.split(',').nth(1).unwrap().parse().unwrap()).collect()
    };
    let pairs: Vec<(f64, f64)> = answers(&by_model).into_iter().zip(answers(&by_weights)).collect();
    assert_eq!(pairs.len(), 100);
    assert!(pairs.iter().all(|(a, b)| (a - b).abs() <= 2e-6 * a.abs()), "{pairs:?}");
    let bytes = std::fs::read(folder.path(model)).unwrap();
    let (_, header) = SafeTensors::read_metadata(&bytes).unwrap();
    let data: Value = serde_json::from_str(&header.metadata().as_ref().unwrap()["data"]).unwrap();
    assert_eq!(data["task"], "regression");
    assert_eq!(data["samples"], serde_json::json!([90, 0, 10]));
    let mean = data["scaling"]["offset"][0].as_f64().unwrap();
    assert!((mean - 100.0).abs() < 15.0, "{data}");
}

#[test]
fn pixels_are_scaled_as_in_training() {
    let folder = Folder::new();
    // Kaggle's form of images: a label, then 64 pixels as whole numbers.
    let pixel = |i: usize, p: usize| if (p / 8 < 4) == i.is_multiple_of(2) { 200 + (i * p) % 55 } else { (i * p) % 50 };
    let row = |i: usize| (0..64).map(|p| pixel(i, p).to_string()).collect::<Vec<_>>().join(",");
    let head = (0..64).map(|p| format!("pixel{p}")).collect::<Vec<_>>().join(",");
    let table: String =
        (0..80).map(|i| format!("{},{}\n", if i % 2 == 0 { "top" } else { "bottom" }, row(i))).collect();
    folder.write("pixels.csv", &format!("label,{head}\n{table}"));
    let said = folder.train_in("run", "pixels.csv", &["--epochs", "5"]);
    assert!(said.contains("8-bit pixels"), "{said}");
    let real = |i: usize| (0..64).map(|p| format!("{}", pixel(i, p) as f32 / 255.0)).collect::<Vec<_>>().join(",");
    folder.write("whole.csv", &format!("{head}\n{}\n{}\n", row(0), row(1)));
    folder.write("real.csv", &format!("{head}\n{}\n{}\n", real(0), real(1)));
    let predict = |file| folder.run(&["predict", "run/model.safetensors", "--data", file, "--csv"]).0;
    assert_eq!(class_of(&predict("whole.csv")), ["top", "bottom"]);
    assert_eq!(class_of(&predict("real.csv")), ["top", "bottom"]);
}

#[test]
fn a_file_of_another_kind_is_recognised() {
    let folder = Folder::new();
    folder.write("loans.csv", &loans(60));
    folder.train_in("run", "loans.csv", &["--epochs", "2"]);
    let checkpoint = std::fs::read_dir(folder.path("run/checkpoints")).unwrap().next().unwrap().unwrap().path();
    folder.refuse(&["predict", checkpoint.to_str().unwrap()], 3, &["checkpoint", "model.safetensors"]);
    folder.refuse(&["train", "--data", "run/model.safetensors", "--no-save"], 3, &["model"]);
}
