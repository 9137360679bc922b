//! The formats of exported models, and the function that writes a model in one of them.

#[cfg(feature = "npz")]
use super::npz;
use super::onnx;
use crate::config::{Config, choices};
#[cfg(not(feature = "npz"))]
use crate::error::Error;
use crate::error::Result;
use crate::files::write_atomic;
use crate::model::file::Model;
use serde::{Deserialize, Serialize};
use std::path::Path;

choices! {
    /// The file formats that [`write()`] supports.
    Format {
        /// a graph from features to outputs, for ONNX Runtime and other inference programs
        Onnx,
        /// NumPy arrays of weights, biases and learning rates
        Npz,
        /// the model file with weights and biases alone
        Safetensors,
    }
}

impl Model {
    /// Writes the network for other programs. The learning rates stay out of a safetensors file.
    ///
    /// # Errors
    /// As [`write()`], or if the model's file does not say which functions the network computes.
    pub fn export(&self, path: impl AsRef<Path>, format: Format) -> Result<()> {
        write(self, &self.functions()?, format, false, path.as_ref())
    }
}

/// Writes `model` to `path` atomically. Scaling of features and targets is part of an ONNX graph. In the other formats it is
/// folded into the weights, except with `keep_alpha`, because rates belong to the weights as they were trained. Only ONNX needs `config`, because the graph contains the activations. A
/// safetensors file has the learning rates only with `keep_alpha`; NPZ always has them.
///
/// # Errors
/// If the file cannot be written, or if the network is too large for the format.
pub fn write(model: &Model, config: &Config, format: Format, keep_alpha: bool, path: &Path) -> Result<()> {
    match format {
        Format::Onnx => write_atomic(path, &onnx::encode(model, config, path)?),
        #[cfg(feature = "npz")]
        Format::Npz => write_atomic(path, &npz::encode(&model.folded(true), path)?),
        #[cfg(not(feature = "npz"))]
        Format::Npz => {
            Err(Error::file(path, "cannot be written: this build of homeostat lacks the Cargo feature `npz`"))
        }
        Format::Safetensors if keep_alpha => model.save(path),
        Format::Safetensors => {
            let mut model = model.folded(true);
            model.layers.iter_mut().for_each(|layer| layer.alpha = None);
            model.save(path)
        }
    }
}
