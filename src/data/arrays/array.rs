//! An array in a file: its header, and the decoding of its elements into features and labels.

use super::element::{Element, doubles, reals, text};
use super::shared::Interner;
use crate::data::numbers::{Numbers, room};
use crate::data::raw::{Label, LabelValues};
use crate::data::read::{rows_and_features, times};
use crate::error::{Error, Result};
use crate::memory::{self, Array as Planned};
use std::collections::TryReserveError;
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

impl Header {
    /// Whether elements are not stored row-major.
    fn is_transposed(&self) -> bool {
        self.fortran && self.sizes.len() > 1
    }
}

/// Why elements are not converted.
enum Stop {
    /// The element at this place is to blame.
    At(usize, String),
    /// There is no memory.
    Memory(Error),
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
    pub fn samples(mut self, samples: &mut Numbers) -> Result<()> {
        let (rows, width) = self.shape()?;
        let header = self.header.clone();
        let more = self.promised()?;
        let (called, remedy) = (self.reading(), "use fewer samples or features");
        let copies = if header.is_transposed() { 2 } else { 1 };
        let before = samples.len() / width;
        let planned = samples.array(before.saturating_add(rows.saturating_mul(copies)), width);
        memory::check_machine(&called, &[planned], remedy)?;
        let known = self.is_stored(more);
        let mut values = match samples {
            Numbers::Bytes(_) => Numbers::Bytes(vec![]),
            _ => Numbers::new(width),
        };
        // Bytes that are not known to exist are given room as they come.
        if before == 0 && !header.is_transposed() {
            values = std::mem::replace(samples, Numbers::Reals(vec![]));
        }
        let out_of_memory = |_: TryReserveError| memory::exhausted(&called, remedy);
        values.reserve(if known { more } else { 0 }).map_err(out_of_memory)?;
        let mut scratch = vec![];
        self.decode(|bytes, first| {
            let room = match &mut values {
                Numbers::Bytes(all) => room(all, bytes.len()).map(|()| all.extend_from_slice(bytes)),
                values => {
                    scratch.clear();
                    reals(header.element, header.big_endian, bytes, &mut scratch);
                    if let Some(place) = scratch.iter().position(|value| value.is_infinite()) {
                        let reason = "is infinite or beyond the range of an f32; rescale the feature, or write NaN where a \
                                      value is missing";
                        return Err(Stop::At(first + place, reason.into()));
                    }
                    values.extend(&scratch)
                }
            };
            room.map_err(|e| Stop::Memory(out_of_memory(e)))
        })?;
        values.shrink();
        let values = match values {
            Numbers::Bytes(bytes) => Numbers::Bytes(row_major(bytes, &header).map_err(out_of_memory)?),
            Numbers::Whole(bytes) => Numbers::Whole(row_major(bytes, &header).map_err(out_of_memory)?),
            Numbers::Reals(reals) => Numbers::Reals(row_major(reals, &header).map_err(out_of_memory)?),
        };
        if before == 0 {
            *samples = values;
            return Ok(());
        }
        match samples.append(values).map_err(out_of_memory)? {
            Some(()) => Ok(()),
            None => Err(Error::file(&self.path, "holds bytes and other numbers; store both alike")),
        }
    }

