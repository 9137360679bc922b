//! Delta-bar-delta: R. A. Jacobs, *Increased rates of convergence through learning rate adaptation*, Neural Networks 1
//! (1988) 295–307.
//!
//! While the gradient agrees in sign with its running mean ḡ, the weight's α grows by κ. When they disagree, α loses
//! the share φ. So α rises linearly and falls geometrically.
//!
//! α starts at α0. Jacobs chose κ and φ for each problem, and θ = 0.7 for all. The defaults κ = 0.035 and φ = 0.333
//! suit batches of the whole data set and are large for smaller batches. Twin of `shaders/rules/delta_bar_delta.wgsl`.

use crate::config::Config;
use crate::rule::learn::{Cell, Environment, Learn, sign};

/// Memory: α and ḡ. Constants: κ, φ, θ.
#[derive(Clone, Copy, Debug)]
pub struct DeltaBarDelta;

impl Learn<2> for DeltaBarDelta {
    const SHADER: &'static str = include_str!("../../../shaders/rules/delta_bar_delta.wgsl");

    fn constants(config: &Config) -> [f32; 4] {
        [config.constants.dbd_kappa as f32, config.constants.dbd_phi as f32, config.constants.dbd_theta as f32, 0.0]
    }

    fn initial(config: &Config) -> [f32; 2] {
        [config.rule.alpha0 as f32, 0.0]
    }

    fn rate(first: f32) -> Option<f32> {
        Some(first)
    }

    #[inline(always)]
    fn learn(environment: &Environment, alpha: f32, g: f32, _x2: f32, cell: Cell<2>) -> Cell<2> {
        let [kappa, phi, theta, _] = environment.constants;
        let [rate, mean] = cell.memory;
        let agreement = sign(g) * sign(mean);
        let rate = if agreement > 0.0 {
            rate + kappa
        } else if agreement < 0.0 {
            rate * (1.0 - phi)
        } else {
            rate
        };
        Cell { w: cell.w + alpha * rate * g, memory: [rate, (1.0 - theta) * g + theta * mean] }
    }
}
