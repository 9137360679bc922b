//! Sweeps: many runs planned in one file, trained in populations, on as many machines as there are, and put together
//! again.
//!
//! A [`Sweep`] is what a person writes, a [`Plan`] every run of it with its complete configuration. [`run()`] trains the
//! runs of one [`Shard`] of a plan and leaves one file per run in a [`Results`] directory; [`merge`] makes of these one
//! file that does not depend on who trained what, and [`submit`] writes the script that has a cluster do it.

mod hash;
mod merge;
mod pack;
mod plan;
mod results;
mod run;
mod shard;
mod spec;
pub mod submit;

pub use merge::{ArmStatus, Merged, Status, merge, status};
pub use pack::Packer;
pub use plan::{Estimate, Plan, PlannedRun};
pub use results::{Results, RunRecord};
pub use run::{Options, PopulationDone, Summary, Watcher, run};
pub use shard::Shard;
pub use spec::{Arm, Sweep};
