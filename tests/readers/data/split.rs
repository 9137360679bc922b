//! Tests splits into training, validation and test samples, and label noise.

use super::assert_says;
use homeostat::data::{DEFAULT_TEST_FRACTION, DataSet, Samples, Split};

/// A data set of one feature with `counts` samples per class. The classes alternate while they have samples left.
fn data(counts: &[usize], test_rows: usize) -> DataSet {
    let longest = counts.iter().copied().max().unwrap_or(0);
    let classes = |turn| (0..).zip(counts).filter(move |&(_, &count)| turn < count).map(|(class, _)| class);
    let labels: Vec<u32> = (0..longest).flat_map(classes).collect();
    DataSet::new((Samples::F32((0..labels.len()).map(|row| row as f32).collect()), 1), labels)
        .unwrap()
        .named("toy")
        .with_classes(counts.len())
        .unwrap()
        .with_test_rows(test_rows)
        .unwrap()
}

fn per_class(data: &DataSet, rows: &[u32]) -> Vec<usize> {
    let mut counts = vec![0; data.classes()];
    rows.iter().for_each(|&row| counts[data.labels()[row as usize] as usize] += 1);
    counts
}

#[test]
fn held_out_rows_are_stratified_disjoint_complete_and_seeded() {
    let counts = [50, 7, 1, 0, 25];
    let data = data(&counts, 0);
    for (fraction, expected) in [
        (Some(0.1), [5, 1, 0, 0, 3]), // 2.5 rounds away from zero
        (None, [5, 1, 0, 0, 3]),
        (Some(0.5), [25, 4, 1, 0, 13]),
        (Some(0.95), [48, 7, 1, 0, 24]),
        (Some(0.0), [0, 0, 0, 0, 0]),
    ] {
        let mut seen = std::collections::HashSet::new();
        for seed in [0, 1, 2, u64::MAX] {
            let split = Split::new(&data, fraction, seed).unwrap();
            assert_eq!(per_class(&data, &split.test), expected, "{fraction:?}");
            assert!(split.train.is_sorted() && split.test.is_sorted());
            let mut all = [&split.train[..], &split.test].concat();
            all.sort_unstable();
            assert!(all.into_iter().eq(0..83), "each row once");
            assert_eq!(split, Split::new(&data, fraction, seed).unwrap());
            seen.insert(split.test);
        }
        assert_eq!(seen.len(), if fraction == Some(0.0) { 1 } else { 4 }, "seeds draw different rows");
    }
}

#[test]
fn every_row_is_as_likely_to_be_held_out() {
    let data = data(&[20, 20], 0);
    let mut counts = [0u32; 40];
    for seed in 0..2000 {
        let split = Split::new(&data, Some(0.25), seed).unwrap();
        split.test.iter().for_each(|&row| counts[row as usize] += 1);
    }
    // 2000 draws at p = 1/4 have a standard deviation of 19.4. Five of them are far beyond chance for 40 rows.
    assert!(counts.iter().all(|count| count.abs_diff(500) < 97), "{counts:?}");
}

#[test]
fn the_canonical_split_is_kept() {
    let data = data(&[5, 5], 3);
    let split = Split::new(&data, None, 9).unwrap();
    assert_eq!((split.train, split.test), ((0..7).collect(), vec![7, 8, 9]));
    for fraction in [0.0, 0.1] {
        let error = Split::new(&data, Some(fraction), 9).unwrap_err();
        assert_eq!(error.exit_code(), 2);
        assert_says("canonical", &error.to_string(), &["`test-fraction", "toy already has a test set", "leave"]);
    }
}

