//! The trait that every learning rule implements: one step of one weight.

use crate::config::Config;

/// The inputs of a step that all weights share.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Environment {
    /// The rule's constants, from [`Learn::constants`].
    pub constants: [f32; 4],
    /// Number of this step, from 1.
    pub t: f32,
}

/// A weight and the rule's memory of that weight, kept between steps.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Cell<const N: usize> {
    /// The weight w.
    pub w: f32,
    /// The rule's memory.
    pub memory: [f32; N],
}

/// A learning rule with `N` floats of memory per weight.
pub(crate) trait Learn<const N: usize> {
    /// The source of the WGSL twin, which defines `fn learn`.
    const SHADER: &'static str;
    /// Whether `alpha` starts as α0. Otherwise `alpha` starts as 1, because the rule keeps rates of its own.
    const TAKES_ALPHA0: bool = false;
    /// Whether the rule reads `x2`, the mean over the batch of the square of the weight's input.
    const READS_INPUT: bool = false;
    /// Whether the penalty on weights shrinks them beside the step, instead of joining the gradient.
    const DECOUPLES_DECAY: bool = false;

    /// The constants that the kernels read, computed from the settings.
    fn constants(config: &Config) -> [f32; 4];

    /// Memory before the first step.
    fn initial(config: &Config) -> [f32; N];

    /// The weight's own rate, read from the first float of its memory; `None` if the rule keeps no such rate.
    fn rate(first: f32) -> Option<f32> {
        let _ = first;
        None
    }

    /// Takes one step. A cell whose `alpha` is 0 is frozen, so the caller discards the result for that cell.
    fn learn(environment: &Environment, alpha: f32, g: f32, x2: f32, cell: Cell<N>) -> Cell<N>;
}

/// The sign of `value`: −1, 0 or 1; NaN counts as 0.
#[inline(always)]
pub(super) fn sign(value: f32) -> f32 {
    if value > 0.0 {
        1.0
    } else if value < 0.0 {
        -1.0
    } else {
        0.0
    }
}
