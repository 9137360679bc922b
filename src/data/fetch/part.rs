//! An unfinished download on disk: its bytes, and the facts that resuming needs.

use crate::error::{Error, Result};
use crate::files::{self, Entry, Folder, to_json};
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::{Seek, SeekFrom};
use ureq::http::{HeaderMap, HeaderValue};

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
    pub data: Entry,
    begun: Entry,
}

impl Part {
    /// The files of the download that becomes the gzipped `file` in `folder`.
    pub fn of(folder: &Folder, file: &str) -> Self {
        let entry = |end: &str| folder.entry(format!("{file}.gz.{end}"));
        Self { data: entry("part"), begun: entry("part.json") }
    }

    /// Bytes so far.
    pub fn len(&self) -> u64 {
        self.data.path().metadata().map_or(0, |meta| meta.len())
    }

    /// The number of bytes present and the recorded facts, if `url` can send the rest.
    pub fn resumable(&self, url: &str) -> Option<(u64, Begun)> {
        let begun: Begun = serde_json::from_slice(&files::read(&self.begun.path(), files::RECORD).ok()?).ok()?;
        let length = self.len();
        // A damaged file may hold a validator that no request can carry.
        let is_sound = begun.validator.as_ref().is_none_or(|text| HeaderValue::from_str(text).is_ok());
        (is_sound && begun.url == url && length > 0 && begun.total.is_some_and(|total| length < total))
            .then_some((length, begun))
    }

    /// Opens the part for appending: its present bytes are kept if `resumed`, otherwise dropped. Returns the file, its
    /// length now and its final length, if known.
    pub fn open(
        &self,
        url: &str,
        resumed: Option<(u64, Begun)>,
        headers: &HeaderMap,
    ) -> Result<(File, u64, Option<u64>)> {
        let failed = |e: std::io::Error| Error::file(self.data.path(), format!("cannot be written: {e}"));
        let mut file = self.data.overwrite()?;
        if let Some((length, begun)) = resumed {
            file.seek(SeekFrom::Start(length)).map_err(failed)?;
            return Ok((file, length, begun.total));
        }
        let strong = text(headers, "etag").filter(|tag| !tag.starts_with("W/"));
        let validator = strong.or_else(|| text(headers, "last-modified")).map(str::to_owned);
        let total = text(headers, "content-length").and_then(|length| length.trim().parse().ok());
        file.set_len(0).map_err(failed)?;
        self.begun.write(to_json(&Begun { url: url.to_owned(), validator, total })?.as_bytes())?;
        Ok((file, 0, total))
    }

    /// Removes the files, if they exist.
    pub fn remove(&self) -> Result<()> {
        [&self.data, &self.begun].into_iter().try_for_each(Entry::remove)
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
