//! What the rules that search need of a weight: its gradient, and what was before the last step.
//!
//! A pass over the training samples records the gradient and moves nothing. The host moves the weights then, because these
//! rules also go by the error of the whole set: `src/train/search.rs` has their sources and the loop around the functions
//! here. Twin of `shaders/rules/recorded.wgsl`.

use super::rprop::{Rprop, resized};
use crate::config::Config;
use crate::rule::learn::{Cell, Environment, Learn, sign};

/// Memory: rate or step size; gradient at the weight; gradient before the last step, 0 after iRprop+ saw it turn; weight before
/// the last step.
#[derive(Clone, Copy, Debug)]
pub struct Recorded;

impl Learn<4> for Recorded {
    const SHADER: &'static str = include_str!("../../../shaders/rules/recorded.wgsl");

    fn constants(_: &Config) -> [f32; 4] {
        [0.0; 4]
    }

    fn initial(config: &Config) -> [f32; 4] {
        [config.rule.alpha0 as f32, 0.0, 0.0, 0.0]
    }

    fn rate(first: f32) -> Option<f32> {
        Some(first)
    }

    #[inline(always)]
    fn learn(_: &Environment, _alpha: f32, g: f32, _x2: f32, cell: Cell<4>) -> Cell<4> {
        let [rate, _, last, weight] = cell.memory;
        Cell { w: cell.w, memory: [rate, g, last, weight] }
    }
}

/// The step of iRprop+. If the gradient turned, the last step is taken back where the error `rose` by it.
pub(crate) fn irprop_plus(config: &Config, rose: bool, cell: Cell<4>) -> Cell<4> {
    let [size, g, last, before] = cell.memory;
    let agreement = sign(g) * sign(last);
    let size = resized(size, agreement, Rprop::constants(config));
    let (w, last) = match agreement < 0.0 {
        true => (if rose { before } else { cell.w }, 0.0),
        false => (cell.w + sign(g) * size, g),
    };
    Cell { w, memory: [size, g, last, cell.w] }
}

/// The cell with the rate η = ½ |Δw| / |Δg|, or its own where the weight or its gradient did not move.
pub(crate) fn with_lipschitz_rate(config: &Config, cell: Cell<4>) -> Cell<4> {
    let [rate, g, last, before] = cell.memory;
    let (change, moved) = ((g - last).abs(), (cell.w - before).abs());
    let known = change > 0.0 && moved > 0.0;
    let rate = if known { (0.5 * moved / change).min(config.constants.lipschitz_max as f32) } else { rate };
    Cell { w: cell.w, memory: [rate, g, last, before] }
}

/// The cell after a step of `tau` times its rate along its gradient.
pub(crate) fn moved(tau: f32, cell: Cell<4>) -> Cell<4> {
    let [rate, g, ..] = cell.memory;
    let rate = tau * rate;
    Cell { w: cell.w + rate * g, memory: [rate, g, g, cell.w] }
}
