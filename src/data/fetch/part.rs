//! An unfinished download on disk: its bytes, and the facts that resuming needs.

use crate::error::{Error, Result};
use crate::files::{refuse_link, to_json, write_atomic};
use serde::{Deserialize, Serialize};
use std::fs::{self, File};
use std::io::{ErrorKind, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use ureq::http::HeaderMap;

/// The facts about an unfinished download that resuming needs, stored as `NAME.part.json`.
#[derive(Default, PartialEq, Serialize, Deserialize)]
pub struct Begun {
    url: String,
    /// The strong ETag or, without one, the date of the last change.
    pub validator: Option<String>,
    /// Length of the whole file.
    pub total: Option<u64>,
}

/// The files of an unfinished download.
pub struct Part {
    /// The bytes so far.
    pub data: PathBuf,
    begun: PathBuf,
}

impl Part {
    /// The files of the download that becomes `path`.
    pub fn of(path: &Path) -> Self {
        Self { data: path.with_added_extension("part"), begun: path.with_added_extension("part.json") }
    }

    /// Bytes so far.
    pub fn len(&self) -> u64 {
        self.data.metadata().map_or(0, |meta| meta.len())
    }

    /// The number of bytes present and the recorded facts, if `url` can send the rest.
    pub fn resumable(&self, url: &str) -> Option<(u64, Begun)> {
        let begun: Begun = serde_json::from_slice(&fs::read(&self.begun).ok()?).ok()?;
        let length = self.len();
        (begun.url == url && length > 0 && begun.total.is_some_and(|total| length < total)).then_some((length, begun))
    }

    /// Opens the part for appending: its present bytes are kept if `resumed`, otherwise dropped. Returns the file, its
    /// length now and its final length, if known.
    pub fn open(
        &self,
        url: &str,
        resumed: Option<(u64, Begun)>,
        headers: &HeaderMap,
    ) -> Result<(File, u64, Option<u64>)> {
        let failed = |e: std::io::Error| Error::file(&self.data, format!("cannot be written: {e}"));
        refuse_link(&self.data)?;
        if let Some((length, begun)) = resumed {
            let mut file = File::options().write(true).open(&self.data).map_err(failed)?;
            file.seek(SeekFrom::Start(length)).map_err(failed)?;
            return Ok((file, length, begun.total));
        }
        let strong = text(headers, "etag").filter(|tag| !tag.starts_with("W/"));
        let validator = strong.or_else(|| text(headers, "last-modified")).map(str::to_owned);
        let total = text(headers, "content-length").and_then(|length| length.trim().parse().ok());
        let file = File::create(&self.data).map_err(failed)?;
        write_atomic(&self.begun, to_json(&Begun { url: url.to_owned(), validator, total })?.as_bytes())?;
        Ok((file, 0, total))
    }

    /// Removes the files, if they exist.
    pub fn remove(&self) -> Result<()> {
        for path in [&self.data, &self.begun] {
            match fs::remove_file(path) {
                Err(e) if e.kind() != ErrorKind::NotFound => return Err(Error::file(path, e)),
                _ => {}
            }
        }
        Ok(())
    }
}

/// Whether a partial response starts at byte `length` of the unfinished download and has the same total length.
pub fn continues(headers: &HeaderMap, length: u64, total: Option<u64>) -> bool {
    let range = text(headers, "content-range").and_then(|range| range.trim().strip_prefix("bytes "));
    let Some((range, all)) = range.and_then(|range| range.split_once('/')) else { return false };
    let start = range.split_once('-').and_then(|(start, _)| start.trim().parse().ok());
    start == Some(length) && total.is_some() && all.trim().parse().ok() == total
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}