    /// The label columns of `rows` samples, which are those of `of`.
    pub fn labels(mut self, rows: usize, of: &str) -> Result<Vec<Label>> {
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
        let header = self.header.clone();
        self.promised()?;
        let (called, remedy) = (self.reading(), "use fewer samples or labels");
        let is_text = header.element.is_text();
        let size = if is_text { size_of::<u32>() } else { size_of::<f64>() };
        memory::check_machine(
            &called,
            &[Planned::new("labels", size, &[("rows", rows), ("labels", columns)])],
            remedy,
        )?;
        let exact = if self.is_stored(rows.saturating_mul(columns)) { rows } else { 0 };
        let out_of_memory = |_: TryReserveError| memory::exhausted(&called, remedy);
        let stop = |e| Stop::Memory(out_of_memory(e));
        // In Fortran order, a column lies in one piece.
        let column = |place: usize| if header.is_transposed() { place / rows } else { place % columns };
        let label = |values| Label { name: None, values };
        if is_text {
            let mut all: Vec<Interner> = std::iter::repeat_with(Interner::default).take(columns).collect();
            self.decode(|bytes, first| {
                for (place, bytes) in (first..).zip(bytes.chunks_exact(header.element.size().max(1))) {
                    let text = text(header.element, header.big_endian, bytes);
                    let text = text.map_err(|reason| Stop::At(place, reason))?;
                    all[column(place)].push(text.as_deref()).map_err(stop)?;
                }
                Ok(())
            })?;
            return Ok(all.into_iter().map(|column| label(LabelValues::Text(column.finish()))).collect());
        }
        let wide = matches!(header.element, Element::I64 | Element::U64);
        let mut all: Vec<Vec<f64>> = vec![vec![]; columns];
        all.iter_mut().try_for_each(|column| column.try_reserve_exact(exact)).map_err(out_of_memory)?;
        let mut scratch = vec![];
        self.decode(|bytes, first| {
            scratch.clear();
            doubles(header.element, header.big_endian, bytes, &mut scratch);
            if let Some(place) = scratch.iter().position(|value| value.is_infinite()) {
                return Err(Stop::At(first + place, "is infinite; write NaN where a label is missing".into()));
            }
            // Two labels that round to the same f64 would silently become one class.
            if let Some(place) = scratch.iter().position(|value| wide && value.abs() >= LARGEST_EXACT) {
                let reason = format!("is {}, beyond 2⁵³; number the classes 0, 1, 2, …", scratch[place]);
                return Err(Stop::At(first + place, reason));
            }
            for (place, &value) in (first..).zip(&scratch) {
                let column = &mut all[column(place)];
                room(column, 1).map_err(stop)?;
                column.push(value);
            }
            Ok(())
        })?;
        Ok(all.into_iter().map(|column| label(LabelValues::Numbers(column))).collect())
    }

    /// The elements of a vector of text; `None` where one is empty.
    pub fn texts(mut self) -> Result<Vec<Option<String>>> {
        let header = self.header.clone();
        let mut texts = vec![];
        self.decode(|bytes, first| {
            for (place, bytes) in (first..).zip(bytes.chunks_exact(header.element.size().max(1))) {
                let text = text(header.element, header.big_endian, bytes);
                texts.push(text.map_err(|reason| Stop::At(place, reason))?);
            }
            Ok(())
        })?;
        Ok(texts)
    }

    /// What reads the array, for messages on memory.
    fn reading(&self) -> String {
        match &self.called {
            Some(called) => format!("reading {}, {called},", self.path.display()),
            None => format!("reading {}", self.path.display()),
        }
    }

    /// Whether the file is long enough to hold `count` elements that are not compressed.
    fn is_stored(&self, count: usize) -> bool {
        (count as u64).saturating_mul(self.header.element.size() as u64) <= self.stored
    }

    /// The number of elements that the header promises, if so many can follow.
    fn promised(&self) -> Result<usize> {
        let sizes = times(&self.header.sizes);
        let size = self.header.element.size();
        let impossible = || self.error(format!("claims an impossible size, {sizes}"));
        let product = |product: usize, &n: &u64| product.checked_mul(usize::try_from(n).ok()?);
        let count = self.header.sizes.iter().try_fold(1usize, product).ok_or_else(impossible)?;
        let bytes = count.checked_mul(size).filter(|&bytes| isize::try_from(bytes).is_ok()).ok_or_else(impossible)?;
        if size == 0 {
            return Err(self.error("has elements of no bytes"));
        }
        // Without this check, a small compressed file could claim and unpack any amount.
        if bytes as u64 > self.most {
            return Err(self.error(format!(
                "is truncated: its header promises {sizes} elements of {size} bytes, but at most {} bytes follow",
                self.most
            )));
        }
        Ok(count)
    }

    /// Reads all elements, some at a time. `convert` gets the bytes of some elements and the place of the first. The array
    /// must hold exactly as many elements as its header says.
    fn decode(&mut self, mut convert: impl FnMut(&[u8], usize) -> std::result::Result<(), Stop>) -> Result<()> {
        let (count, sizes, size) = (self.promised()?, times(&self.header.sizes), self.header.element.size());
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
            convert(&buffer[..whole * size], done).map_err(|stop| match stop {
                Stop::At(place, reason) => self.error(format!("element {} {reason}", self.place(place))),
                Stop::Memory(error) => error,
            })?;
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
            Ok(0) => Ok(()),
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

/// Reorders the values of an array so that the last axis runs fastest. In Fortran order the first axis does.
fn row_major<V: Clone>(values: Vec<V>, header: &Header) -> std::result::Result<Vec<V>, TryReserveError> {
    if !header.is_transposed() || values.is_empty() {
        return Ok(values);
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
    let mut ordered = vec![];
    ordered.try_reserve_exact(values.len())?;
    ordered.extend((0..values.len()).map(|place| values[stored_at(place)].clone()));
    Ok(ordered)
}
