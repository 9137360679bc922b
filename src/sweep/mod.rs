//! Sweeps: many runs planned in one file, trained in populations, on as many machines as there are, and put together
//! again.
//!
//! A [`Sweep`] is what a person writes, a [`Plan`] every run of it with its complete configuration. [`run()`] trains the
//! runs of one [`Shard`] of a plan and leaves one file per run in a [`Results`] directory; [`merge`] makes of these one
//! file that does not depend on who trained what, and [`submit`] writes the script that has a cluster do it.

mod merge;
mod pack;
mod plan;
mod results;
mod run;
mod shard;
mod spec;
pub mod submit;

pub use merge::{ArmStatus, Merged, Status, merge, status};
pub use pack::Packer;
pub use plan::{Estimate, Plan, PlannedRun};
pub use results::{Results, RunRecord};
pub use run::{Options, PopulationDone, Summary, Watcher, run};
pub use shard::Shard;
pub use spec::{Arm, Sweep};

/// FNV-1a, 128 bits: tells contents apart that nobody made alike on purpose.
fn fnv(bytes: &[u8]) -> u128 {
    const PRIME: u128 = 0x0100_0000_0000_0000_0000_013b;
    bytes
        .iter()
        .fold(0x6c62_272e_07bb_0142_62b8_2175_6295_c58d, |hash, &byte| (hash ^ u128::from(byte)).wrapping_mul(PRIME))
}

#[cfg(test)]
mod tests {
    /// Published test vectors of FNV-1a 128.
    #[test]
    fn fnv_matches_its_vectors() {
        assert_eq!(super::fnv(b""), 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d);
        assert_eq!(super::fnv(b"a"), 0xd228_cb69_6f1a_8caf_7891_2b70_4e4a_8964);
    }
}
