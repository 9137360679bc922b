//! Tests the definition (`oracle`) against the paper, the authors' code and finite differences, and the host's code
//! against the definition. No test needs a GPU.

mod by_hand;
#[path = "../common/cases.rs"]
mod cases;
#[path = "../common/close.rs"]
mod close;
mod formulas;
mod golden;
mod host;
#[path = "../oracle/mod.rs"]
mod oracle;
#[path = "../common/settings.rs"]
mod settings;
mod stats;
