//! How files are opened for reading: regular files only, each of a size that is known beforehand and bounded.
//!
//! A link in somebody's folder may lead to a device or a pipe, which would block for ever or never end. The streams that
//! the user attaches to the program, such as `/dev/stdin`, are the exception.

use crate::error::{Error, Result};
use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read, Seek, SeekFrom};
use std::path::Path;

/// The largest size of one kind of file.
#[derive(Clone, Copy, Debug)]
pub struct Bound {
    /// The kind, for messages.
    pub what: &'static str,
    /// The largest number of bytes.
    pub bytes: u64,
}

const fn bound(what: &'static str, bytes: u64) -> Bound {
    Bound { what, bytes }
}

/// Settings and sweeps. The parser of TOML takes some 70 bytes for each byte of a list.
pub const SETTINGS: Bound = bound("a file of settings", 1 << 20);
/// Lists of class weights and of sums.
pub const LIST: Bound = bound("a list", 16 << 20);
/// Records of one run, and small files of this program's own.
pub const RECORD: Bound = bound("a record", 64 << 20);
/// Records of many runs in one file.
pub const RECORDS: Bound = bound("a file of records", 4 << 30);
/// Metrics, one line per epoch.
pub const LINES: Bound = bound("a file of metrics", 1 << 30);
/// The end of a log.
pub const LOG: Bound = bound("the end of a log", 1 << 20);
/// Plans of sweeps.
pub const PLAN: Bound = bound("a plan", 4 << 30);
/// Data sets. Their readers check the memory for the part that they keep.
pub const DATA: Bound = bound("a file of data", 1 << 40);
/// A stream in place of a file, whose size nobody knows beforehand.
const STREAM: Bound = bound("a stream", 1 << 30);
/// A file of the system, such as those below `/proc`.
const SYSTEM: u64 = 1 << 20;

/// A file that is open for reading.
#[derive(Debug)]
pub struct Opened {
    pub file: File,
    /// Its bytes; `None` for a stream.
    pub length: Option<u64>,
    /// Why no more bytes than this are read.
    pub bound: Bound,
}

/// Opens the file at `path`.
///
/// # Errors
/// If there is no such file, the file is not regular, or the file is larger than `bound`.
pub fn open(path: &Path, bound: Bound) -> Result<Opened> {
    try_open(path, bound).map_err(|failure| failure.of(path))
}

/// Reads the whole file at `path`.
///
/// # Errors
/// As [`open`], or if the file cannot be read.
pub fn read(path: &Path, bound: Bound) -> Result<Vec<u8>> {
    open(path, bound)?.read(path)
}

/// Reads the whole file at `path`, if there is one.
///
/// # Errors
/// As [`read`], except for a missing file.
fn read_if_present(path: &Path, bound: Bound) -> Result<Option<Vec<u8>>> {
    match try_open(path, bound) {
        Ok(opened) => opened.read(path).map(Some),
        Err(Failure::System(e)) if e.kind() == ErrorKind::NotFound => Ok(None),
        Err(failure) => Err(failure.of(path)),
    }
}

/// Reads the whole file at `path` as UTF-8.
///
/// # Errors
/// As [`read`], or if the file is no UTF-8.
pub fn text(path: &Path, bound: Bound) -> Result<String> {
    utf8(path, read(path, bound)?)
}

/// Reads the whole file at `path` as UTF-8, if there is one.
///
/// # Errors
/// As [`text`], except for a missing file.
pub fn text_if_present(path: &Path, bound: Bound) -> Result<Option<String>> {
    read_if_present(path, bound)?.map(|bytes| utf8(path, bytes)).transpose()
}

