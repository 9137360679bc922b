//! Tests the engines and the trainer. Engines compute the oracle's numbers, and the same bits however a run is split,
//! packed or tiled. The GPU engine runs on the adapter that the machine has, in both kernel families.

mod autotune;
mod bits;
mod bytes;
#[path = "../common/cases.rs"]
mod cases;
#[path = "../common/close.rs"]
mod close;
#[path = "../common/data.rs"]
mod data;
mod divergence;
mod equilibrium;
mod frozen;
mod golden;
mod half;
mod harness;
mod kernels;
mod learning;
mod living;
#[path = "../oracle/mod.rs"]
mod oracle;
mod predict;
mod promises;
mod regularisers;
mod rules;
#[path = "../common/settings.rs"]
mod settings;
mod table;
#[path = "../common/thorough.rs"]
mod thorough;
mod tiles;
mod trainer;
mod weights;
