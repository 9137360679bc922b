//! The network: its shape and its initial weights.

pub mod init;
pub mod topology;
