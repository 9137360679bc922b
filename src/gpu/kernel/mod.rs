//! Turns the templates in `shaders/` into pipelines. A [`template`] is rendered for a [`specialisation`]; the rendered
//! text gives the [`bindings`] and, where needed, the [`spirv`]. A [`pipeline`] is one compiled kernel, and the [`set`]
//! holds all kernels of a run.

pub mod bindings;
pub mod pipeline;
pub mod set;
pub mod specialisation;
pub mod spirv;
pub mod template;
