//! Adam: D. P. Kingma & J. Ba, *Adam: a method for stochastic optimization*, ICLR 2015.
//!
//! m and v are running means of g and g². Because both start at 0, they are corrected to m̂ and v̂:
//! Δw = α m̂ / (√v̂ + ε).
//!
//! AdamW (I. Loshchilov & F. Hutter, *Decoupled weight decay regularization*, ICLR 2019) differs in the penalty alone: it does
//! not join g, but each step shrinks the weight by the share α λ. The paper leaves α0 out of that share, PyTorch has it in.
//!
//! The defaults are the paper's, except α0 (0.001 in the paper), which is the trainer's. Twin of
//! `shaders/rules/adam.wgsl`.

use crate::config::Config;
use crate::rule::learn::{Cell, Environment, Learn};

/// Memory: m and v. Constants: ln β1, ln β2, ε. Logarithms are stored because 1 − β and 1 − βᵗ would lose digits if
/// they were computed from an f32 β.
#[derive(Clone, Copy, Debug)]
pub struct AdamForm<const DECOUPLED: bool>;

/// Adam.
pub type Adam = AdamForm<false>;
/// AdamW.
pub type AdamW = AdamForm<true>;

/// 1 − e^z for z ≤ 0. Near 0 the Taylor series avoids cancellation.
#[inline(always)]
fn one_less_exp(z: f32) -> f32 {
    if z > -0.1 {
        -z * (1.0 + z * (0.5 + z * (1.0 / 6.0 + z * (1.0 / 24.0 + z * (1.0 / 120.0)))))
    } else {
        1.0 - z.max(-80.0).exp()
    }
}

impl<const DECOUPLED: bool> Learn<2> for AdamForm<DECOUPLED> {
    const SHADER: &'static str = include_str!("../../../shaders/rules/adam.wgsl");
    const TAKES_ALPHA0: bool = true;
    const DECOUPLES_DECAY: bool = DECOUPLED;

    fn constants(config: &Config) -> [f32; 4] {
        // β = 0 has no logarithm; e^−80 stands for it, because 1 − e^−80 rounds to 1.
        let log = |beta: f64| beta.ln().max(-80.0) as f32;
        [log(config.constants.adam_beta1), log(config.constants.adam_beta2), config.constants.adam_epsilon as f32, 0.0]
    }

    fn initial(_: &Config) -> [f32; 2] {
        [0.0; 2]
    }

    #[inline(always)]
    fn learn(environment: &Environment, alpha: f32, g: f32, _x2: f32, cell: Cell<2>) -> Cell<2> {
        let [log1, log2, epsilon, _] = environment.constants;
        let [m, v] = cell.memory;
        let (anew1, anew2) = (one_less_exp(log1), one_less_exp(log2));
        let m = m + anew1 * (g - m);
        let v = v + anew2 * (g * g - v);
        let (c1, c2) = (one_less_exp(log1 * environment.t), one_less_exp(log2 * environment.t));
        let step = (m / c1) / ((v / c2).sqrt() + epsilon);
        Cell { w: cell.w + alpha * step, memory: [m, v] }
    }
}
