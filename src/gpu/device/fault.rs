//! Injected device failures, for tests: a real run whose real calls fail at a planned submit.

use std::cell::Cell;

thread_local! {
    /// The fault planned for this thread, and the number of submits before it.
    static PLANNED: Cell<Option<(u32, Fault)>> = const { Cell::new(None) };
    /// The fault of this thread's next polls.
    static POLLED: Cell<Option<Fault>> = const { Cell::new(None) };
}

/// A kind of failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The device is destroyed.
    Destroyed,
    /// wgpu finds the device lost during a poll, and panics.
    Panics,
    /// The driver reports work as done that it never received.
    Dropped,
    /// The device never answers.
    Silent,
    /// A call is invalid.
    Refused,
    /// The device has no memory left for a call. The error is only reported, because software Vulkan never runs out of
    /// memory.
    Exhausted,
}

/// Plans a fault for the submit after `submits` others of this thread.
pub fn plan(submits: u32, fault: Fault) {
    PLANNED.set(Some((submits, fault)));
}

/// Cancels all faults of this thread.
pub fn mend() {
    PLANNED.set(None);
    POLLED.set(None);
}

/// Called before a device is polled; fails as planned.
pub fn polled() -> Result<(), wgpu::PollError> {
    match POLLED.get() {
        Some(Fault::Panics) => panic!("Error in Device::poll: Parent device is lost"),
        Some(Fault::Silent) => Err(wgpu::PollError::Timeout),
        _ => Ok(()),
    }
}

/// Called before a submit; returns the encoder to submit instead of `encoder`. `hear` reports an error as if it came
/// from the device.
pub fn strike(
    device: &wgpu::Device,
    hear: impl FnOnce(&wgpu::Error),
    mut encoder: wgpu::CommandEncoder,
) -> wgpu::CommandEncoder {
    let Some((submits, fault)) = PLANNED.get() else { return encoder };
    PLANNED.set(submits.checked_sub(1).map(|left| (left, fault)));
    if submits > 0 {
        return encoder;
    }
    match fault {
        Fault::Destroyed => device.destroy(),
        Fault::Panics | Fault::Silent => POLLED.set(Some(fault)),
        Fault::Dropped => return device.create_command_encoder(&Default::default()),
        Fault::Exhausted => hear(&wgpu::Error::OutOfMemory { source: "nothing left".into() }),
        Fault::Refused => {
            let [from, to] = [16, 16].map(|size| {
                let usage = wgpu::BufferUsages::COPY_SRC | wgpu::BufferUsages::COPY_DST;
                device.create_buffer(&wgpu::BufferDescriptor { label: None, size, usage, mapped_at_creation: false })
            });
            encoder.copy_buffer_to_buffer(&from, 0, &to, 0, 32);
        }
    }
    encoder
}
