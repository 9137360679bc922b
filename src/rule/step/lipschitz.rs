//! A rate from the local Lipschitz constant: G. D. Magoulas, M. N. Vrahatis & G. S. Androulakis, *Improving the
//! convergence of the backpropagation algorithm using learning rate adaptation methods*, Neural Computation 11 (1999)
//! 1769–1796.
//!
//! For each weight, Λ = |Δg|/|Δw| between the last two steps, and α = 1/(2Λ).
//!
//! α starts at α0 and keeps its value if the weight or its gradient did not move. `lipschitz-max` bounds α, because a
//! Δg near 0 would make α huge. The rule is meant for batches of the whole data set. Twin of
//! `shaders/rules/lipschitz.wgsl`.

use crate::config::Config;
use crate::rule::learn::{Cell, Environment, Learn};

/// Memory: α, the last gradient and the last step. Constants: largest α.
#[derive(Clone, Copy, Debug)]
pub struct Lipschitz;

/// 1/(2Λ) = ½ |Δw| / |Δg|, at most `most`; `None` if the weight or its gradient did not move.
#[inline(always)]
pub(super) fn half_inverse(step: f32, change: f32, most: f32) -> Option<f32> {
    let (moved, change) = (step.abs(), change.abs());
    (change > 0.0 && moved > 0.0).then(|| (0.5 * moved / change).min(most))
}

impl Learn<3> for Lipschitz {
    const SHADER: &'static str = include_str!("../../../shaders/rules/lipschitz.wgsl");

    fn constants(config: &Config) -> [f32; 4] {
        [config.constants.lipschitz_max as f32, 0.0, 0.0, 0.0]
    }

    fn initial(config: &Config) -> [f32; 3] {
        [config.rule.alpha0 as f32, 0.0, 0.0]
    }

    fn rate(first: f32) -> Option<f32> {
        Some(first)
    }

    #[inline(always)]
    fn learn(environment: &Environment, alpha: f32, g: f32, _x2: f32, cell: Cell<3>) -> Cell<3> {
        let [rate, last, step] = cell.memory;
        let rate = half_inverse(step, g - last, environment.constants[0]).unwrap_or(rate);
        let step = alpha * rate * g;
        Cell { w: cell.w + step, memory: [rate, g, step] }
    }
}
