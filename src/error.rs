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
    /// Features or labels that were handed over in memory make no sense.
    #[error("data: {0}")]
    Data(String),
    /// No such device, or it cannot take what is asked of it.
    #[error("{0}")]
    Device(String),
    /// A device failed while it was in use.
    #[error("{adapter}: {failure}: {reason}")]
    DeviceFailed {
        /// Name of the adapter.
        adapter: String,
        /// How it failed.
        failure: Failure,
        /// What the driver said.
        reason: String,
    },
    /// The run itself failed: a loss that is not finite, for instance.
    #[error("{0}")]
    Run(String),
    /// Asked to stop, by Ctrl-C where no other signal is known.
    #[error("interrupted")]
    Interrupted,
    /// Asked to stop by SIGTERM.
    #[error("terminated")]
    Terminated,
}

/// How a device failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// It has no memory left.
    OutOfMemory,
    /// Driver or wgpu refused a call: a mistake in this program, or in the driver.
    Refused,
    /// It is gone: reset by the driver, unplugged, taken away.
    Lost,
    /// It did not answer in time.
    TimedOut,
    /// The driver reported work as finished that was not done.
    Incomplete,
}

impl Failure {
    /// Whether the same work may succeed when it is tried again.
    #[must_use]
    pub const fn is_passing(self) -> bool {
        matches!(self, Self::Lost | Self::TimedOut | Self::Incomplete)
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::OutOfMemory => "out of memory",
            Self::Refused => "a call was refused",
            Self::Lost => "device lost",
            Self::TimedOut => "no answer from the driver",
            Self::Incomplete => "work not done",
        })
    }
}

/// Exit code of what may do better elsewhere or later.
pub const TRY_AGAIN: u8 = 6;

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

    /// Whether a run has stopped because it was asked to.
    #[must_use]
    pub const fn is_interrupt(&self) -> bool {
        matches!(self, Self::Interrupted | Self::Terminated)
    }

    /// The process exit code: 2 usage, 3 files, 4 device, 5 run, 6 a device that failed on the way and that may do better
    /// next time, 130 and 143 asked to stop by SIGINT and SIGTERM (0 is success, 1 is never used deliberately, 101 would be a panic).
    #[must_use]
    pub const fn exit_code(&self) -> u8 {
        match self {
            Self::Config(_) => 2,
            Self::File { .. } | Self::Data(_) => 3,
            Self::DeviceFailed { failure, .. } if failure.is_passing() => TRY_AGAIN,
            Self::Device(_) | Self::DeviceFailed { .. } => 4,
            Self::Run(_) => 5,
            Self::Interrupted => 130,
            Self::Terminated => 143,
        }
    }
}
