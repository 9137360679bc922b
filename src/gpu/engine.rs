//! The engine on a wgpu adapter: turns steps into dispatches and reports into copies.

use super::autotune::{self, Cache};
use super::buffers::Buffers;
use super::bytes::BytePlan;
use super::canary::Canary;
use super::context::Context;
use super::half;
use super::kernels::Kernels;
use super::layout::{LANES, Layer, Layout, Plane, REGIONS, Region};
use super::plan::{Plan, Product};
use super::queue::Queue;
use super::report::{self, Arrived, Pending, Readback};
use super::shader::{Specialisation, keeps_net};
use super::state::{Arena, Arenas};
use super::timing::Timer;
use crate::config::Precision;
use crate::data::distort::Distortion;
use crate::error::{Error, Result};
use crate::train::engine::{DeviceInfo, Engine, KernelTime, Report, Request, Wanted};
use crate::train::population::Population;
use crate::train::state::MemberState;
use std::collections::VecDeque;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

/// Choices that tests and measurements make; everyone else takes the default.
#[derive(Debug, Default)]
pub struct Options {
    /// Tiles of the kernels; by default those that fit adapter and population, measured where that pays.
    pub plan: Option<Plan>,
    /// Measure this product's tiles, whatever the adapter, and keep what is found in this file.
    pub tune: Option<(Product, PathBuf)>,
    /// Keep the driver's bounds checks in the shaders.
    pub checked: bool,
}

/// Trains a population on one wgpu adapter.
#[derive(Debug)]
pub struct GpuEngine {
    pub(super) context: Context,
    pub(super) population: Arc<Population>,
    pub(super) plan: Plan,
    pub(super) layout: Layout,
    pub(super) buffers: Buffers,
    pub(super) kernels: Kernels,
    pub(super) queue: Queue,
    pub(super) staging: Vec<wgpu::Buffer>,
    pub(super) reports: VecDeque<Pending>,
    /// The work recorded since the state was set.
    pub(super) canary: Canary,
    pub(super) alpha0: Vec<Vec<Vec<f32>>>,
    /// Steps trained since the start of the run.
    pub(super) steps: u32,
    pub(super) samples_since_tick: u64,
    pub(super) samples_at_tick: u64,
    pub(super) running_samples: u64,
    pub(super) training_since: Option<Instant>,
    /// Layers from the first that are frozen in every member: no δ is computed for them.
    pub(super) frozen_prefix: usize,
    pub(super) checked: bool,
    note: Option<String>,
}

/// Compiles the kernels of a plan.
pub(super) fn compile(
    context: &Context,
    population: &Population,
    buffers: &Buffers,
    layout: &Layout,
    plan: &Plan,
    checked: bool,
) -> Result<Kernels> {
    Kernels::new(context, buffers, &Specialisation::new(population, layout), plan, checked)
}

/// Where everything lies on the adapter of `context`.
pub(super) fn layout(context: &Context, population: &Population, plan: &Plan) -> Layout {
    let limits = context.device.limits();
    let most = limits.max_storage_buffer_binding_size.min(limits.max_buffer_size);
    Layout::new(population, plan, keeps_net(population)).fit_data(&population.data, most)
}

/// Whether the adapter can bind what the persistent kernel of `population` needs, `pieces` of the data set among it.
fn offers(context: &Context, population: &Population, pieces: usize) -> bool {
    let needed = Plan::storage_buffers(population) as usize + pieces - 1;
    needed <= context.device.limits().max_storage_buffers_per_shader_stage as usize
}

/// Widest image whose elastic fields fit the workgroup memory that every adapter has, 16 KiB.
const WIDEST_ELASTIC: usize = 32;

