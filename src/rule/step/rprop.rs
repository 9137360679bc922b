//! Rprop with weight-backtracking: M. Riedmiller & H. Braun, *A direct adaptive method for faster backpropagation
//! learning: the RPROP algorithm*, ICNN 1993, 586–591.
//!
//! Each weight has a step size Δ of its own; only the sign of the gradient is used. Δ grows by the factor η+ while the
//! sign holds. When the sign turns, the last step is taken back and Δ shrinks by the factor η−.
//!
//! Δ starts at α0. The paper uses Δ = 0.1 at the start, η− = 0.5, η+ = 1.2 and Δ up to 50. The rule is meant for
//! batches of the whole data set. Twin of `shaders/rules/rprop.wgsl`.

use crate::config::Config;
use crate::rule::learn::{Cell, Environment, Learn, sign};

/// Memory: Δ, the last gradient (0 after a step was taken back) and the last step. Constants: η−, η+, smallest and
/// largest Δ.
#[derive(Clone, Copy, Debug)]
pub struct Rprop;

/// The new Δ. `agreement` is 1 if the gradient kept the sign of the previous step, −1 if the sign turned, and 0 if
/// either gradient is 0.
#[inline(always)]
pub(super) fn resized(size: f32, agreement: f32, constants: [f32; 4]) -> f32 {
    let [eta_minus, eta_plus, least, most] = constants;
    if agreement > 0.0 {
        (size * eta_plus).min(most)
    } else if agreement < 0.0 {
        (size * eta_minus).max(least)
    } else {
        size
    }
}

impl Learn<3> for Rprop {
    const SHADER: &'static str = include_str!("../../../shaders/rules/rprop.wgsl");

    fn constants(config: &Config) -> [f32; 4] {
        let pair = [
            config.constants.rprop_eta_minus,
            config.constants.rprop_eta_plus,
            config.constants.rprop_min,
            config.constants.rprop_max,
        ];
        pair.map(|value| value as f32)
    }

    fn initial(config: &Config) -> [f32; 3] {
        [config.rule.alpha0 as f32, 0.0, 0.0]
    }

    fn rate(first: f32) -> Option<f32> {
        Some(first)
    }

    #[inline(always)]
    fn learn(environment: &Environment, alpha: f32, g: f32, _x2: f32, cell: Cell<3>) -> Cell<3> {
        let [size, last, step] = cell.memory;
        let agreement = sign(g) * sign(last);
        let turned = agreement < 0.0;
        let size = resized(size, agreement, environment.constants);
        let step = if turned { -step } else { alpha * (sign(g) * size) };
        Cell { w: cell.w + step, memory: [size, if turned { 0.0 } else { g }, if turned { 0.0 } else { step }] }
    }
}
