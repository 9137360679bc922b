//! The command line, one file per command. Machines read `--json` on stdout; each command says where text for people
//! goes.

mod answers;
mod apart;
mod bench;
#[cfg(feature = "report")]
mod browser;
#[cfg(feature = "report")]
mod compare;
#[cfg(feature = "report")]
mod compared;
mod completions;
mod data;
mod devices;
mod doctor;
mod dry_run;
mod eval;
mod export;
#[cfg(all(test, feature = "gpu"))]
mod faults;
#[cfg(feature = "fetch")]
mod fetch;
mod follow;
mod functions;
mod help;
mod hints;
mod next;
mod outputs;
mod place;
#[cfg(feature = "report")]
mod plot;
mod predict;
mod print;
mod program;
mod progress;
#[cfg(feature = "report")]
mod report;
mod signals;
mod sweep;
mod table;
mod targets;
mod threads;
mod train;
#[cfg(feature = "report")]
mod versus;
mod wording;

#[cfg(test)]
mod tests;

pub use print::tell;
pub use program::{command, run};
