//! Records batches as dispatches, following the [`Program`](crate::gpu::launch::Program) of the run.

use super::session::Session;
use crate::error::Result;
use crate::gpu::device::timing::Timer;
use crate::gpu::launch::Kernel;
use crate::gpu::layout::{Flag, Layer, Region, Step};
use crate::gpu::memory::table::Use;
use crate::gpu::tile::{LANES, Tile};
use crate::gpu::tiles::{Persistent, Plan};
use crate::train::engine::KernelTime;
use std::ops::Range;
use std::sync::Arc;

/// Target duration of a dispatch of the persistent kernel in seconds, far below any watchdog's limit.
const PERSISTENT_SECONDS: f64 = 0.02;
/// Steps of the first dispatch, before the speed is known.
const FIRST_STEPS: u32 = 4;
/// Rounds of all loops that an invocation may take on software drivers. Mesa ends an invocation's loops after 65 535 rounds in
/// all, and silently leaves out the rest.
const LOOP_ROUNDS: usize = 60_000;

impl Session {
    /// Records one dispatch of a kernel of the program. Submits if enough work has been recorded, even within a step.
    ///
    /// # Errors
    /// If the device fails.
    pub async fn launch(&mut self, kernel: Kernel, purpose: Use, step: Step) -> Result<()> {
        let step = Step { layer: kernel.layer() as u32, ..step };
        let (layout, samples) = (&self.layout, step.batch_len as usize);
        let all = |samples| layout.layers.iter().map(|layer| self.flops(layer, samples)).sum::<f64>();
        let flops = match kernel {
            Kernel::Forward(_) | Kernel::ForwardPrepared | Kernel::BackwardDelta(_) => {
                let trains = step.flags & Flag::Training.bit() != 0;
                let passes = if trains && kernel.joined_tile(&self.plan).is_some() { 2.0 } else { 1.0 };
                passes * self.flops(&layout.layers[kernel.layer()], samples)
            }
            Kernel::Update => all(samples),
            Kernel::Persistent => 3.0 * all(samples * step.steps as usize),
            Kernel::Prepare
            | Kernel::Assemble(_)
            | Kernel::Store(_)
            | Kernel::OutputDelta
            | Kernel::Tick
            | Kernel::MaxNorm
            | Kernel::Halve
            | Kernel::List => 0.0,
        };
        let most = self.context.device.limits().max_compute_workgroups_per_dimension as usize;
        let width4 = kernel.width4(layout, step.flags & Flag::Cached.bit() != 0);
        // No member needs the pass.
        if width4 == 0 {
            return Ok(());
        }
        let [x, y] = kernel.workgroups(layout, &self.plan, samples, width4, most);
        let groups = [x, y, layout.members];
        match kernel {
            Kernel::Forward(_) | Kernel::ForwardPrepared => self.canary.forward(kernel.layer(), 1),
            Kernel::Update => self.canary.update(1),
            Kernel::Persistent => {
                (0..layout.layers.len()).for_each(|l| self.canary.forward(l, step.steps));
                self.canary.update(step.steps);
            }
            _ => {}
        }
        let bound = self.kernels.get(kernel);
        self.queue.dispatch(&self.context, (&bound.pipeline, bound.bindings(purpose)), &step, groups, flops);
        self.queue.breathe(&self.context).await
    }

    /// Floating-point operations of one product of a layer over `samples` samples, all members together.
    fn flops(&self, layer: &Layer, samples: usize) -> f64 {
        2.0 * f64::from(layer.n_in) * f64::from(layer.n_out) * (samples * self.layout.members) as f64
    }

    /// The parameters of a training step on `batch`: its place, its size and the score region.
    #[must_use]
    pub fn training_step(&self, batch: u32) -> Step {
        let first = batch as usize * self.layout.batch_size;
        Step {
            batch_start: first as u32,
            batch_len: self.layout.batch_size.min(self.population.train_rows() - first) as u32,
            flags: Flag::Training.bit() | self.cached(),
            scores: self.layout.scores(Region::Running) as u32,
            ..Step::default()
        }
    }

