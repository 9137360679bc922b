//! Event files for TensorBoard: scalars per epoch.
//!
//! A file is a sequence of records: length, masked CRC-32C of the length, an `Event` protocol buffer, masked CRC-32C of the
//! buffer. Scalars need only a few fields of `Event` and `Summary`, so no protocol-buffer library is used.

use super::names::EVENTS;
use crate::error::{Error, Result};
use crate::files::Folder;
use crate::train::metrics::{EpochMetrics, METRICS, Metric, Reading};
use std::fs::File;
use std::io::Write;
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

/// An event file being written.
#[derive(Debug)]
pub struct Events {
    path: PathBuf,
    file: File,
}

impl Events {
    /// Creates a file in `directory` under a name that TensorBoard recognises.
    ///
    /// # Errors
    /// If it cannot be created.
    pub fn create(directory: &Folder) -> Result<Self> {
        let entry = directory.entry(format!("{EVENTS}{}.homeostat", now() as u64));
        let mut events = Self { path: entry.path(), file: entry.append()? };
        events.record(&[time(), bytes(3, b"brain.Event:2")].concat())?;
        Ok(events)
    }

    /// Adds the metrics of an epoch.
    ///
    /// # Errors
    /// If they cannot be written.
    pub fn epoch(&mut self, metrics: &EpochMetrics) -> Result<()> {
        let mut values = vec![];
        for Reading { metric, layer, value } in metrics.readings(in_sections()) {
            let (Some(tag), Some(value)) = (metric.tag, value) else { continue };
            let tag = layer.map_or_else(|| tag.to_owned(), |layer| format!("{tag}/layer_{layer}"));
            // Summary.Value: tag = 1, simple_value = 2.
            let scalar = [&[0x15][..], &(value as f32).to_le_bytes()].concat();
            values.extend(bytes(1, &[bytes(1, tag.as_bytes()), scalar].concat()));
        }
        // Event: wall_time = 1, step = 2, summary = 5.
        let step = [vec![0x10], varint(u64::from(metrics.epoch))].concat();
        self.record(&[time(), step, bytes(5, &values)].concat())
    }

    fn record(&mut self, event: &[u8]) -> Result<()> {
        let length = (event.len() as u64).to_le_bytes();
        let record =
            [&length[..], &masked_crc(&length).to_le_bytes(), event, &masked_crc(event).to_le_bytes()].concat();
        self.file.write_all(&record).map_err(|e| Error::file(&self.path, format!("cannot be written: {e}")))
    }
}

/// The metrics that have a tag. TensorBoard groups tags by the part before the slash, so the metrics of a group follow each
/// other.
fn in_sections() -> Vec<&'static Metric> {
    fn section(metric: &Metric) -> Option<&str> {
        metric.tag.map(|tag| tag.split_once('/').map_or(tag, |(section, _)| section))
    }
    let mut tagged: Vec<_> = METRICS.iter().filter(|metric| metric.tag.is_some()).collect();
    tagged.sort_by_key(|metric| METRICS.iter().position(|first| section(first) == section(metric)));
    tagged
}

fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64())
}

/// Event.wall_time.
fn time() -> Vec<u8> {
    [&[0x09][..], &now().to_le_bytes()].concat()
}

/// A field with a length.
fn bytes(field: u8, content: &[u8]) -> Vec<u8> {
    [vec![field << 3 | 2], varint(content.len() as u64), content.to_vec()].concat()
}

fn varint(mut value: u64) -> Vec<u8> {
    let mut out = vec![];
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
    out
}

/// CRC-32C (Castagnoli) as TensorFlow masks it.
fn masked_crc(bytes: &[u8]) -> u32 {
    let step = |crc: u32, _| if crc & 1 == 1 { crc >> 1 ^ 0x82F6_3B78 } else { crc >> 1 };
    let crc = !bytes.iter().fold(!0, |crc, &byte| (0..8).fold(crc ^ u32::from(byte), step));
    crc.rotate_right(15).wrapping_add(0xA282_EAD8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_castagnolis() {
        // RFC 3720, B.4: 32 bytes of zeros and the ascending ones.
        let unmask = |masked: u32| masked.wrapping_sub(0xA282_EAD8).rotate_left(15);
        assert_eq!(unmask(masked_crc(&[0; 32])), 0x8A91_36AA);
        assert_eq!(unmask(masked_crc(&(0..32).collect::<Vec<u8>>())), 0x46DD_794E);
    }

    #[test]
    fn sections_are_whole() {
        let tags: Vec<_> = in_sections().into_iter().filter_map(|metric| metric.tag).collect();
        let losses = ["loss/train", "loss/validation", "loss/test"];
        let errors = ["error/train", "error/validation", "error/test"];
        let regression =
            ["rmse", "mae", "r2"].map(|kind| ["train", "validation", "test"].map(|of| format!("{kind}/{of}")));
        let regression: Vec<_> = regression.iter().flatten().map(String::as_str).collect();
        let others = ["alpha_mean", "frozen_fraction", "living_fraction", "living_per_layer"];
        let others = [&others[..], &["gflop/done", "gflop/full", "samples_per_second"]].concat();
        assert_eq!(tags, [&losses[..], &errors, &regression, &others].concat());
    }

    #[test]
    fn varints_are_those_of_the_format() {
        assert_eq!(varint(1), [1]);
        assert_eq!(varint(300), [0xAC, 0x02]);
    }
}
