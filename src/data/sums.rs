//! SHA-256 sums of the unpacked files of a data set: pinned in the catalogue, or recorded beside the files by the first
//! download.

use super::catalogue::Files;
use super::idx::{self, Kind};
use crate::error::{Error, Result};
use crate::files::{self, write_atomic};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};

/// Name of the file with the recorded sums. It has the format of `sha256sum` and lists the unpacked names.
pub(crate) const SUMS: &str = "SHA256SUMS";

/// Most bytes of an unpacked file: eleven times the largest file of the catalogue, the images of emnist-balanced, and twice the
/// largest of EMNIST. A few MB of gzip could otherwise be GB to read.
const MOST_UNPACKED: u64 = 1 << 30;

/// What is known of a file once it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// SHA-256 of the unpacked contents, in hexadecimal.
    pub sum: String,
    /// Number of images or labels.
    pub rows: u64,
}

/// Reads the IDX file at `path` to its end. `name` is the unpacked name, which says whether images or labels belong there.
///
/// # Errors
/// If the file cannot be read, is not a complete IDX file, holds labels in place of images or the reverse, or is too large.
pub fn examine(path: &Path, name: &str) -> Result<Found> {
    let mut hash = Sha256::new();
    let rows = idx::unpack(path, kind(name), MOST_UNPACKED, &mut |bytes| hash.update(bytes))?;
    Ok(Found { sum: text(&hash.finalize()), rows })
}

/// SHA-256 of `bytes` in hexadecimal.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    text(&Sha256::digest(bytes))
}

/// What the file with this unpacked name holds.
fn kind(name: &str) -> Kind {
    if name.contains("labels") { Kind::Labels } else { Kind::Images }
}

/// Why the labels do not belong to the images, if their numbers differ.
pub(super) fn mismatch(labels: &Found, images: &Found) -> Option<String> {
    let (labels, images) = (labels.rows, images.rows);
    (labels != images).then(|| format!("has {labels} labels, but the file of their images has {images} images"))
}

fn text(digest: &[u8]) -> String {
    digest.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// The expected sum of each file of a set.
#[derive(Clone, Debug)]
pub struct Sums {
    path: PathBuf,
    known: BTreeMap<String, String>,
    /// Whether the sums come from the catalogue. Pinned sums are never recorded.
    pinned: bool,
}

impl Sums {
    /// The pinned sums of `files`. If none are pinned, the sums recorded in `directory`, which may be none.
    ///
    /// # Errors
    /// If the record cannot be read or is damaged.
    pub fn of(files: &Files, directory: &Path) -> Result<Self> {
        let path = directory.join(SUMS);
        if let Some(sums) = files.sha256 {
            let known = files.names().into_iter().zip(sums.map(str::to_owned)).collect();
            return Ok(Self { path, known, pinned: true });
        }
        let text = files::text_if_present(&path, files::LIST)?.unwrap_or_default();
        Self::parse(path, &text)
    }

    /// Parses recorded sums: `text` is the contents of the file at `path`.
    ///
    /// # Errors
    /// Names the first line that is not a SHA-256 and a file name.
    pub fn parse(path: PathBuf, text: &str) -> Result<Self> {
        let mut known = BTreeMap::new();
        for (number, line) in (1..).zip(text.lines()).filter(|(_, line)| !line.is_empty() && !line.starts_with('#')) {
            // In the format of sha256sum, `*` before a name marks a binary file.
            let (sum, name) = line.split_once([' ', '\t']).unwrap_or_default();
            if sum.len() != 64 || !sum.bytes().all(|byte| byte.is_ascii_hexdigit()) {
                return Err(Error::file(path, format!("line {number} is not a SHA-256 and a file name")));
            }
            let name = name.trim_start().trim_start_matches('*');
            known.insert(name.to_owned(), sum.to_ascii_lowercase());
        }
        Ok(Self { path, known, pinned: false })
    }

    /// The expected sum of the file with this unpacked name, if one is known.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.known.get(name).map(String::as_str)
    }

    /// Compares the sum `found` of a file with its expected sum. A file without an expected sum passes.
    ///
    /// # Errors
    /// The reason, for people, if the sums differ.
    pub fn check(&self, name: &str, found: &str) -> std::result::Result<(), String> {
        match self.get(name) {
            Some(known) if known != found => {
                let whose = if self.pinned { "of the published file".into() } else { self.path.display().to_string() };
                Err(format!("has other contents than it should: SHA-256 {found}, but {known} ({whose})"))
            }
            _ => Ok(()),
        }
    }

    /// Records the sum of a file whose sum is not known yet; a known sum is kept. Returns whether the sum is new.
    ///
    /// # Errors
    /// If the record cannot be written.
    pub fn record(&mut self, name: &str, sum: String) -> Result<bool> {
        if self.known.contains_key(name) {
            return Ok(false);
        }
        self.known.insert(name.to_owned(), sum);
        let head = "# SHA-256 of the unpacked files, recorded when they were first fetched\n";
        let text = self.known.iter().fold(head.to_owned(), |text, (name, sum)| text + sum + "  " + name + "\n");
        write_atomic(&self.path, text.as_bytes())?;
        Ok(true)
    }
}

/// Checks the files of a set in `directory` and returns the path and the sum of each.
///
/// # Errors
/// Names the first file that is missing, is damaged, has another sum than expected, or has no known sum, and labels that are
/// not as many as their images.
pub fn verify(files: &Files, directory: &Path) -> Result<Vec<(PathBuf, String)>> {
    let sums = Sums::of(files, directory)?;
    let mut verified = vec![];
    let mut images = None;
    for (name, path) in files.names().into_iter().zip(files.find(directory)) {
        let Some(path) = path else {
            // A local folder may lack a test set.
            if files.sha256.is_none() && files.mirrors.is_empty() && sums.get(&name).is_none() {
                continue;
            }
            return Err(Error::file(directory, format!("{name} is missing (raw or with .gz)")));
        };
        let found = examine(&path, &name)?;
        if sums.get(&name).is_none() {
            return Err(Error::file(
                path,
                format!("no SHA-256 is known for it, pinned or in {SUMS} beside it; its contents have {}", found.sum),
            ));
        }
        sums.check(&name, &found.sum).map_err(|reason| Error::file(&path, reason))?;
        // In the order of the names labels follow their images.
        let own = images.take().filter(|_| kind(&name) == Kind::Labels);
        if let Some(reason) = own.and_then(|images| mismatch(&found, &images)) {
            return Err(Error::file(path, reason));
        }
        images = Some(found.clone());
        verified.push((path, found.sum));
    }
    Ok(verified)
}
