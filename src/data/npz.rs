//! Reader of NPZ, NumPy's zip archive of arrays: samples and labels under the names in [`NAMES`], stored or deflated.

use super::read::{class, finite, open_file, rows_and_features, times};
use super::set::{DataSet, Samples};
use crate::error::{Error, Result};
use npyz::{DType, Deserialize, NpyFile, NpyHeader, Order, TypeChar};
use std::io::{BufReader, ErrorKind, Read, Seek};
use std::path::{Path, PathBuf};
use zip::ZipArchive;
use zip::read::ZipFile;
use zip::result::ZipError;

/// The names of the arrays of samples and labels, and of the optional test arrays. The first row with an array in the
/// file is used.
const NAMES: [([&str; 2], Option<[&str; 2]>); 3] =
    [(["x_train", "y_train"], Some(["x_test", "y_test"])), (["x", "y"], None), (["data", "target"], None)];

/// Longest array header in bytes that is read: NumPy's own limit.
const MAX_HEADER: usize = 10_000;

/// Reads the file at `path`.
pub fn read(path: &Path) -> Result<DataSet> {
    decode(path, open_file(path)?)
}

/// Decodes `file`, the contents of the file at `path`. Errors name the array.
pub fn decode(path: &Path, file: impl Read + Seek) -> Result<DataSet> {
    let archive =
        ZipArchive::new(file).map_err(|e| Error::file(path, format!("is not an NPZ file, a zip of arrays: {e}")))?;
    let mut npz = Npz { path, archive };
    let (train, test) = NAMES.into_iter().find(|(names, _)| npz.has_any(names)).unwrap_or(NAMES[0]);
    let (features, mut samples, mut labels) = npz.pair(train)?;
    let train_rows = labels.len();
    if let Some(test) = test.filter(|names| npz.has_any(names)) {
        let (test_features, test_samples, test_labels) = npz.pair(test)?;
        let error = |reason| Err(Error::file(path, format!("array {}: {reason}", test[0])));
        if test_features != features {
            return error(format!("samples of {test_features} features, but those of {} have {features}", train[0]));
        }
        match (&mut samples, test_samples) {
            (Samples::U8(all), Samples::U8(more)) => all.extend(more),
            (Samples::F32(all), Samples::F32(more)) => all.extend(more),
            // Bytes are scaled by 1/255 and reals are not, so the same number would mean two things.
            _ => return error(format!("only one of it and {} holds bytes (u1); store both alike", train[0])),
        }
        labels.extend(test_labels);
        if u32::try_from(labels.len()).is_err() {
            return error(format!("with {} there are more than {} samples", train[0], u32::MAX));
        }
    }
    let test_rows = labels.len() - train_rows;
    Ok(DataSet::assemble(features, samples, labels, test_rows))
}

struct Npz<'a, F> {
    path: &'a Path,
    archive: ZipArchive<F>,
}

impl<F: Read + Seek> Npz<'_, F> {
    fn has_any(&self, names: &[&str]) -> bool {
        names.iter().any(|name| self.archive.index_for_name(&format!("{name}.npy")).is_some())
    }

    /// Number of features per sample, samples and labels of two arrays that belong together.
    fn pair(&mut self, [x, y]: [&str; 2]) -> Result<(usize, Samples, Vec<u32>)> {
        let x_array = self.array(x)?;
        let (rows, features) = rows_and_features(&x_array.sizes).map_err(|reason| x_array.error(reason))?;
        let samples = x_array.samples()?;
        let y_array = self.array(y)?;
        // A column of labels, as Keras ships some, is accepted like a vector.
        if !matches!(y_array.sizes[..], [_] | [_, 1]) {
            let reason = format!("has the shape {}; labels are one integer per sample", times(&y_array.sizes));
            return Err(y_array.error(reason));
        }
        if y_array.sizes[0] != rows as u64 {
            return Err(y_array.error(format!("{} labels, but {x} holds {rows} samples", y_array.sizes[0])));
        }
        Ok((features, samples, y_array.integers(class)?))
    }

    fn array(&mut self, name: &str) -> Result<Array<'_, F>> {
        let error = |reason: String| Error::file(self.path, format!("array {name}: {reason}"));
        let names = self.archive.file_names_raw().take(20).map(String::from_utf8_lossy);
        let names: Vec<_> = names.map(|n| n.trim_end_matches(".npy").escape_debug().to_string()).collect();
        let present = if names.is_empty() { "nothing".into() } else { names.join(", ") };
        let entry = self.archive.by_name(&format!("{name}.npy")).map_err(|e| match e {
            ZipError::FileNotFound => error(format!(
                "is missing; the file holds: {present}; wanted: x_train, y_train and perhaps x_test, y_test; or x, y; or data, target"
            )),
            other => error(other.to_string()),
        })?;
        let mut reader = BufReader::new(entry);
        let header = header(&mut reader).map_err(error)?;
        let sizes = header.shape().to_vec();
        Ok(Array { path: self.path.to_owned(), name: name.to_owned(), header, sizes, reader })
    }
}

