//! The one error type. Every message names the flag, file or layer at fault and, where there is one, the fix;
//! [`Error::exit_code`] is the only place that knows the process exit codes.

use std::path::PathBuf;

/// What can go wrong, by who can mend it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A flag, a TOML key or a combination of them makes no sense.
    #[error("{0}")]
    Config(String),
    /// A data or model file is missing, damaged or does not fit.
    #[error("{}: {reason}", path.display())]
    File {
        /// The file as the user named it.
        path: PathBuf,
        /// What is wrong, and where in the file.
        reason: String,
    },
    /// No adapter, a limit too small, a device lost.
    #[error("{0}")]
    Device(String),
    /// The run itself failed: a loss that is not finite, for instance.
    #[error("{0}")]
    Run(String),
    /// The user asked the run to stop (Ctrl-C or SIGTERM).
    #[error("interrupted")]
    Interrupted,
}

/// Shorthand used throughout the crate.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// A configuration error.
    pub fn config(message: impl Into<String>) -> Self {
        Self::Config(message.into())
    }

    /// An error about the file at `path`.
    pub fn file(path: impl Into<PathBuf>, reason: impl ToString) -> Self {
        Self::File { path: path.into(), reason: reason.to_string() }
    }

    /// The process exit code: 2 usage, 3 files, 4 device, 5 run, 130 interrupted (0 is success, 1 is never used
    /// deliberately, 101 would be a panic).
    #[must_use]
    pub const fn exit_code(&self) -> u8 {
        match self {
            Self::Config(_) => 2,
            Self::File { .. } => 3,
            Self::Device(_) => 4,
            Self::Run(_) => 5,
            Self::Interrupted => 130,
        }
    }
}
