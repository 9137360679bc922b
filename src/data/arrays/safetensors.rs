//! Reader of safetensors files that hold samples and labels.

use super::array::{Array, Header};
use super::collect::{Store, collect};
use super::element::Element;
use crate::data::raw::{Raw, ReadOptions};
use crate::error::{Error, Result};
use crate::files::{self, MOST_HEADER, check_tensors};
use crate::text::one_line;
use safetensors::tensor::{Dtype, Metadata};
use std::io::{BufReader, Cursor, Read, Seek, SeekFrom};
use std::path::Path;

/// Reads the file at `path`.
///
/// # Errors
/// If the file is missing or damaged, holds a model, or lacks a tensor; the message names the tensor and the element.
pub fn read(path: &Path, options: &ReadOptions) -> Result<Raw> {
    match files::open(path, files::DATA)? {
        opened if opened.length.is_some() => decode_stream(path, options, BufReader::new(opened.file)),
        // A stream cannot be read from another place.
        stream => decode(path, options, &stream.read(path)?),
    }
}

/// Decodes `bytes`, the contents of the file at `path`.
///
/// # Errors
/// As [`read`].
pub fn decode(path: &Path, options: &ReadOptions, bytes: &[u8]) -> Result<Raw> {
    decode_stream(path, options, Cursor::new(bytes))
}

fn decode_stream(path: &Path, options: &ReadOptions, mut file: impl Read + Seek) -> Result<Raw> {
    let (metadata, start) = header(&mut file).map_err(|reason| Error::file(path, reason))?;
    let has = |name: &str| metadata.info(name).is_some();
    let is_a = |what: &str| {
        Err(Error::file(
            path,
            format!("is {what}, not a data set; a data set has the tensors x and y, or x_train, y_train"),
        ))
    };
    if has("layers.0.onset") {
        return is_a("the trace of a run");
    }
    if has("layers.0.weights") {
        return is_a("a checkpoint");
    }
    if has("layers.0.weight") || metadata.offset_keys().iter().any(|name| name.ends_with(".weight")) {
        return is_a("a model");
    }
    collect(&mut Tensors { path, file, metadata, start }, options)
}

/// The header, and where the tensors begin. The tensors are not read, because a file may be larger than the memory.
fn header(file: &mut (impl Read + Seek)) -> std::result::Result<(Metadata, u64), String> {
    let unread = |e: std::io::Error| format!("cannot be read: {e}");
    let damaged = |e: &dyn std::fmt::Display| format!("is not a safetensors file, or damaged: {e}");
    let all = file.seek(SeekFrom::End(0)).map_err(unread)?;
    file.rewind().map_err(unread)?;
    let mut bytes = vec![];
    file.take(8).read_to_end(&mut bytes).map_err(unread)?;
    let length = bytes.first_chunk::<8>().map(|&bytes| u64::from_le_bytes(bytes));
    let length = length.ok_or_else(|| damaged(&"it has no header"))?;
    if length > MOST_HEADER || length > all - 8 {
        return Err(damaged(&format!("its header claims {length} bytes")));
    }
    file.take(length).read_to_end(&mut bytes).map_err(unread)?;
    check_tensors(&bytes)?;
    let metadata: Metadata = serde_json::from_slice(&bytes[8..]).map_err(|e| damaged(&e))?;
    let (promised, there) = (metadata.data_len() as u64, all - 8 - length);
    if promised != there {
        return Err(damaged(&format!("its header promises {promised} bytes of tensors, and there are {there}")));
    }
    Ok((metadata, 8 + length))
}

struct Tensors<'a, F> {
    path: &'a Path,
    file: F,
    metadata: Metadata,
    /// Where the first tensor begins.
    start: u64,
}

impl<F: Read + Seek> Store for Tensors<'_, F> {
    fn path(&self) -> &Path {
        self.path
    }

    fn names(&self) -> Vec<String> {
        let mut names = self.metadata.offset_keys();
        names.sort();
        names
    }

    fn called(&self, name: &str) -> String {
        format!("tensor {}", one_line(name))
    }

    fn open(&mut self, name: &str) -> Result<Array<'_>> {
        let called = self.called(name);
        let error = |reason: String| Error::file(self.path, format!("{called}: {reason}"));
        let tensor = self.metadata.info(name).ok_or_else(|| error("there is no such tensor".into()))?;
        let element = match tensor.dtype {
            Dtype::BOOL => Element::Bool,
            Dtype::I8 => Element::I8,
            Dtype::I16 => Element::I16,
            Dtype::I32 => Element::I32,
            Dtype::I64 => Element::I64,
            Dtype::U8 => Element::U8,
            Dtype::U16 => Element::U16,
            Dtype::U32 => Element::U32,
            Dtype::U64 => Element::U64,
            Dtype::F16 => Element::F16,
            Dtype::BF16 => Element::Bf16,
            Dtype::F32 => Element::F32,
            Dtype::F64 => Element::F64,
            other => {
                let known = "save BOOL, I8 to I64, U8 to U64, F16, BF16, F32 or F64";
                return Err(error(format!("elements of type {other:?} are not read; {known}")));
            }
        };
        let sizes = tensor.shape.iter().map(|&size| size as u64).collect();
        let (first, end) = tensor.data_offsets;
        let length = (end - first) as u64;
        let moved = self.file.seek(SeekFrom::Start(self.start + first as u64));
        moved.map_err(|e| Error::file(self.path, format!("cannot be read: {e}")))?;
        Ok(Array {
            path: self.path.to_owned(),
            called: Some(called),
            header: Header { element, big_endian: false, fortran: false, sizes },
            bytes: Box::new((&mut self.file).take(length)),
            stored: length,
            most: length,
        })
    }
}
