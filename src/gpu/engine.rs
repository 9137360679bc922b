//! The engine on a wgpu adapter: turns steps into dispatches and reports into copies.

use super::buffers::Buffers;
use super::context::Context;
use super::half;
use super::kernels::Kernels;
use super::layout::{LANES, Layer, Layout, REGIONS, Region, Step};
use super::plan::{Plan, Product};
use super::queue::Queue;
use super::report::{self, Pending, Readback};
use super::shader::{Kernel, PLAIN_WORKGROUP, Specialisation, keeps_net};
use super::state::{Arena, Arenas};
use super::timing::Timer;
use crate::config::Precision;
use crate::engine::{DeviceInfo, Engine, KernelTime, Report, Wanted};
use crate::error::Result;
use crate::population::{MemberState, Population};
use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;
use std::time::Instant;

/// Choices that tests and measurements make; everyone else takes the default.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Tiles of the kernels; by default those that fit adapter and population.
    pub plan: Option<Plan>,
    /// Keep the driver's bounds checks in the shaders.
    pub checked: bool,
}

/// Trains a population on one wgpu adapter.
#[derive(Debug)]
pub struct GpuEngine {
    context: Context,
    population: Arc<Population>,
    plan: Plan,
    layout: Layout,
    buffers: Buffers,
    kernels: Kernels,
    queue: Queue,
    staging: Vec<wgpu::Buffer>,
    reports: VecDeque<Pending>,
    alpha0: Vec<Vec<Vec<f32>>>,
    samples_since_tick: u64,
    samples_at_tick: u64,
    running_samples: u64,
    training_since: Option<Instant>,
}

impl GpuEngine {
    /// Puts the population and its `initial` state on the adapter and compiles the kernels; those in half precision must
    /// first prove themselves.
    ///
    /// # Errors
    /// If something does not fit the adapter, its driver refuses a kernel, or half precision computes something else.
    pub fn new(context: Context, population: Arc<Population>, initial: &[MemberState]) -> Result<Self> {
        let engine = Self::with_options(context, population, initial, Options::default())?;
        if engine.population.shared().precision == Precision::F16 {
            half::self_check(&engine.context, &engine.population, &engine.plan)?;
        }
        Ok(engine)
    }

