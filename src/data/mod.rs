//! Data sets: one resident store of rows with labels, and the splits of its row numbers.
//!
//! A [`DataSet`] is made of features and labels in memory, or opened by name. Each format has its reader. Readers trust
//! nothing: sizes are checked against the bytes that really follow, and memory grows with these, not with what a header
//! claims.

pub mod catalogue;
mod csv;
mod digit;
pub mod distort;
mod embedded;
pub mod fetch;
mod idx;
pub mod image;
mod npz;
mod open;
mod read;
pub mod set;
pub mod split;
pub mod sums;

pub use catalogue::Search;
pub use image::Image;
pub use read::MAX_LABEL;
pub use set::{BYTE_SCALE, DataSet, Features, Samples};
pub use split::{DEFAULT_TEST_FRACTION, Split};
