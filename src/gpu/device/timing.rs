//! Times by timestamp queries: of every kernel for `homeostat bench`, of much work at once for autotune.

use super::context::Context;
use crate::error::Result;
use crate::train::engine::KernelTime;

/// Most passes of one measurement.
const MAX_PASSES: u32 = 256;

/// Start and end times of compute passes, stored on the GPU.
#[derive(Debug)]
pub struct Timer {
    set: wgpu::QuerySet,
    names: Vec<String>,
    /// Whether every dispatch is a pass of its own. Its times then add about 4 µs to each.
    pub each: bool,
    /// Whether there were more passes than the set holds.
    overflowed: bool,
}

impl Timer {
    /// `None` if the adapter has no timestamps.
    pub fn new(context: &Context, each: bool) -> Option<Self> {
        context.device.features().contains(wgpu::Features::TIMESTAMP_QUERY).then(|| Self {
            set: context.device.create_query_set(&wgpu::QuerySetDescriptor {
                label: Some("kernel times"),
                ty: wgpu::QueryType::Timestamp,
                count: 2 * MAX_PASSES,
            }),
            names: vec![],
            each,
            overflowed: false,
        })
    }

    /// The queries for the start and end of the next pass, whose first kernel is `name`; `None` once the set is full.
    pub fn next(&mut self, name: String) -> Option<wgpu::ComputePassTimestampWrites<'_>> {
        let index = 2 * self.names.len() as u32;
        self.overflowed |= index >= 2 * MAX_PASSES;
        (!self.overflowed).then(|| {
            self.names.push(name);
            wgpu::ComputePassTimestampWrites {
                query_set: &self.set,
                beginning_of_pass_write_index: Some(index),
                end_of_pass_write_index: Some(index + 1),
            }
        })
    }

    /// Seconds that all passes took together, after they have been submitted; `None` if the device cannot tell.
    pub async fn total(self, context: &Context) -> Result<Option<f64>> {
        let overflowed = self.overflowed;
        let passes = self.read(context).await?;
        let seconds = passes.iter().map(|pass| pass.microseconds).sum::<f64>() / 1e6;
        Ok((seconds > 0.0 && !overflowed).then_some(seconds))
    }

    /// Reads the times in microseconds, after all timed passes have been submitted.
    pub async fn read(self, context: &Context) -> Result<Vec<KernelTime>> {
        let (device, count) = (&context.device, 2 * self.names.len() as u32);
        if count == 0 {
            return Ok(vec![]);
        }
        let buffer = |usage| {
            let size = u64::from(count) * 8;
            device.create_buffer(&wgpu::BufferDescriptor {
                label: Some("kernel times"),
                size,
                usage,
                mapped_at_creation: false,
            })
        };
        let resolved = buffer(wgpu::BufferUsages::QUERY_RESOLVE | wgpu::BufferUsages::COPY_SRC);
        let staging = buffer(wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST);
        let mut encoder = device.create_command_encoder(&Default::default());
        encoder.resolve_query_set(&self.set, 0..count, &resolved, 0);
        encoder.copy_buffer_to_buffer(&resolved, 0, &staging, 0, u64::from(count) * 8);
        let submission = context.submit(encoder);
        let view = context.map(&staging, &submission).await?;
        let ticks: Vec<u64> = bytemuck::pod_collect_to_vec(&view);
        let period = f64::from(context.queue.get_timestamp_period());
        Ok(times(self.names, &ticks, period))
    }
}

/// The time of each pass by its two timestamps. `period` is the length of a tick in nanoseconds. Empty if a driver left
/// a timestamp unwritten, as some do (gfx-rs/wgpu issue 6406), because the other times are then unreliable.
fn times(names: Vec<String>, ticks: &[u64], period: f64) -> Vec<KernelTime> {
    if ticks.chunks_exact(2).any(|pair| pair[0] == 0 || pair[1] < pair[0]) {
        return vec![];
    }
    let microseconds = |pair: &[u64]| (pair[1] - pair[0]) as f64 * period / 1000.0;
    let time = |(kernel, pair)| KernelTime { kernel, microseconds: microseconds(pair) };
    names.into_iter().zip(ticks.chunks_exact(2)).map(time).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unwritten_timestamps_are_no_times() {
        let names = || vec!["forward".to_owned(), "update".to_owned()];
        let measured = times(names(), &[1000, 3000, 3500, 4000], 2.0);
        assert_eq!(measured.iter().map(|time| time.microseconds).collect::<Vec<_>>(), [4.0, 1.0]);
        assert!(times(names(), &[1000, 3000, 0, 0], 2.0).is_empty());
        assert!(times(names(), &[1000, 3000, 3500, 0], 2.0).is_empty());
    }
}
