//! Devices that fail, for the tests: the real calls of a real run, of which one goes wrong.

use std::cell::Cell;

thread_local! {
    /// What this thread's queue is to do wrong, after so many more submits.
    static PLANNED: Cell<Option<(u32, Fault)>> = const { Cell::new(None) };
    /// What it does when it is polled.
    static POLLED: Cell<Option<Fault>> = const { Cell::new(None) };
}

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The device is destroyed.
    Destroyed,
    /// wgpu finds the device lost while it polls, and panics as it does.
    Panics,
    /// The driver says that it has done what it never got.
    Dropped,
    /// It never answers.
    Silent,
    /// A call makes no sense.
    Refused,
    /// It has no memory left for a call. Only reported: software Vulkan promises memory without end.
    Exhausted,
}

/// Has the submit after `submits` others of this thread go wrong.
pub fn plan(submits: u32, fault: Fault) {
    PLANNED.set(Some((submits, fault)));
}

/// Nothing goes wrong any more.
pub fn mend() {
    PLANNED.set(None);
    POLLED.set(None);
}

/// Called when a device is polled.
pub fn polled() -> Result<(), wgpu::PollError> {
    match POLLED.get() {
        Some(Fault::Panics) => panic!("Error in Device::poll: Parent device is lost"),
        Some(Fault::Silent) => Err(wgpu::PollError::Timeout),
        _ => Ok(()),
    }
}

/// Called before a submit; returns what is submitted in the place of `encoder`. `hear` takes an error as the device would
/// tell it.
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
