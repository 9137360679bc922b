//! Where a run is kept, if anywhere, and opening its directory.

use super::directory::RunDirectory;
use super::lock::Lock;
use crate::config::Config;
use crate::error::Result;
use std::path::PathBuf;

/// Where the run is kept.
pub(super) enum Place {
    Nowhere,
    At {
        path: PathBuf,
        replace: bool,
    },
    /// The first free `runs/NAME-HASH`.
    Free {
        name: Option<String>,
    },
    Resumed {
        path: PathBuf,
        lock: Option<Lock>,
    },
}

impl Place {
    /// The directory, before anything is created.
    pub fn path(&self, config: &Config) -> Option<PathBuf> {
        match self {
            Self::Nowhere => None,
            Self::At { path, .. } | Self::Resumed { path, .. } => Some(path.clone()),
            Self::Free { name } => Some(RunDirectory::free(name.as_deref(), config)),
        }
    }

    /// Creates the directory of the run, or opens it again. It keeps the newest `keep` checkpoints.
    pub fn open(&mut self, config: &Config, keep: usize) -> Result<Option<RunDirectory>> {
        match self {
            Self::Nowhere => Ok(None),
            Self::At { path, replace } => RunDirectory::create(path, *replace, config, keep).map(Some),
            Self::Free { name } => {
                let path = RunDirectory::reserve(name.as_deref(), config)?;
                RunDirectory::create(&path, false, config, keep).map(Some)
            }
            Self::Resumed { path, lock } => {
                let lock = match lock.take() {
                    Some(lock) => lock,
                    None => Lock::take(path)?,
                };
                RunDirectory::open(path, lock, keep).map(Some)
            }
        }
    }
}
