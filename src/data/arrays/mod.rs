//! Readers of arrays: NPZ, NPY, safetensors, IDX and Parquet. All deliver a [`Raw`](super::raw::Raw).

pub mod array;
mod collect;
#[cfg(feature = "parquet")]
mod columns;
mod element;
pub mod idx;
mod names;
pub mod npy;
mod npy_header;
#[cfg(feature = "npz")]
pub mod npz;
pub mod parquet;
#[cfg(feature = "parquet")]
mod roles;
pub mod safetensors;
pub mod shared;
