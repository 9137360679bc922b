//! homeostat trains multilayer perceptrons in which every connection has its own learning rate that falls once its
//! neuron is saturated.

pub mod cli;
pub mod config;
pub mod cpu;
pub mod data;
pub mod device;
pub mod engine;
pub mod error;
pub mod gpu;
pub mod init;
pub mod population;
pub mod psi;
pub mod rng;
pub mod run;

pub mod topology;
pub mod trainer;
