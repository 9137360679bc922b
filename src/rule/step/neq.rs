//! Neurons at equilibrium: A. Bragagnolo, E. Tartaglione & M. Grangetto, *To update or not to update? Neurons at equilibrium
//! in deep models*, NeurIPS 2022.
//!
//! A step is plain gradient descent, Δw = α g, with α = α0 or, for the neurons that rest, 0. `train/equilibrium.rs` decides
//! between epochs which neurons rest. Twin of `shaders/rules/neq.wgsl`.

use crate::config::Config;
use crate::rule::learn::{Cell, Environment, Learn};

/// Memory: the weight at the last end of an epoch. No step changes it.
#[derive(Clone, Copy, Debug)]
pub struct Neq;

impl Learn<1> for Neq {
    const SHADER: &'static str = include_str!("../../../shaders/rules/neq.wgsl");
    const TAKES_ALPHA0: bool = true;

    fn constants(_: &Config) -> [f32; 4] {
        [0.0; 4]
    }

    fn initial(_: &Config) -> [f32; 1] {
        [0.0]
    }

    #[inline(always)]
    fn learn(_: &Environment, alpha: f32, g: f32, _x2: f32, cell: Cell<1>) -> Cell<1> {
        Cell { w: cell.w + alpha * g, memory: cell.memory }
    }
}
