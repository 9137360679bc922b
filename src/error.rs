//! The crate's one error type. Every message names the setting, file or layer at fault and, where there is one, the
//! fix. [`Error::exit_code`] is the only place that knows the process exit codes.
//!
//! Messages name a setting as `` `alpha0` `` or, with its value, as `` `alpha0 = 0.1` ``, because a reader of the library or of
//! a TOML file has typed no flag. The command line prints `--alpha0 0.1` instead. The user's own words stand in ‘…’, so that
//! an arm called `alpha0` is not mistaken for the setting.
//!
//! A message is one line without control characters, whatever the names in it hold, so that no name forges a message.

use crate::text::{line, message, unwrapped};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// Everything that can go wrong, grouped by who can fix it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A setting, or a combination of settings, makes no sense.
    #[error("{}", message(_0))]
    Config(String),
    /// A data or model file is missing, damaged or does not fit.
    #[error("{}: {}", message(path.display()), message(reason))]
    File {
        /// The file as the user named it.
        path: PathBuf,
        /// What is wrong, and where in the file.
        reason: String,
    },
    /// Features or labels passed in memory make no sense.
    #[error("data: {}", message(_0))]
    Data(String),
    /// The device does not exist, or cannot do what the run asks of it.
    #[error("{}", unwrapped(_0))]
    Device(String),
    /// A device failed while it was in use.
    #[error("{}: {failure}: {}", line(adapter), unwrapped(reason))]
    DeviceFailed {
        /// Name of the adapter.
        adapter: String,
        /// How the device failed.
        failure: Failure,
        /// The driver's message.
        reason: String,
    },
    /// The run itself failed, for example because its loss is not finite.
    #[error("{}", message(_0))]
    Run(String),
    /// The run was asked to stop: by Ctrl-C, or by a request without a known signal.
    #[error("interrupted")]
    Interrupted,
    /// The run was asked to stop by SIGTERM.
    #[error("terminated")]
    Terminated,
}

/// How a device failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Failure {
    /// The device has no memory left.
    OutOfMemory,
    /// The driver or wgpu refused a call, because of a mistake in this program or in the driver.
    Refused,
    /// The device is gone: reset by the driver, unplugged, taken away.
    Lost,
    /// The device did not answer in time.
    TimedOut,
    /// The driver reported work as finished that was not done.
    Incomplete,
}

impl Failure {
    /// Whether the same work may succeed on a second try.
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

/// Exit code of failures that may not recur elsewhere or later.
pub const TRY_AGAIN: u8 = 6;

/// The result type of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// A configuration error.
    pub fn config(message: impl Into<String>) -> Self {
        Self::Config(message.into())
    }

    /// An error about the file at `path`.
    pub fn file(path: impl Into<PathBuf>, reason: impl ToString) -> Self {
        Self::File { path: path.into(), reason: reason.to_string() }
    }

    /// Whether the run stopped on request.
    #[must_use]
    pub const fn is_interrupt(&self) -> bool {
        matches!(self, Self::Interrupted | Self::Terminated)
    }

    /// The exit code of the process.
    ///
    /// | code | meaning |
    /// |---|---|
    /// | 2 | usage or settings |
    /// | 3 | a file, or data in memory |
    /// | 4 | a device |
    /// | 5 | the run |
    /// | 6 | a device failed during the run; another try may succeed |
    /// | 130, 143 | stopped by SIGINT, by SIGTERM |
    ///
    /// Besides, 0 is success, 1 is never used deliberately, and 101 is a panic.
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
