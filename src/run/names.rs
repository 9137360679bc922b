//! The names of a run's files, each with what it holds and which runs have it.

use crate::config::Rule;
use crate::train::population::Population;
use std::fs;
use std::path::Path;

/// Name of the metrics file.
pub const METRICS: &str = "metrics.jsonl";
/// Name of the trained model.
pub const MODEL: &str = "model.safetensors";
/// Name of the record that is written last.
pub const RESULT: &str = "result.json";
/// Name of the trigger trace of a run of ψ.
pub const TRACE: &str = "trace.safetensors";
pub(super) const CONFIG: &str = "config.toml";
pub(super) const ENVIRONMENT: &str = "environment.json";
pub(super) const TABLE: &str = "metrics.csv";
pub(super) const LOG: &str = "train.log";
pub(super) const CHECKPOINTS: &str = "checkpoints";
pub(super) const LOCK: &str = ".lock";
pub(super) const BEST: &str = "best.safetensors";
/// How the names of event files begin.
pub(super) const EVENTS: &str = "events.out.tfevents.";

/// What a name stands for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    File,
    Folder,
    /// Every file whose name begins so.
    Beginning,
}

/// Which complete runs have a file.
#[derive(Clone, Copy)]
enum Of {
    All,
    /// Runs that choose the best network by a validation error.
    Validated,
    /// Runs of ψ.
    Psi,
}

/// Every file that a run may leave, in the order in which messages list them.
const FILES: [(&str, Kind, Of); 12] = [
    // All settings; `train --config` accepts the file.
    (CONFIG, Kind::File, Of::All),
    // Device, version, system, and the commit of the working directory.
    (ENVIRONMENT, Kind::File, Of::All),
    // One line per epoch, as JSON and as CSV.
    (METRICS, Kind::File, Of::All),
    (TABLE, Kind::File, Of::All),
    // What happened, with times.
    (LOG, Kind::File, Of::All),
    // Locked while a process writes to the directory.
    (LOCK, Kind::File, Of::All),
    // The trained network.
    (MODEL, Kind::File, Of::All),
    // The network with the lowest validation error.
    (BEST, Kind::File, Of::Validated),
    // The trigger times of ψ.
    (TRACE, Kind::File, Of::Psi),
    // The metrics for TensorBoard, one file per start.
    (EVENTS, Kind::Beginning, Of::All),
    // States to resume from, the newest last.
    (CHECKPOINTS, Kind::Folder, Of::All),
    // The outcome. Written last, so its presence says that the run is complete.
    (RESULT, Kind::File, Of::All),
];

/// What a complete run of `population` leaves. A name that ends in `/` is a folder. A name that ends
/// in `*` stands for all names that begin so.
pub(super) fn expected(population: &Population) -> Vec<String> {
    let rule = population.shared().rule.kind;
    let has = |of: Of| match of {
        Of::All => true,
        Of::Validated => population.validation_rows() > 0 && !rule.is_unsupervised(),
        Of::Psi => rule == Rule::Psi,
    };
    let end = |kind: Kind| match kind {
        Kind::File => "",
        Kind::Folder => "/",
        Kind::Beginning => "*",
    };
    FILES.iter().filter(|(.., of)| has(*of)).map(|(name, kind, _)| format!("{name}{}", end(*kind))).collect()
}

/// The entries of `path` that bear the name of a file of a run.
pub(super) fn present(path: &Path) -> Vec<String> {
    let is_ours = |found: &String| {
        FILES.iter().any(|(name, kind, _)| match kind {
            Kind::Beginning => found.starts_with(name),
            Kind::File | Kind::Folder => found == name,
        })
    };
    let entries = fs::read_dir(path).into_iter().flatten().flatten();
    entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).filter(is_ours).collect()
}
