//! The bytes of JSON and of safetensors that are written. The same content always has the same bytes.

use crate::error::{Error, Result};
use crate::text::json;
use serde::Serialize;
use std::collections::BTreeMap;

/// `value` as one line of JSON, which is safe on a terminal.
///
/// # Errors
/// Never for the types of this crate.
pub fn to_json(value: &impl Serialize) -> Result<String> {
    serde_json::to_string(value).map(json).map_err(|e| Error::Run(format!("cannot be written as JSON: {e}")))
}

/// The bytes of a safetensors file. Metadata stand in the order of their keys, so that the same content has the same bytes.
///
/// # Errors
/// If a tensor's bytes do not fit its shape.
pub(crate) fn safetensors_bytes<N: AsRef<str> + Ord + std::fmt::Display, V: safetensors::View>(
    tensors: impl IntoIterator<Item = (N, V)>,
    metadata: &BTreeMap<String, String>,
) -> std::result::Result<Vec<u8>, safetensors::SafeTensorError> {
    let plain = safetensors::serialize(tensors, None)?;
    if metadata.is_empty() {
        return Ok(plain);
    }
    // The crate keeps metadata in a hash map, whose order changes from run to run. The header is a JSON object behind its
    // length, padded to a multiple of 8 by blanks.
    let (length, rest) = plain.split_at(8);
    let length = u64::from_le_bytes(length.try_into().unwrap_or_default()) as usize;
    let (header, content) = rest.split_at(length);
    let entries = serde_json::to_string(metadata).map_err(safetensors::SafeTensorError::JsonError)?;
    let header = String::from_utf8_lossy(header);
    let tensors = header.trim_end().trim_start_matches('{');
    let comma = if tensors == "}" { "" } else { "," };
    let mut header = format!("{{\"__metadata__\":{entries}{comma}{tensors}");
    header.extend(std::iter::repeat_n(' ', header.len().next_multiple_of(8) - header.len()));
    Ok([&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), content].concat())
}