fn check_distortion(population: &Population) -> Result<()> {
    let shared = population.shared();
    match Distortion::new(shared, population.data.features) {
        Some(distortion) if !distortion.taps().is_empty() && distortion.side() > WIDEST_ELASTIC => {
            let side = distortion.side();
            Err(Error::config(format!(
                "--distort {}: a GPU bends images of up to {WIDEST_ELASTIC} × {WIDEST_ELASTIC} pixels, not {side} × {side}; \
                 use --distort affine, or --device cpu",
                shared.regularisation.distort
            )))
        }
        _ => Ok(()),
    }
}

/// The product for an adapter, unless it is chosen otherwise. A register tile stages nothing, so it has nothing to keep in half
/// precision.
fn product(context: &Context, precision: Precision) -> Product {
    match (precision, context.cooperative) {
        (Precision::F32, _) if context.software => Product::Register,
        (Precision::F16, Some(matrices)) => Product::Cooperative(matrices),
        _ => Product::Tiled,
    }
}

impl GpuEngine {
    /// Puts the population and its `initial` state on the adapter and compiles the kernels; those in half precision must
    /// first prove themselves. Where those with cooperative matrices do not, others take their place.
    ///
    /// # Errors
    /// If something does not fit the adapter, its driver refuses a kernel, or half precision computes something else.
    pub fn new(context: Context, population: Arc<Population>, initial: &[MemberState]) -> Result<Self> {
        let engine = |context: &Context| -> Result<Self> {
            let engine = Self::with_options(context.clone(), Arc::clone(&population), initial, Options::default())?;
            if population.shared().run.precision == Precision::F16 {
                half::self_check(&engine.context, &population, &engine.plan)?;
            }
            Ok(engine)
        };
        match (engine(&context), context.cooperative) {
            (Err(error), Some(matrices)) => {
                let note = Some(format!("{error}; doing without {matrices}"));
                engine(&context.without_cooperative()).map(|engine| Self { note, ..engine })
            }
            (engine, _) => engine,
        }
    }

