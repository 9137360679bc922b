//! Folders that this program writes to, and the files in them. No link in such a folder leads a write out of it.
//!
//! A folder may come from a stranger, who may have put a link where a file or a folder of this program belongs. The path
//! of the folder itself is the user's own, and links in it are followed.

use super::handle::{Handle, has_one_name};
use crate::error::{Error, Result};
use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A folder that this program writes to.
#[derive(Clone, Debug)]
pub struct Folder {
    /// The path that the user named.
    root: PathBuf,
    /// The folders below it, one inside the other.
    inside: Vec<OsString>,
}

/// A file in a [`Folder`], which need not exist yet.
#[derive(Clone, Debug)]
pub struct Entry {
    folder: Folder,
    name: OsString,
}

impl Folder {
    /// The folder at `path`, which need not exist yet.
    pub fn at(path: &Path) -> Self {
        Self { root: path.to_owned(), inside: vec![] }
    }

    /// The folder `name` in this one.
    pub fn folder(&self, name: &str) -> Self {
        let mut inside = self.inside.clone();
        inside.push(name.into());
        Self { root: self.root.clone(), inside }
    }

    /// The file `name` in this folder.
    pub fn entry(&self, name: impl Into<OsString>) -> Entry {
        Entry { folder: self.clone(), name: name.into() }
    }

    /// The path that the user named.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The path, for messages and for reading.
    pub fn path(&self) -> PathBuf {
        self.inside.iter().fold(self.root.clone(), |path, name| path.join(name))
    }

    /// Creates the folder and those that contain it, where they are missing.
    ///
    /// # Errors
    /// If the file system refuses, or a folder below the user's own is a link.
    pub fn make(&self) -> Result<()> {
        let failed = |e: io::Error| Error::file(self.path(), format!("cannot create the directory: {e}"));
        fs::create_dir_all(&self.root).map_err(failed)?;
        let mut folder = Handle::open(&self.root).map_err(failed)?;
        for (depth, name) in self.inside.iter().enumerate() {
            folder.make_folder(name).map_err(failed)?;
            folder = folder.folder(name).map_err(|e| self.refusal(&folder, depth, e))?;
        }
        Ok(())
    }

    fn open(&self) -> Result<Handle> {
        let mut folder = Handle::open(&self.root).map_err(|e| Error::file(&self.root, e))?;
        for (depth, name) in self.inside.iter().enumerate() {
            folder = folder.folder(name).map_err(|e| self.refusal(&folder, depth, e))?;
        }
        Ok(folder)
    }

    /// Why the folder number `depth` inside cannot be opened.
    fn refusal(&self, folder: &Handle, depth: usize, e: io::Error) -> Error {
        let path = Self { root: self.root.clone(), inside: self.inside[..=depth].to_vec() }.path();
        match folder.is_link(&self.inside[depth]) {
            true => Error::file(path, "is a symbolic link, where a folder of its own is written to; remove it"),
            false => Error::file(path, e),
        }
    }

    /// Removes the temporary files that killed processes left here longer than `age` ago. No live process may still be
    /// writing a file that old.
    ///
    /// # Errors
    /// If this folder is a link or cannot be opened.
    pub fn remove_unfinished(&self, age: Duration) -> Result<()> {
        let folder = self.open()?;
        for entry in fs::read_dir(self.path()).into_iter().flatten().flatten() {
            if !is_temporary(&entry.file_name().to_string_lossy()) {
                continue;
            }
            let written = entry.metadata().and_then(|metadata| metadata.modified());
            if age.is_zero() || written.is_ok_and(|at| at.elapsed().is_ok_and(|since| since > age)) {
                let _ = folder.remove(&entry.file_name());
            }
        }
        Ok(())
    }
}

impl Entry {
    /// The file at `path`, which is the user's own.
    pub fn named(path: &Path) -> Self {
        let folder = match path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        Folder::at(folder).entry(path.file_name().unwrap_or_default())
    }

    /// The path, for messages and for reading.
    pub fn path(&self) -> PathBuf {
        // A file in the current directory is called as the user calls it.
        if self.folder.root == Path::new(".") && self.folder.inside.is_empty() {
            return PathBuf::from(&self.name);
        }
        self.folder.path().join(&self.name)
    }

