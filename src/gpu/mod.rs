//! The engine on any Vulkan, Metal or DX12 adapter, through wgpu and the kernels in `shaders/`.

mod autotune;
mod buffers;
mod bytes;
mod canary;
mod context;
mod engine;
#[cfg(test)]
mod fault;
mod half;
mod kernels;
mod layout;
mod pipeline;
mod plan;
mod queue;
#[cfg(test)]
mod random;
mod report;
mod roofline;
mod shader;
mod spirv;
mod state;
mod step;
mod timing;

pub use self::spirv::translate;
pub use bytes::{BytePlan, Limit, Role};
pub use context::{AdapterSummary, Context, Pick};
pub use engine::{GpuEngine, Options};
pub use layout::{Layer, Layout, Step};
pub use pipeline::{Binding, bindings};
pub use plan::{Cooperative, Plan, Product, Shape, Shapes, Tile};
pub use roofline::source as roofline_source;
pub use shader::{Kernel, Specialisation, keeps_net};
