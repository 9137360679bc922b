//! Data sets that several test binaries train on.

use homeostat::data::{DataSet, Samples};

/// The first training images of MNIST.
pub fn mnist(rows: usize) -> DataSet {
    let all = DataSet::open("mnist").unwrap();
    let Samples::U8(bytes) = all.samples() else { panic!("MNIST is bytes") };
    let labels = all.labels()[..rows].iter().copied();
    DataSet::new((&bytes[..rows * 784], 784), labels).unwrap().named("mnist").with_classes(10).unwrap()
}
