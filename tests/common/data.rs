//! Data sets that several binaries train on.

use homeostat::data::{DataSet, Samples};

/// The first training images of MNIST.
pub fn mnist(rows: usize) -> DataSet {
    let all = DataSet::open("mnist").unwrap();
    let Samples::U8(bytes) = all.samples else { panic!("MNIST is bytes") };
    DataSet {
        samples: Samples::U8(bytes[..rows * 784].to_vec()),
        labels: all.labels[..rows].to_vec(),
        test_rows: 0,
        ..all
    }
}
