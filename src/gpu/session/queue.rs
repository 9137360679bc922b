//! The command stream: many dispatches per submit, submits sized by time, at most two in flight. Short submits keep
//! watchdogs quiet and Ctrl-C prompt; two in flight keep the GPU busy while the host records.

use crate::error::Result;
use crate::gpu::device::context::{Context, Submission};
use crate::gpu::device::timing::Timer;
use crate::gpu::kernel::pipeline::Pipeline;
use crate::gpu::layout::Step;
use std::collections::VecDeque;
use std::time::Instant;

/// Target duration of one submit, in seconds.
const SUBMIT_SECONDS: f64 = 0.1;
/// Most submits in flight.
const IN_FLIGHT: usize = 2;
/// Most dispatches of one submit, because command buffers cost host memory.
const MAX_DISPATCHES: u32 = 20_000;
/// Cost of a dispatch beyond its arithmetic, in floating-point operations. Only its ratio to the arithmetic matters.
const DISPATCH_COST: f64 = 1e5;

/// The command stream of one engine.
#[derive(Debug, Default)]
pub struct Queue {
    pass: Option<wgpu::ComputePass<'static>>,
    encoder: Option<wgpu::CommandEncoder>,
    work: f64,
    dispatches: u32,
    in_flight: VecDeque<(Submission, f64)>,
    /// Work per second, once something has finished.
    speed: Option<f64>,
    last_finish: Option<Instant>,
    /// While set, passes are timed.
    pub timer: Option<Timer>,
}

impl Queue {
    /// Records one dispatch of this many workgroups along x, y and z.
    pub fn dispatch(
        &mut self,
        context: &Context,
        (pipeline, bindings): (&Pipeline, &wgpu::BindGroup),
        step: &Step,
        [x, y, z]: [usize; 3],
        flops: f64,
    ) {
        if self.timer.as_ref().is_some_and(|timer| timer.each) {
            self.pass = None;
        }
        let pass = match &mut self.pass {
            Some(pass) => pass,
            none => {
                let encoder =
                    self.encoder.get_or_insert_with(|| context.device.create_command_encoder(&Default::default()));
                let name = || format!("{}, layer {}", pipeline.entry_point, step.layer + 1);
                let timestamp_writes = self.timer.as_mut().and_then(|timer| timer.next(name()));
                let descriptor = wgpu::ComputePassDescriptor { label: None, timestamp_writes };
                none.insert(encoder.begin_compute_pass(&descriptor).forget_lifetime())
            }
        };
        pass.set_pipeline(&pipeline.pipeline);
        pass.set_bind_group(0, bindings, &[]);
        pass.set_immediates(0, bytemuck::bytes_of(step));
        pass.dispatch_workgroups(x as u32, y as u32, z as u32);
        self.work += flops + DISPATCH_COST;
        self.dispatches += 1;
    }

    /// The encoder, for copies between dispatches.
    pub fn encoder(&mut self, context: &Context) -> &mut wgpu::CommandEncoder {
        self.pass = None;
        self.encoder.get_or_insert_with(|| context.device.create_command_encoder(&Default::default()))
    }

    /// Work per second, once something has finished.
    pub const fn speed(&self) -> Option<f64> {
        self.speed
    }

    /// Submits the recorded work if it fills a submit.
    pub async fn breathe(&mut self, context: &Context) -> Result<()> {
        let enough = self.speed.is_none_or(|speed| self.work >= speed * SUBMIT_SECONDS);
        if enough || self.dispatches >= MAX_DISPATCHES {
            self.submit(context).await?;
        }
        Ok(())
    }

    /// Submits the recorded work, then waits while too many submits are in flight. Returns the submission; `None` if
    /// nothing was recorded.
    pub async fn submit(&mut self, context: &Context) -> Result<Option<Submission>> {
        self.pass = None;
        self.dispatches = 0;
        let Some(encoder) = self.encoder.take() else { return Ok(None) };
        if self.in_flight.is_empty() {
            self.last_finish = Some(Instant::now());
        }
        #[cfg(test)]
        let encoder = crate::gpu::device::fault::strike(&context.device, |error| context.hear(error), encoder);
        let submission = context.submit(encoder);
        self.in_flight.push_back((submission.clone(), std::mem::take(&mut self.work)));
        context.check()?;
        while self.in_flight.len() > IN_FLIGHT {
            self.wait_oldest(context).await?;
        }
        Ok(Some(submission))
    }

    /// Submits the recorded work and waits until all work is done.
    pub async fn finish(&mut self, context: &Context) -> Result<()> {
        self.submit(context).await?;
        while !self.in_flight.is_empty() {
            self.wait_oldest(context).await?;
        }
        Ok(())
    }

    async fn wait_oldest(&mut self, context: &Context) -> Result<()> {
        let Some((submission, work)) = self.in_flight.pop_front() else { return Ok(()) };
        context.wait(&submission).await?;
        let now = Instant::now();
        // A submit of copies alone contains no work, so it does not measure the speed.
        if let (Some(before), true) = (self.last_finish.replace(now), work > 0.0) {
            let measured = work / now.duration_since(before).as_secs_f64().max(1e-6);
            // The estimate at most quadruples per submit, because the first submits include compilation and page
            // faults.
            self.speed = Some(self.speed.map_or(measured, |speed| measured.min(4.0 * speed)));
        }
        Ok(())
    }
}
