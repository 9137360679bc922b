//! A trained network: its file, its predictions, and its export to other programs.

pub mod confusion;
pub mod export;
pub mod file;
pub mod predict;

pub use export::Format;
pub use file::{Alpha, Model, ModelLayer};
pub use predict::Predictions;
