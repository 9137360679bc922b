//! An open folder, and its entries. No name is followed where a symbolic link bears it.
//!
//! `handle_by_path.rs` is the same for systems without the calls that open relative to a folder.

use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, fsync, mkdirat, openat, renameat, statat, unlinkat};
use rustix::io::Errno;
use std::ffi::OsStr;
use std::fs::File;
use std::io::Result;
use std::os::fd::OwnedFd;
use std::path::Path;

/// An open folder.
pub struct Handle(OwnedFd);

const FOLDER: OFlags = OFlags::DIRECTORY.union(OFlags::CLOEXEC);
/// The modes of new folders and files, which the user's mask narrows.
const NEW_FOLDER: Mode = Mode::from_raw_mode(0o777);
const NEW_FILE: Mode = Mode::from_raw_mode(0o666);

impl Handle {
    /// The folder at `path`. Links in the path are followed, because the path is the user's own.
    pub fn open(path: &Path) -> Result<Self> {
        Ok(Self(openat(CWD, path, FOLDER, Mode::empty())?))
    }

    /// The folder `name` in this one, which must be no link.
    pub fn folder(&self, name: &OsStr) -> Result<Self> {
        Ok(Self(openat(&self.0, name, FOLDER | OFlags::NOFOLLOW, Mode::empty())?))
    }

    /// Creates the folder `name`, unless there is something of that name.
    pub fn make_folder(&self, name: &OsStr) -> Result<()> {
        match mkdirat(&self.0, name, NEW_FOLDER) {
            Ok(()) | Err(Errno::EXIST) => Ok(()),
            Err(e) => Err(e.into()),
        }
    }

    /// Creates the file `name`, which must not exist.
    pub fn create(&self, name: &OsStr) -> Result<File> {
        self.file(name, OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL)
    }

    /// Opens the file `name` for writing at its start or, with `append`, at its end. Creates a missing file.
    pub fn write(&self, name: &OsStr, append: bool) -> Result<File> {
        let append = if append { OFlags::APPEND } else { OFlags::empty() };
        // Without NONBLOCK, opening a pipe would wait for its reader.
        self.file(name, OFlags::WRONLY | OFlags::CREATE | OFlags::NONBLOCK | append)
    }

    fn file(&self, name: &OsStr, flags: OFlags) -> Result<File> {
        Ok(openat(&self.0, name, flags | OFlags::NOFOLLOW | OFlags::CLOEXEC, NEW_FILE)?.into())
    }

    /// Puts the entry `from` in the place of `to`.
    pub fn rename(&self, from: &OsStr, to: &OsStr) -> Result<()> {
        Ok(renameat(&self.0, from, &self.0, to)?)
    }

    /// Removes the file `name`.
    pub fn remove(&self, name: &OsStr) -> Result<()> {
        Ok(unlinkat(&self.0, name, AtFlags::empty())?)
    }

    /// Makes renames durable.
    pub fn sync(&self) -> Result<()> {
        Ok(fsync(&self.0)?)
    }

    /// Whether `name` is a symbolic link.
    pub fn is_link(&self, name: &OsStr) -> bool {
        statat(&self.0, name, AtFlags::SYMLINK_NOFOLLOW)
            .is_ok_and(|entry| FileType::from_raw_mode(entry.st_mode) == FileType::Symlink)
    }
}

/// Whether the content of `file` has this one name only.
pub fn has_one_name(file: &File) -> bool {
    use std::os::unix::fs::MetadataExt;
    file.metadata().is_ok_and(|meta| meta.nlink() <= 1)
}
