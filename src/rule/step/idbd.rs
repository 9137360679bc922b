//! Incremental delta-bar-delta: R. S. Sutton, *Adapting bias by gradient descent: an incremental version of
//! delta-bar-delta*, AAAI 1992, 171–176.
//!
//! β = log α follows the correlation of the gradient with a trace h of recent steps: β += θ g h, α = e^β, Δw = α g,
//! h = h (1 − α x²)⁺ + α g.
//!
//! Sutton's rule is for one linear unit and one sample. Here g is the weight's mean gradient over the batch and x² the
//! mean square of its input. For B = 1 and a linear layer this is the original rule.
//!
//! α starts at α0 (0.05 in the paper); θ is `idbd-rate` (0.001). Twin of `shaders/rules/idbd.wgsl`.

use crate::config::Config;
use crate::rule::learn::{Cell, Environment, Learn};

/// Memory: β and h. Constants: θ.
#[derive(Clone, Copy, Debug)]
pub struct Idbd;

/// Bound on |β|. The bound keeps e^β finite and lies far beyond any rate that trains.
const LIMIT: f32 = 40.0;

impl Learn<2> for Idbd {
    const SHADER: &'static str = include_str!("../../../shaders/rules/idbd.wgsl");
    const READS_INPUT: bool = true;

    fn constants(config: &Config) -> [f32; 4] {
        [config.constants.idbd_rate as f32, 0.0, 0.0, 0.0]
    }

    fn initial(config: &Config) -> [f32; 2] {
        [config.rule.alpha0.ln() as f32, 0.0]
    }

    fn rate(first: f32) -> Option<f32> {
        Some(first.exp())
    }

    #[inline(always)]
    fn learn(environment: &Environment, alpha: f32, g: f32, x2: f32, cell: Cell<2>) -> Cell<2> {
        let [beta, h] = cell.memory;
        let beta = (beta + environment.constants[0] * g * h).clamp(-LIMIT, LIMIT);
        let rate = alpha * beta.exp();
        Cell { w: cell.w + rate * g, memory: [beta, h * (1.0 - rate * x2).max(0.0) + rate * g] }
    }
}
