//! Reading results back: one copy per report into a staging buffer, mapped while the next epoch already runs.

use super::context::Context;
use super::layout::{Layout, REGIONS, Region};
use super::queue;
use super::state::{Arena, Place};
use crate::engine::{AlphaSummary, MemberReport, Report, Score, Wanted};
use crate::error::{Error, Result};
use crate::population::rates;
use futures_intrusive::channel::shared::oneshot_channel;

/// A copy on its way from the GPU.
#[derive(Debug)]
pub struct Readback {
    staging: wgpu::Buffer,
    /// Mapping outcome and the submission that carries the copy.
    submission: wgpu::SubmissionIndex,
}

/// A staging buffer of at least `bytes`, from `pool` where one fits.
pub fn staging(context: &Context, pool: &mut Vec<wgpu::Buffer>, bytes: u64) -> wgpu::Buffer {
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
    /// A copy that `submission` makes into `staging`.
    pub const fn new(staging: wgpu::Buffer, submission: wgpu::SubmissionIndex) -> Self {
        Self { staging, submission }
    }

    /// Waits for the copy; returns its floats and the buffer for reuse.
    pub fn take(self, context: &Context) -> Result<(Vec<f32>, wgpu::Buffer)> {
        let (sender, receiver) = oneshot_channel();
        self.staging.map_async(wgpu::MapMode::Read, .., move |outcome| drop(sender.send(outcome)));
        queue::wait(context, self.submission)?;
        let failed = |reason: String| Error::Device(format!("{}: reading back failed: {reason}", context.info.adapter));
        match pollster::block_on(receiver.receive()) {
            Some(Ok(())) => {}
            Some(Err(e)) => return Err(failed(e.to_string())),
            None => return Err(failed("the driver dropped the request".into())),
        }
        let view = self.staging.get_mapped_range(..).map_err(|e| failed(e.to_string()))?;
        let floats = bytemuck::pod_collect_to_vec(&view);
        drop(view);
        self.staging.unmap();
        Ok((floats, self.staging))
    }
}

/// What is needed to make a [`Report`] of a [`Readback`]: scores first, then ψ of every member.
#[derive(Debug)]
pub struct Pending {
    /// The copy.
    pub readback: Readback,
    /// What was evaluated.
    pub wanted: Wanted,
    /// Samples behind the running score.
    pub running_samples: u64,
    /// Seconds of training.
    pub train_seconds: f64,
}

/// The copies a report makes: (source arena, first float there, floats), after the scores.
pub fn psi_spans(layout: &Layout) -> impl Iterator<Item = (Arena, usize, usize)> + '_ {
    (0..layout.members).flat_map(move |member| {
        layout.layers.iter().map(move |layer| {
            let (arena, [psi, ..]) = layout.slot_places(member, layer);
            (arena, psi.first, psi.span())
        })
    })
}

impl Pending {
    /// Waits and adds up. `alpha0[member][layer]` are the rates the αs started from.
    pub fn finish(
        self,
        context: &Context,
        layout: &Layout,
        (train_rows, test_rows): (usize, usize),
        alpha0: &[Vec<Vec<f32>>],
    ) -> Result<(Report, wgpu::Buffer)> {
        let (floats, buffer) = self.readback.take(context)?;
        let region_floats = 4 * layout.region;
        let score = |member: usize, region: Region, samples: u64| {
            let first = (member * REGIONS + region as usize) * region_floats;
            let (mut loss, mut wrong) = (0.0, 0.0);
            for entry in floats[first..first + region_floats].chunks_exact(4) {
                loss += f64::from(entry[0]) - f64::from(entry[1]);
                wrong += f64::from(entry[2]);
            }
            Score { loss: loss / samples as f64, error: wrong / samples as f64 }
        };
        let mut next = layout.members * REGIONS * region_floats;
        let mut members = Vec::with_capacity(layout.members);
        for (member, alpha0) in alpha0.iter().enumerate() {
            let alpha = layout.layers.iter().zip(alpha0).map(|(layer, alpha0)| {
                let (_, [place, ..]) = layout.slot_places(member, layer);
                let psi = Place { first: next, ..place }.get(&floats);
                next += place.span();
                AlphaSummary::new(rates(alpha0, &psi))
            });
            let alpha = alpha.collect();
            members.push(MemberReport {
                running: score(member, Region::Running, self.running_samples),
                train: self.wanted.train.then(|| score(member, Region::Train, train_rows as u64)),
                test: (self.wanted.test && test_rows > 0).then(|| score(member, Region::Test, test_rows as u64)),
                alpha,
            });
        }
        Ok((Report { members, train_seconds: self.train_seconds }, buffer))
    }
}
