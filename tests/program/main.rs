//! Tests the program as users start it: commands, files, exit codes and messages.

mod attacks;
mod bench;
#[cfg(target_os = "linux")]
mod bounds;
mod cli;
#[path = "../common/close.rs"]
mod close;
mod compare;
#[path = "../common/data.rs"]
mod data;
mod doctor;
mod export;
mod files;
mod first;
mod growth;
mod identity;
#[path = "../common/isolated.rs"]
mod isolated;
mod limits;
mod links;
mod living;
#[cfg(target_os = "linux")]
mod memory;
mod neurons;
mod own_data;
#[path = "../common/png_bytes.rs"]
mod png_bytes;
mod predict;
mod printed;
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
mod versus;
