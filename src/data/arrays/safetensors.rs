//! Reader of safetensors files that hold samples and labels.

use super::array::{Array, Header};
use super::collect::{Store, collect};
use super::element::Element;
use crate::data::raw::{Raw, ReadOptions};
use crate::data::read::open_file;
use crate::error::{Error, Result};
use crate::text::one_line;
use safetensors::tensor::{Dtype, SafeTensors};
use std::io::Read;
use std::path::Path;

/// Reads the file at `path`.
///
/// # Errors
/// If the file is missing or damaged, holds a model, or lacks a tensor; the message names the tensor and the element.
pub fn read(path: &Path, options: &ReadOptions) -> Result<Raw> {
    let mut bytes = vec![];
    let outcome = open_file(path)?.read_to_end(&mut bytes);
    outcome.map_err(|e| Error::file(path, format!("cannot be read: {e}")))?;
    decode(path, options, &bytes)
}

/// Decodes `bytes`, the contents of the file at `path`.
///
/// # Errors
/// As [`read`].
pub fn decode(path: &Path, options: &ReadOptions, bytes: &[u8]) -> Result<Raw> {
    let file = SafeTensors::deserialize(bytes)
        .map_err(|e| Error::file(path, format!("is not a safetensors file, or damaged: {e}")))?;
    let has = |name: &str| file.tensor(name).is_ok();
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
    if has("layers.0.weight") || file.names().iter().any(|name| name.ends_with(".weight")) {
        return is_a("a model");
    }
    collect(&mut Tensors { path, file }, options)
}

struct Tensors<'a> {
    path: &'a Path,
    file: SafeTensors<'a>,
}

impl Store for Tensors<'_> {
    fn path(&self) -> &Path {
        self.path
    }

    fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = self.file.names().into_iter().map(str::to_owned).collect();
        names.sort();
        names
    }

    fn called(&self, name: &str) -> String {
        format!("tensor {}", one_line(name))
    }

    fn open(&mut self, name: &str) -> Result<Array<'_>> {
        let called = self.called(name);
        let error = |reason: String| Error::file(self.path, format!("{called}: {reason}"));
        let tensor = self.file.tensor(name).map_err(|e| error(e.to_string()))?;
        let element = match tensor.dtype() {
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
        let sizes = tensor.shape().iter().map(|&size| size as u64).collect();
        let bytes = tensor.data();
        Ok(Array {
            path: self.path.to_owned(),
            called: Some(called),
            header: Header { element, big_endian: false, fortran: false, sizes },
            bytes: Box::new(bytes),
            stored: bytes.len() as u64,
            most: bytes.len() as u64,
        })
    }
}