/// Reads and checks the header of an array, before npyz parses it.
///
/// The check is needed because npyz multiplies the sizes unchecked, takes extremely long over deeply nested brackets,
/// and allocates any length that the file claims.
fn header(reader: &mut impl Read) -> std::result::Result<NpyHeader, String> {
    let mut bytes = vec![0; 10];
    let truncated = |e| format!("is not an NPY array, or cut off in its header: {e}");
    reader.read_exact(&mut bytes).map_err(truncated)?;
    if bytes[6] >= 2 {
        bytes.resize(12, 0);
        reader.read_exact(&mut bytes[10..]).map_err(truncated)?;
    }
    let length = bytes[8..].iter().rev().fold(0, |length, &byte| length << 8 | usize::from(byte));
    if !bytes.starts_with(b"\x93NUMPY") || length > MAX_HEADER {
        return Err("is not an NPY array".into());
    }
    let start = bytes.len();
    bytes.resize(start + length, 0);
    reader.read_exact(&mut bytes[start..]).map_err(truncated)?;
    if !harmless(&bytes[start..]) {
        return Err("has a header that describes no plain array, or an impossible size".into());
    }
    NpyHeader::from_reader(&bytes[..]).map_err(|e| format!("has a damaged header: {e}"))
}

/// Whether npyz can parse `text` safely.
///
/// Brackets may nest no deeper than a dictionary with tuples. The product of all numbers must fit into an i64; zeros
/// are left out, because npyz also multiplies some of the sizes alone. Numbers must be plain decimals, because other
/// spellings would have another value here.
fn harmless(text: &[u8]) -> bool {
    let brackets = text.iter().filter(|byte| b"([{".contains(byte)).count();
    let numbers = text.chunk_by(|a, b| a.is_ascii_digit() && !b" ,)]'\"".contains(b));
    let product = numbers.filter(|run| run[0].is_ascii_digit()).try_fold(1u64, |product, run| {
        let number: u64 = std::str::from_utf8(run).ok()?.parse().ok()?;
        product.checked_mul(number.max(1))
    });
    brackets <= 4 && product.is_some_and(|product| i64::try_from(product).is_ok())
}

/// An array whose header has been read.
struct Array<'a, F: Read> {
    path: PathBuf,
    name: String,
    header: NpyHeader,
    sizes: Vec<u64>,
    reader: BufReader<ZipFile<'a, F>>,
}