    /// As [`Self::new`], with the tiles and the bounds checks chosen and without the proof.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn with_options(
        context: Context,
        population: Arc<Population>,
        initial: &[MemberState],
        options: Options,
    ) -> Result<Self> {
        let precision = population.shared().precision;
        context.require(precision)?;
        // A register tile stages nothing, so it has nothing to keep in half precision.
        let product = if context.software && precision == Precision::F32 { Product::Register } else { Product::Tiled };
        let plan = options.plan.unwrap_or_else(|| Plan::guess(product, &population));
        if precision == Precision::F16 {
            half::check_inputs(&population, &plan)?;
        }
        let layout = Layout::new(&population, &plan, keeps_net(&population));
        let buffers = Buffers::new(&context, &population, &layout)?;
        let specialisation = Specialisation::new(&population, &layout);
        let kernels = Kernels::new(&context, &buffers, &specialisation, &plan, options.checked)?;
        let mut engine = Self {
            context,
            population,
            plan,
            layout,
            buffers,
            kernels,
            queue: Queue::default(),
            staging: vec![],
            reports: VecDeque::new(),
            alpha0: vec![],
            samples_since_tick: 0,
            samples_at_tick: 1,
            running_samples: 0,
            training_since: None,
        };
        engine.set_state(initial)?;
        Ok(engine)
    }

    /// Bytes of GPU memory that the buffers take.
    #[must_use]
    pub fn allocated_bytes(&self) -> u64 {
        self.buffers.bytes()
    }

    /// Fills everything that a step must write before it reads with NaN; for tests.
    pub fn poison(&mut self) {
        for buffer in [&self.buffers.activation, &self.buffers.delta] {
            self.context.queue.write_buffer(buffer, 0, &vec![0xFF; buffer.size() as usize]);
        }
    }

    /// y and δ of every member and layer after the last training step, `[samples][n_out]`; for tests.
    ///
    /// # Errors
    /// If the device fails.
    pub fn activations_and_deltas(&mut self, samples: usize) -> Result<Vec<Vec<[Vec<f32>; 2]>>> {
        let arenas = [self.read(&self.buffers.activation.clone())?, self.read(&self.buffers.delta.clone())?];
        let strides = [self.layout.activation4, self.layout.delta4];
        let dense = |which: usize, member: usize, layer: &Layer| {
            let first = LANES * (member * strides[which] + layer.result as usize);
            super::state::Place { first, width: layer.n_out as usize, rows: samples }.get(&arenas[which])
        };
        let member = |m| self.layout.layers.iter().map(|l| [dense(0, m, l), dense(1, m, l)]).collect();
        Ok((0..self.layout.members).map(member).collect())
    }

    fn record(&mut self, kernel: Kernel, evaluation: bool, step: &Step, groups: [usize; 3], flops: f64) {
        let Some(bound) = self.kernels.get(kernel) else { return };
        let bindings = bound.bindings(evaluation);
        self.queue.dispatch(&self.context, (&bound.pipeline, bindings), step, groups, flops);
    }

    /// Floating-point operations of one product of a layer over `samples`, all members.
    fn flops(&self, layer: &Layer, samples: usize) -> f64 {
        2.0 * f64::from(layer.n_in) * f64::from(layer.n_out) * (samples * self.layout.members) as f64
    }

    /// The forward pass and the output layer over one batch.
    fn record_forward(&mut self, evaluation: bool, mut step: Step) {
        let (members, samples) = (self.layout.members, step.batch_len as usize);
        for l in 0..self.layout.layers.len() {
            let layer = self.layout.layers[l];
            step.layer = l as u32;
            let groups = self.plan.forward[l].groups(samples, layer.out4 as usize);
            self.record(Kernel::Forward(l), evaluation, &step, [groups, 1, members], self.flops(&layer, samples));
        }
        let groups = samples.div_ceil(PLAIN_WORKGROUP);
        self.record(Kernel::OutputDelta, evaluation, &step, [groups, 1, members], 0.0);
    }

    fn record_step(&mut self, batch: u32, tick: Option<u32>) {
        let rows = self.population.train_rows();
        let batch_start = batch as usize * self.layout.batch_size;
        let samples = self.layout.batch_size.min(rows - batch_start);
        let mut step = Step {
            batch_start: batch_start as u32,
            batch_len: samples as u32,
            flags: Step::TRAINING,
            scores: (Region::Running as usize * self.layout.region) as u32,
            ..Step::default()
        };
        self.record_forward(false, step);
        let members = self.layout.members;
        for l in (1..self.layout.layers.len()).rev() {
            let layer = self.layout.layers[l];
            step.layer = l as u32;
            let groups = self.plan.backward[l - 1].groups(samples, layer.in4 as usize);
            self.record(Kernel::BackwardDelta(l), false, &step, [groups, 1, members], self.flops(&layer, samples));
        }
        if self.samples_since_tick == 0 {
            step.flags |= Step::FIRST_OF_TICK;
        }
        self.samples_since_tick += samples as u64;
        self.running_samples += samples as u64;
        step.samples = self.samples_since_tick as f32;
        if let Some(tick) = tick {
            step.flags |= Step::ENDS_TICK;
            step.tick = tick as f32;
        }
        let groups = self.layout.observe_groups + self.layout.update_groups;
        let flops = self.layout.layers.iter().map(|layer| self.flops(layer, samples)).sum();
        self.record(Kernel::Update, false, &step, [groups, 1, members], flops);
        if tick.is_some() {
            if self.population.uses_psi() && !self.layout.slots_per_weight {
                let widest = self.layout.layers.iter().map(|layer| layer.n_out as usize).max().unwrap_or(1);
                let groups = widest.div_ceil(PLAIN_WORKGROUP);
                let layers = self.layout.layers.len();
                self.record(Kernel::Tick, false, &step, [groups, layers, members], 0.0);
            }
            self.samples_at_tick = std::mem::take(&mut self.samples_since_tick);
        }
    }

    fn evaluate(&mut self, rows: Range<usize>, region: Region) -> Result<()> {
        for first in rows.clone().step_by(self.layout.evaluation_batch) {
            let samples = self.layout.evaluation_batch.min(rows.end - first);
            let step = Step {
                batch_start: first as u32,
                batch_len: samples as u32,
                scores: (region as usize * self.layout.region) as u32,
                ..Step::default()
            };
            self.record_forward(true, step);
            self.queue.breathe(&self.context)?;
        }
        Ok(())
    }

    /// All floats of a buffer, after everything recorded so far.
    fn read(&mut self, buffer: &wgpu::Buffer) -> Result<Vec<f32>> {
        let staging = report::staging(&self.context, &mut self.staging, buffer.size());
        self.queue.encoder(&self.context).copy_buffer_to_buffer(buffer, 0, &staging, 0, buffer.size());
        let submission = self.queue.submit(&self.context)?.expect("a copy was recorded");
        let (mut floats, _) = Readback::new(staging, submission).take(&self.context)?;
        floats.truncate(buffer.size() as usize / size_of::<f32>());
        Ok(floats)
    }
}