#[test]
fn refuses_fractions_that_leave_a_side_empty() {
    assert!((DEFAULT_TEST_FRACTION - 0.1).abs() < 1e-12);
    let cases: [(&[usize], Option<f64>, &[&str]); 8] = [
        (&[4, 4], None, &["`test-fraction = 0.1` (the default)", "holds out none of the 8 samples", "or 0"]),
        (&[50, 50], Some(0.001), &["`test-fraction = 0.001`:", "holds out none of the 100 samples", "larger"]),
        (&[1, 1], Some(0.5), &["`test-fraction = 0.5`:", "leaves none of the 2 samples", "smaller"]),
        (&[3], Some(0.9), &["leaves none of the 3 samples"]),
        (&[9], Some(1.0), &["below 1"]),
        (&[9], Some(-0.1), &["at least 0"]),
        (&[9], Some(f64::NAN), &["at least 0"]),
        (&[9], Some(f64::INFINITY), &["below 1"]),
    ];
    for (counts, fraction, parts) in cases {
        let error = Split::new(&data(counts, 0), fraction, 1).unwrap_err();
        assert_eq!(error.exit_code(), 2);
        assert_says(&format!("{counts:?} {fraction:?}"), &error.to_string(), parts);
    }
}

#[test]
fn validation_comes_from_the_training_rows_alone() {
    let data = data(&[50, 7, 1, 0, 25], 0);
    let mut seen = std::collections::HashSet::new();
    for seed in [0, 1, 2, u64::MAX] {
        let whole = Split::new(&data, Some(0.2), seed).unwrap();
        let split = whole.clone().hold_out(&data, 0.25, seed).unwrap();
        assert_eq!(split.test, whole.test);
        assert_eq!(per_class(&data, &split.validation), [10, 2, 0, 0, 5]); // a quarter of 40, 6, 1, 0 and 20
        assert!(split.train.is_sorted() && split.validation.is_sorted());
        let mut rest = [&split.train[..], &split.validation].concat();
        rest.sort_unstable();
        assert_eq!(rest, whole.train, "each training row once");
        assert_eq!(split, whole.clone().hold_out(&data, 0.25, seed).unwrap());
        seen.insert(split.validation);
        assert_eq!(whole.clone().hold_out(&data, 0.0, seed).unwrap(), whole);
    }
    assert_eq!(seen.len(), 4, "seeds draw different rows");
    let split = Split::new(&data, Some(0.0), 0).unwrap();
    for (fraction, parts) in [(0.001, "holds out none of the 83"), (0.999, "leaves none of the 83")] {
        let error = split.clone().hold_out(&data, fraction, 0).unwrap_err();
        assert_says("validation", &error.to_string(), &["`val-fraction", parts]);
    }
}

#[test]
fn label_noise_replaces_its_share_of_training_labels_evenly() {
    let data = data(&[400, 200, 5, 0, 100], 0);
    let clean = Split::new(&data, Some(0.1), 3).unwrap().hold_out(&data, 0.1, 3).unwrap();
    let split = clean.clone().with_label_noise(&data, 0.3, 3).unwrap();
    let labels = split.labels.clone().unwrap();
    let wrong = |rows: &[u32]| -> Vec<u32> {
        rows.iter().copied().filter(|&row| labels[row as usize] != data.labels()[row as usize]).collect()
    };
    assert!(wrong(&split.validation).is_empty() && wrong(&split.test).is_empty());
    let replaced = wrong(&split.train);
    let expected: Vec<usize> =
        per_class(&data, &split.train).iter().map(|&n| (0.3 * n as f64).round() as usize).collect();
    assert_eq!(per_class(&data, &replaced), expected);
    // About 97 labels of the first class went to four other classes, 24 to each. Five standard deviations are 21.
    let mut towards = [0u32; 5];
    for &row in replaced.iter().filter(|&&row| data.labels()[row as usize] == 0) {
        towards[labels[row as usize] as usize] += 1;
    }
    assert!(towards[0] == 0 && towards[1..].iter().all(|n| n.abs_diff(24) < 21), "{towards:?}");
    assert_eq!(split, clean.clone().with_label_noise(&data, 0.3, 3).unwrap());
    assert_ne!(split, clean.clone().with_label_noise(&data, 0.3, 4).unwrap());
    assert_eq!(clean.clone().with_label_noise(&data, 0.0, 3).unwrap(), clean);
    let single = self::data(&[9], 0);
    let error = Split::new(&single, Some(0.0), 0).unwrap().with_label_noise(&single, 0.5, 0).unwrap_err();
    assert_says("one class", &error.to_string(), &["`label-noise = 0.5`", "no other class"]);
}
