//! The engine on a wgpu adapter. It chooses the tiles, tests half precision where the run uses it, and passes the
//! trainer's requests to its [`Session`].

use super::device::context::Context;
use super::inspect::Inspector;
use super::memory::budget::MemoryBudget;
use super::session::report::Pending;
use super::session::session::{self, Session};
use super::tile::Product;
use super::tiles::{Persistent, Plan, Shapes};
use super::tune::autotune::{self, Cache};
use super::tune::half;
use crate::config::Precision;
use crate::data::distort::Distortion;
use crate::error::{Error, Result};
use crate::train::blocking::block_on;
use crate::train::engine::{DeviceInfo, Engine, KernelTime, Report, Request, Wanted};
use crate::train::population::Population;
use crate::train::state::MemberState;
use std::collections::VecDeque;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

/// Options for tests and measurements; every other caller uses the default.
#[derive(Debug, Default)]
pub struct Options {
    /// Tiles of the kernels. By default the engine takes tiles that fit adapter and population, and measures them where
    /// measuring pays.
    pub plan: Option<Plan>,
    /// Measure the tiles of this product on any adapter, and store the fastest plan in this file.
    pub tune: Option<(Product, PathBuf)>,
    /// Keep the driver's bounds checks in the shaders.
    pub checked: bool,
}

/// Trains a population on one wgpu adapter.
#[derive(Debug)]
pub struct GpuEngine {
    pub(super) session: Session,
    reports: VecDeque<Pending>,
    training_since: Option<Instant>,
    note: Option<String>,
}

/// Widest image in pixels whose elastic fields fit into 16 KiB, the workgroup memory that every adapter has.
const WIDEST_ELASTIC: usize = 32;

fn check_distortion(population: &Population) -> Result<()> {
    let shared = population.shared();
    match Distortion::new(shared, population.data.features) {
        Some(distortion) if !distortion.taps().is_empty() && distortion.side() > WIDEST_ELASTIC => {
            let side = distortion.side();
            Err(Error::config(format!(
                "`distort = {}`: a GPU bends images of up to {WIDEST_ELASTIC} × {WIDEST_ELASTIC} pixels, not {side} × {side}; \
                 use `distort = affine`, or `device = cpu`",
                shared.regularisation.distort
            )))
        }
        _ => Ok(()),
    }
}

/// The default product for an adapter. Register tiles stage no operands, so they cannot round them to half precision.
fn product(context: &Context, population: &Population) -> Result<Product> {
    let shapes = Shapes::new(population);
    let product = match context.cooperative {
        _ if !shapes.round() && context.software => Product::Register,
        Some(matrices) if shapes.round() => Product::Cooperative(matrices, context.room()),
        _ => Product::Tiled(context.room()),
    };
    let mut passes =
        shapes.forward.iter().chain(&shapes.backward).map(std::slice::from_ref).chain([&shapes.update[..]]);
    if passes.any(|shapes| product.menu(shapes).is_empty()) {
        return Err(Error::Device(format!(
            "`precision = {}`: no tile fits the workgroups of adapter {}; use `precision = f32`",
            population.shared().run.precision,
            context.info.adapter
        )));
    }
    Ok(product)
}

impl GpuEngine {
    /// Allocates the population on the adapter, uploads its `initial` state and compiles the kernels. Kernels in half
    /// precision must first pass a self-check. If kernels with cooperative matrices fail it, the engine uses kernels
    /// without them.
    ///
    /// # Errors
    /// If a buffer or kernel does not fit the adapter, the driver refuses a kernel, or half precision fails the
    /// self-check.
    pub fn new(context: Context, population: Arc<Population>, initial: &[MemberState]) -> Result<Self> {
        block_on(Self::open(context, population, initial))
    }

