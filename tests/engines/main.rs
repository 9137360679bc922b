//! What engines and the trainer promise: the numbers of the oracle, and the same bits however a run is arranged. The GPU
//! engine runs on whatever adapter there is, in both kernel families.

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
mod golden;
mod harness;
mod kernels;
mod learning;
#[path = "../oracle/mod.rs"]
mod oracle;
mod predict;
mod promises;
mod regularisers;
mod rules;
#[path = "../common/settings.rs"]
mod settings;
mod table;
mod trainer;
