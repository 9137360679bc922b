//! homeostat trains multilayer perceptrons whose learning rates fall by themselves. Each neuron, or each connection, has its
//! own learning rate α. Once a neuron saturates, α falls along a curve, ψ. The model is that of Malinovská & Jakubove,
//! *Homeostatic learning for classical artificial neural networks*.
//!
//! ```
//! use homeostat::prelude::*;
//!
//! # fn main() -> Result<()> {
//! let data = DataSet::open("iris")?;
//! let config = Config::default().hidden([9]).epochs(30).alpha0(0.1).batch_size(4);
//! let mut training = Training::new(config, data)?.on(Device::Cpu)?;
//! for epoch in &mut training {
//!     println!("{:.4}", epoch?.train_loss);
//! }
//! let model = training.finish()?;
//! let answers = model.predict([[5.1, 3.5, 1.4, 0.2], [6.3, 3.3, 6.0, 2.5]])?;
//! assert_eq!(answers.classes, [0, 2]);
//! # Ok(())
//! # }
//! ```
//!
//! [`Training::run`](run::Training::run) does all of it in one call, [`keep_in`](run::Training::keep_in) keeps settings,
//! metrics and checkpoints in a directory, and [`resume`](run::Training::resume) takes such a directory up again.
//!
//! # Your own data
//!
//! Features come as rows or as one flat array, labels as integers from 0. Ragged rows, labels out of step and features that
//! are not finite are refused with the number of the row.
//!
//! ```
//! use homeostat::prelude::*;
//!
//! # fn main() -> Result<()> {
//! let features: Vec<Vec<f32>> = (0..40).map(|i| vec![(i % 2) as f32, (i / 2 % 2) as f32]).collect();
//! let labels: Vec<u32> = (0..40).map(|i| (i % 2) ^ (i / 2 % 2)).collect();
//! let data = DataSet::new(&features, labels)?;
//! let config = Config::default().hidden([8]).epochs(300).batch_size(1).alpha0(0.5).rule(Rule::Constant);
//! let model = Training::new(config, data)?.on(Device::Cpu)?.run()?;
//! assert_eq!(model.predict(&features[..4])?.classes, [0, 1, 1, 0]);
//! model.save(std::env::temp_dir().join("xor.safetensors"))?;
//! assert!(DataSet::new([[0.5, f32::NAN]], [0]).is_err());
//! # Ok(())
//! # }
//! ```
//!
//! # Without blocking
//!
//! A training is also a future, whose every poll does a fraction of a second of work. Any executor can drive it, or a page
//! that polls once per frame:
//!
//! ```
//! use homeostat::prelude::*;
//! use std::{pin::pin, task};
//!
//! # fn main() -> Result<()> {
//! let config = Config::default().hidden([9]).epochs(5);
//! let mut training = Training::new(config, DataSet::open("iris")?)?.on(Device::Cpu)?;
//! let mut model = pin!(async move {
//!     while let Some(epoch) = training.next_epoch().await? {
//!         println!("{:.4}", epoch.train_loss);
//!     }
//!     training.into_model().await
//! });
//! let mut context = task::Context::from_waker(task::Waker::noop());
//! let model = loop {
//!     match model.as_mut().poll(&mut context) {
//!         task::Poll::Ready(model) => break model?,
//!         task::Poll::Pending => (), // draw a frame, answer a request, …
//!     }
//! };
//! # assert_eq!(model.hidden(), [9]);
//! # Ok(())
//! # }
//! ```
//!
//! # Stopping from another thread
//!
//! A [`StopHandle`](run::StopHandle) ends the iteration within a fraction of a second. A training that is kept in a directory
//! writes a checkpoint first, so that it can be resumed.
//!
//! ```
//! use homeostat::prelude::*;
//! use std::{thread, time::Duration};
//!
//! # fn main() -> Result<()> {
//! let config = Config::default().hidden([9]).epochs(1_000_000);
//! let mut training = Training::new(config, DataSet::open("iris")?)?.on(Device::Cpu)?;
//! let stop = training.stop_handle();
//! thread::spawn(move || {
//!     thread::sleep(Duration::from_millis(100));
//!     stop.stop();
//! });
//! for epoch in &mut training {
//!     epoch?;
//! }
//! assert!(training.is_stopped());
//! let model = training.finish()?; // as it stands
//! # assert_eq!(model.classes(), 3);
//! # Ok(())
//! # }
//! ```
//!
//! # Cargo features
//!
//! `docs/library.md` lists the Cargo features, of which all but `parquet` are on by default.
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

pub mod config;
pub mod data;
pub mod device;
pub mod error;
pub mod model;
pub mod prelude;
pub mod run;

// What the program, the tests and the benchmarks use beside that. It may change without notice.
#[doc(hidden)]
pub mod bench;
#[cfg(feature = "cli")]
#[doc(hidden)]
pub mod cli;
#[doc(hidden)]
pub mod cpu;
#[cfg(feature = "cli")]
#[doc(hidden)]
pub mod doctor;
#[doc(hidden)]
pub mod files;
#[cfg(feature = "gpu")]
#[doc(hidden)]
pub mod gpu;
#[cfg(not(feature = "gpu"))]
#[doc(hidden)]
#[path = "gpu/absent.rs"]
pub mod gpu;
#[doc(hidden)]
pub mod memory;
#[doc(hidden)]
pub mod network;
mod numbered;
#[cfg(feature = "report")]
#[doc(hidden)]
pub mod report;
#[doc(hidden)]
pub mod rng;
#[doc(hidden)]
pub mod rule;
#[doc(hidden)]
pub mod stats;
#[doc(hidden)]
pub mod sweep;
mod text;
#[doc(hidden)]
pub mod train;

// Compiles the examples of README and of the page on the library.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
pub struct Readme;
#[cfg(doctest)]
#[doc = include_str!("../docs/library.md")]
pub struct LibraryPage;
