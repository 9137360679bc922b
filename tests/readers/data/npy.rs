//! Tests the reader of NPY files that belong together.

use super::arrays::{array, assert_refuses, assert_whole, damage, predicting};
use homeostat::data::arrays::npy::read;
use homeostat::data::raw::ReadOptions;
use std::fs;
use std::path::Path;

fn write(root: &Path, stem: &str, rows: usize) {
    let is_labels = ["y", "target", "label"].iter().any(|word| stem.to_lowercase().contains(word));
    let shape = if is_labels { format!("({rows},)") } else { format!("({rows}, 1)") };
    fs::write(root.join(format!("{stem}.npy")), array("<i4", &shape, &vec![1; rows])).unwrap();
}

#[test]
fn partners_lie_beside_a_file() {
    for [x, y, x_test, y_test] in [
        ["x", "y", "x_test", "y_test"],
        ["X", "y", "X_test", "y_test"],
        ["X_train", "Y_train", "X_test", "Y_test"],
        ["train_images", "train_labels", "test_images", "test_labels"],
        ["data", "target", "data_test", "target_test"],
        ["iris_x", "iris_y", "iris_x_test", "iris_y_test"],
    ] {
        let root = tempfile::tempdir().unwrap();
        let root = root.path();
        let path = root.join(format!("{x}.npy"));
        write(root, x, 3);
        assert_refuses(x, read(&path, &ReadOptions::default()), &[x, "no file of labels beside it"]);
        assert_eq!(read(&path, &predicting()).unwrap().labels.len(), 0);
        write(root, y, 3);
        write(root, "other_x", 1);
        write(root, "other_y", 1);
        assert_eq!(read(&path, &ReadOptions::default()).unwrap().parts, [3, 0, 0], "{x}");
        write(root, x_test, 2);
        assert_refuses(x, read(&path, &ReadOptions::default()), &["is missing", "_test"]);
        write(root, y_test, 2);
        let raw = read(&path, &ReadOptions::default()).unwrap();
        assert_whole(&raw);
        assert_eq!(raw.parts, [3, 0, 2], "{x}");
        let labels = root.join(format!("{y}.npy"));
        assert_refuses(y, read(&labels, &ReadOptions::default()), &["holds labels"]);
        // A prediction is of the file that was named.
        let test = root.join(format!("{x_test}.npy"));
        assert_eq!(read(&test, &predicting()).unwrap().parts, [0, 0, 2], "{x}");
    }
}

#[test]
fn a_folder_holds_one_set() {
    let root = tempfile::tempdir().unwrap();
    let root = root.path();
    ["x_train", "y_train", "val_x", "val_y", "notes"].iter().for_each(|stem| write(root, stem, 2));
    fs::write(root.join("README.txt"), "text").unwrap();
    let raw = read(root, &ReadOptions::default()).unwrap();
    assert_eq!((raw.parts, raw.notes), ([2, 2, 0], vec!["Not used: notes.".to_owned()]));
}

#[test]
fn refuses_and_survives_damage() {
    let root = tempfile::tempdir().unwrap();
    let root = root.path();
    assert_refuses("missing", read(&root.join("x.npy"), &ReadOptions::default()), &["x.npy", "cannot be opened"]);
    assert_refuses("empty", read(root, &ReadOptions::default()), &["found: nothing"]);
    write(root, "weather", 2);
    assert_refuses("name", read(&root.join("weather.npy"), &ReadOptions::default()), &["rename it to x.npy"]);
    assert_eq!(read(&root.join("weather.npy"), &predicting()).unwrap().parts, [2, 0, 0]);
    write(root, "x", 2);
    write(root, "y", 2);
    let path = root.join("x.npy");
    damage(&path, &fs::read(&path).unwrap(), || read(&path, &ReadOptions::default()));
}
