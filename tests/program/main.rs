//! Tests the program as users start it: commands, files, exit codes and messages.

mod attacks;
mod bench;
mod cli;
#[path = "../common/close.rs"]
mod close;
mod compare;
#[path = "../common/data.rs"]
mod data;
mod export;
mod files;
#[path = "../common/isolated.rs"]
mod isolated;
mod limits;
mod links;
mod own_data;
mod predict;
#[path = "../common/program.rs"]
mod program;
mod readme;
mod reliability;
mod report;
mod resume;
#[path = "../soak/mod.rs"]
mod soak;
mod sweep;
mod training;
