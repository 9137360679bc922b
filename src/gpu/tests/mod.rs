//! Tests of whole engines that need what other crates cannot see: devices that fail, speeds, shaders alone.

mod faults;
mod half;
mod queue;
mod random;
