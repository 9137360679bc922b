//! A trained network: its file, its predictions, and its export to other programs.

pub mod confusion;
pub mod export;
pub mod file;
mod fold;
pub mod labels;
pub mod predict;
pub mod regression;

pub use export::Format;
pub use file::{Alpha, Model, ModelLayer};
pub use predict::Predictions;
