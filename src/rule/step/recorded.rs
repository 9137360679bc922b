//! What the rules that search need of a weight: its gradient, and what was before the last step.
//!
//! A pass over the training samples records the gradient and moves nothing. The host moves the weights then, because these
//! rules also go by the error of the whole set: `src/train/search.rs` has their sources and the loop around the functions
//! here. Twin of `shaders/rules/recorded.wgsl`.

use super::lipschitz::half_inverse;
use super::rprop::{Rprop, resized};
use crate::config::Config;
use crate::rule::learn::{Cell, Environment, Learn, sign};

/// The memory of a weight, in the order of its planes.
#[derive(Clone, Copy, Debug)]
pub struct Recorded {
    /// η, or the size of the step of iRprop+.
    pub rate: f32,
    /// g at the weight.
    pub gradient: f32,
    /// g before the last step; 0 after iRprop+ saw it turn.
    pub last: f32,
    /// The weight before the last step.
    pub weight: f32,
}

impl Recorded {
    /// Number of planes.
    pub const PLANES: usize = 4;

    /// The memory of a cell.
    #[must_use]
    pub const fn of(cell: &Cell<{ Self::PLANES }>) -> Self {
        let [rate, gradient, last, weight] = cell.memory;
        Self { rate, gradient, last, weight }
    }

    /// The cell of weight `w` with this memory.
    #[must_use]
    pub const fn beside(self, w: f32) -> Cell<{ Self::PLANES }> {
        Cell { w, memory: [self.rate, self.gradient, self.last, self.weight] }
    }

    /// The step of iRprop+ from `w`. If the gradient turned, the last step is taken back where the error `rose` by it.
    pub fn irprop_plus(self, config: &Config, rose: bool, w: f32) -> Cell<{ Self::PLANES }> {
        let agreement = sign(self.gradient) * sign(self.last);
        let size = resized(self.rate, agreement, Rprop::constants(config));
        let (after, last) = match agreement < 0.0 {
            true => (if rose { self.weight } else { w }, 0.0),
            false => (w + sign(self.gradient) * size, self.gradient),
        };
        Self { rate: size, last, weight: w, ..self }.beside(after)
    }

    /// With the rate η = ½ |Δw| / |Δg|, or its own where the weight or its gradient did not move.
    pub fn with_lipschitz_rate(self, config: &Config, w: f32) -> Self {
        let most = config.constants.lipschitz_max as f32;
        let rate = half_inverse(w - self.weight, self.gradient - self.last, most).unwrap_or(self.rate);
        Self { rate, ..self }
    }

    /// The step of `tau` times its rate along its gradient.
    pub fn moved(self, tau: f32, w: f32) -> Cell<{ Self::PLANES }> {
        let rate = tau * self.rate;
        Self { rate, last: self.gradient, weight: w, ..self }.beside(w + rate * self.gradient)
    }
}

impl Learn<{ Recorded::PLANES }> for Recorded {
    const SHADER: &'static str = include_str!("../../../shaders/rules/recorded.wgsl");

    fn constants(_: &Config) -> [f32; 4] {
        [0.0; 4]
    }

    fn initial(config: &Config) -> [f32; Self::PLANES] {
        [config.rule.alpha0 as f32, 0.0, 0.0, 0.0]
    }

    fn rate(first: f32) -> Option<f32> {
        Some(first)
    }

    #[inline(always)]
    fn learn(_: &Environment, _alpha: f32, g: f32, _x2: f32, cell: Cell<{ Self::PLANES }>) -> Cell<{ Self::PLANES }> {
        Self { gradient: g, ..Self::of(&cell) }.beside(cell.w)
    }
}
