//! Tests data sets from memory: wrong features and labels are refused with their row, before any training.

use homeostat::data::{DataSet, Features, MAX_LABEL, Samples};

/// The error for these features and labels.
fn refusal<L>(features: impl Into<Features>, labels: L) -> String
where
    L: IntoIterator,
    L::Item: TryInto<u32> + std::fmt::Display + Copy,
{
    DataSet::new(features, labels).expect_err("wrong features or labels are accepted").to_string()
}

fn assert_has(message: &str, parts: &[&str]) {
    assert!(parts.iter().all(|part| message.contains(part)), "{message}");
}

#[test]
fn rows_and_flat_arrays_make_the_same_set() {
    let rows = DataSet::new(vec![vec![0.5_f32, 1.0], vec![-2.0, 3.0], vec![0.0, 7.0]], [0, 2, 2]).unwrap();
    assert_eq!((rows.len(), rows.features(), rows.classes(), rows.test_rows()), (3, 2, 3, 0));
    assert_eq!(*rows.samples(), Samples::F32(vec![0.5, 1.0, -2.0, 3.0, 0.0, 7.0]));
    assert_eq!(rows.labels(), [0, 2, 2]);
    let flat = DataSet::new((vec![0.5_f32, 1.0, -2.0, 3.0, 0.0, 7.0], 2), vec![0_u8, 2, 2]).unwrap();
    let arrays = DataSet::new([[0.5, 1.0], [-2.0, 3.0], [0.0, 7.0]], [0_usize, 2, 2]).unwrap();
    assert!(flat == rows && arrays == rows);
    let bytes = DataSet::new((vec![0_u8, 51, 255, 102], 2), [0, 1]).unwrap();
    let mut row = [0.0; 2];
    bytes.copy_row(1, &mut row);
    assert_eq!(row, [1.0, 102.0 * (1.0 / 255.0)]);
}

#[test]
fn wrong_widths_are_refused_with_their_row() {
    assert_has(
        &refusal(vec![vec![1.0, 2.0], vec![3.0, 4.0], vec![5.0]], [0, 1, 0]),
        &["row 2 has 1 features", "row 0 has 2"],
    );
    assert_has(&refusal((vec![1.0_f32; 7], 3), [0, 1]), &["row 2 has 1 features"]);
    for empty in [vec![], vec![vec![]], vec![vec![], vec![]]] {
        assert_has(&refusal(empty as Vec<Vec<f32>>, [0]), &["no samples"]);
    }
    assert_has(&refusal((vec![1.0_f32; 4], 0), [0]), &["0 features"]);
}

/// A wrong number of labels is refused, because fewer labels than rows would train on a part of the rows only.
#[test]
fn wrong_labels_are_refused() {
    let rows = || vec![vec![1.0, 2.0]; 4];
    assert_has(&refusal(rows(), [0, 1, 0]), &["3 labels for 4 rows"]);
    assert_has(&refusal(rows(), [0, 1, 0, 1, 1]), &["5 labels for 4 rows"]);
    assert_has(&refusal(rows(), Vec::<u32>::new()), &["0 labels for 4 rows"]);
    assert_has(&refusal(rows(), [0, 1, -1, 1]), &["row 2", "label -1"]);
    assert_has(&refusal(rows(), [0, 1, 0, MAX_LABEL + 1]), &["row 3", "label 65536"]);
}

#[test]
fn features_that_are_not_finite_are_refused_with_their_place() {
    for (bad, name) in [(f32::NAN, "NaN"), (f32::INFINITY, "inf"), (f32::NEG_INFINITY, "-inf")] {
        assert_has(&refusal([[1.0, 2.0], [3.0, bad]], [0, 1]), &["row 1: feature 1", name]);
    }
    assert_has(&refusal([[1.0, 1e300]], [0]), &["row 0: feature 1"]);
}

#[test]
fn a_test_set_must_fit() {
    let data = || DataSet::new([[0.0, 1.0], [1.0, 0.0]], [0, 1]).unwrap();
    let both = data().with_test([[0.5, 0.5]], [2]).unwrap();
    assert_eq!((both.len(), both.test_rows(), both.classes()), (3, 1, 3));
    let refused = |outcome: homeostat::error::Result<DataSet>, parts: &[&str]| {
        assert_has(&outcome.unwrap_err().to_string(), parts);
    };
    refused(both.with_test([[0.5, 0.5]], [1]), &["one already"]);
    refused(data().with_test([[0.5]], [1]), &["1 features, not 2"]);
    refused(data().with_test((vec![1_u8, 2], 2), [1]), &["bytes"]);
    refused(data().with_test([[0.5, f32::NAN]], [1]), &["test set", "row 0"]);
    refused(data().with_test_rows(2), &["none is left"]);
    assert_eq!(data().with_test_rows(1).unwrap().test_rows(), 1);
    // Every row needs a weight, and a target of the task, so a test set of labels alone fits neither of these.
    refused(data().with_weights([1.0, 2.0]).unwrap().with_test([[0.5, 0.5]], [1]), &["weights", "add it first"]);
    let values = || DataSet::regression([[0.0, 1.0], [1.0, 0.0]], [0.5, 1.5], 1).unwrap();
    refused(values().with_test([[0.5, 0.5]], [3]), &["other targets", "with_test_rows"]);
    refused(values().with_classes(5), &["no classes"]);
    assert_eq!(values().with_test_rows(1).unwrap().test_rows(), 1);
    assert_eq!(data().with_test([[0.5, 0.5]], [1]).unwrap().with_weights([1.0, 2.0, 3.0]).unwrap().test_rows(), 1);
    refused(data().with_classes(1), &["1 classes"]);
    assert_eq!(data().with_classes(9).unwrap().classes(), 9);
}
