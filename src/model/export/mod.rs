//! Export of trained networks: ONNX for inference runtimes, NPZ for NumPy, and safetensors without the learning rates,
//! which only training needs.

mod format;
#[cfg(feature = "npz")]
mod npz;
mod onnx;
mod protobuf;

pub use format::{Format, write};
