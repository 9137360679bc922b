//! An array in a file: its header, and the decoding of its elements into features and labels.

use super::element::{Element, doubles, reals, text};
use super::shared::text as column;
use crate::data::raw::{Label, LabelValues};
use crate::data::read::{rows_and_features, times};
use crate::data::set::Samples;
use crate::error::{Error, Result};
use std::io::{ErrorKind, Read};
use std::path::PathBuf;

/// Bytes that are read at once.
const CHUNK: usize = 1 << 16;

/// The smallest integer whose successor is no f64.
const LARGEST_EXACT: f64 = 9_007_199_254_740_992.0;

/// What the header of an array says.
#[derive(Clone, Debug, PartialEq)]
pub struct Header {
    pub element: Element,
    pub big_endian: bool,
    /// Whether the first axis runs fastest instead of the last.
    pub fortran: bool,
    pub sizes: Vec<u64>,
}

/// An array whose header has been read.
pub struct Array<'a> {
    /// The file, for messages.
    pub path: PathBuf,
    /// What messages call the array, such as `array x`; `None` if the file holds no other.
    pub called: Option<String>,
    pub header: Header,
    /// The elements.
    pub bytes: Box<dyn Read + 'a>,
    /// Bytes of elements that lie in the file, perhaps compressed.
    pub stored: u64,
    /// Largest number of bytes that the elements can have.
    pub most: u64,
}

impl Array<'_> {
    pub fn error(&self, reason: impl std::fmt::Display) -> Error {
        match &self.called {
            Some(called) => Error::file(&self.path, format!("{called}: {reason}")),
            None => Error::file(&self.path, reason),
        }
    }

    /// Number of rows, and of features per row.
    pub fn shape(&self) -> Result<(usize, usize)> {
        rows_and_features(&self.header.sizes).map_err(|reason| self.error(reason))
    }

    /// The array's only axis, or the product of all but the first: [`None`] if the array is no vector or matrix.
    fn label_columns(&self) -> Option<usize> {
        match self.header.sizes[..] {
            [_] => Some(1),
            [_, columns] => usize::try_from(columns).ok(),
            [_, ref rest @ ..] if rest.iter().all(|&size| size == 1) => Some(1),
            _ => None,
        }
    }

    /// Height, width and channels, if the sizes are those of images whose channels come last.
    pub fn image(&self) -> Option<[usize; 3]> {
        let [h, w, c] = match self.header.sizes[..] {
            [_, h, w] | [_, 1, h, w] if h >= 2 => [h, w, 1],
            [_, h, w, c] if h >= 2 => [h, w, c],
            _ => return None,
        };
        (w >= 2 && matches!(c, 1 | 3 | 4)).then_some([h as usize, w as usize, c as usize])
    }

    /// Appends the elements to `samples`, row-major. Unsigned bytes stay bytes; other numbers become f32.
    pub fn samples(self, samples: &mut Samples) -> Result<()> {
        let header = self.header.clone();
        match samples {
            Samples::U8(all) => {
                let bytes = self.decode(|bytes, _, out: &mut Vec<u8>| {
                    out.extend(bytes);
                    Ok(())
                })?;
                append(all, row_major(bytes, &header));
            }
            Samples::F32(all) => {
                let values = self.decode(|bytes, first, out| {
                    let before = out.len();
                    reals(header.element, header.big_endian, bytes, out);
                    match out[before..].iter().position(|value| value.is_infinite()) {
                        Some(place) => Err((
                            first + place,
                            "is infinite or beyond the range of an f32; rescale the feature, or write NaN where a \
                             value is missing"
                                .into(),
                        )),
                        None => Ok(()),
                    }
                })?;
                append(all, row_major(values, &header));
            }
        }
        Ok(())
    }

    /// The label columns of `rows` samples, which are those of `of`.
    pub fn labels(self, rows: usize, of: &str) -> Result<Vec<Label>> {
        let sizes = times(&self.header.sizes);
        let columns = match self.label_columns() {
            Some(columns) if columns > 0 && self.header.sizes[0] == rows as u64 => columns,
            Some(columns) if columns > 0 => {
                return Err(self.error(format!("{} labels, but {of} holds {rows} samples", self.header.sizes[0])));
            }
            _ => {
                let reason = "labels are a vector, or a matrix with one row per sample";
                return Err(self.error(format!("has the shape {sizes}; {reason}")));
            }
        };
        let split = |column: usize| (column..rows * columns).step_by(columns);
        let label = |values| Label { name: None, values };
        if self.header.element.is_text() {
            let texts = self.texts()?;
            let values = |c| column(&split(c).map(|place| texts[place].as_deref()).collect::<Vec<_>>());
            return Ok((0..columns).map(|column| label(LabelValues::Text(values(column)))).collect());
        }
        let header = self.header.clone();
        let wide = matches!(header.element, Element::I64 | Element::U64);
        let numbers = self.decode(|bytes, first, out| {
            let before = out.len();
            doubles(header.element, header.big_endian, bytes, out);
            let new = &out[before..];
            if let Some(place) = new.iter().position(|value| value.is_infinite()) {
                return Err((first + place, "is infinite; write NaN where a label is missing".into()));
            }
            // Two labels that round to the same f64 would silently become one class.
            match new.iter().position(|value| wide && value.abs() >= LARGEST_EXACT) {
                Some(place) => {
                    Err((first + place, format!("is {}, beyond 2⁵³; number the classes 0, 1, 2, …", new[place])))
                }
                None => Ok(()),
            }
        })?;
        let numbers = row_major(numbers, &header);
        let values = |column| LabelValues::Numbers(split(column).map(|place| numbers[place]).collect());
        Ok((0..columns).map(|column| label(values(column))).collect())
    }

    /// The elements of an array of text, row-major; `None` where one is empty.
    pub fn texts(self) -> Result<Vec<Option<String>>> {
        let header = self.header.clone();
        let texts = self.decode(|bytes, first, out| {
            for (place, bytes) in bytes.chunks_exact(header.element.size().max(1)).enumerate() {
                out.push(text(header.element, header.big_endian, bytes).map_err(|reason| (first + place, reason))?);
            }
            Ok(())
        })?;
        Ok(row_major(texts, &header))
    }

    /// Reads all elements, some at a time. `convert` gets the bytes of some elements and the place of the first, and
    /// appends the values. The array must hold exactly as many elements as its header says.
    fn decode<V>(
        mut self,
        mut convert: impl FnMut(&[u8], usize, &mut Vec<V>) -> std::result::Result<(), (usize, String)>,
    ) -> Result<Vec<V>> {
        let sizes = times(&self.header.sizes);
        let size = self.header.element.size();
        let impossible = || self.error(format!("claims an impossible size, {sizes}"));
        let product = |product: usize, &n: &u64| product.checked_mul(usize::try_from(n).ok()?);
        let count = self.header.sizes.iter().try_fold(1usize, product).ok_or_else(impossible)?;
        let promised =
            count.checked_mul(size).filter(|&bytes| isize::try_from(bytes).is_ok()).ok_or_else(impossible)?;
        if size == 0 {
            return Err(self.error("has elements of no bytes"));
        }
        // Without this check, a small compressed file could claim and unpack any amount.
        if promised as u64 > self.most {
            return Err(self.error(format!(
                "is truncated: its header promises {sizes} elements of {size} bytes, but at most {} bytes follow",
                self.most
            )));
        }
        let mut values = vec![];
        // Only for bytes that exist; the values of compressed bytes grow as they come.
        let _ = values.try_reserve_exact(count.min(usize::try_from(self.stored).unwrap_or(usize::MAX) / size));
        let mut buffer = vec![0; (CHUNK / size).max(1) * size];
        let mut done = 0;
        while done < count {
            let wanted = (buffer.len() / size).min(count - done) * size;
            let found = fill(&mut self.bytes, &mut buffer[..wanted]);
            let (found, failure) = match found {
                Ok(found) => (found, None),
                Err((found, e)) => (found, Some(e)),
            };
            let whole = found / size;
            convert(&buffer[..whole * size], done, &mut values)
                .map_err(|(place, reason)| self.error(format!("element {} {reason}", self.place(place))))?;
            done += whole;
            if let Some(e) = failure.filter(|e| e.kind() != ErrorKind::UnexpectedEof) {
                return Err(self.error(format!("is damaged after {done} elements: {e}")));
            }
            if found < wanted {
                return Err(self.error(format!(
                    "is truncated: it ends after {done} elements, its header promises {count} ({sizes})"
                )));
            }
        }
        // Reading on to the end also makes readers of compressed files check their sums.
        match self.bytes.read(&mut [0]) {
            Ok(0) => {
                values.shrink_to_fit();
                Ok(values)
            }
            Ok(_) => Err(self.error(format!("has more elements than its header promises, {count} ({sizes})"))),
            Err(e) => Err(self.error(format!("is damaged after its {count} elements: {e}"))),
        }
    }

    /// The indices of the element stored at `place`, as NumPy writes them.
    fn place(&self, mut place: usize) -> String {
        let sizes = &self.header.sizes;
        let mut indices = vec![0; sizes.len()];
        let axes: Vec<usize> =
            if self.header.fortran { (0..sizes.len()).collect() } else { (0..sizes.len()).rev().collect() };
        for axis in axes {
            let size = usize::try_from(sizes[axis]).unwrap_or(usize::MAX).max(1);
            indices[axis] = place % size;
            place /= size;
        }
        format!("{indices:?}")
    }
}

