//! Tests what engines read instead of the raw data: scaled and imputed features, scaled targets, and weights. Everything
//! is fitted on a member's training rows.

use super::assert_says;
use homeostat::config::{Config, Missing, Scale};
use homeostat::data::catalogue::Search;
use homeostat::data::{DataSet, Samples};
use homeostat::rng::{Random, Stream};
use homeostat::train::population::Population;
use std::fs;
use std::sync::Arc;

const ROWS: usize = 60;
/// The last feature is constant.
const FEATURES: usize = 4;

/// Features with means and deviations of very different sizes, in three classes of 30, 20 and 10 samples.
fn features() -> Vec<f32> {
    let mut random = Random::new(3, Stream::Order, 0);
    let units = [(0.0, 1.0), (4000.0, 3.0), (-0.02, 1e-4), (7.0, 0.0)];
    let value = |i: usize| (units[i % FEATURES].0 + units[i % FEATURES].1 * random.normal()) as f32;
    (0..ROWS * FEATURES).map(value).collect()
}

fn classes() -> Vec<u32> {
    (0..ROWS as u32).map(|row| [0, 1, 0, 2, 0, 1][row as usize % 6]).collect()
}

fn data() -> DataSet {
    DataSet::new((features(), FEATURES), classes()).unwrap()
}

fn config(scale: Scale) -> Config {
    Config::default().hidden([3]).scale(scale).test_fraction(0.3).val_fraction(0.2)
}

/// A population whose members have the seeds 1 … `members`, so that their training rows differ.
fn population(data: DataSet, config: &Config, members: u64) -> Population {
    let configs = (1..=members).map(|seed| config.clone().seed(seed)).collect();
    Population::new(configs, Arc::new(data), None).unwrap()
}

