//! Tests the IDX reader.

use super::{assert_says, mutate, open_anyhow, refusal};
use flate2::{Compression, write::GzEncoder};
use homeostat::data::{DataSet, Samples};
use std::fs;
use std::io::Write;
use std::path::Path;

const TRAIN: [&str; 2] = ["train-images-idx3-ubyte", "train-labels-idx1-ubyte"];
const TEST: [&str; 2] = ["t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"];

fn idx(sizes: &[u32], elements: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0, 0, 8, sizes.len() as u8];
    sizes.iter().for_each(|size| bytes.extend(size.to_be_bytes()));
    bytes.extend(elements);
    bytes
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(vec![], Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// Three images of 2 × 2 and their labels.
fn train() -> [Vec<u8>; 2] {
    [idx(&[3, 2, 2], &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 255]), idx(&[3], &[0, 2, 1])]
}

/// One image of 2 × 2 and its label.
fn test() -> [Vec<u8>; 2] {
    [idx(&[1, 2, 2], &[20, 21, 22, 23]), idx(&[1], &[4])]
}

fn write(directory: &Path, names: [&str; 2], files: &[Vec<u8>; 2]) {
    names.iter().zip(files).for_each(|(name, bytes)| fs::write(directory.join(name), bytes).unwrap());
}

fn open(directory: &Path) -> DataSet {
    DataSet::open(&format!("idx:{}", directory.display())).unwrap()
}

#[test]
fn reads_raw_and_gzipped_files_under_all_names() {
    for mark in ["-", "."] {
        for (end, zipped) in [("", false), (".gz", true), (".gz", false), ("", true)] {
            let directory = tempfile::tempdir().unwrap();
            let pack = |bytes: Vec<u8>| if zipped { gzip(&bytes) } else { bytes };
            for (names, files) in [(TRAIN, train()), (TEST, test())] {
                for (name, bytes) in names.iter().zip(files) {
                    let name = name.replace("-idx", &format!("{mark}idx")) + end;
                    fs::write(directory.path().join(name), pack(bytes)).unwrap();
                }
            }
            let data = open(directory.path());
            let expected = vec![1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 255, 20, 21, 22, 23];
            assert_eq!(*data.samples(), Samples::U8(expected));
            assert_eq!(
                (data.labels(), &data.about().outputs[..]),
                (&[0, 2, 1, 3][..], &["0", "1", "2", "4"].map(str::to_owned)[..])
            );
            assert_eq!((data.features(), data.classes(), data.test_rows()), (4, 4, 1));
        }
    }
}

#[test]
fn takes_any_dimensionality_and_no_test_set() {
    for sizes in [&[2, 6][..], &[2, 2, 3], &[2, 1, 3, 2, 1]] {
        let directory = tempfile::tempdir().unwrap();
        let elements: Vec<u8> = (0..12).collect();
        write(directory.path(), TRAIN, &[idx(sizes, &elements), idx(&[2], &[1, 0])]);
        let data = open(directory.path());
        assert_eq!(*data.samples(), Samples::U8(elements));
        assert_eq!((data.features(), data.classes(), data.test_rows()), (6, 2, 0));
    }
}

/// The fault, the files of images and of labels, and parts of the message.
type Case<'a> = (&'a str, Vec<u8>, Vec<u8>, &'a [&'a str]);

