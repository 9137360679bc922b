//! The right to write to the directory of a run.

use super::names::LOCK;
use crate::error::{Error, Result};
use crate::files::Folder;
use std::fs::{self, File};
use std::path::Path;

/// The right to write to a run's directory, for as long as this value lives.
#[derive(Debug)]
pub struct Lock {
    file: File,
    /// Why there is no lock, where the file system has none: the run continues all the same.
    missing: Option<String>,
}

impl Lock {
    /// Locks a file of its own, because Windows can neither read a locked file nor lock one that is open for appending.
    ///
    /// # Errors
    /// If another process has the lock, or the file system refuses.
    pub fn take(path: &Path) -> Result<Self> {
        let file = Folder::at(path).entry(LOCK).overwrite()?;
        match file.try_lock() {
            Ok(()) => Ok(Self { file, missing: None }),
            Err(fs::TryLockError::WouldBlock) => {
                Err(Error::file(path, "another process is writing to it; give another `out`, or wait"))
            }
            Err(fs::TryLockError::Error(e)) => Ok(Self { file, missing: Some(e.to_string()) }),
        }
    }

    /// Why other processes are not locked out, if they are not.
    #[must_use]
    pub fn missing(&self) -> Option<&str> {
        self.missing.as_deref()
    }
}

impl Drop for Lock {
    /// Closing the file would not do: a process that this one has just started holds a copy of it for a moment.
    fn drop(&mut self) {
        // The lock ends with the process in any case.
        let _ = self.file.unlock();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dropped_lock_is_free_although_a_copy_of_its_file_is_open() {
        let folder = tempfile::tempdir().unwrap();
        let lock = Lock::take(folder.path()).unwrap();
        let copy = lock.file.try_clone().unwrap();
        assert!(Lock::take(folder.path()).is_err());
        drop(lock);
        assert!(Lock::take(folder.path()).is_ok());
        drop(copy);
    }
}
