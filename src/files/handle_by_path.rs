//! An open folder, and its entries. No name is followed where a symbolic link bears it.
//!
//! Paths are looked at before they are used, because the system has no calls that open relative to a folder.

use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions};
use std::io::{Error, ErrorKind, Result};
use std::path::{Path, PathBuf};

/// A folder.
pub struct Handle(PathBuf);

impl Handle {
    /// The folder at `path`. Links in the path are followed, because the path is the user's own.
    pub fn open(path: &Path) -> Result<Self> {
        match fs::metadata(path)?.is_dir() {
            true => Ok(Self(path.to_owned())),
            false => Err(ErrorKind::NotADirectory.into()),
        }
    }

    /// The folder `name` in this one, which must be no link.
    pub fn folder(&self, name: &OsStr) -> Result<Self> {
        Self::open(&self.entry(name)?)
    }

    /// Creates the folder `name`, unless there is something of that name.
    pub fn make_folder(&self, name: &OsStr) -> Result<()> {
        match fs::create_dir(self.0.join(name)) {
            Err(e) if e.kind() == ErrorKind::AlreadyExists => Ok(()),
            outcome => outcome,
        }
    }

    /// Creates the file `name`, which must not exist.
    pub fn create(&self, name: &OsStr) -> Result<File> {
        File::create_new(self.entry(name)?)
    }

    /// Opens the file `name` for writing at its start or, with `append`, at its end. Creates a missing file.
    pub fn write(&self, name: &OsStr, append: bool) -> Result<File> {
        let mut options = OpenOptions::new();
        // Windows cannot cut off a file that is open for appending.
        if append {
            options.append(true)
        } else {
            options.write(true).truncate(false)
        };
        options.create(true).open(self.entry(name)?)
    }

    /// Puts the entry `from` in the place of `to`.
    pub fn rename(&self, from: &OsStr, to: &OsStr) -> Result<()> {
        fs::rename(self.0.join(from), self.0.join(to))
    }

    /// Removes the file `name`.
    pub fn remove(&self, name: &OsStr) -> Result<()> {
        fs::remove_file(self.0.join(name))
    }

    /// Makes renames durable. Only Unix lets a program open a directory for that.
    pub fn sync(&self) -> Result<()> {
        Ok(())
    }

    /// Whether `name` is a symbolic link.
    pub fn is_link(&self, name: &OsStr) -> bool {
        self.0.join(name).is_symlink()
    }

    /// The path of an entry that is no link.
    fn entry(&self, name: &OsStr) -> Result<PathBuf> {
        match self.is_link(name) {
            true => Err(Error::other("is a symbolic link")),
            false => Ok(self.0.join(name)),
        }
    }
}

/// Whether the content of `file` has this one name only. The standard library does not say, so the answer is yes.
pub fn has_one_name(_: &File) -> bool {
    true
}