    /// Why it works otherwise than it might, for people.
    #[must_use]
    pub fn note(&self) -> Option<&str> {
        self.note.as_deref()
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
        let precision = population.shared().run.precision;
        context.require(precision)?;
        // Software Vulkan has one tile per shape, and compiling others takes it longer than they could save.
        let tunes = options.tune.is_some() || !(context.software || population.shared().run.no_autotune);
        let (product, cache) = match options.tune {
            Some((product, path)) => (product, Some(Cache::at(path))),
            None => match product(&context, precision) {
                Product::Register => (Product::Register, None),
                product => (product, Cache::of_user().filter(|_| tunes)),
            },
        };
        let key = autotune::key(&context.info, &population);
        let known = options.plan.or_else(|| cache.as_ref()?.get(&key, &population));
        let measures = tunes && known.is_none();
        let plan = known.unwrap_or_else(|| {
            let persistent = Plan::guess_persistent(&population) && !measures;
            Plan { persistent, ..Plan::guess(product, &population) }
        });
        let layout = layout(&context, &population, &plan);
        let persistent = plan.persistent && offers(&context, &population, layout.pieces(&population.data));
        let plan = Plan { persistent, ..plan };
        if precision == Precision::F16 {
            half::check_inputs(&population, &plan)?;
        }
        check_distortion(&population)?;
        let bytes = context.byte_plan(&population, &layout, &plan);
        bytes.check()?;
        let buffers = Buffers::new(&context, &population, &layout, &bytes)?;
        let kernels = compile(&context, &population, &buffers, &layout, &plan, options.checked)?;
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
            canary: Canary::default(),
            alpha0: vec![],
            steps: 0,
            samples_since_tick: 0,
            samples_at_tick: 1,
            running_samples: 0,
            training_since: None,
            frozen_prefix: 0,
            checked: options.checked,
            note: None,
        };
        engine.set_state(initial)?;
        if measures {
            engine.tune(product, initial)?;
            if let Some(cache) = cache {
                cache.put(key, engine.plan.clone());
            }
        }
        Ok(engine)
    }

    /// The tiles that it works with.
    #[must_use]
    pub const fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Whether the persistent kernel is possible here.
    pub(super) fn may_persist(&self) -> bool {
        let pieces = self.layout.pieces(&self.population.data);
        Plan::can_persist(&self.population) && offers(&self.context, &self.population, pieces)
    }

    /// What [`Self::new`] would allocate for `population`, with the tiles it takes without measuring, and whether that fits.
    ///
    /// # Errors
    /// If the adapter was not opened for the precision, or images are too large to be bent.
    pub fn byte_plan(context: &Context, population: &Population) -> Result<BytePlan> {
        context.require(population.shared().run.precision)?;
        check_distortion(population)?;
        let plan = Plan::guess(product(context, population.shared().run.precision), population);
        Ok(context.byte_plan(population, &layout(context, population, &plan), &plan))
    }

    /// Bytes of GPU memory that the buffers take.
    #[must_use]
    pub fn allocated_bytes(&self) -> u64 {
        self.buffers.bytes()
    }

    /// Name and bytes of what the driver's allocator holds for this device; empty where it does not tell.
    #[must_use]
    pub fn allocations(&self) -> Vec<(String, u64)> {
        let report = self.context.device.generate_allocator_report();
        let allocations = report.map(|report| report.allocations).unwrap_or_default();
        allocations.into_iter().map(|allocation| (allocation.name, allocation.size)).collect()
    }

    /// Fills everything that a step must write before it reads with NaN; for tests.
    pub fn poison(&mut self) {
        let Buffers { activation, delta, prepared, .. } = &self.buffers;
        for buffer in [activation, delta].into_iter().chain(prepared) {
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

    /// The inputs of every member's last training step as they were prepared, `[samples][n_in]`; for tests.
    ///
    /// # Errors
    /// If the device fails.
    ///
    /// # Panics
    /// If the run prepares none.
    pub fn prepared_inputs(&mut self, samples: usize) -> Result<Vec<Vec<f32>>> {
        let buffer = self.buffers.prepared.clone().expect("inputs are prepared");
        let arena = self.read(&buffer)?;
        let (stride, width) = (LANES * self.layout.prepared4, self.population.data.features);
        let member = |m| super::state::Place { first: m * stride, width, rows: samples }.get(&arena);
        Ok((0..self.layout.members).map(member).collect())
    }

    /// All floats of a buffer, after everything recorded so far.
    fn read(&mut self, buffer: &wgpu::Buffer) -> Result<Vec<f32>> {
        let copy = self.copy_back(&[(buffer.clone(), 0, buffer.size())], None)?;
        let Arrived { mut floats, .. } = copy.take(&self.context)?;
        floats.truncate(buffer.size() as usize / size_of::<f32>());
        Ok(floats)
    }

    /// Submits everything recorded so far and a copy of these parts of buffers, first byte and bytes; then so many bytes of
    /// `cleared` are set to zeros.
    fn copy_back(
        &mut self,
        parts: &[(wgpu::Buffer, u64, u64)],
        cleared: Option<(&wgpu::Buffer, u64)>,
    ) -> Result<Readback> {
        let canary_bytes = (self.layout.canary_words() * size_of::<u32>()) as u64;
        let bytes = canary_bytes + parts.iter().map(|(.., bytes)| bytes).sum::<u64>();
        let staging = report::staging(&self.context, &mut self.staging, bytes);
        let encoder = self.queue.encoder(&self.context);
        let mut place = 0;
        for (buffer, first, bytes) in [(self.buffers.neurons.clone(), 0, canary_bytes)].iter().chain(parts) {
            encoder.copy_buffer_to_buffer(buffer, *first, &staging, place, *bytes);
            place += bytes;
        }
        if let Some((buffer, bytes)) = cleared {
            encoder.clear_buffer(buffer, 0, Some(bytes));
        }
        let submission = self.queue.submit(&self.context)?.expect("copies were recorded");
        Ok(Readback::new(staging, submission, self.canary.clone(), canary_bytes))
    }
}

impl Engine for GpuEngine {
    fn device(&self) -> &DeviceInfo {
        &self.context.info
    }

    fn set_order<'a>(&'a mut self, order: &'a [Vec<u32>]) -> Request<'a> {
        Box::pin(async { Self::set_order(self, order) })
    }

    fn train(&mut self, batches: Range<u32>, tick: Option<u32>) -> Request<'_> {
        Box::pin(async move { Self::train(self, batches, tick) })
    }

    fn observed_means(&mut self) -> Request<'_, Vec<Vec<Vec<f32>>>> {
        Box::pin(async { Self::observed_means(self) })
    }

    fn set_theta<'a>(&'a mut self, theta: &'a [Option<Vec<f32>>]) -> Request<'a> {
        Box::pin(async { Self::set_theta(self, theta) })
    }

    fn set_scale<'a>(&'a mut self, scale: &'a [Vec<f32>]) -> Request<'a> {
        Box::pin(async { Self::set_scale(self, scale) })
    }

    fn request_report(&mut self, wanted: Wanted) -> Request<'_> {
        Box::pin(async move { Self::request_report(self, wanted) })
    }

    fn next_report(&mut self) -> Request<'_, Report> {
        Box::pin(async { Self::next_report(self) })
    }

    fn kernel_times(&mut self, batch: u32) -> Request<'_, Vec<KernelTime>> {
        Box::pin(async move { Self::kernel_times(self, batch) })
    }

    fn state(&mut self) -> Request<'_, Vec<MemberState>> {
        Box::pin(async { Self::state(self) })
    }

    fn set_state<'a>(&'a mut self, state: &'a [MemberState]) -> Request<'a> {
        Box::pin(async { Self::set_state(self, state) })
    }
}

