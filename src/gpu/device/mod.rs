//! Adapters: the [`adapters`] of this machine, an opened adapter as a [`context`], and the [`timing`] of its kernels.

pub mod adapters;
pub mod context;
#[cfg(test)]
pub mod fault;
pub mod quiet;
pub mod timing;