impl Engine for GpuEngine {
    fn device(&self) -> &DeviceInfo {
        &self.context.info
    }

    fn set_order(&mut self, order: &[Vec<u32>]) -> Result<()> {
        // Writes take effect at the next submit, so what is recorded must go first.
        self.queue.submit(&self.context)?;
        for (member, rows) in order.iter().enumerate() {
            let place = member * self.layout.rows * size_of::<u32>();
            self.context.queue.write_buffer(&self.buffers.rows, place as u64, bytemuck::cast_slice(rows));
        }
        Ok(())
    }

    fn train(&mut self, batches: Range<u32>, tick: Option<u32>) -> Result<()> {
        self.training_since.get_or_insert_with(Instant::now);
        for batch in batches.clone() {
            self.record_step(batch, tick.filter(|_| batch + 1 == batches.end));
            self.queue.breathe(&self.context)?;
        }
        Ok(())
    }

    fn observed_means(&mut self) -> Result<Vec<Vec<Vec<f32>>>> {
        let arena = if self.layout.slots_per_weight { Arena::Rates } else { Arena::Neurons };
        let Some(buffer) = self.buffers.arena(arena).cloned() else { return Ok(vec![]) };
        let floats = self.read(&buffer)?;
        let samples = self.samples_at_tick as f32;
        let mean = |member: usize, layer: &Layer| {
            let (_, [_, sums, _]) = self.layout.slot_places(member, layer);
            sums.get(&floats).into_iter().map(|sum| sum / samples).collect()
        };
        let member = |m| self.layout.layers.iter().map(|layer| mean(m, layer)).collect();
        Ok((0..self.layout.members).map(member).collect())
    }

    fn set_theta(&mut self, theta: &[Option<Vec<f32>>]) -> Result<()> {
        self.queue.submit(&self.context)?;
        for (member, layers) in theta.iter().enumerate() {
            for (layer, &value) in self.layout.layers.iter().zip(layers.iter().flatten()) {
                let (arena, [.., place]) = self.layout.slot_places(member, layer);
                let Some(buffer) = self.buffers.arena(arena) else { continue };
                let values = vec![value; place.span()];
                let offset = place.first * size_of::<f32>();
                self.context.queue.write_buffer(buffer, offset as u64, bytemuck::cast_slice(&values));
            }
        }
        Ok(())
    }

