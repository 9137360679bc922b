//! Runs: the training of one network, its events, and its files.
//!
//! [`Training`] is what programs drive. Other programs rely on the contents of a run's files; a file that exists under its
//! final name is complete.

mod beginning;
mod checkpoint;
mod directory;
mod doubts;
mod environment;
mod event;
mod events;
mod gather;
mod keeper;
mod lines;
mod lock;
mod names;
mod place;
mod record;
mod result;
mod running;
mod start;
mod stop;
mod training;

pub use checkpoint::{Checkpoint, Progress, Refusal};
pub use directory::{RUNS, RunDirectory, directory_word};
#[cfg(feature = "cli")]
pub(crate) use environment::commit;
pub use event::{Event, Failed, Kept, Note};
pub use gather::{gather, single_run};
pub use keeper::OnDivergence;
pub use lock::Lock;
pub use names::{METRICS, MODEL, RESULT, TRACE};
pub use record::{PLAN_ID, Record, failure};
pub use result::RunResult;
pub use start::Start;
pub(crate) use start::{save_model, save_trace};
pub use stop::StopHandle;
pub use training::Training;
