//! Tests the embedded data sets against published facts.

use super::assert_consistent;
use homeostat::data::{BYTE_SCALE, DataSet, Samples};

fn counts(labels: &[u32], classes: usize) -> Vec<usize> {
    (0..classes).map(|class| labels.iter().filter(|&&label| label as usize == class).count()).collect()
}

#[test]
fn mnist_is_as_published() {
    let data = DataSet::open("mnist").unwrap();
    assert_eq!((data.name(), data.features(), data.classes()), ("mnist", 784, 10));
    assert_eq!((data.len(), data.test_rows()), (70_000, 10_000));
    let (train, test) = data.labels().split_at(60_000);
    assert_eq!(counts(train, 10), [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]);
    assert_eq!(counts(test, 10), [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]);
    assert_eq!(train[..10], [5, 0, 4, 1, 9, 2, 1, 3, 1, 4]);
    assert_eq!(test[..10], [7, 2, 1, 0, 4, 1, 4, 9, 5, 9]);

    let Samples::U8(bytes) = data.samples() else { panic!("bytes are kept as bytes") };
    assert_eq!(bytes.len(), 70_000 * 784);
    // The well-known mean and standard deviation of the training pixels on the scale 0 … 1.
    let train = &bytes[..60_000 * 784];
    let (mut sum, mut squares) = (0u64, 0u64);
    for &byte in train {
        sum += u64::from(byte);
        squares += u64::from(byte) * u64::from(byte);
    }
    let mean = sum as f64 / train.len() as f64 / 255.0;
    let deviation = (squares as f64 / train.len() as f64 / 255.0 / 255.0 - mean * mean).sqrt();
    assert!((mean - 0.1307).abs() < 5e-5 && (deviation - 0.3081).abs() < 5e-5, "{mean} {deviation}");

    let mut row = vec![f32::NAN; 784];
    data.copy_row(0, &mut row);
    assert!(row.iter().zip(bytes).all(|(&value, &byte)| value == f32::from(byte) * BYTE_SCALE));
    assert!(row.contains(&(255.0 * BYTE_SCALE)) && row.iter().all(|value| (0.0..=1.0).contains(value)));
}

#[test]
fn iris_is_as_published() {
    let data = DataSet::open("iris").unwrap();
    assert_consistent(&data);
    assert_eq!((data.len(), data.features(), data.classes(), data.test_rows()), (150, 4, 3, 0));
    assert_eq!(counts(data.labels(), 3), [50, 50, 50]);
    let means = [[5.006, 3.428, 1.462, 0.246], [5.936, 2.770, 4.260, 1.326], [6.588, 2.974, 5.552, 2.026]];
    let mut sums = [[0f64; 4]; 3];
    let mut row = [0f32; 4];
    for (number, &label) in data.labels().iter().enumerate() {
        data.copy_row(number, &mut row);
        sums[label as usize].iter_mut().zip(row).for_each(|(sum, value)| *sum += f64::from(value));
    }
    for (sum, mean) in sums.iter().flatten().zip(means.iter().flatten()) {
        assert!((sum / 50.0 - mean).abs() < 1e-6, "{sums:?}");
    }
}
