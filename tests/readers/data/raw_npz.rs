//! Tests the reader of NPZ that keeps arrays as they lie in the file.

use super::arrays::{array, assert_refuses, assert_whole, bytes, npy, predicting, raw_npy};
use homeostat::data::arrays::npz;
use homeostat::data::numbers::Numbers;
use homeostat::data::raw::{Label, LabelValues, MISSING, Raw, ReadOptions, Text};
use homeostat::error::Result;
use std::io::{Cursor, Write};
use std::path::Path;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

type Arrays<'a> = [(&'a str, Vec<u8>)];

fn zip(files: &Arrays, method: CompressionMethod) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(vec![]));
    for (name, bytes) in files {
        zip.start_file(*name, SimpleFileOptions::default().compression_method(method)).unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

fn decode(options: &ReadOptions, bytes: &[u8]) -> Result<Raw> {
    npz::decode(Path::new("a.npz"), options, Cursor::new(bytes))
}

fn try_open(arrays: &Arrays) -> Result<Raw> {
    decode(&ReadOptions::default(), &zip(arrays, CompressionMethod::Deflated))
}

fn open(arrays: &Arrays) -> Raw {
    let raw = try_open(arrays).unwrap();
    assert_whole(&raw);
    raw
}

fn numbers(label: &Label) -> &[f64] {
    match &label.values {
        LabelValues::Numbers(values) => values,
        other => panic!("{other:?}"),
    }
}

const TYPES: [&str; 20] = [
    "|i1", "|u1", "<i2", ">i2", "<u2", ">u2", "<i4", ">i4", "<u4", ">u4", "<i8", ">i8", "<u8", ">u8", "<f2", ">f2",
    "<f4", ">f4", "<f8", ">f8",
];

#[test]
fn every_type_is_read_in_both_byte_orders() {
    for descr in TYPES {
        let raw =
            open(&[("x.npy", array(descr, "(2, 3)", &[1, 2, 3, 4, 5, 100])), ("y", array(descr, "(2,)", &[7, 0]))]);
        let expected = match descr {
            "|u1" => Numbers::Bytes(vec![1, 2, 3, 4, 5, 100]),
            _ => Numbers::Reals(vec![1.0, 2.0, 3.0, 4.0, 5.0, 100.0]),
        };
        assert_eq!((raw.samples, raw.width, raw.parts), (expected, 3, [2, 0, 0]), "{descr}");
        assert_eq!(numbers(&raw.labels[0]), [7.0, 0.0], "{descr}");
    }
    let raw = open(&[("x", array("|b1", "(2, 2)", &[1, 0, 0, 1])), ("y", array("|b1", "(2,)", &[1, 0]))]);
    assert_eq!(raw.samples, Numbers::Reals(vec![1.0, 0.0, 0.0, 1.0]));
    assert_eq!(numbers(&raw.labels[0]), [1.0, 0.0]);
    let raw = open(&[("x", array("<i2", "(2, 1)", &[-3, 4])), ("y", array("<f8", "(2, 1)", &[-1, 1]))]);
    assert_eq!((raw.samples, numbers(&raw.labels[0])), (Numbers::Reals(vec![-3.0, 4.0]), &[-1.0, 1.0][..]));
}

#[test]
fn fortran_order_means_the_same_array() {
    // Element (i, j, k) of a 2 × 3 × 4 array is 12 i + 4 j + k. In Fortran order, the first index runs fastest.
    let mut fortran = vec![];
    (0..4).for_each(|k| (0..3).for_each(|j| (0..2).for_each(|i| fortran.push(12 * i + 4 * j + k))));
    let row_major: Vec<i8> = (0..24).collect();
    for descr in ["|u1", ">f4", "<i8"] {
        let y = || array("|u1", "(2,)", &[0, 1]);
        let c = open(&[("x", array(descr, "(2, 3, 4)", &row_major)), ("y", y())]);
        let f = open(&[("x", npy(descr, true, "(2, 3, 4)", &bytes(descr, &fortran))), ("y", y())]);
        assert_eq!(c, f, "{descr}");
        assert_eq!(c.image, Some([3, 4, 1]));
    }
    let y = npy("<i4", true, "(3, 2)", &bytes("<i4", &[1, 0, 1, 0, 1, 0]));
    let raw = open(&[("x", array("<f4", "(3, 1)", &[1, 2, 3])), ("y", y)]);
    assert!(raw.may_be_one_hot);
    assert_eq!((numbers(&raw.labels[0]), numbers(&raw.labels[1])), (&[1.0, 0.0, 1.0][..], &[0.0, 1.0, 0.0][..]));
}

#[test]
fn usual_names_in_any_case() {
    let x = || array("<f4", "(2, 1)", &[1, 2]);
    let y = || array("|i1", "(2,)", &[1, 0]);
    for names in [
        ["x", "y"],
        ["X", "y"],
        ["X", "Y"],
        ["x_train", "y_train"],
        ["X_train.npy", "Y_TRAIN.npy"],
        ["xtrain", "ytrain"],
        ["train_x", "train_y"],
        ["train_images", "train_labels"],
        ["data", "target"],
        ["data", "labels"],
        ["images", "labels"],
        ["features", "labels"],
        ["inputs", "targets"],
        ["image", "label"],
        ["X_tr", "y_tr"],
        ["sub/x.npy", "sub/y.npy"],
    ] {
        let raw = open(&[(names[0], x()), (names[1], y()), ("other", vec![1, 2, 3])]);
        assert_eq!((raw.parts, raw.samples), ([2, 0, 0], Numbers::Reals(vec![1.0, 2.0])), "{names:?}");
        assert!(raw.notes.iter().any(|note| note == "Not used: other."), "{:?}", raw.notes);
    }
    // What scikit-learn's digits hold.
    let digits = open(&[("data", x()), ("images", array("<f8", "(2, 1, 1)", &[1, 2])), ("target", y())]);
    assert_eq!(digits.width, 1);
}

#[test]
fn parts_stand_in_order() {
    let x = |value: i8| array("|u1", "(1, 2, 2, 3)", &[value; 12]);
    let y = |value: i8| array("|u1", "(1, 1)", &[value]);
    for [val, test] in [["val", "test"], ["VALID", "Test"]] {
        // The names of MedMNIST.
        let raw = open(&[
            (&format!("{test}_images"), x(3)),
            (&format!("{test}_labels"), y(2)),
            ("train_images", x(1)),
            ("train_labels", y(0)),
            (&format!("{val}_images"), x(2)),
            (&format!("{val}_labels"), y(1)),
        ]);
        assert_eq!((raw.parts, raw.image), ([1, 1, 1], Some([2, 2, 3])));
        assert_eq!(raw.samples, Numbers::Bytes([[1; 12], [2; 12], [3; 12]].concat()));
        assert_eq!(numbers(&raw.labels[0]), [0.0, 1.0, 2.0]);
        assert!(!raw.may_be_one_hot);
    }
}

#[test]
fn shapes_decide_without_names() {
    let wide = || array("<f4", "(2, 3)", &[1, 2, 3, 4, 5, 6]);
    let narrow = || array("|i1", "(2,)", &[1, 0]);
    for arrays in [[("a", wide()), ("b", narrow())], [("a", narrow()), ("b", wide())]] {
        let raw = open(&arrays);
        assert_eq!((raw.width, numbers(&raw.labels[0])), (3, &[1.0, 0.0][..]));
        assert!(raw.notes[0].contains("because of their shapes"), "{:?}", raw.notes);
    }
    assert_eq!(open(&[("a", array("|i1", "(2, 1)", &[1, 0])), ("b", wide())]).width, 3);
    assert_refuses("equal", try_open(&[("a", narrow()), ("b", narrow())]), &["x_train is missing", "found: a, b;"]);
    assert_refuses("three", try_open(&[("a", wide()), ("b", narrow()), ("c", narrow())]), &["x_train is missing"]);
}

/// Arrays that trained a model are found again for the model, although only the labels have a usual name.
#[test]
fn shapes_decide_for_a_model_too() {
    let arrays = [("h", array("<f4", "(2, 3)", &[1, 2, 3, 4, 5, 6])), ("y", array("|u1", "(2,)", &[0, 1]))];
    let bytes = zip(&arrays, CompressionMethod::Stored);
    let (trained, known) = (open(&arrays), decode(&predicting(), &bytes).unwrap());
    assert_eq!((known.samples, known.labels), (trained.samples, trained.labels));
}

#[test]
fn text_labels_are_sorted() {
    let characters = |big: bool| -> Vec<u8> {
        let code = |c: char| if big { u32::from(c).to_be_bytes() } else { u32::from(c).to_le_bytes() };
        "né\0b\0\0\0\0\0né\0".chars().flat_map(code).collect()
    };
    let x = || array("<f4", "(4, 1)", &[1, 2, 3, 4]);
    let column = |levels: &[&str], codes: &[u32]| Text {
        levels: levels.iter().map(|&level| level.to_owned()).collect(),
        codes: codes.to_vec(),
    };
    for (descr, data) in [("<U3", characters(false)), (">U3", characters(true))] {
        let raw = open(&[("x", x()), ("y", npy(descr, false, "(4,)", &data))]);
        assert_eq!(raw.labels[0].values, LabelValues::Text(column(&["b", "né"], &[1, 0, MISSING, 1])));
    }
    let raw = open(&[("x", x()), ("y", npy("|S2", false, "(4, 1)", b"zza\0b\0zz"))]);
    assert_eq!(raw.labels[0].values, LabelValues::Text(column(&["a", "b", "zz"], &[2, 0, 1, 2])));
    // Levels of two parts are numbered together.
    let y = |bytes: &[u8]| npy("|S1", false, "(1,)", bytes);
    let x = || array("<f4", "(1, 1)", &[1]);
    let raw = open(&[("x_train", x()), ("y_train", y(b"b")), ("x_test", x()), ("y_test", y(b"a"))]);
    assert_eq!(raw.labels[0].values, LabelValues::Text(column(&["a", "b"], &[1, 0])));
}

#[test]
fn missing_values_and_names_are_delivered() {
    let nan = f64::NAN.to_le_bytes();
    let half = 0.5f64.to_le_bytes();
    let raw = open(&[
        ("x", npy("<f8", false, "(2, 2)", &[nan, half, half, half].concat())),
        ("y", npy("<f8", false, "(2,)", &[half, nan].concat())),
        ("feature_names", npy("|S2", false, "(2,)", b"ab c".as_slice())),
    ]);
    let Numbers::Reals(values) = &raw.samples else { panic!() };
    assert!(values[0].is_nan() && values[1..] == [0.5; 3]);
    assert!(numbers(&raw.labels[0])[0] == 0.5 && numbers(&raw.labels[0])[1].is_nan());
    let names: Vec<&str> = raw.features.iter().map(|feature| feature.name.as_str()).collect();
    assert_eq!((names, raw.notes.len()), (vec!["ab", " c"], 0));
}

#[test]
fn shapes_of_images() {
    let image = |shape: &str, count: usize| {
        open(&[("x", npy("|u1", false, shape, &vec![0; count])), ("y", array("|u1", "(2,)", &[0, 1]))]).image
    };
    assert_eq!(image("(2, 4, 5)", 40), Some([4, 5, 1]));
    assert_eq!(image("(2, 4, 5, 4)", 160), Some([4, 5, 4]));
    assert_eq!(image("(2, 1, 4, 5)", 40), Some([4, 5, 1]));
    assert_eq!(image("(2, 4, 5, 2)", 80), None);
    assert_eq!(image("(2, 3, 4, 5)", 120), None);
    assert_eq!(image("(2, 1, 5)", 10), None);
    assert_eq!(image("(2, 8)", 16), None);
}

#[test]
fn prediction_needs_no_labels() {
    let x = || array("<f4", "(2, 1)", &[1, 2]);
    for name in ["x", "x_test", "anything"] {
        let raw = decode(&predicting(), &zip(&[(name, x())], CompressionMethod::Stored)).unwrap();
        assert_eq!((raw.parts.iter().sum::<usize>(), raw.labels.len()), (2, 0), "{name}");
    }
    let drop = ReadOptions { drop: vec!["a".into()], ..ReadOptions::default() };
    assert_refuses("drop", decode(&drop, &zip(&[("x", x())], CompressionMethod::Stored)), &["`drop` is for tables"]);
}

#[test]
fn refuses_bad_files() {
    let x = || array("<f4", "(2, 1)", &[1, 2]);
    let y = || array("|u1", "(2,)", &[0, 1]);
    let xy = |x: Vec<u8>| try_open(&[("x", x), ("y", y())]);
    let labels = |y: Vec<u8>| try_open(&[("x", x()), ("y", y)]);
    let doubles = |values: &[f64]| values.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>();
    let wide = (1i64 << 53).to_le_bytes();
    let nested = format!("{{'descr': {}'<f4'{}, 'shape': (2,)}}", "[".repeat(4000), "]".repeat(4000));
    let cases: Vec<(&str, Result<Raw>, &[&str])> = vec![
        ("empty", decode(&ReadOptions::default(), b""), &["is not an NPZ file"]),
        ("no arrays", try_open(&[]), &["array x_train is missing", "found: nothing"]),
        ("no y", try_open(&[("X_train", x())]), &["array y_train is missing", "labels of X_train"]),
        ("no x", try_open(&[("y_test", y()), ("x", x()), ("y", y())]), &["array x_test is missing", "y_test"]),
        ("twice", try_open(&[("x", x()), ("X", x()), ("y", y())]), &["X and x", "rename one"]),
        ("counts", labels(array("|u1", "(3,)", &[0, 1, 2])), &["array y: 3 labels", "array x holds 2 samples"]),
        ("rank", labels(array("|u1", "(2, 2, 2)", &[0; 8])), &["array y: has the shape 2 × 2 × 2"]),
        (
            "infinite",
            xy(npy("<f8", false, "(2, 1)", &doubles(&[1.0, f64::INFINITY]))),
            &["array x: element [1, 0] is inf"],
        ),
        ("large", xy(npy("<f8", true, "(2, 2)", &doubles(&[1.0, 1e300, 0.0, 0.0]))), &["array x: element [1, 0]"]),
        ("large", xy(npy("<f8", false, "(2, 2)", &doubles(&[1.0, -1e300, 0.0, 0.0]))), &["array x: element [0, 1]"]),
        (
            "infinite label",
            labels(npy("<f8", false, "(2,)", &doubles(&[1.0, f64::INFINITY]))),
            &["array y: element [1]"],
        ),
        (
            "wide label",
            labels(npy("<i8", false, "(2,)", &[wide, wide].concat())),
            &["array y: element [0] is 9007199254740992"],
        ),
        ("text", xy(npy("|S1", false, "(2, 1)", b"ab")), &["array x: holds text"]),
        (
            "no text",
            labels(npy("<U1", false, "(2,)", &[0, 0, 0, 0, 0, 0, 0, 0x7f])),
            &["array y: element [1] is no Unicode"],
        ),
        ("no UTF-8", labels(npy("|S1", false, "(2,)", &[b'a', 0xff])), &["array y: element [1] is no text"]),
        ("complex", xy(npy("<c8", false, "(2,)", &[0; 16])), &["array x:", "'<c8' are not read"]),
        ("objects", xy(npy("|O", false, "(2,)", &[0; 4])), &["array x:", "pickled", "astype('U')"]),
        (
            "record",
            xy(raw_npy("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (2,), }", &[0; 8])),
            &["structured"],
        ),
        ("nested", xy(raw_npy(&nested, &[])), &["array x: is a structured"]),
        ("short", xy(npy("<f4", false, "(2, 1)", &[0; 7])), &["array x: is truncated", "2 × 1", "7 bytes"]),
        ("long", xy(npy("<f4", false, "(2, 1)", &[0; 9])), &["array x: has more elements", "2 × 1"]),
        ("no npy", xy(b"hello, this is text".to_vec()), &["array x: is not an NPY array"]),
        ("scalar", xy(npy("<f4", false, "()", &[0; 4])), &["array x:", "single number"]),
        ("no samples", xy(npy("<f4", false, "(0, 2)", &[])), &["array x:", "no samples"]),
        ("no features", xy(npy("<f4", false, "(2, 0)", &[])), &["array x:", "without features"]),
        ("overflow", xy(npy("<f4", false, "(2, 9223372036854775807)", &[])), &["array x:", "impossible size"]),
        ("negative", xy(npy("<f4", false, "(2, -1)", &[])), &["array x:", "no plain array"]),
        ("claim", xy(npy("|u1", false, "(2, 576460752303423488)", &[0; 10])), &["array x: is truncated"]),
        ("text claim", labels(npy("<U1000000", false, "(2,)", &[0; 10])), &["array y: is truncated"]),
        (
            "widths",
            try_open(&[
                ("x_train", x()),
                ("y_train", y()),
                ("x_test", array("<f4", "(1, 2)", &[1, 2])),
                ("y_test", y()),
            ]),
            &["array x_test: samples of 2 features, but those of array x_train have 1"],
        ),
        (
            "kinds",
            try_open(&[
                ("x_train", x()),
                ("y_train", y()),
                ("x_test", array("|u1", "(2, 1)", &[1, 2])),
                ("y_test", y()),
            ]),
            &["array x_test: only one of it and array x_train holds bytes"],
        ),
    ];
    for (case, result, parts) in cases {
        let message = super::arrays::refusal(result);
        super::assert_says(case, &message, &["a.npz"]);
        super::assert_says(case, &message, parts);
    }
}

#[test]
fn damage_never_panics() {
    let x = npy("<f4", true, "(2, 3)", &bytes("<f4", &[1, 2, 3, 4, 5, 6]));
    let y = npy("<U2", false, "(2,)", &[b'a', 0, 0, 0, 0, 0, 0, 0, b'b', 0, 0, 0, 0, 0, 0, 0]);
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.npz");
    for method in [CompressionMethod::Stored, CompressionMethod::Deflated] {
        let whole = zip(&[("x.npy", x.clone()), ("y.npy", y.clone())], method);
        super::arrays::damage(&path, &whole, || npz::read(&path, &ReadOptions::default()));
    }
    // The sums of the archive are right here, so that the damage reaches the header and the elements.
    super::mutate(&x, |x| drop(try_open(&[("x", x.to_vec()), ("y", y.clone())]).map(|raw| assert_whole(&raw))));
    super::mutate(&y, |y| drop(try_open(&[("x", x.clone()), ("y", y.to_vec())]).map(|raw| assert_whole(&raw))));
}