/// The requests of [`Engine`], each waited for.
impl GpuEngine {
    pub(super) fn set_order(&mut self, order: &[Vec<u32>]) -> Result<()> {
        // Writes take effect at the next submit, so what is recorded must go first.
        self.queue.submit(&self.context)?;
        for (member, rows) in order.iter().enumerate() {
            let place = member * self.layout.rows * size_of::<u32>();
            self.context.queue.write_buffer(&self.buffers.rows, place as u64, bytemuck::cast_slice(rows));
        }
        Ok(())
    }

    pub(super) fn train(&mut self, batches: Range<u32>, tick: Option<u32>) -> Result<()> {
        self.training_since.get_or_insert_with(Instant::now);
        self.record_steps(batches, tick)
    }

    pub(super) fn observed_means(&mut self) -> Result<Vec<Vec<Vec<f32>>>> {
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

    pub(super) fn set_theta(&mut self, theta: &[Option<Vec<f32>>]) -> Result<()> {
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

    pub(super) fn set_scale(&mut self, scale: &[Vec<f32>]) -> Result<()> {
        self.queue.submit(&self.context)?;
        for (member, layers) in scale.iter().enumerate() {
            for (layer, &value) in self.layout.layers.iter().zip(layers) {
                let place = self.layout.neuron_place(member, Plane::Scale, layer);
                let values = vec![value; place.span()];
                let offset = (place.first * size_of::<f32>()) as u64;
                self.context.queue.write_buffer(&self.buffers.neurons, offset, bytemuck::cast_slice(&values));
            }
        }
        Ok(())
    }

    pub(super) fn request_report(&mut self, wanted: Wanted) -> Result<()> {
        // Waiting here costs one bubble per epoch and makes the training time honest.
        self.queue.finish(&self.context)?;
        let train_seconds = self.training_since.take().map_or(0.0, |since| since.elapsed().as_secs_f64());
        let train = self.population.train_rows();
        let held_out = train + self.population.validation_rows();
        if wanted.train {
            self.evaluate(0..train, Region::Train)?;
        }
        if wanted.validation {
            self.evaluate(train..held_out, Region::Validation)?;
        }
        if wanted.test {
            self.evaluate(held_out..held_out + self.population.test_rows(), Region::Test)?;
        }
        let rule = self.population.shared().rule.kind;
        let scores = self.buffers.scores.clone();
        let score_bytes = (report::score_floats(&self.layout, wanted) * size_of::<f32>()) as u64;
        let span = |(arena, first, floats): (Arena, usize, usize)| {
            let bytes = |floats: usize| (floats * size_of::<f32>()) as u64;
            self.buffers.arena(arena).map(|buffer| (buffer.clone(), bytes(first), bytes(floats)))
        };
        let spans = report::alpha_spans(&self.layout, rule).filter_map(span);
        let parts: Vec<_> = std::iter::once((scores.clone(), 0, score_bytes)).chain(spans).collect();
        let readback = self.copy_back(&parts, Some((&scores, score_bytes)))?;
        self.reports.push_back(Pending {
            readback,
            wanted,
            running_samples: std::mem::take(&mut self.running_samples),
            train_seconds,
        });
        Ok(())
    }

    pub(super) fn next_report(&mut self) -> Result<Report> {
        let pending = self.reports.pop_front().expect("a report was requested");
        let (report, frozen_prefix, buffer) =
            pending.finish(&self.context, &self.layout, &self.population, &self.alpha0)?;
        self.staging.push(buffer);
        // What is frozen stays so, so this holds for the steps recorded meanwhile, too.
        self.frozen_prefix = frozen_prefix;
        Ok(report)
    }

    pub(super) fn kernel_times(&mut self, batch: u32) -> Result<Vec<KernelTime>> {
        let Some(timer) = Timer::new(&self.context) else { return Ok(vec![]) };
        self.queue.finish(&self.context)?;
        self.queue.timer = Some(timer);
        let recorded = self.record_steps(batch..batch + 1, None);
        let finished = self.queue.finish(&self.context);
        let timer = self.queue.timer.take();
        recorded?;
        finished?;
        timer.map_or(Ok(vec![]), |timer| timer.read(&self.context))
    }

    pub(super) fn state(&mut self) -> Result<Vec<MemberState>> {
        let mut arenas = Arenas::default();
        for arena in Arena::ALL {
            if let Some(buffer) = self.buffers.arena(arena).cloned() {
                arenas[arena as usize] = self.read(&buffer)?;
            }
        }
        let mut states = self.layout.unpack(&arenas, self.steps, self.samples_since_tick);
        if self.running_samples > 0 {
            let scores = self.read(&self.buffers.scores.clone())?;
            let running = report::unpack_running(&self.layout, &scores, self.running_samples);
            states.iter_mut().zip(running).for_each(|(state, running)| state.running = running);
        }
        Ok(states)
    }

    pub(super) fn set_state(&mut self, state: &[MemberState]) -> Result<()> {
        self.queue.finish(&self.context)?;
        let arenas = self.layout.pack(state);
        for arena in Arena::ALL {
            if let Some(buffer) = self.buffers.arena(arena) {
                self.context.queue.write_buffer(buffer, 0, bytemuck::cast_slice(&arenas[arena as usize]));
            }
        }
        let scores = report::pack_running(&self.layout, state);
        self.context.queue.write_buffer(&self.buffers.scores, 0, bytemuck::cast_slice(&scores));
        self.canary = Canary::new(self.layout.layers.len());
        let alpha0 = |state: &MemberState| state.layers.iter().map(|layer| layer.alpha0.clone()).collect();
        self.alpha0 = state.iter().map(alpha0).collect();
        self.steps = state[0].steps;
        self.samples_since_tick = state[0].samples_since_tick;
        self.running_samples = state[0].running.samples;
        let prefix = |member: &MemberState| {
            report::frozen_prefix(&self.layout, member.layers.iter().map(|layer| (&layer.alpha0, &layer.psi)))
        };
        self.frozen_prefix = state.iter().map(prefix).min().unwrap_or(0);
        self.context.check()
    }
}

const _: () = assert!(REGIONS == Region::Test as usize + 1);