/// Reads the end of the file at `path`, at most as many bytes as [`LOG`] allows.
///
/// # Errors
/// As [`open`], or if the file cannot be read.
pub fn tail(path: &Path) -> Result<String> {
    let mut opened = open(path, DATA)?;
    let failed = |e: std::io::Error| cannot_be_read(path, &e);
    let skipped = opened.length.unwrap_or(0).saturating_sub(LOG.bytes);
    opened.file.seek(SeekFrom::Start(skipped)).map_err(failed)?;
    let mut bytes = vec![];
    opened.file.take(LOG.bytes).read_to_end(&mut bytes).map_err(failed)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// A file of the operating system itself, such as `/proc/meminfo`. Such files have no size beforehand.
#[must_use]
pub fn system(path: &str) -> Option<String> {
    let mut text = String::new();
    File::open(path).ok()?.take(SYSTEM).read_to_string(&mut text).ok()?;
    Some(text)
}

impl Opened {
    /// Reads all bytes of the file at `path`. Bytes that another process appends meanwhile are left out.
    ///
    /// # Errors
    /// If the file cannot be read, does not fit into memory, or is a stream beyond its bound.
    pub fn read(self, path: &Path) -> Result<Vec<u8>> {
        let most = self.length.unwrap_or(self.bound.bytes + 1);
        let mut bytes = vec![];
        if let Some(length) = self.length {
            let room = usize::try_from(length).ok().and_then(|length| bytes.try_reserve_exact(length).ok());
            room.ok_or_else(|| Error::file(path, format!("has {length} bytes, which do not fit into memory")))?;
        }
        self.file.take(most).read_to_end(&mut bytes).map_err(|e| cannot_be_read(path, &e))?;
        match bytes.len() as u64 > self.bound.bytes {
            true => Err(Failure::Large(self.bound).of(path)),
            false => Ok(bytes),
        }
    }
}

/// Why a file cannot be opened.
enum Failure {
    System(std::io::Error),
    Folder,
    Special,
    Large(Bound),
}

impl Failure {
    fn of(self, path: &Path) -> Error {
        let reason = match self {
            Self::System(e) => format!("cannot be opened: {e}"),
            Self::Folder => "is a directory, not a file".to_owned(),
            Self::Special => "is a device, a pipe or a socket; give a regular file, or `/dev/stdin`".to_owned(),
            Self::Large(bound) => format!("is larger than {} MiB, the most for {}", bound.bytes >> 20, bound.what),
        };
        Error::file(path, reason)
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self::System(error)
    }
}

fn try_open(path: &Path, bound: Bound) -> std::result::Result<Opened, Failure> {
    let is_regular = |meta: &std::fs::Metadata| match (meta.is_file(), meta.is_dir()) {
        (true, _) => Ok(true),
        (_, true) => Err(Failure::Folder),
        _ if is_stream(path) => Ok(false),
        _ => Err(Failure::Special),
    };
    // Opening alone may block or start a device, so the path is looked at first.
    if !is_regular(&std::fs::metadata(path)?)? {
        return Ok(Opened { file: File::open(path)?, length: None, bound: STREAM });
    }
    // Another process may have put a pipe in the place of the file since.
    let file = at_once().read(true).open(path)?;
    let meta = file.metadata()?;
    match is_regular(&meta)? {
        true if meta.len() <= bound.bytes => Ok(Opened { file, length: Some(meta.len()), bound }),
        true => Err(Failure::Large(bound)),
        false => Err(Failure::Special),
    }
}

/// Options that never wait for the other end of a pipe.
#[cfg(unix)]
fn at_once() -> OpenOptions {
    let mut options = OpenOptions::new();
    std::os::unix::fs::OpenOptionsExt::custom_flags(&mut options, rustix::fs::OFlags::NONBLOCK.bits() as i32);
    options
}

#[cfg(not(unix))]
fn at_once() -> OpenOptions {
    OpenOptions::new()
}

/// Whether `path` means a stream that this process was started with.
fn is_stream(path: &Path) -> bool {
    let is_number = |name: &std::ffi::OsStr| name.to_str().is_some_and(|name| name.parse::<u32>().is_ok());
    let folder = path.parent();
    cfg!(unix)
        && (path == Path::new("/dev/stdin")
            || ["/dev/fd", "/proc/self/fd"].iter().any(|place| folder == Some(Path::new(place)))
                && path.file_name().is_some_and(is_number))
}

fn cannot_be_read(path: &Path, e: &std::io::Error) -> Error {
    Error::file(path, format!("cannot be read: {e}"))
}

fn utf8(path: &Path, bytes: Vec<u8>) -> Result<String> {
    String::from_utf8(bytes).map_err(|e| {
        let place = e.utf8_error().valid_up_to();
        Error::file(path, format!("is no text in UTF-8 (byte {})", place + 1))
    })
}
