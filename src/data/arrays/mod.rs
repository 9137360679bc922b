//! Readers of arrays: NPZ, NPY, safetensors, IDX and Parquet. All deliver a [`Raw`](super::raw::Raw).

pub mod array;
mod collect;
mod element;
pub mod idx;
mod names;
pub mod npy;
mod npy_header;
#[cfg(feature = "npz")]
pub mod npz;
pub mod safetensors;
pub mod shared;
