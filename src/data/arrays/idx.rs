//! Reader of IDX files with elements of any type, each raw or gzipped.
//!
//! An IDX file starts with two zero bytes, the element type and the number of dimensions. One big-endian u32 per
//! dimension and then the elements follow, in big-endian order too.

use super::array::{Array, Header};
use super::collect::{Store, read_pairs};
use super::element::Element;
use super::names::Pair as Names;
use crate::data::idx::{Pair, Source, Unpacked, pairs};
use crate::data::raw::{Raw, ReadOptions};
use crate::error::{Error, Result};
use crate::text::one_line;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// Reads the files of `directory` whose names begin with `stems`. The two files of the test set may both be absent.
///
/// # Errors
/// If a file is missing or damaged; the message names the file and the place.
pub fn read(directory: &Path, stems: [&str; 2], options: &ReadOptions) -> Result<Raw> {
    let (train, test) = pairs(directory, stems)?;
    decode(train, test, options)
}

/// Decodes a training set and, if there is one, its test set.
///
/// # Errors
/// As [`read`].
pub fn decode<'a>(train: Pair<'a>, test: Option<Pair<'a>>, options: &ReadOptions) -> Result<Raw> {
    let mut files = Files { path: train.images.path.clone(), sources: vec![] };
    let mut add = |pair: Pair<'a>| -> Result<Names> {
        let name = |source: &Source| source.path.display().to_string();
        let names = Names { samples: Some(name(&pair.images)), labels: Some(name(&pair.labels)) };
        for (source, least) in [(pair.images, 2), (pair.labels, 1)] {
            let array = array(source)?;
            if array.header.sizes.len() < least {
                return Err(array.error("has one dimension only; images need at least two (is it a file of labels?)"));
            }
            files.sources.push((array.path.display().to_string(), Some(array)));
        }
        Ok(names)
    };
    let names = [add(train)?, Names::default(), test.map(&mut add).transpose()?.unwrap_or_default()];
    read_pairs(&mut files, &names, options)
}

/// Reads the header of a file.
fn array(source: Source<'_>) -> Result<Array<'_>> {
    let Unpacked { path, mut bytes, stored, most } = source.unpack()?;
    let mut four = || {
        let mut four = [0; 4];
        let outcome = bytes.read_exact(&mut four).map_err(|e| match e.kind() {
            ErrorKind::UnexpectedEof => Error::file(&path, "is truncated: it ends within its header"),
            _ => Error::file(&path, format!("cannot be read: {e}")),
        });
        outcome.map(|()| four)
    };
    let [zero0, zero1, kind, dimensions] = four()?;
    if [zero0, zero1] != [0, 0] || dimensions == 0 {
        return Err(Error::file(
            &path,
            format!(
                "is not an IDX file: it starts {zero0:02x} {zero1:02x} {kind:02x} {dimensions:02x}, where 00 00, the type \
                 of the elements and the number of dimensions belong"
            ),
        ));
    }
    let element = match kind {
        0x08 => Element::U8,
        0x09 => Element::I8,
        0x0b => Element::I16,
        0x0c => Element::I32,
        0x0d => Element::F32,
        0x0e => Element::F64,
        _ => {
            let known = "the types are 0x08, 0x09, 0x0b, 0x0c, 0x0d and 0x0e";
            return Err(Error::file(&path, format!("elements of type {kind:#04x} are not read; {known}")));
        }
    };
    let taken = 4 + 4 * u64::from(dimensions);
    let sizes = (0..dimensions).map(|_| Ok(u64::from(u32::from_be_bytes(four()?)))).collect::<Result<_>>()?;
    let header = Header { element, big_endian: true, fortran: false, sizes };
    let (stored, most) = (stored.saturating_sub(taken), most.saturating_sub(taken));
    Ok(Array { path, called: None, header, bytes, stored, most })
}

/// Files by their paths; each can be opened once.
struct Files<'a> {
    path: PathBuf,
    sources: Vec<(String, Option<Array<'a>>)>,
}

impl Store for Files<'_> {
    fn path(&self) -> &Path {
        &self.path
    }

    fn names(&self) -> Vec<String> {
        self.sources.iter().map(|(name, _)| name.clone()).collect()
    }

    fn called(&self, name: &str) -> String {
        name.to_owned()
    }

    fn open(&mut self, name: &str) -> Result<Array<'_>> {
        let source = self.sources.iter_mut().find(|(source, array)| source == name && array.is_some());
        let array = source.and_then(|(_, array)| array.take());
        array.ok_or_else(|| Error::file(&self.path, format!("{} is given twice", one_line(name))))
    }
}
