//! The network: its shape, its functions and its initial weights.

pub mod function;
pub mod init;
pub mod topology;
