//! What a training reports while it runs. The library prints nothing; the program that drives it may.

use crate::config::Rule;
use crate::train::engine::DeviceInfo;
use crate::train::metrics::EpochMetrics;
use crate::train::trainer::{Divergence, Position};
use std::path::PathBuf;

/// One thing that happened.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
#[allow(clippy::large_enum_variant, reason = "an event is made once per epoch")]
pub enum Event {
    /// The device is ready, and training begins.
    Device(DeviceInfo),
    /// The batches before this position have been given to the device.
    Steps(Position),
    /// An epoch is over.
    Epoch(EpochMetrics),
    /// Something that may surprise the user.
    Note(Note),
}

/// Something that may surprise the user. `Display` puts it into one line.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Note {
    /// The initial model has more or fewer layers than are trained.
    Layers {
        /// The model's file.
        path: PathBuf,
        /// Layers of weights in the file.
        has: usize,
        /// Layers of weights that are trained.
        needs: usize,
    },
    /// The learning rates continue from those of the initial model.
    Rates {
        /// The model's file.
        path: PathBuf,
        /// Whether all of them are 0, so that nothing will learn.
        frozen: bool,
    },
    /// The rule's memory begins anew, because a model file has none.
    MemoryAnew {
        /// The model's file.
        path: PathBuf,
        /// The rule.
        rule: Rule,
    },
    /// The settings in which a replay differs from the run that it repeats.
    ReplayDiffers {
        /// The trace of that run.
        path: PathBuf,
        /// Key, value there and value here.
        settings: Vec<[String; 3]>,
    },
    /// A checkpoint cannot be used, so the run resumes from an earlier one.
    DamagedCheckpoint(String),
    /// The run resumes here.
    Resumed(Position),
    /// The directory has no checkpoint, so the run starts from the beginning.
    NoCheckpoint,
    /// Why the run uses another device, or leaves a feature of the device unused.
    Device(String),
    /// The file system has no locks: another process might write to the directory.
    NotLocked {
        /// The directory.
        directory: PathBuf,
        /// What the system said.
        reason: String,
    },
    /// Metrics of so many epochs were damaged or lost.
    MetricsLost(usize),
    /// A value is no longer finite, and training continues.
    Diverged(Divergence),
    /// From this epoch on every α is 0.
    Frozen(u32),
    /// The trained network gives every sample the same class.
    AlikeAnswers(String),
    /// The trained network is no better than one that does not look at its inputs.
    NothingLearnt {
        /// Mean loss over the training samples.
        loss: f64,
        /// The loss of the best answer that does not depend on the sample.
        constant: f64,
    },
    /// The training was stopped before its end, and its directory can be resumed.
    Stopped {
        /// The next batch.
        position: Position,
        /// The directory.
        directory: PathBuf,
        /// What a resumed run continues from.
        from: Kept,
    },
    /// The newest checkpoint at the time of a failure.
    Kept {
        /// The directory.
        directory: PathBuf,
        /// The failure.
        failure: Failed,
        /// The newest checkpoint, if any.
        checkpoint: Option<PathBuf>,
    },
}

/// What a stopped run continues from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kept {
    /// The state in which it was stopped.
    Here,
    /// An earlier checkpoint, because only finite states are kept.
    Checkpoint(PathBuf),
    /// The beginning, because no state was finite.
    Nothing,
}

/// How a training failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failed {
    /// The device failed.
    Device,
    /// A value was no longer finite.
    Diverged,
}

impl std::fmt::Display for Note {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Layers { path, has, needs } => {
                let rest = if has < needs { "the others begin anew" } else { "the others are left out" };
                write!(f, "{}: {has} layers of weights, where {needs} are trained; {rest}", path.display())
            }
            Self::Rates { path, frozen: true } => {
                write!(f, "{}: every α is 0, so nothing will learn", path.display())
            }
            Self::Rates { path, frozen: false } => {
                write!(f, "{}: every α continues from its value there", path.display())
            }
            Self::MemoryAnew { path, rule } => {
                write!(f, "{}: has no memory of `rule = {rule}`, which begins anew", path.display())
            }
            Self::ReplayDiffers { path, settings } => {
                write!(f, "{}: the run that is repeated had other settings: ", path.display())?;
                let differences: Vec<String> =
                    settings.iter().map(|[key, then, now]| format!("{key} = {then}, here {now}")).collect();
                f.write_str(&differences.join("; "))
            }
            Self::DamagedCheckpoint(error) => write!(f, "{error}; taking an earlier state"),
            Self::Resumed(Position { epoch, batch }) => write!(f, "resuming at epoch {epoch}, batch {batch}"),
            Self::NoCheckpoint => f.write_str("there is no checkpoint to resume from; starting from the beginning"),
            Self::Device(reason) => f.write_str(reason),
            Self::NotLocked { directory, reason } => write!(
                f,
                "{}: cannot be locked ({reason}); take care that no other process writes to it",
                directory.display()
            ),
            Self::MetricsLost(epochs) => write!(f, "the metrics of {epochs} epochs are damaged or lost, and left out"),
            Self::Frozen(epoch) => {
                write!(f, "every α is 0 after epoch {epoch}, so the network does not change any more")
            }
            Self::AlikeAnswers(class) => write!(
                f,
                "the trained network answers every sample with the class {class}; try another `alpha0`, `scale` or `hidden`"
            ),
            Self::NothingLearnt { loss, constant } => write!(
                f,
                "the training loss, {loss:.5}, is no better than {constant:.5}, that of one answer to all samples; try another \
                 `alpha0`, `scale` or `hidden`"
            ),
            Self::Diverged(divergence) => write!(f, "{divergence}; training continues"),
            Self::Stopped { position: Position { epoch, batch }, directory, from } => {
                write!(f, "stopped in epoch {epoch} before batch {batch}; {} can be resumed", directory.display())?;
                match from {
                    Kept::Here => Ok(()),
                    Kept::Checkpoint(file) => {
                        write!(f, ", again from {}, as what is not finite is not kept", file.display())
                    }
                    Kept::Nothing => f.write_str(", again from the beginning, as what is not finite is not kept"),
                }
            }
            Self::Kept { directory, failure, checkpoint } => match (failure, checkpoint) {
                (Failed::Device, Some(file)) => {
                    write!(f, "{} is kept; {} can be resumed", file.display(), directory.display())
                }
                (Failed::Device, None) => write!(
                    f,
                    "it failed before the first checkpoint; resumed, {} starts from the beginning",
                    directory.display()
                ),
                (Failed::Diverged, Some(file)) => write!(f, "the last finite state is kept in {}", file.display()),
                (Failed::Diverged, None) => f.write_str("no state was kept: it diverged before the first checkpoint"),
            },
        }
    }
}
