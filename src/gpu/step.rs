//! From batches to dispatches: which kernels a step needs, in which order, on how many workgroups.

use super::engine::GpuEngine;
use super::layout::{Layer, Layout, Region, Step};
use super::plan::Plan;
use super::shader::{Kernel, PLAIN_WORKGROUP};
use crate::error::Result;
use std::ops::Range;

/// Length of a dispatch of the persistent kernel to aim for, in seconds: far below any watchdog.
const PERSISTENT_SECONDS: f64 = 0.02;
/// Steps of its first dispatch, when no speed is known yet.
const FIRST_STEPS: u32 = 4;

/// Workgroups of one dispatch over `samples` samples, along x and along y; `l` is the layer it works on.
pub(super) fn workgroups(layout: &Layout, plan: &Plan, kernel: Kernel, l: usize, samples: usize) -> [usize; 2] {
    let layer = &layout.layers[l];
    let widest = |width: fn(&Layer) -> u32| layout.layers.iter().map(width).max().unwrap_or(1) as usize;
    match kernel {
        Kernel::Prepare => [samples, 1],
        Kernel::Forward(_) | Kernel::ForwardPrepared => [plan.forward[l].groups(samples, layer.out4 as usize), 1],
        Kernel::BackwardDelta(l) => [plan.backward[l - 1].groups(samples, layer.in4 as usize), 1],
        Kernel::OutputDelta => [samples.div_ceil(PLAIN_WORKGROUP), 1],
        Kernel::Update => [layout.observe_groups + layout.update_groups, 1],
        Kernel::Tick => [widest(|layer| layer.n_out).div_ceil(PLAIN_WORKGROUP), layout.layers.len()],
        Kernel::MaxNorm => [widest(|layer| layer.out4).div_ceil(PLAIN_WORKGROUP), layout.layers.len()],
        Kernel::Persistent => [1, 1],
    }
}

impl GpuEngine {
    /// Records one dispatch, where the plan has the kernel; submits if that makes it enough, be it within a step.
    pub(super) fn launch(&mut self, kernel: Kernel, evaluation: bool, step: &Step) -> Result<()> {
        let Some(bound) = self.kernels.get(kernel) else { return Ok(()) };
        let (layout, plan) = (&self.layout, &self.plan);
        let samples = step.batch_len as usize;
        let all = |samples| layout.layers.iter().map(|layer| self.flops(layer, samples)).sum::<f64>();
        let flops = match kernel {
            Kernel::Forward(_) | Kernel::ForwardPrepared => self.flops(&layout.layers[step.layer as usize], samples),
            Kernel::BackwardDelta(l) => self.flops(&layout.layers[l], samples),
            Kernel::Update => all(samples),
            Kernel::Persistent => 3.0 * all(samples * step.steps as usize),
            Kernel::Prepare | Kernel::OutputDelta | Kernel::Tick | Kernel::MaxNorm => 0.0,
        };
        let [x, y] = workgroups(layout, plan, kernel, step.layer as usize, samples);
        match kernel {
            Kernel::Forward(_) | Kernel::ForwardPrepared => self.canary.forward(step.layer as usize, 1),
            Kernel::Update => self.canary.update(1),
            Kernel::Persistent => {
                (0..layout.layers.len()).for_each(|l| self.canary.forward(l, step.steps));
                self.canary.update(step.steps);
            }
            _ => {}
        }
        let groups = [x, y, layout.members];
        self.queue.dispatch(&self.context, (&bound.pipeline, bound.bindings(evaluation)), step, groups, flops);
        self.queue.breathe(&self.context)
    }

    /// Floating-point operations of one product of a layer over `samples`, all members.
    fn flops(&self, layer: &Layer, samples: usize) -> f64 {
        2.0 * f64::from(layer.n_in) * f64::from(layer.n_out) * (samples * self.layout.members) as f64
    }

