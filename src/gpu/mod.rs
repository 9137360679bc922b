//! The engine on any Vulkan, Metal or DX12 adapter, through wgpu and the kernels in `shaders/`.

mod buffers;
mod context;
mod engine;
mod family;
mod layout;
mod pipeline;
mod queue;
mod report;
mod roofline;
mod shader;
mod state;
mod timing;

pub use buffers::Buffers;
pub use context::{AdapterSummary, Context, Pick};
pub use engine::{GpuEngine, Options};
pub use family::{Family, Product, Tile};
pub use layout::{Layer, Layout, Step};
pub use pipeline::{Binding, bindings};
pub use shader::{Kernel, Specialisation, keeps_net};
