//! Tests data sets: published facts, hand-built files of every format, splits, and preparation.

mod arrays;
mod csv;
mod embedded;
mod idx;
mod images;
mod layouts;
mod memory;
mod npy;
mod npz;
mod numbers;
mod parquet;
mod preparation;
mod raw_idx;
mod raw_npz;
mod safetensors;
mod split;
mod table;

use homeostat::data::DataSet;
use homeostat::error::Error;
use std::path::Path;

/// Opens `kind:path` and returns the message, which must be about a file.
fn refusal(kind: &str, path: &Path) -> String {
    match DataSet::open(&format!("{kind}:{}", path.display())) {
        Err(error @ Error::File { .. }) => error.to_string(),
        other => panic!("{kind}:{}: expected an error about a file, got {other:?}", path.display()),
    }
}

/// Asserts that `message` is one line and contains all `parts`.
fn assert_says(case: &str, message: &str, parts: &[&str]) {
    for part in parts {
        assert!(message.contains(part), "{case}: `{part}` is not in `{message}`");
    }
    assert!(!message.contains('\n'), "{case}: more than one line: {message}");
}

/// Calls `attempt` with every prefix of `bytes`, and with `bytes` after each change of one byte.
fn mutate(bytes: &[u8], mut attempt: impl FnMut(&[u8])) {
    (0..bytes.len()).for_each(|end| attempt(&bytes[..end]));
    let mut changed = bytes.to_vec();
    for place in 0..bytes.len() {
        for flip in [0x01, 0x10, 0x80, 0xff] {
            changed[place] ^= flip;
            attempt(&changed);
            changed[place] ^= flip;
        }
    }
}

/// Asserts the properties that every data set has, whatever its source.
fn assert_consistent(data: &DataSet) {
    let mut row = vec![f32::NAN; data.features()];
    assert!(!data.is_empty() && data.features() > 0 && data.test_rows() <= data.len());
    for (number, &label) in data.labels().iter().enumerate() {
        assert!((label as usize) < data.classes());
        data.copy_row(number, &mut row);
        assert!(row.iter().all(|value| value.is_finite()));
    }
}

/// Opens a changed file. The result must be a consistent data set or an error, never a panic.
fn open_anyhow(name: &str) {
    if let Ok(data) = DataSet::open(name) {
        assert_consistent(&data);
    }
}

#[test]
fn unknown_names_are_usage_errors() {
    for name in ["", "mnist2", "tar:x", "idx:", "csv:", "npz:"] {
        let error = DataSet::open(name).unwrap_err();
        assert_eq!(error.exit_code(), 2, "{error}");
        assert_says(name, &error.to_string(), &["`data"]);
    }
}
