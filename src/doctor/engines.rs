//! The engines that the self-test compares: the CPU engine, and each family of kernels of the GPU engine.

use crate::cpu::CpuEngine;
use crate::error::Result;
use crate::train::blocking::Blocking;
use crate::train::engine::Engine;
use crate::train::population::Population;
use crate::train::state::MemberState;
use std::sync::Arc;

/// The CPU engine.
pub fn cpu(population: &Arc<Population>, start: &[MemberState]) -> Result<Blocking<dyn Engine>> {
    Ok(Blocking(Box::new(CpuEngine::new(Arc::clone(population), start)?)))
}

#[cfg(feature = "gpu")]
pub use gpu::{Kernels, gpu, half_precision};

#[cfg(feature = "gpu")]
mod gpu {
    use super::{Arc, Blocking, Engine, MemberState, Population, Result};
    use crate::config::{Config, Precision};
    use crate::gpu::{Context, GpuEngine, Options, Persistent, Pick, Plan, Product, Tile};

    /// A family of kernels.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub enum Kernels {
        /// Every invocation computes a tile in its registers.
        Register,
        /// A workgroup stages blocks in its memory.
        Tiled,
        /// One dispatch trains many steps.
        Persistent,
    }

    impl Kernels {
        /// All families, with their names for people.
        pub const ALL: [(Self, &'static str); 3] =
            [(Self::Register, "register"), (Self::Tiled, "tiled"), (Self::Persistent, "persistent")];
    }

    /// The GPU engine with these kernels; `None` if the adapter cannot run them.
    pub fn gpu(
        context: &Context,
        kernels: Kernels,
        population: &Arc<Population>,
        start: &[MemberState],
    ) -> Result<Option<Blocking<dyn Engine>>> {
        let plan = |product| match context.software {
            true => smallest(product, population),
            false => Plan::guess(product, population),
        };
        let plan = match kernels {
            Kernels::Register => plan(Product::Register),
            Kernels::Tiled => plan(Product::Tiled(context.room())),
            Kernels::Persistent => {
                let product = if context.software { Product::Register } else { Product::Tiled(context.room()) };
                Plan { persistent: Persistent::menu(product).pop(), ..plan(Product::Register) }
            }
        };
        let persistent = plan.persistent;
        let options = Options { plan: Some(plan), ..Options::default() };
        let engine = GpuEngine::with_options(context.clone(), Arc::clone(population), start, options)?;
        // An engine does without the persistent kernel where the adapter has too few bindings.
        Ok((engine.plan().persistent == persistent).then(|| Blocking(Box::new(engine) as Box<dyn Engine>)))
    }

    /// The smallest tiles. Software Vulkan would compile those of a run for minutes; the source of the kernels is the same.
    fn smallest(product: Product, population: &Population) -> Plan {
        Plan::choose(product, population, |shapes| {
            let tile = *product.menu(shapes).last().expect("a menu has a tile");
            let (rows, columns4) = (if shapes[0].rows_in_fours { 4 } else { 1 }, tile.columns4);
            match product {
                Product::Register => Tile { rows, columns4: if shapes[0].is_output { columns4 } else { 1 }, ..tile },
                _ => tile,
            }
        })
    }

    /// The outcome of the check with which every engine in half precision begins, for each precision that the adapter at this place
    /// of the list has; `None` if it has none. Software is left out, because it compiles the check for a minute. A failed
    /// check is no error, because it says nothing about f32.
    pub fn half_precision(index: usize, population: &Population) -> Result<Option<String>> {
        let mut outcomes = vec![];
        for precision in [Precision::F16, Precision::F16x3] {
            let opened = Context::open_for(&Pick::Index(index), precision).ok();
            let Some(context) = opened.filter(|context| !context.software) else { continue };
            // Wide enough that every kind of product is in half precision.
            let wide = |config: &Config| config.clone().hidden([3000, 2500]).batch_size(32).precision(precision);
            let configs = population.configs.iter().map(wide).collect();
            let population = Arc::new(Population::new(configs, Arc::clone(&population.data), None)?);
            let matrices = context.cooperative().map_or_else(String::new, |matrices| format!(" in {matrices}"));
            let passed = |engine: &GpuEngine| match engine.note() {
                None => format!("{precision} passed{matrices}"),
                Some(note) => format!("{precision} passed; {note}"),
            };
            let engine = GpuEngine::new(context, Arc::clone(&population), &population.initial_state());
            outcomes.push(engine.map_or_else(|error| format!("{precision} FAILED: {error}"), |engine| passed(&engine)));
        }
        Ok(Some(outcomes.join("; ")).filter(|text| !text.is_empty()))
    }
}
