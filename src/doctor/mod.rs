//! `homeostat doctor`: what this system offers for training, whether each device computes what it should, how fast it is, and
//! what is missing. `advice` and `packages` take a description of the system, so that tests can describe any system.

mod advice;
mod block;
mod device;
mod engines;
mod environment;
mod golden;
mod packages;
mod places;
mod probe;
mod self_test;
mod system;
#[cfg(test)]
mod tests;

pub use advice::{Advice, advise, broken_driver, missing_adapter};
pub use block::{Origin, block, columns, origin};
pub use device::{Description, Fastest, Report, Speed, examine, fastest};
pub use environment::{Variable, variables};
pub use places::{Found, Place, data_sets, runs, tiles};
pub use self_test::SelfTest;
pub use system::{Kind, Node, System, Vendor};
