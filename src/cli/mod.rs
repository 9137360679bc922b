//! The command line: one file per command. Text for people goes to stderr or stdout as each command says; machines read
//! `--json` on stdout.

mod bench;
mod compare;
mod completions;
mod data;
mod devices;
mod dry_run;
mod eval;
mod export;
mod functions;
mod outputs;
mod plot;
mod predict;
mod print;
mod program;
mod progress;
mod report;
mod signals;
mod sweep;
mod train;

pub use print::tell;
pub use program::{command, run};
