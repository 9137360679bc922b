//! Recording and submitting: many dispatches per submit, submits sized by time, at most two in flight, so that no
//! watchdog fires, Ctrl-C is prompt and the GPU never waits for the host.

use super::context::Context;
use super::layout::Step;
use super::pipeline::Pipeline;
use super::timing::Timer;
use crate::error::Result;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Aim for one submit.
const SUBMIT_SECONDS: f64 = 0.1;
/// Submits in flight.
const IN_FLIGHT: usize = 2;
/// Dispatches of one submit at most: command buffers cost host memory.
const MAX_DISPATCHES: u32 = 20_000;
/// A submit that takes longer than this has hung.
const TIMEOUT: Duration = Duration::from_secs(120);
/// Work a dispatch costs beyond its arithmetic, in floating-point operations; only the balance matters.
const DISPATCH_COST: f64 = 1e5;

/// The command stream of one engine.
#[derive(Debug, Default)]
pub struct Queue {
    pass: Option<wgpu::ComputePass<'static>>,
    encoder: Option<wgpu::CommandEncoder>,
    work: f64,
    dispatches: u32,
    in_flight: VecDeque<(wgpu::SubmissionIndex, f64)>,
    /// Work per second, once something has finished.
    speed: Option<f64>,
    last_finish: Option<Instant>,
    /// While there is one, every dispatch is timed on its own.
    pub timer: Option<Timer>,
}

impl Queue {
    /// Records one dispatch of `groups` workgroups (x, split over y where one dimension is too short) × y × z.
    pub fn dispatch(
        &mut self,
        context: &Context,
        (pipeline, bindings): (&Pipeline, &wgpu::BindGroup),
        step: &Step,
        [x, y, z]: [usize; 3],
        flops: f64,
    ) {
        let most = context.device.limits().max_compute_workgroups_per_dimension as usize;
        let (x, y) = if x > most { (most, x.div_ceil(most) * y) } else { (x, y) };
        if self.timer.is_some() {
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

    /// Submits if enough has been recorded.
    pub fn breathe(&mut self, context: &Context) -> Result<()> {
        let enough = self.speed.is_none_or(|speed| self.work >= speed * SUBMIT_SECONDS);
        if enough || self.dispatches >= MAX_DISPATCHES {
            self.submit(context)?;
        }
        Ok(())
    }

    /// Submits what is recorded; waits while too much is in flight. Returns the submission, if there was anything.
    pub fn submit(&mut self, context: &Context) -> Result<Option<wgpu::SubmissionIndex>> {
        self.pass = None;
        self.dispatches = 0;
        let Some(encoder) = self.encoder.take() else { return Ok(None) };
        if self.in_flight.is_empty() {
            self.last_finish = Some(Instant::now());
        }
        #[cfg(test)]
        let encoder = super::fault::strike(context, encoder);
        let index = context.queue.submit([encoder.finish()]);
        self.in_flight.push_back((index.clone(), std::mem::take(&mut self.work)));
        context.check()?;
        while self.in_flight.len() > IN_FLIGHT {
            self.wait_oldest(context)?;
        }
        Ok(Some(index))
    }

    /// Submits what is recorded and waits until everything is done.
    pub fn finish(&mut self, context: &Context) -> Result<()> {
        self.submit(context)?;
        while !self.in_flight.is_empty() {
            self.wait_oldest(context)?;
        }
        Ok(())
    }

    fn wait_oldest(&mut self, context: &Context) -> Result<()> {
        let Some((index, work)) = self.in_flight.pop_front() else { return Ok(()) };
        wait(context, index)?;
        let now = Instant::now();
        // A submit of copies alone says nothing of how fast work is done.
        if let (Some(before), true) = (self.last_finish.replace(now), work > 0.0) {
            let measured = work / now.duration_since(before).as_secs_f64().max(1e-6);
            // Grow carefully: the first submits also pay for compilation and page faults.
            self.speed = Some(self.speed.map_or(measured, |speed| measured.min(4.0 * speed)));
        }
        Ok(())
    }
}

/// Waits for one submission.
pub fn wait(context: &Context, index: wgpu::SubmissionIndex) -> Result<()> {
    context.wait(index, TIMEOUT)
}

#[cfg(test)]
mod tests {
    use crate::config::Config;
    use crate::data::DataSet;
    use crate::gpu::{Context, GpuEngine, Pick};
    use crate::train::engine::Wanted;
    use crate::train::population::Population;
    use std::sync::Arc;

    /// Copies and empty reports are no work: they must not make the queue believe that work takes for ever.
    #[test]
    fn copies_leave_the_speed_alone() {
        let config = Config::default().hidden([9]).batch_size(4);
        let data = Arc::new(DataSet::open("iris").unwrap());
        let population = Arc::new(Population::new(vec![config], data, None).unwrap());
        let state = population.initial_state();
        let context = Context::open(&Pick::Any).expect("the GPU tests need an adapter");
        let mut engine = GpuEngine::new(context, Arc::clone(&population), &state).unwrap();
        for _ in 0..3 {
            engine.train(0..8, Some(1)).unwrap();
            engine.state().unwrap();
            engine.request_report(Wanted::default()).unwrap();
            engine.next_report().unwrap();
            assert!(engine.queue.speed().is_some_and(|speed| speed > 0.0), "{:?}", engine.queue.speed());
        }
    }
}
