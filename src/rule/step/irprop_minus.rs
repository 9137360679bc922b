//! iRprop−: C. Igel & M. Hüsken, *Improving the Rprop learning algorithm*, NC 2000, 115–121.
//!
//! The rule is Rprop without weight-backtracking. When the gradient turns, the weight pauses for one step instead of
//! taking back the last step.
//!
//! Δ starts at α0. The paper uses Δ = 0.0125 at the start, η− = 0.5, η+ = 1.2 and Δ from 0 to 50. Twin of
//! `shaders/rules/irprop_minus.wgsl`.

use super::rprop::{Rprop, resized};
use crate::config::Config;
use crate::rule::learn::{Cell, Environment, Learn, sign};

/// Memory: Δ and the last gradient (0 after the gradient turned). Constants: η−, η+, smallest and largest Δ.
#[derive(Clone, Copy, Debug)]
pub struct IrpropMinus;

impl Learn<2> for IrpropMinus {
    const SHADER: &'static str = include_str!("../../../shaders/rules/irprop_minus.wgsl");

    fn constants(config: &Config) -> [f32; 4] {
        Rprop::constants(config)
    }

    fn initial(config: &Config) -> [f32; 2] {
        [config.rule.alpha0 as f32, 0.0]
    }

    fn rate(first: f32) -> Option<f32> {
        Some(first)
    }

    #[inline(always)]
    fn learn(environment: &Environment, alpha: f32, g: f32, _x2: f32, cell: Cell<2>) -> Cell<2> {
        let [size, last] = cell.memory;
        let agreement = sign(g) * sign(last);
        let size = resized(size, agreement, environment.constants);
        let g = if agreement < 0.0 { 0.0 } else { g };
        Cell { w: cell.w + alpha * (sign(g) * size), memory: [size, g] }
    }
}
