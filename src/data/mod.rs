//! Data sets: rows of features with labels, in memory or read from files, and the splits of their row numbers.
//!
//! A [`DataSet`] is made from features and labels in memory, or opened by name. Each format has its own reader. Readers
//! check the sizes in a header against the bytes that follow, because files may be damaged or malicious. They allocate
//! memory for bytes that exist, not for the sizes that a header claims.

pub mod about;
#[doc(hidden)]
pub mod arrays;
pub mod catalogue;
mod digit;
pub mod distort;
mod embedded;
mod encode;
#[cfg(feature = "fetch")]
pub mod fetch;
mod idx;
pub mod image;
#[doc(hidden)]
pub mod images;
mod memory;
mod merge;
#[doc(hidden)]
pub mod numbers;
mod open;
#[cfg(feature = "png")]
mod png;
pub mod preparation;
#[doc(hidden)]
pub mod raw;
mod read;
pub mod set;
pub mod split;
pub mod summary;
#[cfg(feature = "fetch")]
pub mod sums;
#[doc(hidden)]
pub mod table;

pub use catalogue::Search;
pub use image::Image;
pub use memory::Features;
pub use read::MAX_LABEL;
pub use set::{BYTE_SCALE, DataSet, Samples};
pub use split::{DEFAULT_TEST_FRACTION, Split};
