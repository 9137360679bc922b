//! Measuring training: fixed workloads, trained by the engines as any network is, and a device's practical peaks to hold
//! the figures against. Every figure is a median over windows of training; nothing else is in the time.

mod measure;
mod roofline;
mod session;
mod settings;
mod workload;

pub use measure::{Measurement, measure};
pub use roofline::Roofline;
pub use session::Session;
pub use settings::Settings;
pub use workload::Workload;
