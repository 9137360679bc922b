//! Tests splits into training, validation and test samples, and label noise.

use super::assert_says;
use homeostat::config::{Config, Fold};
use homeostat::data::catalogue::Search;
use homeostat::data::{DEFAULT_TEST_FRACTION, DataSet, Samples, Split};
use homeostat::rng::{Random, Stream};
use std::collections::HashSet;

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
        // 8 of 83: the largest remainder is that of 0.7.
        (Some(0.1), [5, 1, 0, 0, 2]),
        (None, [5, 1, 0, 0, 2]),
        // 42, because halves round away from zero. The class of one sample keeps it.
        (Some(0.5), [25, 4, 0, 0, 13]),
        (Some(0.95), [49, 6, 0, 0, 24]),
        (Some(0.0), [0, 0, 0, 0, 0]),
    ] {
        let mut seen = HashSet::new();
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
        (&[2, 2], None, &["`test-fraction = 0.1` (the default)", "holds out none of the 4 samples", "or 0"]),
        (&[50, 50], Some(0.001), &["`test-fraction = 0.001`:", "holds out none of the 100 samples", "larger"]),
        (&[1, 1], Some(0.5), &["`test-fraction = 0.5`:", "holds out none of the 2 samples", "larger"]),
        (&[3], Some(0.9), &["`test-fraction = 0.9`:", "leaves none of the 3 samples", "smaller"]),
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
    let mut seen = HashSet::new();
    for seed in [0, 1, 2, u64::MAX] {
        let whole = Split::new(&data, Some(0.2), seed).unwrap();
        let split = whole.clone().hold_out(&data, 0.25, seed).unwrap();
        assert_eq!(split.test, whole.test);
        assert_eq!(per_class(&data, &split.validation), [10, 2, 0, 0, 5]); // a quarter of 40, 5, 1, 0 and 20
        assert!(split.train.is_sorted() && split.validation.is_sorted());
        let mut rest = [&split.train[..], &split.validation].concat();
        rest.sort_unstable();
        assert_eq!(rest, whole.train, "each training row once");
        assert_eq!(split, whole.clone().hold_out(&data, 0.25, seed).unwrap());
        seen.insert(split.validation);
        assert_eq!(whole.clone().hold_out(&data, 0.0, seed).unwrap(), whole);
    }
    assert_eq!(seen.len(), 4, "seeds draw different rows");
    // Every class keeps a sample.
    let split = Split::new(&data, Some(0.0), 0).unwrap().hold_out(&data, 0.999, 0).unwrap();
    assert_eq!(per_class(&data, &split.train), [1, 1, 1, 0, 1]);
    let data = self::data(&[83], 0);
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

/// Over all samples, sizes are those of the fraction, whatever the classes. Each class gives its share, up to one sample.
#[test]
fn fractions_are_exact_over_the_whole() {
    let mut random = Random::new(8, Stream::Order, 0);
    for _ in 0..200 {
        let counts: Vec<usize> = (0..1 + random.below(9)).map(|_| 10 + random.below(60) as usize).collect();
        let (data, rows) = (data(&counts, 0), counts.iter().sum::<usize>() as f64);
        let fraction = 0.1 + 0.7 * random.uniform();
        let split = Split::new(&data, Some(fraction), 1).unwrap();
        assert_eq!(split.test.len(), (fraction * rows).round() as usize, "{fraction} of {counts:?}");
        for (count, size) in per_class(&data, &split.test).into_iter().zip(&counts) {
            let share = fraction * *size as f64;
            assert!((count as f64 - share).abs() < 1.0, "{count} instead of {share}");
        }
    }
}

fn parts(data: &DataSet, parts: u32, seed: u64) -> Vec<Split> {
    let settings = |part: u32| {
        let mut config = Config::default();
        config.data.fold = Some(Fold { part, parts });
        config.data
    };
    (1..=parts).map(|part| Split::of(data, &settings(part), seed).unwrap()).collect()
}

/// Every row is tested once. Sizes, and the samples of each class, differ by at most one.
#[test]
fn folds_partition_the_rows() {
    let mut random = Random::new(9, Stream::Order, 0);
    for seed in 0..100 {
        let counts: Vec<usize> = (0..1 + random.below(6)).map(|_| 2 + random.below(40) as usize).collect();
        let data = data(&counts, 0);
        let count = 2 + random.below(data.len().min(9) as u32 - 1);
        let folds = parts(&data, count, seed);
        let mut tested: Vec<u32> = folds.iter().flat_map(|split| split.test.clone()).collect();
        tested.sort_unstable();
        assert!(tested.into_iter().eq(0..data.len() as u32), "each row is tested once");
        for split in &folds {
            let mut all = [&split.train[..], &split.test].concat();
            all.sort_unstable();
            assert!(split.train.is_sorted() && all.into_iter().eq(0..data.len() as u32));
        }
        let spread = |sizes: Vec<usize>| sizes.iter().max().unwrap() - sizes.iter().min().unwrap();
        assert!(spread(folds.iter().map(|split| split.test.len()).collect()) <= 1, "{count} parts of {counts:?}");
        for class in 0..counts.len() {
            assert!(spread(folds.iter().map(|split| per_class(&data, &split.test)[class]).collect()) <= 1);
        }
    }
    let few = data(&[1, 1], 0);
    let mut config = Config::default();
    // So many lists would take 103 GB.
    for parts in [u32::MAX, 3] {
        config.data.fold = Some(Fold { part: 1, parts });
        let error = Split::of(&few, &config.data, 0).unwrap_err();
        assert_says("few", &error.to_string(), &[&format!("`fold = 1/{parts}`"), "only 2 samples"]);
    }
    config.data.test_fraction = Some(0.1);
    let error = Split::of(&few, &config.data, 0).unwrap_err();
    assert_says("both", &error.to_string(), &["`fold = 1/3`", "leave `test-fraction` out"]);
}

/// 90 samples of 20 patients, who gave 1 … 8 samples.
#[test]
fn groups_never_straddle_parts() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("patients.csv");
    let patient = |row: usize| row * row * 7 % 90 % 20;
    let line = |row: usize| format!("{}.5,p{},{}\n", row % 13, patient(row), row % 3);
    std::fs::write(&path, "x,patient,class\n".to_owned() + &(0..90).map(line).collect::<String>()).unwrap();
    let mut config = Config::default().data(format!("csv:{}", path.display()));
    config.data.group = Some("patient".into());
    let data = DataSet::open_as(&config.data, &Search::new(None)).unwrap();
    assert_eq!((data.len(), data.features(), data.classes()), (90, 1, 3));
    let patients = |rows: &[u32]| rows.iter().map(|&row| patient(row as usize)).collect::<HashSet<usize>>();
    let apart = |split: &Split| {
        let [train, validation, test] = [&split.train, &split.validation, &split.test].map(|rows| patients(rows));
        assert!(train.is_disjoint(&validation) && train.is_disjoint(&test) && validation.is_disjoint(&test));
        assert_eq!(split.train.len() + split.validation.len() + split.test.len(), 90);
    };
    let mut seen = HashSet::new();
    for seed in 0..20 {
        for fraction in [0.1, 0.3, 0.6] {
            config.data.test_fraction = Some(fraction);
            config.data.val_fraction = 0.2;
            let split = Split::of(&data, &config.data, seed).unwrap();
            apart(&split);
            // The largest group has 8 samples or fewer, and groups are added as long as they bring the size nearer.
            assert!((split.test.len() as f64 - 90.0 * fraction).abs() <= 8.0, "{} rows", split.test.len());
            seen.insert(split.test);
        }
        let folds = parts(&data, 4, seed);
        folds.iter().for_each(apart);
        let mut tested: Vec<u32> = folds.into_iter().flat_map(|split| split.test).collect();
        tested.sort_unstable();
        assert!(tested.into_iter().eq(0..90), "each row is tested once");
    }
    assert!(seen.len() > 50, "seeds draw different groups");
}

/// A group per row and many parts would take 10⁹ steps if each group looked at every part.
#[test]
fn many_groups_are_dealt_to_many_parts() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("own.csv");
    let line = |row: usize| format!("{}.5,p{row},{}\n", row % 13, row % 3);
    std::fs::write(&path, "x,own,class\n".to_owned() + &(0..60_000).map(line).collect::<String>()).unwrap();
    let mut config = Config::default().data(format!("csv:{}", path.display()));
    config.data.group = Some("own".into());
    let data = DataSet::open_as(&config.data, &Search::new(None)).unwrap();
    let started = std::time::Instant::now();
    for (parts, tested) in [(40_000, 2), (60_000, 1)] {
        config.data.fold = Some(Fold { part: 1, parts });
        assert_eq!(Split::of(&data, &config.data, 0).unwrap().test.len(), tested);
    }
    assert!(started.elapsed() < std::time::Duration::from_secs(10), "{:?}", started.elapsed());
}
