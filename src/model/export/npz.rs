//! NPZ: the tensors of the model file, learning rates included, as NumPy arrays of f32 under the same names.

use crate::error::{Error, Result};
use crate::model::file::{Model, Tensor};
use npyz::WriterBuilder;
use std::io::Cursor;
use std::path::Path;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

/// The bytes of the file; `path` is only for messages. Arrays are stored uncompressed, as `numpy.savez` stores them,
/// because trained weights hardly compress.
pub fn encode(model: &Model, path: &Path) -> Result<Vec<u8>> {
    let refuse = |reason: &dyn std::fmt::Display| Error::file(path, format!("cannot be written: {reason}"));
    let mut zip = ZipWriter::new(Cursor::new(vec![]));
    for tensor in model.tensors() {
        let array = npy(&tensor).map_err(|e| refuse(&e))?;
        let options = SimpleFileOptions::default()
            .compression_method(CompressionMethod::Stored)
            .large_file(array.len() > u32::MAX as usize);
        zip.start_file(format!("{}.npy", tensor.name), options).map_err(|e| refuse(&e))?;
        std::io::Write::write_all(&mut zip, &array).map_err(|e| refuse(&e))?;
    }
    Ok(zip.finish().map_err(|e| refuse(&e))?.into_inner())
}

/// Encodes one array in NumPy's `.npy` format.
fn npy(tensor: &Tensor) -> std::io::Result<Vec<u8>> {
    let mut bytes = vec![];
    let shape: Vec<u64> = tensor.shape.iter().map(|&size| size as u64).collect();
    let mut writer = npyz::WriteOptions::new().default_dtype().shape(&shape).writer(&mut bytes).begin_nd()?;
    writer.extend(tensor.values.iter().copied())?;
    writer.finish()?;
    Ok(bytes)
}
