//! Helpers that the readers of all formats share: opening a file, and checks on sizes, labels and features.

use crate::error::Result;
use crate::files;
use std::fs::File;
use std::io::BufReader;
use std::path::Path;

/// Largest class number. A larger label is almost certainly not a class, and the network would need one output neuron
/// for every number up to it.
pub const MAX_LABEL: u32 = 65535;

/// Largest number of pixels of an image. Photographs have fewer, and a damaged header may claim any number.
pub const MOST_PIXELS: u64 = 1 << 26;

/// Upper bound on the bytes that one byte of deflate unpacks to.
pub const DEFLATE_RATIO: u64 = 1100;

/// Opens a file for reading.
pub fn open_file(path: &Path) -> Result<BufReader<File>> {
    open_sized(path).map(|(file, _)| file)
}

/// Opens a file for reading. Its length is `None` for a stream, which can be read once and from its start only.
pub fn open_sized(path: &Path) -> Result<(BufReader<File>, Option<u64>)> {
    files::open(path, files::DATA).map(|opened| (BufReader::new(opened.file), opened.length))
}

/// Rows and features of an array of `sizes`: the first size counts the rows, the product of the others the features.
/// The number of rows must fit into a u32, because row numbers are u32 everywhere.
pub fn rows_and_features(sizes: &[u64]) -> std::result::Result<(usize, usize), String> {
    let (&rows, rest) = sizes.split_first().ok_or("is a single number, not one sample after the other")?;
    let features = rest.iter().try_fold(1, |product: u64, &size| product.checked_mul(size));
    let total = features.and_then(|features| features.checked_mul(rows)).filter(|&t| isize::try_from(t).is_ok());
    match (rows, features, total) {
        (0, ..) => Err("holds no samples".into()),
        (_, Some(0), _) => Err("has samples without features".into()),
        (_, Some(features), Some(_)) if rows <= u64::from(u32::MAX) => Ok((rows as usize, features as usize)),
        _ => Err(format!("claims an impossible size, {}", times(sizes))),
    }
}

/// Formats `[60000, 28, 28]` as `60000 × 28 × 28`. Only the first eight sizes are shown, because a damaged file may
/// claim hundreds.
pub fn times(sizes: &[u64]) -> String {
    let shown = sizes.iter().take(8).map(u64::to_string).collect::<Vec<_>>().join(" × ");
    if sizes.len() > 8 { shown + " × …" } else { shown }
}

/// Refuses more rows than row numbers can count.
pub fn row_count(rows: usize) -> std::result::Result<(), String> {
    match u32::try_from(rows) {
        Ok(_) => Ok(()),
        Err(_) => Err(format!("{rows} samples are more than {}", u32::MAX)),
    }
}

/// Joins up to eight texts with commas; `…` stands for further ones.
pub fn joined(texts: impl ExactSizeIterator<Item = String>) -> String {
    let count = texts.len();
    let shown = texts.take(8).collect::<Vec<_>>().join(", ");
    if count > 8 { format!("{shown}, … ({count})") } else { shown }
}