    /// Writes the file atomically: its name stands for the old content or the new, never for a part. A link of that name
    /// is replaced, and the file behind the link stays as it was.
    ///
    /// # Errors
    /// If the file cannot be written. The old file, if any, then still has its content.
    pub fn write(&self, bytes: &[u8]) -> Result<()> {
        let folder = self.opened()?;
        let temporary = temporary(&self.name);
        let write = || -> io::Result<()> {
            let mut file = folder.create(&temporary)?;
            file.write_all(bytes)?;
            file.sync_all()?;
            folder.rename(&temporary, &self.name)?;
            // The rename is durable only once the directory is synced.
            folder.sync()
        };
        write().map_err(|e| {
            let _ = folder.remove(&temporary);
            Error::file(self.path(), format!("cannot be written: {e}"))
        })
    }

    /// Opens the file for appending, and creates a missing file.
    ///
    /// # Errors
    /// If the file is a link, has another name, is no regular file, or cannot be opened.
    pub fn append(&self) -> Result<File> {
        self.open(true)
    }

    /// Opens the file for writing at its start, and creates a missing file.
    ///
    /// # Errors
    /// As [`Self::append`].
    pub fn overwrite(&self) -> Result<File> {
        self.open(false)
    }

    /// The folder, opened. An error names the file, as the user does.
    fn opened(&self) -> Result<Handle> {
        self.folder.open().map_err(|e| match e {
            Error::File { path, reason } if path == self.folder.root => {
                Error::file(self.path(), format!("cannot be written: {reason}"))
            }
            other => other,
        })
    }

    fn open(&self, append: bool) -> Result<File> {
        let folder = self.opened()?;
        let file = folder.write(&self.name, append).map_err(|e| match folder.is_link(&self.name) {
            true => Error::file(self.path(), "is a symbolic link, where a file of its own is written; remove it"),
            false => Error::file(self.path(), format!("cannot be opened: {e}")),
        })?;
        match (file.metadata().is_ok_and(|meta| meta.is_file()), has_one_name(&file)) {
            (true, true) => Ok(file),
            (true, false) => Err(Error::file(
                self.path(),
                "has another name elsewhere (a hard link), where a file of its own is written; remove it",
            )),
            (false, _) => Err(Error::file(self.path(), "is a device or a pipe, where a file is written; remove it")),
        }
    }

    /// Cuts the file off behind `length` bytes. Opens it anew, because Windows cannot cut through a handle for appending.
    ///
    /// # Errors
    /// As [`Self::append`], or if the file cannot be cut.
    pub fn shorten(&self, length: u64) -> Result<()> {
        self.overwrite()?.set_len(length).map_err(|e| Error::file(self.path(), e))
    }

    /// Removes the file. A missing file counts as removed.
    ///
    /// # Errors
    /// If the file cannot be removed.
    pub fn remove(&self) -> Result<()> {
        match self.folder.open()?.remove(&self.name) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => Err(Error::file(self.path(), e)),
            _ => Ok(()),
        }
    }

    /// Gives the file the name of `other`, which lies in the same folder.
    ///
    /// # Errors
    /// If the file system refuses.
    pub fn rename(&self, other: &OsStr) -> Result<()> {
        self.folder
            .open()?
            .rename(&self.name, other)
            .map_err(|e| Error::file(self.path(), format!("cannot be renamed to {}: {e}", other.to_string_lossy())))
    }
}

/// A name that no other process uses for its temporary file. Two machines may share a directory, and in a container every
/// program may be process 1, so the time keeps names apart.
fn temporary(name: &OsStr) -> OsString {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    // A file system allows names of 255 bytes.
    let name: String = name.to_string_lossy().chars().take(40).collect();
    format!(".{name}.{}.{:x}.tmp", std::process::id(), now.as_nanos()).into()
}

/// Whether `name` has the form of a [`temporary`] name: `.NAME.PROCESS.TIME.tmp`.
fn is_temporary(name: &str) -> bool {
    let parts = name.strip_prefix('.').and_then(|name| name.strip_suffix(".tmp"));
    let Some((name, time)) = parts.and_then(|name| name.rsplit_once('.')) else { return false };
    let Some((name, process)) = name.rsplit_once('.') else { return false };
    !name.is_empty() && process.parse::<u32>().is_ok() && u128::from_str_radix(time, 16).is_ok()
}
