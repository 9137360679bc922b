//! Chooses tiles by measuring on the adapter with the run's own shapes. Per product it times the candidates that
//! promise most. For whole steps it times a joined last dispatch, and the persistent kernel, against one dispatch per
//! phase. The plan is stored in the user's cache directory by adapter, driver, version and shapes, so each is measured
//! once.
//!
//! No plan changes a result, so a lost, shared or outdated cache is harmless.

use crate::error::Result;
use crate::files::{self, to_json, write_atomic};
use crate::gpu::device::timing::Timer;
use crate::gpu::launch::Kernel;
use crate::gpu::layout::{Flag, Step};
use crate::gpu::memory::table::Use;
use crate::gpu::session::session::Session;
use crate::gpu::tile::{Product, Tile};
use crate::gpu::tiles::{Persistent, Plan};
use crate::train::population::Population;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

/// Tiles measured per product: those of which [`Product::ranked`] expects most.
const CANDIDATES: usize = 6;
/// Seconds of training before the measurements of each plan, because an idle GPU lowers its clocks.
const WARM_UP_SECONDS: f64 = 0.05;
/// A measurement repeats its work until it takes this many seconds.
const SECONDS: f64 = 2e-3;
/// Most repetitions of a measurement.
const MAX_REPEATS: u32 = 256;
/// Measurements of one candidate; the fastest counts.
const TRIES: usize = 3;
/// Steps longer than this, in seconds, are not bound by their launches, so neither joined passes nor the persistent kernel are
/// tried.
const LAUNCH_BOUND_SECONDS: f64 = 5e-4;
/// Steps per dispatch in the measurement of the persistent kernel.
const PERSISTENT_STEPS: u32 = 16;

/// The file of the user's measured tiles; `None` if the system has no cache directory.
#[must_use]
pub fn measured_tiles() -> Option<PathBuf> {
    Some(dirs::cache_dir()?.join("homeostat").join("autotune.json"))
}

/// The plans that earlier runs measured.
#[derive(Debug)]
pub struct Cache {
    path: PathBuf,
}

impl Cache {
    /// The user's cache; `None` if the system has no cache directory.
    #[must_use]
    pub fn of_user() -> Option<Self> {
        measured_tiles().map(Self::at)
    }

    /// A cache in this file.
    #[must_use]
    pub const fn at(path: PathBuf) -> Self {
        Self { path }
    }

    fn read(path: &Path) -> BTreeMap<String, Plan> {
        files::read(path, files::RECORD).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default()
    }

    /// The plan for `key`, if the cache has one that fits the population.
    pub fn get(&self, key: &str, population: &Population) -> Option<Plan> {
        Self::read(&self.path).remove(key).filter(|plan| plan.fits(population))
    }

    /// Adds a plan. A write error is ignored, because it only costs the next run a measurement.
    pub fn put(&self, key: String, plan: Plan) {
        let mut all = Self::read(&self.path);
        all.insert(key, plan);
        if let (Some(directory), Ok(json)) = (self.path.parent(), to_json(&all)) {
            let _ = std::fs::create_dir_all(directory);
            let _ = write_atomic(&self.path, json.as_bytes());
        }
    }
}

/// The key of a plan in the cache: everything on which its speed depends.
pub fn key(adapter: &impl std::fmt::Display, population: &Population) -> String {
    let shared = population.shared();
    format!(
        "{adapter}; homeostat {}; {:?}; B {}; P {}; {} {} {} {} {} {}{}",
        env!("CARGO_PKG_VERSION"),
        population.topology.widths(),
        population.batch_size(),
        population.len(),
        shared.run.precision,
        shared.rule.scope,
        shared.rule.kind.kernel(),
        population.memory_per_weight(),
        if population.observes() { "observes" } else { "observes nothing" },
        if shared.slots_per_weight() { "slots per weight" } else { "slots per neuron" },
        if population.prepares_inputs() { " prepared" } else { "" },
    )
}

/// A piece of work to measure.
#[derive(Clone, Copy)]
enum Work {
    /// One dispatch.
    Dispatch(Kernel, Step),
    /// The first training step of an epoch, in a dispatch per phase and layer.
    FirstStep,
}

impl Session {
    /// Records `repeats` repetitions of `work`, and waits for them.
    async fn repeat(&mut self, work: Work, repeats: u32) -> Result<()> {
        for _ in 0..repeats {
            match work {
                Work::Dispatch(kernel, step) => self.launch(kernel, Use::Training, step).await?,
                Work::FirstStep => self.record_steps(0..1, None).await?,
            }
        }
        self.queue.finish(&self.context).await
    }

