//! A trained network: its file, what it answers, and how it is handed to other programs.

pub mod confusion;
pub mod export;
pub mod file;
pub mod predict;
