//! Readback: one copy of parts of buffers into a staging buffer, mapped while the next work already runs. Every copy
//! includes the canary, so that results of unfinished work are refused.

use super::canary::Canary;
use super::session::Session;
use crate::error::Result;
use crate::gpu::device::context::{Context, Submission};
use crate::gpu::layout::CanaryRecord;
use crate::gpu::memory::table::Role;
use crate::train::engine::NonFinite;

/// A copy in progress: the canary, then the requested floats.
#[derive(Debug)]
pub struct Readback {
    staging: wgpu::Buffer,
    /// The submission that includes the copy.
    submission: Submission,
    /// The work that the canary must have counted.
    canary: Canary,
    canary_bytes: usize,
}

/// The content of a finished [`Readback`].
#[derive(Debug)]
pub struct Arrived {
    /// The requested floats.
    pub floats: Vec<f32>,
    /// The first non-finite step and layer of each member, if any.
    pub not_finite: Vec<Option<NonFinite>>,
    /// What the kernels counted, `[P][layers]`.
    pub records: Vec<CanaryRecord>,
    /// The buffer for reuse.
    pub staging: wgpu::Buffer,
}

/// A staging buffer of at least `bytes` bytes, taken from `pool` if one is large enough.
fn staging(context: &Context, pool: &mut Vec<wgpu::Buffer>, bytes: u64) -> wgpu::Buffer {
    match pool.iter().position(|buffer| buffer.size() >= bytes) {
        Some(place) => pool.swap_remove(place),
        None => context.device.create_buffer(&wgpu::BufferDescriptor {
            label: Some("staging"),
            size: bytes,
            usage: wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST,
            mapped_at_creation: false,
        }),
    }
}

impl Readback {
    /// Waits for the copy.
    ///
    /// # Errors
    /// If the device fails, or has not finished the work before the copy.
    pub async fn take(self, context: &Context) -> Result<Arrived> {
        let view = context.map(&self.staging, &self.submission).await?;
        let (head, rest) = view.split_at(self.canary_bytes);
        let (records, floats): (Vec<CanaryRecord>, _) =
            (bytemuck::pod_collect_to_vec(head), bytemuck::pod_collect_to_vec(rest));
        drop(view);
        self.staging.unmap();
        let not_finite = self.canary.check(&context.info.adapter, &records)?;
        Ok(Arrived { floats, not_finite, records, staging: self.staging })
    }
}

impl Session {
    /// All floats of a buffer, after all recorded work; empty if the run does not have the buffer.
    ///
    /// # Errors
    /// If the device fails.
    pub async fn read(&mut self, role: Role) -> Result<Vec<f32>> {
        let Some(buffer) = self.buffers.get(role) else { return Ok(vec![]) };
        let count = buffer.size() as usize / size_of::<f32>();
        let copy = self.copy_back(&[(role, 0, count)], None).await?;
        let Arrived { mut floats, .. } = copy.take(&self.context).await?;
        floats.truncate(count);
        Ok(floats)
    }

    /// Submits all recorded work and a copy of `parts`, each a role, its first float and a number of floats. Then
    /// resets the first floats of the buffer in `cleared` to 0.
    ///
    /// # Errors
    /// If the device fails.
    pub async fn copy_back(
        &mut self,
        parts: &[(Role, usize, usize)],
        cleared: Option<(Role, usize)>,
    ) -> Result<Readback> {
        let bytes = |floats: usize| (floats * size_of::<f32>()) as u64;
        let canary_bytes = self.layout.canary_bytes();
        let total = canary_bytes as u64 + bytes(parts.iter().map(|(.., floats)| floats).sum());
        let staging = staging(&self.context, &mut self.staging, total);
        let encoder = self.queue.encoder(&self.context);
        let mut place = 0;
        for &(role, first, floats) in [(Role::Neurons, 0, canary_bytes / size_of::<f32>())].iter().chain(parts) {
            let Some(buffer) = self.buffers.get(role) else { continue };
            encoder.copy_buffer_to_buffer(buffer, bytes(first), &staging, place, bytes(floats));
            place += bytes(floats);
        }
        if let Some((buffer, floats)) = cleared.and_then(|(role, floats)| Some((self.buffers.get(role)?, floats))) {
            encoder.clear_buffer(buffer, 0, Some(bytes(floats)));
        }
        let submission = self.queue.submit(&self.context).await?.expect("copies were recorded");
        Ok(Readback { staging, submission, canary: self.canary.clone(), canary_bytes })
    }
}
