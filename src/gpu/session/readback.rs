//! Reading back: one copy of parts of buffers into a staging buffer, mapped while the next work already runs. Every copy
//! carries the canary, so that no result counts whose work was not done.

use super::canary::Canary;
use super::session::Session;
use crate::error::Result;
use crate::gpu::device::context::{Context, Submission};
use crate::gpu::layout::CanaryRecord;
use crate::gpu::memory::table::Role;
use crate::train::engine::NonFinite;

/// A copy on its way from the GPU: the canary, and behind it what was asked for.
#[derive(Debug)]
pub struct Readback {
    staging: wgpu::Buffer,
    /// The submission that carries the copy.
    submission: Submission,
    /// What the canary must say.
    canary: Canary,
    canary_bytes: usize,
}

/// What a [`Readback`] has brought.
#[derive(Debug)]
pub struct Arrived {
    /// What was asked for.
    pub floats: Vec<f32>,
    /// Where each member first was not finite.
    pub not_finite: Vec<Option<NonFinite>>,
    /// The buffer for reuse.
    pub staging: wgpu::Buffer,
}

/// A staging buffer of at least `bytes`, from `pool` where one fits.
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
    /// If the device fails, or has not done all of the work before the copy.
    pub async fn take(self, context: &Context) -> Result<Arrived> {
        let view = context.map(&self.staging, &self.submission).await?;
        let (head, rest) = view.split_at(self.canary_bytes);
        let (records, floats): (Vec<CanaryRecord>, _) =
            (bytemuck::pod_collect_to_vec(head), bytemuck::pod_collect_to_vec(rest));
        drop(view);
        self.staging.unmap();
        let not_finite = self.canary.check(&context.info.adapter, &records)?;
        Ok(Arrived { floats, not_finite, staging: self.staging })
    }
}

impl Session {
    /// All floats of a buffer, after everything recorded so far; none where the run does not have it.
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

    /// Submits everything recorded so far and a copy of these parts of buffers, first float and floats; then so many floats of
    /// `cleared` are set to zeros.
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