    /// The forward pass and the output layer over one batch.
    fn record_forward(&mut self, evaluation: bool, mut step: Step) -> Result<()> {
        let prepares = !evaluation && self.population.prepares_inputs();
        for l in 0..self.layout.layers.len() {
            step.layer = l as u32;
            let kernel = if prepares && l == 0 { Kernel::ForwardPrepared } else { Kernel::Forward(l) };
            self.launch(kernel, evaluation, &step)?;
        }
        self.launch(Kernel::OutputDelta, evaluation, &step)
    }

    /// Place and size of a training batch.
    pub(super) fn training_step(&self, batch: u32) -> Step {
        let first = batch as usize * self.layout.batch_size;
        Step {
            batch_start: first as u32,
            batch_len: self.layout.batch_size.min(self.population.train_rows() - first) as u32,
            flags: Step::TRAINING,
            scores: self.layout.scores(Region::Running) as u32,
            ..Step::default()
        }
    }

    /// Training on `batches`, the last of which ends with `tick`; submits on the way.
    pub(super) fn record_steps(&mut self, batches: Range<u32>, tick: Option<u32>) -> Result<()> {
        let mut next = batches.start;
        while next < batches.end {
            let steps = if self.plan.persistent { self.persistent_steps().min(batches.end - next) } else { 1 };
            let mut step = Step { steps, number: self.steps, ..self.training_step(next) };
            self.steps += steps;
            let last = self.training_step(next + steps - 1);
            if self.samples_since_tick == 0 {
                step.flags |= Step::FIRST_OF_TICK;
            }
            let samples = u64::from(last.batch_start + last.batch_len - step.batch_start);
            self.samples_since_tick += samples;
            self.running_samples += samples;
            step.samples = self.samples_since_tick as f32;
            next += steps;
            let tick = tick.filter(|_| next == batches.end);
            if let Some(tick) = tick {
                step.flags |= Step::ENDS_TICK;
                step.tick = tick as f32;
            }
            match self.plan.persistent {
                true => self.launch(Kernel::Persistent, false, &step)?,
                false => self.record_step(step)?,
            }
            if tick.is_some() {
                if self.population.moves_alpha() && !self.layout.slots_per_weight {
                    self.launch(Kernel::Tick, false, &step)?;
                }
                self.samples_at_tick = std::mem::take(&mut self.samples_since_tick);
            }
        }
        Ok(())
    }

    /// One step in a dispatch per phase and layer.
    fn record_step(&mut self, mut step: Step) -> Result<()> {
        self.launch(Kernel::Prepare, false, &step)?;
        self.record_forward(false, step)?;
        for l in (self.frozen_prefix + 1..self.layout.layers.len()).rev() {
            step.layer = l as u32;
            self.launch(Kernel::BackwardDelta(l), false, &step)?;
        }
        self.launch(Kernel::Update, false, &step)?;
        self.launch(Kernel::MaxNorm, false, &step)
    }

    /// Steps that one dispatch of the persistent kernel should take.
    fn persistent_steps(&self) -> u32 {
        let step: f64 = self.layout.layers.iter().map(|layer| 3.0 * self.flops(layer, self.layout.batch_size)).sum();
        self.queue.speed().map_or(FIRST_STEPS, |speed| (PERSISTENT_SECONDS * speed / step).clamp(1.0, 4096.0) as u32)
    }

    /// Loss and error over places of the row list, into a score region.
    pub(super) fn evaluate(&mut self, rows: Range<usize>, region: Region) -> Result<()> {
        for first in rows.clone().step_by(self.layout.evaluation_batch) {
            let samples = self.layout.evaluation_batch.min(rows.end - first);
            let step = Step {
                batch_start: first as u32,
                batch_len: samples as u32,
                scores: self.layout.scores(region) as u32,
                score: ((first - rows.start) % self.layout.region) as u32,
                number: self.steps,
                ..Step::default()
            };
            self.record_forward(true, step)?;
        }
        Ok(())
    }
}
