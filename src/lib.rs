//! homeostat trains multilayer perceptrons whose learning rates fall by themselves. Each neuron, or each connection, has its
//! own learning rate α. Once a neuron saturates, α falls along a curve, ψ. The model is that of Malinovská & Jakubove,
//! *Homeostatic learning for classical artificial neural networks*.
//!
//! # Notation
//!
//! The symbols are those of the paper, and every file uses them.
//!
//! | symbol | in code | shape | meaning |
//! |---|---|---|---|
//! | P | `members` | | networks of one topology trained together, a [`population`](train::population); a plain run is P = 1 |
//! | B | `batch_size` | | samples per step |
//! | n_l | `width` | | neurons of layer l; l = 0 is the input |
//! | W_l | `weights` | `[P, n_(l-1) + 1, n_l]` | last row is the bias, fed with the constant input −1 |
//! | net_l | `net` | `[P, B, n_l]` | y_(l−1) W_l |
//! | y_l | `activation` | `[P, B, n_l]` | f(net_l); y_0 is the input x |
//! | δ_l | `delta` | `[P, B, n_l]` | error term per sample, before any division by B |
//! | α | `alpha0 · psi` | per [`config::Scope`] | local learning rate |
//! | θ_M | `theta` | | threshold at which α starts to fall |
//! | ψ | `psi` | | α/α0 as a function of the ticks since its trigger, see [`rule::psi`] |
//!
//! # Map
//!
//! `docs/architecture.md` has the map of the source, the data flow of a step, and a table of the files in which ψ, the gradient, the
//! loss and all else are computed.
//!
//! # As a library
//!
//! ```
//! use homeostat::{config::Config, cpu::CpuEngine, data::DataSet, population::Population};
//! use homeostat::trainer::{EpochMetrics, Position, Trainer};
//! use std::{ops::ControlFlow, sync::Arc};
//!
//! # fn main() -> homeostat::error::Result<()> {
//! let settings = "data = 'iris'\nhidden = [9]\nepochs = 30\nalpha0 = 0.1\nbatch-size = 4".parse().expect("TOML");
//! let config = Config::overlay([&settings])?;
//! let data = Arc::new(DataSet::open(&config.data.source)?);
//! let population = Arc::new(Population::new(vec![config], data, None)?);
//! let engine = CpuEngine::new(Arc::clone(&population), &population.initial_state())?;
//! let mut trainer = Trainer::new(population, Box::new(engine), Position::START, Arc::default());
//! let mut last = None;
//! trainer.run(&mut |metrics: &[EpochMetrics]| {
//!     last = metrics[0].test_error;
//!     Ok(ControlFlow::Continue(()))
//! })?;
//! assert!(last.expect("the test samples are read after the last epoch") < 0.2);
//! # Ok(())
//! # }
//! ```

pub mod bench;
#[cfg(feature = "cli")]
pub mod cli;
pub mod config;
pub mod cpu;
pub mod data;
pub mod device;
pub mod error;
pub mod files;
pub mod gpu;
pub mod memory;
pub mod model;
pub mod network;
#[cfg(feature = "report")]
pub mod report;
pub mod rng;
pub mod rule;
pub mod run;
pub mod stats;
pub mod sweep;
mod text;
pub mod train;
