//! Trained networks for other programs: ONNX for inference runtimes, NPZ for NumPy, and safetensors without what only
//! training needs.

mod format;
mod npz;
mod onnx;
mod protobuf;

pub use format::{Format, write};
