//! Statistics of paired runs: pure functions on slices of finite f64 values.
//!
//! Every function names the definition it follows. Where SciPy has the same test, the two agree
//! (tests/definition/stats.rs). How a failed run counts is the caller's decision.

#[cfg(feature = "report")]
mod bootstrap;
#[cfg(feature = "report")]
pub mod compare;
#[cfg(feature = "report")]
mod distributions;
#[cfg(feature = "report")]
pub mod outcome;
#[cfg(feature = "report")]
mod paired;
mod summary;
#[cfg(feature = "report")]
pub mod verdict;
#[cfg(feature = "report")]
mod wilcoxon;

#[cfg(feature = "report")]
pub use bootstrap::{Interval, bootstrap_mean};
#[cfg(feature = "report")]
pub use paired::{holm, probability_of_improvement, tost};
pub use summary::{Summary, mean, median, sd, summary};
#[cfg(feature = "report")]
pub use wilcoxon::{SignedRank, signed_rank};
