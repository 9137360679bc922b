//! The GPU engine for any Vulkan, Metal or DX12 adapter, through wgpu and the kernels in `shaders/`.
//!
//! The modules form layers, and no layer imports a layer above it. `docs/architecture.md` draws the layers, and
//! `tests/architecture` holds them.

mod arrangement;
mod device;
mod engine;
mod inspect;
mod kernel;
mod launch;
mod layout;
mod memory;
mod session;
mod summary;
#[cfg(test)]
mod tests;
mod tile;
mod tiles;
mod tune;

pub use device::context::Context;
#[cfg(test)]
pub(crate) use device::fault;
#[cfg(feature = "cli")]
pub(crate) use device::quiet::silently;
pub use engine::{GpuEngine, Options};
pub use inspect::{Copied, Inspector};
pub use kernel::bindings::{Binding, bindings, parse};
pub use kernel::specialisation::{Specialisation, Tiling};
pub use kernel::spirv::translate;
pub use launch::{Kernel, Program};
pub use layout::{CanaryRecord, Flag, Layer, Layout, LivingRecord, Plane, RatePlane, Region, Step};
pub use memory::budget::MemoryBudget;
pub use memory::table::Role;
pub use summary::{AdapterSummary, Cooperative, KernelLimits, Limit, Pick};
pub use tile::{Product, Room, Shape, Tile};
pub use tiles::{Persistent, Plan, Shapes};
pub use tune::autotune::measured_tiles;
pub use tune::roofline::source as roofline_source;