/// The values of each feature in these rows.
fn columns(data: &DataSet, rows: &[u32]) -> Vec<Vec<f64>> {
    let mut columns = vec![vec![]; data.features()];
    let mut x = vec![0.0; data.features()];
    for &row in rows {
        data.copy_row(row as usize, &mut x);
        columns.iter_mut().zip(&x).for_each(|(column, &value)| column.push(f64::from(value)));
    }
    columns
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

fn deviation(values: &[f64]) -> f64 {
    let centre = mean(values);
    (values.iter().map(|value| (value - centre).powi(2)).sum::<f64>() / values.len() as f64).sqrt()
}

#[test]
fn standardised_training_rows_have_mean_0_and_deviation_1() {
    for scale in [Scale::Standard, Scale::Auto] {
        let population = population(data(), &config(scale), 3);
        for (member, split) in population.splits.iter().enumerate() {
            let columns = columns(&population.data, &split.train);
            for (k, column) in columns[..FEATURES - 1].iter().enumerate() {
                let (mean, deviation) = (mean(column), deviation(column));
                assert!(mean.abs() < 1e-5 && (deviation - 1.0).abs() < 1e-5, "{member}, {k}: {mean} {deviation}");
            }
            assert!(columns[FEATURES - 1].iter().all(|&value| value == 0.0), "a constant feature becomes 0");
            assert_eq!(population.preparations[member].scaling.as_ref().unwrap().constant(), [FEATURES - 1]);
        }
    }
}

/// Wide samples are scaled panel by panel, so each of many repeated features must be scaled like the first.
#[test]
fn features_of_wide_samples_are_scaled_like_those_of_narrow_ones() {
    let times = 20_000;
    let narrow = population(data(), &config(Scale::Standard), 1);
    let wide: Vec<f32> = features().chunks_exact(FEATURES).flat_map(|row| row.repeat(times)).collect();
    let wide = DataSet::new((wide, times * FEATURES), classes()).unwrap();
    let wide = population(wide, &config(Scale::Standard), 1);
    let (mut few, mut many) = ([0.0; FEATURES], vec![0.0; times * FEATURES]);
    for row in 0..ROWS {
        narrow.data.copy_row(row, &mut few);
        wide.data.copy_row(row, &mut many);
        assert!(many.chunks_exact(FEATURES).all(|part| part == few), "row {row}");
    }
}

#[test]
fn minmax_scales_training_rows_to_0_and_1() {
    let population = population(data(), &config(Scale::Minmax), 3);
    for split in &population.splits {
        let columns = columns(&population.data, &split.train);
        for column in &columns[..FEATURES - 1] {
            let [least, most] = [f64::min, f64::max].map(|pick| column.iter().copied().reduce(pick).unwrap());
            assert!(least.abs() < 1e-6 && (most - 1.0).abs() < 1e-6, "{least} … {most}");
        }
        assert!(columns[FEATURES - 1].iter().all(|&value| value == 0.0), "a constant feature becomes 0");
    }
}

#[test]
fn bytes_and_unscaled_features_stay_as_they_are() {
    let bytes = DataSet::new((vec![7_u8; ROWS * FEATURES], FEATURES), classes()).unwrap();
    for (data, scale) in [(bytes.clone(), Scale::Auto), (bytes, Scale::None), (data(), Scale::None)] {
        let population = population(data.clone(), &config(scale), 3);
        assert!(population.preparations.iter().all(|preparation| preparation.is_identity()));
        assert_eq!(*population.data, data, "no copies");
    }
}

/// Members with different training rows have copies of their own; members with the same training rows share one.
#[test]
fn only_training_rows_decide_the_scale() {
    let config = config(Scale::Standard);
    let before = population(data(), &config, 3);
    assert_eq!(before.data.len(), 3 * ROWS);
    assert_ne!(before.preparations[0], before.preparations[1]);
    let everything = config.clone().test_fraction(0.0).val_fraction(0.0);
    assert_eq!(population(data(), &everything, 3).data.len(), ROWS);
    let alone = |data| population(data, &config, 1);
    let split = &alone(data()).splits[0];
    for (rows, moves) in [(&split.test, false), (&split.validation, false), (&split.train, true)] {
        let mut changed = data();
        let Samples::F32(reals) = changed.samples_mut() else { unreachable!("the data are reals") };
        reals[rows[2] as usize * FEATURES] += 50.0;
        let after = alone(changed);
        assert_eq!(after.preparations[0] != before.preparations[0], moves);
        assert_eq!(after.splits[0], *split);
    }
}

/// A table with a number and a text, both with gaps. Of 20 rows four are green, four red and eight blue.
fn table(folder: &std::path::Path) -> Config {
    let row = |row: usize| {
        let size = if row % 7 == 3 { String::new() } else { format!("{}.5", row * row) };
        let colour = ["green", "red", "blue", "blue", ""][row % 5];
        format!("{size},{colour},{}\n", row % 2)
    };
    let path = folder.join("table.csv");
    fs::write(&path, "size,colour,class\n".to_owned() + &(0..20).map(row).collect::<String>()).unwrap();
    config(Scale::None).data(format!("csv:{}", path.display())).missing(Missing::Impute).val_fraction(0.0)
}

#[test]
fn missing_features_become_the_mean_or_the_most_frequent_text() {
    let folder = tempfile::tempdir().unwrap();
    let config = table(folder.path());
    let open = |config: &Config| DataSet::open_as(&config.data, &Search::new(None));
    let error = open(&config.clone().missing(Missing::Refuse)).unwrap_err();
    assert_says("refused", &error.to_string(), &["missing values", "‘size’", "‘colour’", "`missing = impute`"]);
    let raw = open(&config).unwrap();
    assert_eq!(raw.about().feature_names().unwrap(), ["size", "colour=blue", "colour=green", "colour=red"]);
    for scale in [Scale::None, Scale::Standard, Scale::Minmax] {
        let population = population(raw.clone(), &config.clone().scale(scale), 3);
        for (split, preparation) in population.splits.iter().zip(&population.preparations) {
            let of_train = columns(&raw, split.train.iter().map(|row| row % 20).collect::<Vec<_>>().as_slice());
            let known: Vec<f64> = of_train[0].iter().copied().filter(|value| !value.is_nan()).collect();
            let count = |k: &usize| of_train[1 + k].iter().filter(|&&value| value == 1.0).count();
            let most_frequent = (0..3).rev().max_by_key(count).unwrap();
            let mut filled = vec![0.0; 4];
            for &row in split.train.iter().chain(&split.test) {
                population.data.copy_row(row as usize, &mut filled);
                let row = row as usize % 20;
                // Levels are never scaled.
                let level = [1, 2, 0, 0, most_frequent][row % 5];
                assert_eq!(filled[1..], [0, 1, 2].map(|k| f32::from(u8::from(k == level))), "row {row}");
                let size = if row % 7 == 3 { mean(&known) } else { (row * row) as f64 + 0.5 };
                let scaling = preparation.scaling.as_ref().unwrap();
                let want = (size - scaling.offset[0]) * scaling.factor[0];
                assert!((f64::from(filled[0]) - want).abs() < 1e-4, "row {row}: {} instead of {want}", filled[0]);
                if scale == Scale::Standard && row % 7 == 3 {
                    assert!(filled[0].abs() < 1e-6, "a missing number becomes the mean, which is 0");
                }
            }
            let scaling = preparation.scaling.as_ref().unwrap();
            assert_eq!((&scaling.offset[1..], &scaling.factor[1..]), (&[0.0; 3][..], &[1.0; 3][..]));
        }
    }
}

#[test]
fn targets_of_a_regression_are_standardised_and_restored() {
    let amount = |i: usize| if i.is_multiple_of(2) { 1e5 + (i * i % 37) as f32 } else { (i % 11) as f32 / 1000.0 };
    let amounts: Vec<f32> = (0..2 * ROWS).map(amount).collect();
    let raw = DataSet::regression((features(), FEATURES), amounts.clone(), 2).unwrap();
    let population = population(raw, &config(Scale::None), 3);
    for (member, (split, preparation)) in population.splits.iter().zip(&population.preparations).enumerate() {
        let values = population.data.values();
        for k in 0..2 {
            let column: Vec<f64> = split.train.iter().map(|&row| f64::from(values[row as usize * 2 + k])).collect();
            let (mean, deviation) = (mean(&column), deviation(&column));
            assert!(mean.abs() < 1e-5 && (deviation - 1.0).abs() < 1e-5, "{member}, {k}: {mean} {deviation}");
        }
        let first = split.train[0] as usize / ROWS * ROWS;
        let mut restored = values[2 * first..2 * (first + ROWS)].to_vec();
        preparation.restore(&mut restored);
        for (got, want) in restored.iter().zip(&amounts) {
            assert!((got - want).abs() <= 1e-6 * want.abs().max(1e-3), "{got} instead of {want}");
        }
    }
}

#[test]
fn weights_have_mean_1_over_the_training_rows() {
    let given: Vec<f32> = (0..ROWS).map(|row| (row % 5) as f32 * 0.3).collect();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("weights.csv");
    fs::write(&path, "class,weight\n0,1\n1,0\n2,2.5\n").unwrap();
    let file = [1.0, 0.0, 2.5];
    for (class_weight, of_class) in [(None, None), (Some("balanced"), None), (path.to_str(), Some(file))] {
        for weighs in [true, false] {
            if class_weight.is_none() && !weighs {
                continue;
            }
            let raw = if weighs { data().with_weights(given.clone()).unwrap() } else { data() };
            let mut config = config(Scale::None);
            config.data.class_weight = class_weight.map(str::to_owned);
            let population = population(raw, &config, 3);
            let weights = population.data.weights().unwrap();
            for split in &population.splits {
                let own: Vec<f64> = split.train.iter().map(|&row| f64::from(weights[row as usize])).collect();
                assert!((mean(&own) - 1.0).abs() < 1e-6, "{class_weight:?}: {}", mean(&own));
                let mut counts = [0.0; 3];
                let class = |row: u32| population.data.labels()[row as usize] as usize;
                split.train.iter().for_each(|&row| counts[class(row)] += 1.0);
                // Weights are in proportion to those of the sample and the class.
                let raw = |row: u32| {
                    let sample = if weighs { f64::from(given[row as usize % ROWS]) } else { 1.0 };
                    let class = class(row);
                    sample
                        * of_class.map_or(if class_weight.is_some() { 1.0 / counts[class] } else { 1.0 }, |w| w[class])
                };
                let total: f64 = split.train.iter().map(|&row| raw(row)).sum();
                for &row in split.train.iter().chain(&split.validation).chain(&split.test) {
                    let want = raw(row) * split.train.len() as f64 / total;
                    let got = f64::from(weights[row as usize]);
                    assert!((got - want).abs() < 1e-5, "row {row}: {got} instead of {want}");
                }
            }
        }
    }
}
