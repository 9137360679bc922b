//! `homeostat export`: converts a saved model to the format of another program.

use super::functions::Functions;
use super::outputs::{check_free, refuse_source, refuse_special};
use super::print::{say, tell};
use crate::error::{Error, Result};
use crate::model::export::{self, Format};
use crate::model::file::Model;
use std::path::PathBuf;

/// Write a saved model as ONNX, NPZ or plain safetensors.
///
/// ONNX is a graph from features `x` (bytes scaled to 0 … 1, as in training) to outputs `y`. NPZ has `layers.{l}.weight`,
/// `.bias` and `.alpha` as NumPy arrays. Safetensors is the model file without its learning rates.
#[derive(clap::Args)]
pub struct Export {
    /// The model.safetensors to export
    #[arg(value_name = "MODEL")]
    model: PathBuf,
    /// Format of the new file
    #[arg(long, value_enum)]
    format: Format,
    /// File to write [default: beside MODEL, as .onnx, .npz or .weights.safetensors]
    #[arg(long, short, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Overwrite an existing file
    #[arg(long)]
    force: bool,
    /// Keep the learning rates in safetensors
    #[arg(long)]
    keep_alpha: bool,
    #[command(flatten)]
    functions: Functions,
}

impl Export {
    /// Writes the file and prints its path.
    pub fn run(&self) -> Result<()> {
        if self.keep_alpha && self.format != Format::Safetensors {
            return Err(Error::config(format!(
                "--keep-alpha: --format {} has no choice; npz always has the learning rates, onnx never",
                self.format
            )));
        }
        let out = self.out.clone().unwrap_or_else(|| {
            self.model.with_extension(match self.format {
                Format::Onnx => "onnx",
                Format::Npz => "npz",
                Format::Safetensors => "weights.safetensors",
            })
        });
        check_free(&out, self.force)?;
        if self.out.is_none() {
            refuse_special(&out)?;
        }
        refuse_source(&out, &[&self.model])?;
        let model = Model::open(&self.model)?;
        // Only an ONNX graph needs the activations, so other formats need no note about missing metadata.
        let config = if self.format == Format::Onnx { self.functions.of(&model)? } else { Default::default() };
        if self.format != Format::Onnx && !self.keep_alpha && model.folding_loss() > 1e-5 {
            tell(format_args!(
                "note: features lie far from 0 for their spread, so folding their scale into f32 weights changes outputs by about \
                 {:.0e}; --format onnx scales exactly",
                model.folding_loss()
            ));
        }
        export::write(&model, &config, self.format, self.keep_alpha, &out)?;
        say(format_args!("wrote {}", out.display()))
    }
}
