//! The learning rules: what one weight does with its gradient. A rule is a shader `shaders/rules/STEM.wgsl` and its host
//! twin here, a type that implements `Learn`; the enum [`Rule`](crate::config::Rule) and the file
//! `table` are all else that knows the rules apart (see CONTRIBUTING.md).
//!
//! Everywhere g = −∂E/∂w, the mean over the batch, so that a step *along* g descends; `alpha` is the factor that ψ, a
//! schedule or a frozen layer puts on every rate, and for rules without a rate of their own α itself.

mod adam;
mod delta_bar_delta;
mod gradient;
mod idbd;
mod irprop_minus;
pub(crate) mod learn;
mod lipschitz;
pub mod member;
pub mod psi;
mod rprop;
pub mod schedule;
pub(crate) mod table;
pub mod trace;

pub(crate) use table::{constants, initial_alpha, initial_memory, memory_per_weight, own_rate, with_own_memory};
