//! Tests tables as data sets: the numbers of classes, the task, and damage.

use super::{assert_says, mutate, open_anyhow, refusal};
use homeostat::config::Task;
use homeostat::data::{DataSet, Samples};
use std::fs;

fn open(text: &str) -> DataSet {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.csv");
    fs::write(&path, text).unwrap();
    DataSet::open(&format!("csv:{}", path.display())).unwrap_or_else(|error| panic!("{text:?}: {error}"))
}

#[test]
fn classes_are_the_sorted_labels_that_occur() {
    let plain = open("1.5,-2,0\n0.25,1e3,2\n1,1,2\n");
    assert_eq!(*plain.samples(), Samples::F32(vec![1.5, -2.0, 0.25, 1000.0, 1.0, 1.0]));
    assert_eq!((plain.labels(), plain.features(), plain.classes(), plain.test_rows()), (&[0, 1, 1][..], 2, 2, 0));
    assert_eq!(plain.about().outputs, ["0", "2"]);
    for (labels, numbers, names) in [
        ([-1.0, 1.0, 1.0].map(|v| v.to_string()), [0, 1, 1], vec!["-1", "1"]),
        (["b", "a", "b"].map(str::to_owned), [1, 0, 1], vec!["a", "b"]),
        (["1.0", "0.0", "0.0"].map(str::to_owned), [1, 0, 0], vec![]),
        (["true", "false", "true"].map(str::to_owned), [1, 0, 1], vec!["false", "true"]),
    ] {
        let [a, b, c] = &labels;
        let data = open(&format!("x,y\n1,{a}\n2,{b}\n3,{c}\n"));
        assert_eq!(
            (data.labels(), &data.about().outputs[..]),
            (&numbers[..], &names.iter().map(|n| (*n).to_owned()).collect::<Vec<_>>()[..])
        );
    }
    let data = open("x,y\n1,0.5\n2,1.5\n");
    assert_eq!((data.task(), data.values(), data.classes()), (Task::Regression, &[0.5, 1.5][..], 1));
}

#[test]
fn text_becomes_one_feature_per_value() {
    let data = open("colour,size,y\nred,1,0\nblue,2,1\nred,3,0\n");
    assert_eq!(*data.samples(), Samples::F32(vec![0.0, 1.0, 1.0, 1.0, 0.0, 2.0, 0.0, 1.0, 3.0]));
    assert_eq!(data.about().feature_names().unwrap(), ["colour=blue", "colour=red", "size"]);
}

#[test]
fn refuses_what_is_no_table() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("bad.csv");
    fs::write(&path, "1,2,0\n1,\n").unwrap();
    assert_says("ragged", &refusal("csv", &path), &["bad.csv", "line 2", "2 fields"]);
    fs::write(&path, "1,2,0\n1,,0\n").unwrap();
    assert_says("missing value", &refusal("csv", &path), &["‘2’ (1)", "`missing = impute`"]);
    assert_says("directory", &refusal("csv", directory.path()), &["is a directory"]);
    assert_says("missing", &refusal("csv", &directory.path().join("none.csv")), &["none.csv", "cannot be opened"]);
}

#[test]
fn damage_never_panics() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.csv");
    mutate(b"a,b,c\n1.5,\"2\",0\r\n\n 3,-4e1,12\n", |bytes| {
        fs::write(&path, bytes).unwrap();
        open_anyhow(&format!("csv:{}", path.display()));
    });
}
