//! Statistics of paired runs: pure functions on slices of finite f64 values.
//!
//! Every function names the definition it follows. Where SciPy has the same test, the two agree
//! (tests/definition/stats.rs). How a failed run counts is the caller's decision.

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