    /// Seconds that `repeats` repetitions of `work` take. Tiles are timed by the device's timestamps, if it has them, which leave out
    /// submission and waiting. Whole steps are timed by the host's clock, because fewer dispatches also spare the host.
    async fn timed(&mut self, work: Work, repeats: u32) -> Result<f64> {
        self.queue.finish(&self.context).await?;
        let is_step = matches!(work, Work::FirstStep | Work::Dispatch(Kernel::Persistent, _));
        self.queue.timer = if is_step { None } else { Timer::new(&self.context, false) };
        let start = Instant::now();
        let repeated = self.repeat(work, repeats).await;
        let elapsed = start.elapsed().as_secs_f64();
        let timer = self.queue.timer.take();
        repeated?;
        let by_device = match timer {
            Some(timer) => timer.total(&self.context).await?,
            None => None,
        };
        Ok(by_device.unwrap_or(elapsed))
    }

    /// Seconds that `work` takes on the device.
    async fn seconds(&mut self, work: Work) -> Result<f64> {
        let mut repeats = 1;
        // The first run includes work that drivers defer until then.
        self.timed(work, 1).await?;
        while self.timed(work, repeats).await? < SECONDS && repeats < MAX_REPEATS {
            repeats *= 2;
        }
        let mut best = f64::MAX;
        for _ in 0..TRIES {
            best = best.min(self.timed(work, repeats).await? / f64::from(repeats));
        }
        Ok(best)
    }

    /// Trains for a moment.
    async fn warm_up(&mut self) -> Result<()> {
        let start = Instant::now();
        while start.elapsed().as_secs_f64() < WARM_UP_SECONDS {
            self.timed(Work::FirstStep, 8).await?;
        }
        Ok(())
    }

    /// Measures the tiles of this product and switches to the fastest plan. Measuring trains, so the caller must set
    /// the state again.
    ///
    /// # Errors
    /// If the device fails.
    pub async fn tune(&mut self, product: Product) -> Result<()> {
        let population = Arc::clone(&self.population);
        let rows: Vec<Vec<u32>> = population.splits.iter().map(|split| split.train.clone()).collect();
        self.set_order(&rows).await?;
        let kernels: Vec<Kernel> = Kernel::products(population.topology.layers()).collect();
        let mut candidates: Vec<Vec<Tile>> = vec![];
        Plan::choose(product, &population, |shapes| {
            let mut ranked = product.ranked(shapes, population.len());
            ranked.truncate(CANDIDATES);
            candidates.push(ranked);
            candidates[candidates.len() - 1][0]
        });
        let turns = candidates.iter().map(Vec::len).max().unwrap_or(0);
        let mut best: Vec<(f64, Tile)> = candidates.iter().map(|tiles| (f64::MAX, tiles[0])).collect();
        for turn in 0..turns {
            // A product with fewer tiles keeps its last one.
            let mut tiles = candidates.iter().map(|tiles| tiles[turn.min(tiles.len() - 1)]);
            let plan = Plan::choose(product, &population, |_| tiles.next().expect("one tile per product, in order"));
            self.adopt(plan)?;
            self.warm_up().await?;
            for ((&kernel, tiles), best) in kernels.iter().zip(&candidates).zip(&mut best) {
                let Some(&tile) = tiles.get(turn) else { continue };
                let seconds = self.seconds(Work::Dispatch(kernel, self.training_step(0))).await?;
                if seconds < best.0 {
                    *best = (seconds, tile);
                }
            }
        }
        let mut found = best.into_iter().map(|(_, tile)| tile);
        let plan = Plan::choose(product, &population, |_| found.next().expect("one tile per product, in order"));
        self.adopt(plan)?;
        self.try_fewer_dispatches().await
    }

    /// Joins the last forward pass and the backward pass through the output layer, and switches to the persistent kernel, each
    /// if whole steps are faster with it.
    async fn try_fewer_dispatches(&mut self) -> Result<()> {
        let mut best = self.plan.clone();
        let (joins, persists) = (best.can_join(&self.population), self.may_persist());
        if !joins && !persists {
            return Ok(());
        }
        self.warm_up().await?;
        let mut step = self.seconds(Work::FirstStep).await?;
        if step > LAUNCH_BOUND_SECONDS {
            return Ok(());
        }
        if joins {
            self.adopt(Plan { joined: true, ..best.clone() })?;
            self.warm_up().await?;
            let joined = self.seconds(Work::FirstStep).await?;
            if joined < step {
                (step, best) = (joined, self.plan.clone());
            }
        }
        if persists {
            let steps = PERSISTENT_STEPS.min(self.population.steps_per_epoch());
            let launch = Step { steps, flags: Flag::Training.bit(), ..self.training_step(0) };
            let separate = best.clone();
            for form in Persistent::menu(best.product) {
                self.adopt(Plan { persistent: Some(form), ..separate.clone() })?;
                self.warm_up().await?;
                let persistent = self.seconds(Work::Dispatch(Kernel::Persistent, launch)).await? / f64::from(steps);
                if persistent < step {
                    (step, best) = (persistent, self.plan.clone());
                }
            }
        }
        if self.plan == best { Ok(()) } else { self.adopt(best) }
    }
}
