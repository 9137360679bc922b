//! Sweeps: many runs planned in one file, trained in populations on one or more machines, and merged into one file.
//!
//! A [`Sweep`] is the file that a person writes. A [`Comparison`] of named arms writes such a file by itself. A [`Plan`] lists
//! every run of a sweep with its complete configuration.
//! [`run()`] trains the runs of one [`Shard`] of a plan and writes one file per run into a [`Results`] directory.
//! [`merge()`] combines these into one file that does not depend on who trained which run. [`submit`] writes the script
//! that trains a plan on a cluster.

mod arms;
mod draw;
mod hash;
mod merge;
mod pack;
mod plan;
mod results;
mod run;
mod shard;
mod spec;
pub mod submit;

pub use arms::{Comparison, NamedArm};
pub use merge::{ArmStatus, Merged, Status, merge, status};
pub use pack::Packer;
pub use plan::{Estimate, Plan, PlannedRun};
pub use results::{PARTS, RUNS, Results, RunRecord};
pub use run::{Options, PopulationDone, Summary, Watcher, run};
pub use shard::Shard;
pub use spec::{Arm, Sweep, TRACE_OF};
