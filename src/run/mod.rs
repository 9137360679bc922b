//! The files of a run: `metrics.jsonl` as it goes, `model.safetensors` and `result.json` at the end, or one record among
//! many. Other programs rely on their contents; a file that exists under its final name is complete.

mod checkpoint;
mod directory;
mod events;
mod record;
mod result;

pub use checkpoint::{Checkpoint, Progress, Refusal};
pub use directory::{Lock, RunDirectory};
pub use record::Record;
pub use result::RunResult;

/// Name of the metrics file.
pub const METRICS: &str = "metrics.jsonl";
/// Name of the trained model.
pub const MODEL: &str = "model.safetensors";
/// Name of the record written last.
pub const RESULT: &str = "result.json";
/// Name of the trigger trace of a run of ψ.
pub const TRACE: &str = "trace.safetensors";