    fn request_report(&mut self, wanted: Wanted) -> Result<()> {
        // Waiting here costs one bubble per epoch and makes the training time honest.
        self.queue.finish(&self.context)?;
        let train_seconds = self.training_since.take().map_or(0.0, |since| since.elapsed().as_secs_f64());
        let (train, test) = (self.population.train_rows(), self.population.test_rows());
        if wanted.train {
            self.evaluate(0..train, Region::Train)?;
        }
        if wanted.test {
            self.evaluate(train..train + test, Region::Test)?;
        }
        let spans: Vec<_> = report::psi_spans(&self.layout).collect();
        let scores_bytes = self.buffers.scores.size();
        let bytes = scores_bytes + spans.iter().map(|(.., floats)| (floats * size_of::<f32>()) as u64).sum::<u64>();
        let staging = report::staging(&self.context, &mut self.staging, bytes);
        let encoder = self.queue.encoder(&self.context);
        encoder.copy_buffer_to_buffer(&self.buffers.scores, 0, &staging, 0, scores_bytes);
        let mut place = scores_bytes;
        for (arena, first, floats) in spans {
            let (offset, length) = ((first * size_of::<f32>()) as u64, (floats * size_of::<f32>()) as u64);
            if let Some(buffer) = self.buffers.arena(arena) {
                encoder.copy_buffer_to_buffer(buffer, offset, &staging, place, length);
            }
            place += length;
        }
        encoder.clear_buffer(&self.buffers.scores, 0, None);
        let submission = self.queue.submit(&self.context)?.expect("copies were recorded");
        self.reports.push_back(Pending {
            readback: Readback::new(staging, submission),
            wanted,
            running_samples: std::mem::take(&mut self.running_samples),
            train_seconds,
        });
        Ok(())
    }

    fn next_report(&mut self) -> Result<Report> {
        let pending = self.reports.pop_front().expect("a report was requested");
        let rows = (self.population.train_rows(), self.population.test_rows());
        let (report, buffer) = pending.finish(&self.context, &self.layout, rows, &self.alpha0)?;
        self.staging.push(buffer);
        Ok(report)
    }

    fn kernel_times(&mut self, batch: u32) -> Result<Vec<KernelTime>> {
        let Some(timer) = Timer::new(&self.context) else { return Ok(vec![]) };
        self.queue.finish(&self.context)?;
        self.queue.timer = Some(timer);
        self.record_step(batch, None);
        let finished = self.queue.finish(&self.context);
        let timer = self.queue.timer.take();
        finished?;
        timer.map_or(Ok(vec![]), |timer| timer.read(&self.context))
    }

    fn state(&mut self) -> Result<Vec<MemberState>> {
        let mut arenas = Arenas::default();
        for arena in [Arena::Weights, Arena::Momentum, Arena::Neurons, Arena::Rates] {
            if let Some(buffer) = self.buffers.arena(arena).cloned() {
                arenas[arena as usize] = self.read(&buffer)?;
            }
        }
        Ok(self.layout.unpack(&arenas, self.samples_since_tick))
    }

    fn set_state(&mut self, state: &[MemberState]) -> Result<()> {
        self.queue.finish(&self.context)?;
        let arenas = self.layout.pack(state);
        for arena in [Arena::Weights, Arena::Momentum, Arena::Neurons, Arena::Rates] {
            if let Some(buffer) = self.buffers.arena(arena) {
                self.context.queue.write_buffer(buffer, 0, bytemuck::cast_slice(&arenas[arena as usize]));
            }
        }
        let alpha0 = |state: &MemberState| state.layers.iter().map(|layer| layer.alpha0.clone()).collect();
        self.alpha0 = state.iter().map(alpha0).collect();
        self.samples_since_tick = state[0].samples_since_tick;
        self.context.check()
    }
}

const _: () = assert!(REGIONS == Region::Test as usize + 1);
