//! A trained network: its file, its predictions, and its export to other programs.

pub mod confusion;
pub mod export;
pub mod file;
pub mod predict;
