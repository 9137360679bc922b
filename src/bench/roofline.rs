//! The practical peaks of a device: arithmetic without memory, and memory without arithmetic.

use crate::cpu;
use crate::device::Choice;
use crate::error::Result;
use crate::gpu::Context;
use serde::Serialize;
use std::sync::atomic::AtomicBool;

/// What a device does at best, measured.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Roofline {
    /// f32 operations per second, in 10⁹: a kernel of fused multiply-adds on a GPU, the GEMM crate on a processor.
    pub gflops: f64,
    /// Bytes read and written per second by a copy larger than the caches, in 10⁹.
    pub gigabytes_per_second: f64,
}

impl Roofline {
    /// Measures the device that `choice` means; takes a second or two.
    ///
    /// # Errors
    /// If there is no such device or it fails, or once `interrupt` is set.
    pub fn measure(choice: &Choice, interrupt: &AtomicBool) -> Result<Self> {
        let (gflops, gigabytes_per_second) = match choice.pick() {
            Some(pick) => Context::open(&pick)?.peaks(interrupt)?,
            None => cpu::peaks(),
        };
        Ok(Self { gflops, gigabytes_per_second })
    }
}
