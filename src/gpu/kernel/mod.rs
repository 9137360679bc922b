//! Turns the templates in `shaders/` into pipelines: a [`template`] rendered for a [`specialisation`], the [`bindings`]
//! and the [`spirv`] of the rendered text, the [`pipeline`] of one kernel, and the [`set`] of all kernels of a run.

pub mod bindings;
pub mod pipeline;
pub mod set;
pub mod specialisation;
pub mod spirv;
pub mod template;
