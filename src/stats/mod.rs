//! Statistics of paired runs: pure functions on slices, in double precision. Each names the definition it follows; where
//! SciPy has the same test, the two agree (tests/definition/stats.rs). Values are finite; what a failed run is worth is decided by
//! the caller.

mod bootstrap;
pub mod compare;
mod distributions;
mod paired;
mod summary;
mod wilcoxon;

pub use bootstrap::{Interval, bootstrap_mean};
pub use paired::{holm, probability_of_improvement, tost};
pub use summary::{Summary, mean, median, sd, summary};
pub use wilcoxon::{SignedRank, signed_rank};
