//! What every learning rule implements: one step of one weight.

use crate::config::Config;

/// What a step reads beside the weight itself.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Environment {
    /// The rule's constants, from [`Learn::constants`].
    pub constants: [f32; 4],
    /// Number of this step, from 1.
    pub t: f32,
}

/// A weight and what the rule remembers about it between steps.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Cell<const N: usize> {
    /// w.
    pub w: f32,
    /// The rule's memory.
    pub memory: [f32; N],
}

/// A learning rule with `N` floats of memory per weight.
pub(crate) trait Learn<const N: usize> {
    /// The WGSL twin: `fn learn`.
    const SHADER: &'static str;
    /// Whether `alpha` starts as α0; else it starts as 1 and the rule keeps rates of its own.
    const TAKES_ALPHA0: bool = false;
    /// Whether it reads `x2`, the mean over the batch of the square of the weight's input.
    const READS_INPUT: bool = false;

    /// The constants that the kernels read, from the settings.
    fn constants(config: &Config) -> [f32; 4];

    /// Memory before the first step.
    fn initial(config: &Config) -> [f32; N];

    /// The weight's own rate from the first float of its memory; `None` where it has none.
    fn rate(first: f32) -> Option<f32> {
        let _ = first;
        None
    }

    /// One step; a cell whose `alpha` is 0 is frozen, and the caller drops what this returns for it.
    fn learn(environment: &Environment, alpha: f32, g: f32, x2: f32, cell: Cell<N>) -> Cell<N>;
}

/// −1, 0 or 1.
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
