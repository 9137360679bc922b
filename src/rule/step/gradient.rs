//! Steps along the gradient with one α: ψ, constant, replay, and the unsupervised rules, whose "gradient" is x̃ᵀy or
//! x̃ᵀφ.
//!
//! Forms with momentum μ:
//! - classical (Rumelhart, Hinton & Williams 1986): m = μ m + g, ΔW = α m;
//! - Nesterov (Nesterov 1983; Sutskever et al. 2013): ΔW = α (g + μ m);
//! - coasting: m = μ m + α g, ΔW = m.
//!
//! The CPU engine does not use this type: its own loops for these rules (`cpu/update.rs`) fold α into the product where
//! possible.

/// The rules with one α and no rate of their own.
#[derive(Clone, Copy, Debug)]
pub struct Gradient;

impl Gradient {
    /// The source of the WGSL twin.
    pub const SHADER: &'static str = include_str!("../../../shaders/rules/gradient.wgsl");
}
