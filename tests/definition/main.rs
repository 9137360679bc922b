//! The definition of what homeostat computes, held against the paper, the authors' code and finite differences. No device.

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
