//! Delta-bar-delta: R. A. Jacobs, *Increased rates of convergence through learning rate adaptation*, Neural Networks 1
//! (1988) 295–307. Every weight's α gains κ while the gradient agrees in sign with its running mean ḡ, and loses the share φ
//! when it disagrees: up linearly, down geometrically.
//!
//! α starts at α0. Jacobs chose κ and φ for each problem and θ = 0.7 in all; the defaults κ = 0.035, φ = 0.333 are for
//! batches of the whole data set and large for others. Twin of `shaders/rules/delta_bar_delta.wgsl`.

use super::learn::{Cell, Environment, Learn, sign};
use crate::config::Config;

/// Memory: α, ḡ. Constants: κ, φ, θ.
#[derive(Clone, Copy, Debug)]
pub struct DeltaBarDelta;

impl Learn<2> for DeltaBarDelta {
    const SHADER: &'static str = include_str!("../../shaders/rules/delta_bar_delta.wgsl");

    fn constants(config: &Config) -> [f32; 4] {
        [config.dbd_kappa as f32, config.dbd_phi as f32, config.dbd_theta as f32, 0.0]
    }

    fn initial(config: &Config) -> [f32; 2] {
        [config.alpha0 as f32, 0.0]
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
