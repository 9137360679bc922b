//! Tests the reader of safetensors files that hold data.

use super::arrays::{assert_refuses, assert_whole, bytes, damage};
use homeostat::data::arrays::safetensors::{decode, read};
use homeostat::data::numbers::Numbers;
use homeostat::data::raw::{LabelValues, Raw, ReadOptions};
use homeostat::error::Result;
use safetensors::tensor::{Dtype, TensorView, serialize};
use std::path::Path;

const TYPES: [(Dtype, &str); 13] = [
    (Dtype::F32, "<f4"),
    (Dtype::F64, "<f8"),
    (Dtype::F16, "<f2"),
    (Dtype::BF16, "<bf"),
    (Dtype::I8, "<i1"),
    (Dtype::I16, "<i2"),
    (Dtype::I32, "<i4"),
    (Dtype::I64, "<i8"),
    (Dtype::U8, "<u1"),
    (Dtype::U16, "<u2"),
    (Dtype::U32, "<u4"),
    (Dtype::U64, "<u8"),
    (Dtype::BOOL, "<b1"),
];

fn file(tensors: &[(&str, Dtype, &[usize], Vec<u8>)]) -> Vec<u8> {
    let view = |(name, dtype, shape, bytes): &'_ (&str, Dtype, &[usize], Vec<u8>)| {
        (name.to_string(), *dtype, shape.to_vec(), bytes.clone())
    };
    let owned: Vec<_> = tensors.iter().map(view).collect();
    let views = owned
        .iter()
        .map(|(name, dtype, shape, bytes)| (name.clone(), TensorView::new(*dtype, shape.clone(), bytes).unwrap()));
    serialize(views, None).unwrap()
}

fn open(bytes: &[u8]) -> Result<Raw> {
    decode(Path::new("a.safetensors"), &ReadOptions::default(), bytes)
}

#[test]
fn every_type_is_read() {
    for (dtype, descr) in TYPES {
        let ones = |count| bytes(descr, &vec![1; count]);
        let raw = open(&file(&[
            ("x_train", dtype, &[2, 2, 2], ones(8)),
            ("y_train", dtype, &[2], bytes(descr, &[1, 0])),
            ("x_test", dtype, &[1, 2, 2], ones(4)),
            ("y_test", dtype, &[1, 1], bytes(descr, &[1])),
        ]))
        .unwrap();
        assert_whole(&raw);
        let expected = if dtype == Dtype::U8 { Numbers::Bytes(vec![1; 12]) } else { Numbers::Reals(vec![1.0; 12]) };
        assert_eq!((raw.samples, raw.parts, raw.image), (expected, [2, 0, 1], Some([2, 2, 1])), "{dtype:?}");
        assert_eq!(raw.labels[0].values, LabelValues::Numbers(vec![1.0, 0.0, 1.0]), "{dtype:?}");
    }
}

#[test]
fn models_are_recognised() {
    let of = |name| file(&[(name, Dtype::F32, &[1, 1], bytes("<f4", &[1]))]);
    for (name, what) in [
        ("layers.0.weight", "is a model"),
        ("conv1.weight", "is a model"),
        ("layers.0.weights", "is a checkpoint"),
        ("layers.0.onset", "is the trace"),
        ("w", "tensor x_train is missing"),
    ] {
        assert_refuses(name, open(&of(name)), &["a.safetensors", what]);
    }
    let y = || ("y", Dtype::F32, &[1][..], bytes("<f4", &[1]));
    let foreign = file(&[("x", Dtype::F8_E5M2, &[1, 1], vec![1]), y()]);
    assert_refuses("type", open(&foreign), &["tensor x: elements of type F8_E5M2"]);
    let infinite = file(&[("x", Dtype::F32, &[1, 1], f32::INFINITY.to_le_bytes().to_vec()), y()]);
    assert_refuses("infinite", open(&infinite), &["tensor x: element [0, 0] is infinite"]);
}

#[test]
fn damage_never_panics() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("a.safetensors");
    let whole =
        file(&[("x", Dtype::F64, &[2, 1], bytes("<f8", &[1, 2])), ("y", Dtype::I16, &[2], bytes("<i2", &[1, 2]))]);
    damage(&path, &whole, || read(&path, &ReadOptions::default()));
}
