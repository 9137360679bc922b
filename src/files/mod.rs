//! How files are opened, read and written. No other part of the program opens a file.

mod folder;
mod format;
#[cfg_attr(not(unix), path = "handle_by_path.rs")]
mod handle;
mod header;
mod read;
mod values;
mod write;

pub(crate) use folder::{Entry, Folder};
pub(crate) use format::safetensors_bytes;
pub use format::to_json;
pub(crate) use header::{MOST_HEADER, check_tensors, tensors};
pub(crate) use read::{
    Bound, DATA, LINES, LIST, PLAN, RECORD, RECORDS, SETTINGS, open, read, system, tail, text, text_if_present,
};
pub(crate) use values::{MOST_VALUES, Values};
pub(crate) use write::write_atomic;
