//! Along the gradient with one α: ψ, constant, replay, and the unsupervised rules, whose "gradient" is x̃ᵀy or x̃ᵀφ. With
//! momentum μ (Rumelhart, Hinton & Williams 1986) m = μ m + g, ΔW = α m; Nesterov's form (Nesterov 1983; Sutskever et al.
//! 2013) ΔW = α (g + μ m); coasting m = μ m + α g, ΔW = m.
//!
//! The CPU engine has loops of its own for these (`cpu/update.rs`), which fold α into the product where they can.

/// The rules with one α.
#[derive(Clone, Copy, Debug)]
pub struct Gradient;

impl Gradient {
    /// The WGSL twin.
    pub const SHADER: &'static str = include_str!("../../shaders/rules/gradient.wgsl");
}