    /// Records training on `batches`, of which the last ends with `tick`. Submits on the way.
    ///
    /// # Errors
    /// If the device fails.
    pub async fn record_steps(&mut self, batches: Range<u32>, tick: Option<u32>) -> Result<()> {
        self.catch_up().await?;
        let kernels = Arc::clone(&self.program.step);
        let mut next = batches.start;
        while next < batches.end {
            let left = batches.end - next;
            let steps = self.plan.persistent.map_or(1, |form| self.persistent_steps(form).min(left));
            let mut step = Step { steps, number: self.steps, ..self.training_step(next) };
            self.steps += steps;
            let last = self.training_step(next + steps - 1);
            if self.samples_since_tick == 0 {
                step.flags |= Flag::FirstOfTick.bit();
            }
            let samples = u64::from(last.batch_start + last.batch_len - step.batch_start);
            self.samples_since_tick += samples;
            self.running_samples += samples;
            self.count(samples);
            step.samples = self.samples_since_tick as f32;
            next += steps;
            let tick = tick.filter(|_| next == batches.end);
            if let Some(tick) = tick {
                step.flags |= Flag::EndsTick.bit();
                step.tick = tick as f32;
            }
            for &kernel in &*kernels {
                if self.is_needed(kernel) {
                    self.launch(kernel, Use::Training, step).await?;
                }
            }
            if tick.is_some() {
                if let Some(kernel) = self.program.tick {
                    self.launch(kernel, Use::Training, step).await?;
                }
                self.list().await?;
                self.ticked = true;
                self.samples_at_tick = std::mem::take(&mut self.samples_since_tick);
            }
        }
        Ok(())
    }

    /// Steps that one dispatch of the persistent kernel should take.
    fn persistent_steps(&self, form: Persistent) -> u32 {
        let step: f64 = self.layout.layers.iter().map(|layer| 3.0 * self.flops(layer, self.layout.batch_size)).sum();
        let wanted = self
            .queue
            .speed()
            .map_or(FIRST_STEPS, |speed| (PERSISTENT_SECONDS * speed / step).clamp(1.0, 4096.0) as u32);
        if self.context.software { wanted.min((LOOP_ROUNDS / self.loop_rounds(form)).max(1) as u32) } else { wanted }
    }

    /// Rounds of loops that an invocation of the persistent kernel takes in one step, at most.
    fn loop_rounds(&self, form: Persistent) -> usize {
        let tiles = Plan::persistent_tiles(&self.population);
        let batch = self.layout.batch_size;
        let of_tile = |tile: &Tile, at_once: usize, m: usize, n4: u32, depth: usize| {
            let count = m.div_ceil(tile.rows) * (n4 as usize).div_ceil(tile.columns4);
            // A round per tile, per strand and per unrolled part of k.
            count.div_ceil(at_once) * (1 + tile.strands + depth.div_ceil(batch.min(LANES)))
        };
        let of_layer = |(l, layer): (usize, &Layer)| {
            let (n_in, n_out) = (layer.n_in as usize, layer.n_out as usize);
            let pass = |tile: &Tile, n4, depth| of_tile(tile, form.at_once(tile), batch, n4, depth);
            let forward = pass(&tiles.forward[l], layer.out4, n_in);
            let backward = if l == 0 { 0 } else { pass(&tiles.backward[l - 1], layer.in4, n_out) };
            let update = of_tile(&tiles.update, form.workgroup, n_in, layer.out4, batch);
            let observed = n_out.div_ceil(form.workgroup) * (1 + batch);
            forward + backward + update + observed
        };
        let outputs = self.layout.layers.last().map_or(0, |layer| layer.out4 as usize);
        let output = batch.div_ceil(form.workgroup) * (1 + 3 * outputs);
        self.layout.layers.iter().enumerate().map(of_layer).sum::<usize>() + output
    }

    /// Evaluates loss and error of `rows`, places in the row list, and adds them to a score region.
    ///
    /// # Errors
    /// If the device fails.
    pub async fn evaluate(&mut self, rows: Range<usize>, region: Region) -> Result<()> {
        let kernels = Arc::clone(&self.program.evaluation);
        // The cache has no test rows.
        let flags = if matches!(region, Region::Test) { 0 } else { self.cached() };
        for first in rows.clone().step_by(self.layout.evaluation_batch) {
            let samples = self.layout.evaluation_batch.min(rows.end - first);
            let step = Step {
                batch_start: first as u32,
                batch_len: samples as u32,
                scores: self.layout.scores(region) as u32,
                flags,
                score: ((first - rows.start) % self.layout.region) as u32,
                number: self.steps,
                ..Step::default()
            };
            for &kernel in &*kernels {
                if self.is_needed(kernel) {
                    self.launch(kernel, Use::Evaluation, step).await?;
                }
            }
        }
        Ok(())
    }

    /// Trains on one batch and returns the time of each kernel in microseconds; empty if the adapter has no timestamps.
    ///
    /// # Errors
    /// If the device fails.
    pub async fn kernel_times(&mut self, batch: u32) -> Result<Vec<KernelTime>> {
        let Some(timer) = Timer::new(&self.context, true) else { return Ok(vec![]) };
        self.queue.finish(&self.context).await?;
        self.queue.timer = Some(timer);
        let recorded = self.record_steps(batch..batch + 1, None).await;
        let finished = self.queue.finish(&self.context).await;
        let timer = self.queue.timer.take();
        recorded?;
        finished?;
        match timer {
            Some(timer) => timer.read(&self.context).await,
            None => Ok(vec![]),
        }
    }
}