/// Reads until `buffer` is full or the file ends. An error comes with the number of bytes read before it.
fn fill(reader: &mut impl Read, buffer: &mut [u8]) -> std::result::Result<usize, (usize, std::io::Error)> {
    let mut found = 0;
    while found < buffer.len() {
        match reader.read(&mut buffer[found..]) {
            Ok(0) => break,
            Ok(count) => found += count,
            Err(e) if e.kind() == ErrorKind::Interrupted => {}
            Err(e) => return Err((found, e)),
        }
    }
    Ok(found)
}

/// Moves `new` to the end of `all`, without a copy if `all` is empty.
fn append<V>(all: &mut Vec<V>, new: Vec<V>) {
    if all.is_empty() {
        *all = new;
    } else {
        all.extend(new);
    }
}

/// Reorders the values of an array so that the last axis runs fastest. In Fortran order the first axis does.
fn row_major<V: Clone>(values: Vec<V>, header: &Header) -> Vec<V> {
    if !header.fortran || header.sizes.len() < 2 || values.is_empty() {
        return values;
    }
    let stored_at = |mut place: usize| {
        let (mut index, mut stride) = (0, values.len());
        for &size in header.sizes.iter().rev() {
            let size = size as usize;
            stride /= size;
            index += place % size * stride;
            place /= size;
        }
        index
    };
    (0..values.len()).map(|place| values[stored_at(place)].clone()).collect()
}