    /// As [`Self::new`], without blocking the thread.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub async fn open(mut context: Context, population: Arc<Population>, initial: &[MemberState]) -> Result<Self> {
        let precision = population.shared().run.precision;
        let mut note = None;
        loop {
            match (Self::proved(context.clone(), &population, initial).await, context.cooperative) {
                // Some drivers may read matrices only from arrays of numbers.
                (Err(_), Some(matrices)) if matrices.vectors => context = context.without_vectors(),
                (Err(error), Some(matrices)) if precision == Precision::F16 => {
                    note = Some(format!("{error}; doing without {matrices}"));
                    context = context.without_cooperative();
                }
                (engine, _) => {
                    let engine = engine?;
                    if precision != Precision::F32 && engine.session.plan.halves() == 0 {
                        note = Some(format!(
                            "`precision = {precision}` changes nothing, because no product has enough outputs"
                        ));
                    }
                    return Ok(Self { note, ..engine });
                }
            }
        }
    }

    /// Opens the engine with the default options and runs the self-check of half precision.
    async fn proved(context: Context, population: &Arc<Population>, initial: &[MemberState]) -> Result<Self> {
        let engine = Self::chosen(context, Arc::clone(population), initial, Options::default()).await?;
        if engine.session.plan.halves() > 0 {
            half::self_check(&engine.session.context, population, &engine.session.plan).await?;
        }
        Ok(engine)
    }

    /// Why the engine works with less than the adapter offers, as a sentence for people.
    #[must_use]
    pub fn note(&self) -> Option<&str> {
        self.note.as_deref()
    }

    /// As [`Self::new`], with chosen tiles and bounds checks and without the self-check.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn with_options(
        context: Context,
        population: Arc<Population>,
        initial: &[MemberState],
        options: Options,
    ) -> Result<Self> {
        block_on(Self::chosen(context, population, initial, options))
    }

    async fn chosen(
        context: Context,
        population: Arc<Population>,
        initial: &[MemberState],
        options: Options,
    ) -> Result<Self> {
        let precision = population.shared().run.precision;
        context.require(precision)?;
        // Software Vulkan has one tile per shape. Compiling others would take longer than they could save.
        let tunes = options.tune.is_some() || !(context.software || population.shared().run.no_autotune);
        let (product, cache) = match options.tune {
            Some((product, path)) => (product, Some(Cache::at(path))),
            None => match product(&context, &population)? {
                Product::Register => (Product::Register, None),
                product => (product, Cache::of_user().filter(|_| tunes)),
            },
        };
        let key = autotune::key(&context.info, &population);
        let known = options.plan.or_else(|| cache.as_ref()?.get(&key, &population));
        let measures = tunes && known.is_none();
        let plan = known.unwrap_or_else(|| {
            let persists = context.software && Plan::guess_persistent(&population) && !measures;
            Plan { persistent: persists.then_some(Persistent::SERIAL), ..Plan::guess(product, &population) }
        });
        let layout = session::layout(&context, &population, &plan);
        let persistent = plan.persistent.filter(|_| session::offers_persistent(&context, &population, &layout));
        let plan = Plan { persistent, ..plan };
        if plan.halves() > 0 {
            half::check_inputs(&population, &plan)?;
        }
        check_distortion(&population)?;
        let mut session = Session::new(context, population, plan, options.checked).await?;
        session.set_state(initial).await?;
        if measures {
            session.tune(product).await?;
            session.set_state(initial).await?;
            if let Some(cache) = cache {
                cache.put(key, session.plan.clone());
            }
        }
        Ok(Self { session, reports: VecDeque::new(), training_since: None, note: None })
    }

    /// The tiles of the kernels.
    #[must_use]
    pub const fn plan(&self) -> &Plan {
        &self.session.plan
    }

    /// The memory that [`Self::new`] would allocate for `population` with unmeasured tiles, and whether it fits the
    /// adapter.
    ///
    /// # Errors
    /// If the adapter was not opened for the precision, or images are too large for elastic distortion.
    pub fn memory_budget(context: &Context, population: &Population) -> Result<MemoryBudget> {
        context.require(population.shared().run.precision)?;
        check_distortion(population)?;
        let plan = Plan::guess(product(context, population)?, population);
        Ok(session::budget(context, population, &session::layout(context, population, &plan), &plan))
    }

    /// Bytes of GPU memory that the buffers take.
    #[must_use]
    pub fn allocated_bytes(&self) -> u64 {
        self.session.buffers.bytes()
    }

    /// Access to the internals, for tests.
    pub const fn inspect(&mut self) -> Inspector<'_> {
        Inspector(&mut self.session)
    }
}

impl Engine for GpuEngine {
    fn device(&self) -> &DeviceInfo {
        &self.session.context.info
    }

    fn set_order<'a>(&'a mut self, order: &'a [Vec<u32>]) -> Request<'a> {
        Box::pin(self.session.set_order(order))
    }

    fn train(&mut self, batches: Range<u32>, tick: Option<u32>) -> Request<'_> {
        Box::pin(async move {
            self.training_since.get_or_insert_with(Instant::now);
            self.session.record_steps(batches, tick).await
        })
    }

    fn observed_means(&mut self) -> Request<'_, Vec<Vec<Vec<f32>>>> {
        Box::pin(self.session.observed_means())
    }

    fn set_theta<'a>(&'a mut self, theta: &'a [Option<Vec<f32>>]) -> Request<'a> {
        Box::pin(self.session.set_theta(theta))
    }

    fn set_scale<'a>(&'a mut self, scale: &'a [Vec<f32>]) -> Request<'a> {
        Box::pin(self.session.set_scale(scale))
    }

    fn request_report(&mut self, wanted: Wanted) -> Request<'_> {
        Box::pin(async move {
            // Waiting here idles the device once per epoch, but then the training time includes all training work.
            self.session.finish().await?;
            let train_seconds = self.training_since.take().map_or(0.0, |since| since.elapsed().as_secs_f64());
            self.session.rearrange().await?;
            self.reports.push_back(self.session.request_report(wanted, train_seconds).await?);
            Ok(())
        })
    }

    fn next_report(&mut self) -> Request<'_, Report> {
        let pending = self.reports.pop_front().expect("a report was requested");
        Box::pin(pending.finish(&mut self.session))
    }

    fn kernel_times(&mut self, batch: u32) -> Request<'_, Vec<KernelTime>> {
        Box::pin(self.session.kernel_times(batch))
    }

    fn state(&mut self) -> Request<'_, Vec<MemberState>> {
        Box::pin(self.session.state())
    }

    fn set_state<'a>(&'a mut self, state: &'a [MemberState]) -> Request<'a> {
        Box::pin(self.session.set_state(state))
    }
}