impl<F: Read> Array<'_, F> {
    fn error(&self, reason: impl std::fmt::Display) -> Error {
        Error::file(&self.path, format!("array {}: {reason}", self.name))
    }

    /// Kind of an element and its size in bytes; `None` for structured types.
    fn element(&self) -> Option<(TypeChar, u64)> {
        match self.header.dtype() {
            DType::Plain(plain) => Some((plain.type_char(), plain.size_field())),
            _ => None,
        }
    }

    /// All elements, row-major. Unsigned bytes stay bytes; all other types become f32.
    fn samples(self) -> Result<Samples> {
        let (order, sizes) = (self.header.order(), self.sizes.clone());
        Ok(match self.element() {
            Some((TypeChar::Uint, 1)) => Samples::U8(row_major(self.values(Ok)?, order, &sizes)),
            Some((TypeChar::Float, 4)) => Samples::F32(row_major(self.values(finite)?, order, &sizes)),
            Some((TypeChar::Float, 8)) => {
                Samples::F32(row_major(self.values(|value: f64| finite(value as f32))?, order, &sizes))
            }
            _ => Samples::F32(row_major(self.integers(|value| Ok(value as f32))?, order, &sizes)),
        })
    }

    /// All elements of an array of integers, in the order in which they are stored, each converted by `convert`.
    fn integers<V>(self, convert: impl Fn(i128) -> std::result::Result<V, String>) -> Result<Vec<V>> {
        match self.element() {
            Some((TypeChar::Uint, 1)) => self.values(|v: u8| convert(v.into())),
            Some((TypeChar::Uint, 2)) => self.values(|v: u16| convert(v.into())),
            Some((TypeChar::Uint, 4)) => self.values(|v: u32| convert(v.into())),
            Some((TypeChar::Uint, 8)) => self.values(|v: u64| convert(v.into())),
            Some((TypeChar::Int, 1)) => self.values(|v: i8| convert(v.into())),
            Some((TypeChar::Int, 2)) => self.values(|v: i16| convert(v.into())),
            Some((TypeChar::Int, 4)) => self.values(|v: i32| convert(v.into())),
            Some((TypeChar::Int, 8)) => self.values(|v: i64| convert(v.into())),
            _ => Err(self.error(format!(
                "elements of type {} are not read here; samples are u1, f4, f8 or integers, labels are integers",
                self.header.dtype().descr()
            ))),
        }
    }

    /// All elements in the order in which they are stored, each converted by `convert`. The file must hold exactly as
    /// many as its header says.
    fn values<T: Deserialize, V>(mut self, convert: impl Fn(T) -> std::result::Result<V, String>) -> Result<Vec<V>> {
        let file = NpyFile::with_header(self.header.clone(), &mut self.reader);
        let elements = match file.data::<T>() {
            Ok(elements) => elements,
            Err(e) => return Err(self.error(e)),
        };
        let mut values = vec![];
        let mut failure = None;
        for (index, element) in elements.enumerate() {
            let converted = match element {
                Ok(element) => convert(element).map_err(|reason| format!("element {index}: {reason}")),
                Err(e) if e.kind() == ErrorKind::UnexpectedEof => Err(format!(
                    "is truncated: it ends after {index} elements, its header promises {}",
                    times(&self.sizes)
                )),
                Err(e) => Err(format!("is damaged after {index} elements: {e}")),
            };
            match converted {
                Ok(value) => values.push(value),
                Err(reason) => {
                    failure = Some(reason);
                    break;
                }
            }
        }
        if let Some(reason) = failure {
            return Err(self.error(reason));
        }
        // Reading on to the end also makes the zip reader check its CRC.
        match self.reader.read(&mut [0]) {
            Ok(0) => Ok(values),
            Ok(_) => Err(self.error(format!("has more elements than its shape, {}", times(&self.sizes)))),
            Err(e) => Err(self.error(format!("is damaged: {e}"))),
        }
    }
}

/// Reorders the `values` of an array of `sizes` so that the last axis runs fastest. In Fortran order the first axis
/// does.
fn row_major<V: Copy>(values: Vec<V>, order: Order, sizes: &[u64]) -> Vec<V> {
    if order == Order::C {
        return values;
    }
    let stored_at = |mut place: usize| {
        let (mut index, mut stride) = (0, values.len());
        for &size in sizes.iter().rev() {
            let size = size as usize;
            stride /= size;
            index += place % size * stride;
            place /= size;
        }
        index
    };
    (0..values.len()).map(|place| values[stored_at(place)]).collect()
}
