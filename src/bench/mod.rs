//! Benchmarks of training: fixed workloads on the engines that every run uses, and the practical peaks of a device to
//! compare with. Every figure is a median over windows that contain nothing but training.

mod measure;
mod roofline;
mod session;
mod settings;
mod workload;

pub use measure::{Measurement, measure};
pub use roofline::Roofline;
pub use session::Session;
#[cfg(feature = "cli")]
pub(crate) use session::frozen_state;
pub use settings::Settings;
pub use workload::Workload;
