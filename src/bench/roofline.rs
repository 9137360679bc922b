//! The practical peaks of a device: arithmetic without memory traffic, and memory traffic without arithmetic.

use crate::cpu;
use crate::device::Device;
use crate::error::Result;
use crate::gpu::Context;
use serde::{Deserialize, Serialize};
use std::sync::atomic::AtomicBool;

/// The measured peaks of a device.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
pub struct Roofline {
    /// f32 operations per second, in 10⁹: fused multiply-adds in a kernel on a GPU, the GEMM crate on a CPU.
    pub gflops: f64,
    /// Bytes read and written per second by a copy larger than the caches, in 10⁹.
    pub gigabytes_per_second: f64,
}

impl Roofline {
    /// Measures the device that `choice` selects, in a second or two.
    ///
    /// # Errors
    /// If the device does not exist or fails, or once `interrupt` is set.
    pub fn measure(choice: &Device, interrupt: &AtomicBool) -> Result<Self> {
        let (gflops, gigabytes_per_second) = match choice.pick() {
            Some(pick) => Context::open(&pick)?.peaks(interrupt)?,
            None => cpu::peaks(),
        };
        Ok(Self { gflops, gigabytes_per_second })
    }
}
