//! The learning rules, each of which turns the gradient of one weight into a step of that weight.
//!
//! A rule is a shader `shaders/rules/STEM.wgsl` and its host twin here, a type that implements `Learn`. Only two other
//! places distinguish the rules: the enum [`Rule`](crate::config::Rule) and the table in `step.rs` (see docs/architecture.md).
//! What `neq` decides between epochs is in `train/equilibrium.rs`, because it takes passes over samples.
//!
//! Throughout, g = −∂E/∂w is the mean over the batch, so a step *along* g descends. `alpha` is the factor that ψ, a
//! schedule or a frozen layer applies to every rate. For rules without a rate of their own, `alpha` is α itself.

pub(crate) mod learn;
pub mod member;
pub mod observe;
pub mod psi;
pub mod schedule;
pub(crate) mod step;
pub mod trace;

pub(crate) use step::{constants, initial_alpha, initial_memory, memory_per_weight, own_rate, with_own_memory};
