//! The session: a population, the buffers and kernels of its plan, and the queue that runs them.

use super::canary::Canary;
use super::queue::Queue;
use crate::error::Result;
use crate::gpu::device::context::Context;
use crate::gpu::kernel::set::Kernels;
use crate::gpu::kernel::specialisation::Specialisation;
use crate::gpu::launch::Program;
use crate::gpu::layout::Layout;
use crate::gpu::memory::budget::MemoryBudget;
use crate::gpu::memory::buffers::Buffers;
use crate::gpu::memory::table::{Role, Run};
use crate::gpu::tiles::Plan;
use crate::train::population::Population;
use std::sync::Arc;

/// A population on one wgpu adapter.
#[derive(Debug)]
pub struct Session {
    pub(crate) context: Context,
    pub(crate) population: Arc<Population>,
    pub(crate) plan: Plan,
    pub(crate) layout: Layout,
    pub(crate) buffers: Buffers,
    pub(crate) program: Program,
    pub(crate) kernels: Kernels,
    pub(crate) queue: Queue,
    /// Staging buffers for reuse.
    pub(crate) staging: Vec<wgpu::Buffer>,
    /// The work recorded since the state was last set.
    pub(crate) canary: Canary,
    /// The initial rates, per member and layer.
    pub(crate) alpha0: Vec<Vec<Vec<f32>>>,
    /// Steps trained since the start of the run.
    pub(crate) steps: u32,
    pub(crate) samples_since_tick: u64,
    pub(crate) samples_at_tick: u64,
    pub(crate) running_samples: u64,
    /// Whether the cache must be filled before the arrangement can use it.
    pub(crate) unfilled: bool,
    /// Whether the row lists have an order, by which the cache can be filled.
    pub(crate) ordered: bool,
    /// Members whose resting neurons have non-finite nets. These members use no cache, so that the first training step that
    /// computes such a net is reported.
    pub(crate) broken: Vec<bool>,
    /// Whether ψ has advanced since the layers were last arranged.
    pub(crate) ticked: bool,
    /// Samples trained since the last report.
    pub(crate) trained: u64,
    /// Floating-point operations of their forward and backward passes, per member.
    pub(crate) passes: Vec<f64>,
    /// The work that kernels had counted at the last report, per member and layer.
    pub(crate) worked: Vec<u32>,
    checked: bool,
}

/// The layout for the adapter of `context`.
pub fn layout(context: &Context, population: &Population, plan: &Plan) -> Layout {
    let limits = context.device.limits();
    let most = limits.max_storage_buffer_binding_size.min(limits.max_buffer_size);
    Layout::new(population, plan)
        .fit_data(&population.data, most)
        .fit_cache(population.shared().run.activation_cache, most)
}

/// The memory budget of `population` on the adapter of `context`.
pub fn budget(context: &Context, population: &Population, layout: &Layout, plan: &Plan) -> MemoryBudget {
    MemoryBudget::new(&context.info.adapter, &context.device.limits(), population, layout, plan)
}

/// Whether the adapter can bind the buffers of the persistent kernel of `population`, including all pieces of the data
/// set.
pub fn offers_persistent(context: &Context, population: &Population, layout: &Layout) -> bool {
    let needed = Plan::storage_buffers(population) as usize + layout.pieces(&population.data) - 1;
    needed <= context.device.limits().max_storage_buffers_per_shader_stage as usize
}

impl Session {
    /// Allocates the buffers of `population` and compiles the kernels of `plan`. With `checked` the kernels keep the
    /// driver's bounds checks. The caller must set the state before training.
    ///
    /// # Errors
    /// If a buffer or kernel does not fit the adapter, or its driver refuses a kernel.
    pub async fn new(context: Context, population: Arc<Population>, plan: Plan, checked: bool) -> Result<Self> {
        let layout = layout(&context, &population, &plan);
        let budget = budget(&context, &population, &layout, &plan);
        budget.check()?;
        let run = Run { population: &population, layout: &layout };
        let buffers = Buffers::new(&context, &run, &budget).await?;
        let program = Program::new(&population, &plan);
        let specialisation = Specialisation::new(&population, &layout);
        let kernels = Kernels::new(&context, &buffers, &specialisation, (&program, &plan), checked)?;
        Ok(Self {
            context,
            population,
            plan,
            layout,
            buffers,
            program,
            kernels,
            queue: Queue::default(),
            staging: vec![],
            canary: Canary::default(),
            alpha0: vec![],
            steps: 0,
            samples_since_tick: 0,
            samples_at_tick: 1,
            running_samples: 0,
            unfilled: false,
            ordered: false,
            broken: vec![],
            ticked: false,
            trained: 0,
            passes: vec![],
            worked: vec![],
            checked,
        })
    }

    /// Switches to another plan: rewrites the tables and compiles its kernels.
    ///
    /// # Errors
    /// If the driver refuses a kernel.
    pub fn adopt(&mut self, plan: Plan) -> Result<()> {
        let layout = layout(&self.context, &self.population, &plan);
        self.buffers.write_tables(&self.context, &Run { population: &self.population, layout: &layout });
        let program = Program::new(&self.population, &plan);
        let specialisation = Specialisation::new(&self.population, &layout);
        let plans = (&program, &plan);
        self.kernels = Kernels::new(&self.context, &self.buffers, &specialisation, plans, self.checked)?;
        (self.layout, self.program, self.plan) = (layout, program, plan);
        self.unfilled = false;
        Ok(())
    }

    /// Whether the population and the adapter allow the persistent kernel.
    #[must_use]
    pub fn may_persist(&self) -> bool {
        Plan::can_persist(&self.population) && offers_persistent(&self.context, &self.population, &self.layout)
    }

    /// Submits the recorded work and waits until all work is done.
    ///
    /// # Errors
    /// If the device fails.
    pub async fn finish(&mut self) -> Result<()> {
        self.queue.finish(&self.context).await
    }

    /// Sets the order in which each member visits its training rows.
    ///
    /// # Errors
    /// If the device fails.
    pub async fn set_order(&mut self, order: &[Vec<u32>]) -> Result<()> {
        self.ordered = true;
        // Writes take effect at the start of the next submit, so recorded work must be submitted first.
        self.queue.submit(&self.context).await?;
        let buffer = self.buffers.get(Role::Rows).expect("every run has row lists");
        for (member, rows) in order.iter().enumerate() {
            let place = member * self.layout.rows * size_of::<u32>();
            self.context.queue.write_buffer(buffer, place as u64, bytemuck::cast_slice(rows));
        }
        Ok(())
    }
}
