//! One adapter: the [`adapters`] of this machine, an opened one as a [`context`], and the [`timing`] of its kernels.

pub mod adapters;
pub mod context;
#[cfg(test)]
pub mod fault;
mod quiet;
pub mod timing;
