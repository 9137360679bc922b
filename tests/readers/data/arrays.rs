//! Writers of arrays for the tests of their readers.

use super::assert_says;
use homeostat::data::raw::{Raw, ReadOptions};
use homeostat::error::{Error, Result};
use std::path::Path;

/// An NPY file in the published format: magic, version 1.0, length of the header, a dictionary padded to 64 bytes, data.
pub fn npy(descr: &str, fortran: bool, shape: &str, data: &[u8]) -> Vec<u8> {
    let order = if fortran { "True" } else { "False" };
    raw_npy(&format!("{{'descr': '{descr}', 'fortran_order': {order}, 'shape': {shape}, }}"), data)
}

pub fn raw_npy(header: &str, data: &[u8]) -> Vec<u8> {
    let padded = format!("{header:<0$}\n", (header.len() + 11).next_multiple_of(64) - 11);
    [b"\x93NUMPY\x01\x00", &(padded.len() as u16).to_le_bytes()[..], padded.as_bytes(), data].concat()
}

/// The small integers `values` as elements of the type `descr`.
pub fn bytes(descr: &str, values: &[i8]) -> Vec<u8> {
    let is_big = descr.starts_with('>');
    let element = |&value: &i8| {
        let mut bytes = match &descr[1..] {
            "b1" | "i1" | "u1" => vec![value as u8],
            "i2" | "u2" => i16::from(value).to_le_bytes().to_vec(),
            "i4" | "u4" => i32::from(value).to_le_bytes().to_vec(),
            "i8" | "u8" => i64::from(value).to_le_bytes().to_vec(),
            "f2" => half::f16::from_f32(f32::from(value)).to_le_bytes().to_vec(),
            "bf" => half::bf16::from_f32(f32::from(value)).to_le_bytes().to_vec(),
            "f4" => f32::from(value).to_le_bytes().to_vec(),
            "f8" => f64::from(value).to_le_bytes().to_vec(),
            other => panic!("{other}"),
        };
        if is_big {
            bytes.reverse();
        }
        bytes
    };
    values.iter().flat_map(element).collect()
}

/// An array of small integers of the type `descr`.
pub fn array(descr: &str, shape: &str, values: &[i8]) -> Vec<u8> {
    npy(descr, false, shape, &bytes(descr, values))
}

/// The options of a program that predicts: columns are matched to those of a model.
pub fn predicting() -> ReadOptions {
    ReadOptions { expected: Some(Default::default()), ..ReadOptions::default() }
}

/// The message of a refusal, which must be about a file.
pub fn refusal(result: Result<Raw>) -> String {
    match result {
        Err(error @ Error::File { .. }) => error.to_string(),
        other => panic!("expected an error about a file, got {other:?}"),
    }
}

/// Asserts that a refusal contains all `parts`.
pub fn assert_refuses(case: &str, result: Result<Raw>, parts: &[&str]) {
    assert_says(case, &refusal(result), parts);
}

/// Asserts what every result of a reader obeys.
pub fn assert_whole(raw: &Raw) {
    use homeostat::data::numbers::Numbers;
    use homeostat::data::raw::LabelValues;
    let rows: usize = raw.parts.iter().sum();
    if let Numbers::Reals(values) = &raw.samples {
        assert!(!values.iter().any(|value| value.is_infinite()));
    }
    assert!(rows > 0 && raw.samples.len() == rows * raw.width);
    for label in &raw.labels {
        match &label.values {
            LabelValues::Numbers(values) => assert_eq!(values.len(), rows),
            LabelValues::Text(text) => {
                assert_eq!(text.codes.len(), rows);
                assert!(text.levels.is_sorted());
            }
        }
    }
    raw.image.iter().for_each(|image| assert_eq!(image.iter().product::<usize>(), raw.width));
    raw.ids.iter().for_each(|(_, values)| assert_eq!(values.len(), rows));
}

/// Calls `read` with the file at `path` cut after each byte, which must be refused, and with each byte changed.
pub fn damage(path: &Path, whole: &[u8], read: impl Fn() -> Result<Raw>) {
    for end in 0..whole.len() {
        std::fs::write(path, &whole[..end]).unwrap();
        assert!(read().is_err(), "cut after {end} of {} bytes", whole.len());
    }
    let mut changed = whole.to_vec();
    for place in 0..whole.len() {
        for flip in [0x01, 0x10, 0x80, 0xff] {
            changed[place] ^= flip;
            std::fs::write(path, &changed).unwrap();
            if let Ok(raw) = read() {
                assert_whole(&raw);
            }
            changed[place] ^= flip;
        }
    }
    std::fs::write(path, whole).unwrap();
}