#[test]
fn refuses_bad_files() {
    let [images, labels] = train();
    let more = |bytes: &[u8]| [bytes, &[0]].concat();
    let less = |bytes: &[u8]| bytes[..bytes.len() - 1].to_vec();
    let float = |bytes: &[u8]| [&[0, 0, 0x0d], &bytes[3..]].concat();
    let zipped = gzip(&images);
    let mut wrong_sum = zipped.clone();
    wrong_sum[zipped.len() - 8] ^= 1;
    // A kilobyte that unpacks to a megabyte of zeros, although the header promises 12 bytes.
    let bomb = gzip(&[&images[..16], &vec![0; 1 << 20]].concat());
    let cases: [Case; 22] = [
        ("empty file", vec![], labels.clone(), &[TRAIN[0], "ends within its header"]),
        ("half a header", images[..9].to_vec(), labels.clone(), &[TRAIN[0], "ends within its header"]),
        ("a zip", b"PK\x03\x04....".to_vec(), labels.clone(), &[TRAIN[0], "is not an IDX file", "50 4b 03 04"]),
        ("no dimension", vec![0, 0, 8, 0], labels.clone(), &[TRAIN[0], "is not an IDX file"]),
        ("floats", float(&images), labels.clone(), &[TRAIN[0], "promises 3 × 2 × 2", "at most 12 bytes follow"]),
        (
            "truncated",
            less(&images),
            labels.clone(),
            &[TRAIN[0], "promises 3 × 2 × 2 elements", "at most 11 bytes follow"],
        ),
        ("trailing", more(&images), labels.clone(), &[TRAIN[0], "more elements than its header promises, 12"]),
        ("huge", idx(&[3, u32::MAX, 2], &[]), labels.clone(), &[TRAIN[0], "is truncated", "4294967295"]),
        (
            "overflow",
            idx(&[3, u32::MAX, u32::MAX], &[]),
            labels.clone(),
            &[TRAIN[0], "impossible size, 3 × 4294967295"],
        ),
        ("255 sizes", idx(&[u32::MAX; 255], &[]), labels.clone(), &[TRAIN[0], "impossible size"]),
        ("no samples", idx(&[0, 2, 2], &[]), idx(&[0], &[]), &[TRAIN[0], "no samples"]),
        ("no features", idx(&[3, 0, 2], &[]), labels.clone(), &[TRAIN[0], "without features"]),
        ("labels as images", labels.clone(), labels.clone(), &[TRAIN[0], "one dimension"]),
        (
            "images as labels",
            images.clone(),
            images.clone(),
            &[TRAIN[1], "has the shape 3 × 2 × 2; labels are a vector"],
        ),
        ("too few labels", images.clone(), idx(&[2], &[0, 1]), &[TRAIN[1], "2 labels", "holds 3 samples"]),
        ("labels truncated", images.clone(), less(&labels), &[TRAIN[1], "at most 2 bytes follow"]),
        ("labels trailing", images.clone(), more(&labels), &[TRAIN[1], "more elements than its header promises, 3"]),
        ("gzip truncated", less(&zipped), labels.clone(), &[TRAIN[0], "is damaged"]),
        ("gzip header only", zipped[..11].to_vec(), labels.clone(), &[TRAIN[0]]),
        ("gzip sum", wrong_sum, labels.clone(), &[TRAIN[0], "is damaged"]),
        ("gzip trailing", more(&zipped), labels.clone(), &[TRAIN[0], "is damaged"]),
        ("gzip bomb", bomb, labels.clone(), &[TRAIN[0], "more elements than its header promises, 12"]),
    ];
    for (case, images, labels, parts) in cases {
        let directory = tempfile::tempdir().unwrap();
        write(directory.path(), TRAIN, &[images, labels]);
        assert_says(case, &refusal("idx", directory.path()), parts);
    }
}

#[test]
fn refuses_incomplete_sets() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    assert_says("nothing", &refusal("idx", path), &["train-images-idx3-ubyte is missing"]);
    fs::write(path.join(TRAIN[0]), &train()[0]).unwrap();
    assert_says("no labels", &refusal("idx", path), &["train-labels-idx1-ubyte is missing"]);
    assert_says("a file", &refusal("idx", &path.join(TRAIN[0])), &["is not a directory"]);
    assert_says("no directory", &refusal("idx", &path.join("none")), &["none", "no such directory"]);
    fs::write(path.join(TRAIN[1]), &train()[1]).unwrap();
    open(path);
    fs::write(path.join(TEST[1]), &test()[1]).unwrap();
    assert_says("no test images", &refusal("idx", path), &["t10k-images-idx3-ubyte is missing"]);
    fs::write(path.join(TEST[0]), idx(&[1, 3], &[1, 2, 3])).unwrap();
    assert_says("sizes", &refusal("idx", path), &[TEST[0], "3 features", "have 4"]);
    fs::remove_file(path.join(TEST[1])).unwrap();
    assert_says("no test labels", &refusal("idx", path), &["t10k-labels-idx1-ubyte is missing"]);
    fs::remove_file(path.join(TRAIN[0])).unwrap();
    fs::create_dir(path.join(TRAIN[0])).unwrap();
    assert_says("a directory", &refusal("idx", path), &[TRAIN[0], "is a directory"]);
}

#[test]
fn damage_never_panics() {
    let directory = tempfile::tempdir().unwrap();
    let name = format!("idx:{}", directory.path().display());
    for pack in [|bytes: &[u8]| bytes.to_vec(), gzip] {
        let files = train().map(|bytes| pack(&bytes));
        for victim in 0..2 {
            write(directory.path(), TRAIN, &files);
            mutate(&files[victim], |bytes| {
                fs::write(directory.path().join(TRAIN[victim]), bytes).unwrap();
                open_anyhow(&name);
            });
        }
    }
}
