//! Tests the NPZ reader.

use super::{assert_says, mutate, open_anyhow, refusal};
use homeostat::data::{DataSet, Samples};
use std::fs;
use std::io::{Cursor, Write};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

/// An array file in the published format: magic, version 1.0, length of the header, a dictionary padded to 64 bytes,
/// data.
fn npy(descr: &str, fortran: bool, shape: &str, data: &[u8]) -> Vec<u8> {
    let order = if fortran { "True" } else { "False" };
    raw_npy(&format!("{{'descr': '{descr}', 'fortran_order': {order}, 'shape': {shape}, }}"), data)
}

fn raw_npy(header: &str, data: &[u8]) -> Vec<u8> {
    let padded = format!("{header:<0$}\n", (header.len() + 11).next_multiple_of(64) - 11);
    [b"\x93NUMPY\x01\x00", &(padded.len() as u16).to_le_bytes()[..], padded.as_bytes(), data].concat()
}

fn npz(arrays: &[(&str, Vec<u8>)], method: CompressionMethod) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(vec![]));
    for (name, bytes) in arrays {
        zip.start_file(format!("{name}.npy"), SimpleFileOptions::default().compression_method(method)).unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

fn stored(arrays: &[(&str, Vec<u8>)]) -> Vec<u8> {
    npz(arrays, CompressionMethod::Stored)
}

fn open(bytes: &[u8]) -> DataSet {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.npz");
    fs::write(&path, bytes).unwrap();
    DataSet::open(&format!("npz:{}", path.display())).unwrap()
}

fn le<const N: usize, T: Copy>(values: &[T], bytes: impl Fn(T) -> [u8; N]) -> Vec<u8> {
    values.iter().flat_map(|&value| bytes(value)).collect()
}

#[test]
fn reads_keras_mnist_layout() {
    let images: Vec<u8> = (1..=12).collect();
    for method in [CompressionMethod::Stored, CompressionMethod::Deflated] {
        let data = open(&npz(
            &[
                ("x_test", npy("|u1", false, "(1, 2, 2)", &[90, 91, 92, 93])),
                ("x_train", npy("|u1", false, "(3, 2, 2)", &images)),
                ("y_train", npy("|u1", false, "(3,)", &[0, 1, 2])),
                ("y_test", npy("|u1", false, "(1,)", &[3])),
            ],
            method,
        ));
        assert_eq!(*data.samples(), Samples::U8([&images[..], &[90, 91, 92, 93]].concat()));
        assert_eq!(data.labels(), [0, 1, 2, 3]);
        assert_eq!((data.features(), data.classes(), data.test_rows()), (4, 4, 1));
    }
}

#[test]
fn reads_every_type_and_name() {
    let reals = [1.0f32, -2.0, 3.0, 4.0];
    let integers = [1i64, -2, 3, 4];
    let xs = [
        npy("<f4", false, "(2, 2)", &le(&reals, f32::to_le_bytes)),
        npy(">f4", false, "(2, 2)", &le(&reals, f32::to_be_bytes)),
        npy("<f8", false, "(2, 2)", &le(&reals.map(f64::from), f64::to_le_bytes)),
        npy("|i1", false, "(2, 2)", &le(&integers.map(|v| v as i8), i8::to_le_bytes)),
        npy("<i2", false, "(2, 2)", &le(&integers.map(|v| v as i16), i16::to_le_bytes)),
        npy(">i4", false, "(2, 2)", &le(&integers.map(|v| v as i32), i32::to_be_bytes)),
        npy("<i8", false, "(2, 2)", &le(&integers, i64::to_le_bytes)),
    ];
    let ys = [
        npy("|u1", false, "(2,)", &[1, 0]),
        npy("<u2", false, "(2,)", &[1, 0, 0, 0]),
        npy("<u4", false, "(2, 1)", &le(&[1, 0], u32::to_le_bytes)),
        npy(">u8", false, "(2,)", &le(&[1, 0], u64::to_be_bytes)),
        npy("|i1", false, "(2,)", &[1, 0]),
        npy("<i4", false, "(2,)", &le(&[1, 0], i32::to_le_bytes)),
        npy("<i8", true, "(2,)", &le(&[1, 0], i64::to_le_bytes)),
    ];
    for (x, y) in xs.into_iter().zip(ys) {
        for [x_name, y_name] in [["x", "y"], ["x_train", "y_train"], ["data", "target"]] {
            let data = open(&stored(&[(x_name, x.clone()), (y_name, y.clone()), ("other", vec![1, 2, 3])]));
            assert_eq!(*data.samples(), Samples::F32(reals.to_vec()));
            assert_eq!((data.labels(), data.features(), data.classes(), data.test_rows()), (&[1, 0][..], 2, 2, 0));
        }
    }
    let one_feature =
        open(&stored(&[("x", npy("<u2", false, "(2,)", &[1, 0, 0, 1])), ("y", npy("|u1", false, "(2,)", &[1, 0]))]));
    assert_eq!((one_feature.samples(), one_feature.features()), (&Samples::F32(vec![1.0, 256.0]), 1));
}

#[test]
fn fortran_order_means_the_same_array() {
    // Element (i, j, k) of a 2 × 3 × 4 array is 100 i + 10 j + k. In Fortran order, the first index runs fastest.
    let element = |i: u8, j: u8, k: u8| 100 * i + 10 * j + k;
    let mut fortran = vec![];
    (0..4).for_each(|k| (0..3).for_each(|j| (0..2).for_each(|i| fortran.push(element(i, j, k)))));
    let mut row_major = vec![];
    (0..2).for_each(|i| (0..3).for_each(|j| (0..4).for_each(|k| row_major.push(element(i, j, k)))));
    let y = npy("|u1", false, "(2,)", &[0, 1]);
    let data = open(&stored(&[("x", npy("|u1", true, "(2, 3, 4)", &fortran)), ("y", y)]));
    assert_eq!((data.features(), data.samples()), (12, &Samples::U8(row_major)));
}

#[test]
fn refuses_bad_files() {
    let x = || npy("<f4", false, "(2, 1)", &le(&[1.0, 2.0], f32::to_le_bytes));
    let bytes = |count: usize| npy("|u1", false, &format!("({count}, 1)"), &vec![7; count]);
    let y = || npy("|u1", false, "(2,)", &[0, 1]);
    let xy = |x: Vec<u8>| stored(&[("x", x), ("y", y())]);
    let labels = |y: Vec<u8>| stored(&[("x", x()), ("y", y)]);
    let four = |x, y, x_test, y_test| stored(&[("x_train", x), ("y_train", y), ("x_test", x_test), ("y_test", y_test)]);
    let floats = |values: &[f32]| npy("<f4", false, "(2, 1)", &le(values, f32::to_le_bytes));
    let whole = stored(&[("x", x()), ("y", y())]);
    let mut wrong_sum = whole.clone();
    let payload = whole.windows(4).position(|bytes| bytes == 2f32.to_le_bytes()).unwrap();
    wrong_sum[payload] ^= 1;
    let nested = format!("{{'descr': {}'<f4'{}, 'shape': (2,)}}", "[".repeat(4000), "]".repeat(4000));
    let cases: Vec<(&str, Vec<u8>, &[&str])> = vec![
        ("empty", vec![], &["is not an NPZ file"]),
        ("no zip", b"hello".to_vec(), &["is not an NPZ file"]),
        ("truncated zip", whole[..whole.len() - 5].to_vec(), &["is not an NPZ file"]),
        ("wrong sum", wrong_sum, &["array x:", "is damaged"]),
        ("no arrays", stored(&[]), &["array x_train is missing", "found: nothing"]),
        ("other arrays", stored(&[("w", y()), ("b", y())]), &["array x_train is missing", "found: b, w"]),
        ("no y", stored(&[("x", x())]), &["array y is missing", "found: x;"]),
        ("no x", stored(&[("y_train", y())]), &["array x_train is missing", "y_train"]),
        (
            "no y_test",
            stored(&[("x_train", x()), ("y_train", y()), ("x_test", x())]),
            &["array y_test is missing", "x_test"],
        ),
        ("counts", labels(npy("|u1", false, "(3,)", &[0, 1, 2])), &["array y: 3 labels", "x holds 2 samples"]),
        ("infinite", xy(floats(&[f32::INFINITY, 1.0])), &["array x: element [0, 0] is infinite"]),
        (
            "too large",
            xy(npy("<f8", false, "(2,)", &le(&[1.0, 1e300], f64::to_le_bytes))),
            &["array x: element [1] is infinite or beyond the range"],
        ),
        ("complex", xy(npy("<c8", false, "(2,)", &[0; 16])), &["array x:", "'<c8' are not read"]),
        ("objects", xy(npy("|O", false, "(2,)", &[0; 4])), &["array x:", "'|O' are not read"]),
        (
            "record",
            xy(raw_npy("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (2,), }", &[0; 8])),
            &["array x:"],
        ),
        (
            "truncated",
            xy(npy("<f4", false, "(2, 1)", &[0; 7])),
            &["array x:", "truncated", "at most 7 bytes follow", "2 × 1"],
        ),
        (
            "trailing",
            xy(npy("<f4", false, "(2, 1)", &[0; 9])),
            &["array x:", "has more elements than its header promises, 2 (2 × 1)"],
        ),
        ("no npy", xy(b"hello, this is text".to_vec()), &["array x: is not an NPY array"]),
        ("scalar", xy(npy("<f4", false, "()", &[0; 4])), &["array x:", "single number"]),
        ("no samples", xy(npy("<f4", false, "(0, 2)", &[])), &["array x:", "no samples"]),
        ("no features", xy(npy("<f4", false, "(2, 0)", &[])), &["array x:", "without features"]),
        ("overflow", xy(npy("<f4", false, "(2, 9223372036854775807)", &[])), &["array x:", "impossible size"]),
        ("nested", xy(raw_npy(&nested, &[])), &["array x:", "is a structured array"]),
        (
            "test features",
            four(bytes(2), y(), npy("|u1", false, "(2, 2)", &[0; 4]), y()),
            &["array x_test: samples of 2"],
        ),
        ("bytes and reals", four(bytes(2), y(), x(), y()), &["array x_test:", "u1"]),
    ];
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("bad.npz");
    for (case, bytes, parts) in cases {
        fs::write(&path, bytes).unwrap();
        let message = refusal("npz", &path);
        assert_says(case, &message, &["bad.npz"]);
        assert_says(case, &message, parts);
    }
    assert_says("directory", &refusal("npz", directory.path()), &["is a directory"]);
    assert_says("missing", &refusal("npz", &directory.path().join("none.npz")), &["none.npz", "cannot be opened"]);
}

#[test]
fn a_large_claim_allocates_nothing() {
    // 2⁶⁰ bytes: reserving them would abort the process.
    let x = npy("|u1", false, "(2, 576460752303423488)", &[0; 10]);
    let y = npy("|u1", false, "(2,)", &[0, 1]);
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.npz");
    fs::write(&path, stored(&[("x", x), ("y", y)])).unwrap();
    assert_says("claim", &refusal("npz", &path), &["array x:", "truncated", "at most 10 bytes follow"]);
}

#[test]
fn damage_never_panics() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.npz");
    let name = format!("npz:{}", path.display());
    let x = npy("<f4", true, "(2, 3)", &le(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0], f32::to_le_bytes));
    let y = npy("<i8", false, "(2,)", &le(&[1, 0], i64::to_le_bytes));
    let mut attempt = |bytes: &[u8]| {
        fs::write(&path, bytes).unwrap();
        open_anyhow(&name);
    };
    for method in [CompressionMethod::Stored, CompressionMethod::Deflated] {
        mutate(&npz(&[("x", x.clone()), ("y", y.clone())], method), &mut attempt);
    }
    // The checksum of the ZIP entry is right here, so that the damage reaches the header and data of the array.
    mutate(&x, |x| attempt(&stored(&[("x", x.to_vec()), ("y", y.clone())])));
    mutate(&y, |y| attempt(&stored(&[("x", x.clone()), ("y", y.to_vec())])));
}
