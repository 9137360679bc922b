//! Tests the reader of IDX files with elements of every type.

use super::arrays::{assert_refuses, assert_whole, bytes, damage};
use homeostat::data::arrays::idx::read;
use homeostat::data::numbers::Numbers;
use homeostat::data::raw::{LabelValues, Raw, ReadOptions};
use std::fs;
use std::io::Write;
use std::path::Path;

const NAMES: [&str; 4] =
    ["train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"];
const TYPES: [(u8, &str); 6] =
    [(0x08, "|u1"), (0x09, "|i1"), (0x0b, ">i2"), (0x0c, ">i4"), (0x0d, ">f4"), (0x0e, ">f8")];

fn idx(kind: u8, descr: &str, sizes: &[u32], values: &[i8]) -> Vec<u8> {
    let sizes_bytes = sizes.iter().flat_map(|size| size.to_be_bytes()).collect::<Vec<_>>();
    [&[0, 0, kind, sizes.len() as u8][..], &sizes_bytes, &bytes(descr, values)].concat()
}

fn open(root: &Path) -> homeostat::error::Result<Raw> {
    read(root, ["train", "t10k"], &ReadOptions::default())
}

#[test]
fn every_type_is_read() {
    for (kind, descr) in TYPES {
        let root = tempfile::tempdir().unwrap();
        let write = |name: usize, bytes: Vec<u8>| fs::write(root.path().join(NAMES[name]), bytes).unwrap();
        write(0, idx(kind, descr, &[2, 2, 2], &[1, 2, 3, 4, 5, 6, 7, 8]));
        write(1, idx(kind, descr, &[2], &[1, 0]));
        assert_eq!(open(root.path()).unwrap().parts, [2, 0, 0]);
        write(2, idx(kind, descr, &[1, 2, 2], &[9, 9, 9, 9]));
        write(3, idx(kind, descr, &[1], &[3]));
        let raw = open(root.path()).unwrap();
        assert_whole(&raw);
        let all = [1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 9, 9u8];
        let expected =
            if kind == 8 { Numbers::Bytes(all.to_vec()) } else { Numbers::Reals(all.map(f32::from).to_vec()) };
        assert_eq!((raw.samples, raw.parts, raw.image), (expected, [2, 0, 1], Some([2, 2, 1])), "{descr}");
        assert_eq!(raw.labels[0].values, LabelValues::Numbers(vec![1.0, 0.0, 3.0]));
    }
}

#[test]
fn refuses_and_survives_damage() {
    let root = tempfile::tempdir().unwrap();
    let path = |name: usize| root.path().join(NAMES[name]);
    let whole = idx(0x0b, ">i2", &[2, 2, 2], &[1, 2, 3, 4, 5, 6, 7, 8]);
    let labels = idx(0x08, "|u1", &[2], &[1, 0]);
    fs::write(path(1), &labels).unwrap();
    damage(&path(0), &whole, || open(root.path()));
    damage(&path(1), &labels, || open(root.path()));
    let mut zipped = flate2::write::GzEncoder::new(vec![], flate2::Compression::default());
    zipped.write_all(&whole).unwrap();
    damage(&path(0), &zipped.finish().unwrap(), || open(root.path()));
    assert_eq!(open(root.path()).unwrap().parts, [2, 0, 0]);
    for (case, images, parts) in [
        ("type", idx(0x0a, "|u1", &[2, 2], &[1; 4]), &["0x0a"][..]),
        ("labels", labels, &["one dimension"]),
        ("short", whole[..whole.len() - 1].to_vec(), &["at most 15 bytes follow", "2 × 2 × 2"]),
        ("huge", idx(0x0e, ">f8", &[2, u32::MAX, u32::MAX], &[]), &["impossible size"]),
        ("count", idx(0x08, "|u1", &[3, 1], &[1; 3]), &["2 labels", "holds 3 samples"]),
    ] {
        fs::write(path(0), images).unwrap();
        assert_refuses(case, open(root.path()), parts);
    }
}
