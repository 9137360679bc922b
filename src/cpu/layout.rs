//! How the work of a step is cut and where its intermediate values lie. Everything here follows from shapes alone, never
//! from the number of threads, so that no bit of a result depends on who computed it.
//!
//! A step keeps one *record* per sample: x, then y of every layer, then whatever else the rule needs, then δ. A matrix
//! "y of layer l" is a column range of all records. A block of samples is a piece of contiguous memory, which one thread
//! can own through all layers.

use crate::config::{Basis, Config};
use std::ops::Range;

/// Samples of a block at most. Few enough that every core has some at B = 128; the products lose nothing by it.
const BLOCK: usize = 32;
/// Columns of a panel, the piece of a layer's output that is computed at once.
pub const PANEL: usize = 256;
/// Rows of W in a strip, the piece of W that is updated at once.
pub const STRIP: usize = 24;
/// Columns of a strip whose gradient is computed and applied at once; it stays in the second cache meanwhile.
pub const SPAN: usize = 1024;
/// Room for a panel of a block, and for the gradient of a strip.
pub const ROOM: usize = if BLOCK * PANEL > STRIP * SPAN { BLOCK * PANEL } else { STRIP * SPAN };

/// Floats of a cache line.
const LINE: usize = 16;

/// Where one layer's values lie in a record.
#[derive(Clone, Debug)]
pub struct Place {
    pub n_in: usize,
    pub n_out: usize,
    /// The layer's input: x, or y of the layer below.
    pub input: usize,
    pub y: usize,
    /// Only where the basis observes it.
    pub net: Option<usize>,
    /// Input² and y²; only where the basis observes co-activation.
    pub squares: Option<(usize, usize)>,
    /// f(net) before dropout and what dropout multiplied it by; only in hidden layers that have it.
    pub dropout: Option<(usize, usize)>,
    pub delta: usize,
    /// δ as the update multiplies it: divided by B, times α where α can be folded in.
    pub step: usize,
}

/// Where all values lie in a record.
#[derive(Clone, Debug)]
pub struct Layout {
    pub layers: Vec<Place>,
    /// Floats of a record.
    pub stride: usize,
    /// Where δ begins; what lies before belongs to the forward pass.
    pub deltas: usize,
}

impl Layout {
    /// For a network of these widths.
    pub fn new(config: &Config, widths: &[usize]) -> Self {
        let mut end = 0;
        let mut place = |width: &usize| {
            let start = end;
            end += width.next_multiple_of(LINE);
            start
        };
        let y: Vec<usize> = widths.iter().map(&mut place).collect();
        let keeps_net = config.observes() && config.basis == Basis::Net2;
        let net: Vec<usize> = widths[1..].iter().filter(|_| keeps_net).map(&mut place).collect();
        let squares: Vec<usize> = widths.iter().filter(|_| config.slots_per_weight()).map(&mut place).collect();
        let hidden = &widths[1..widths.len() - 1];
        let mut per_hidden =
            || -> Vec<usize> { hidden.iter().filter(|_| config.dropout > 0.0).map(&mut place).collect() };
        let (undropped, factors) = (per_hidden(), per_hidden());
        let delta: Vec<usize> = widths[1..].iter().map(&mut place).collect();
        let step: Vec<usize> = widths[1..].iter().map(&mut place).collect();
        let layers = (0..widths.len() - 1).map(|l| Place {
            n_in: widths[l],
            n_out: widths[l + 1],
            input: y[l],
            y: y[l + 1],
            net: net.get(l).copied(),
            squares: squares.get(l).copied().zip(squares.get(l + 1).copied()),
            dropout: undropped.get(l).copied().zip(factors.get(l).copied()),
            delta: delta[l],
            step: step[l],
        });
        // An odd number of cache lines, so that the same column of successive records falls into different cache sets.
        Self { layers: layers.collect(), stride: ((end / LINE) | 1) * LINE, deltas: delta[0] }
    }
}

/// Samples per block of a batch of `rows`; the last block may be smaller.
pub fn block(rows: usize) -> usize {
    rows.div_ceil(rows.div_ceil(BLOCK).max(1)).max(1)
}

/// Number of these blocks.
pub fn blocks(rows: usize) -> usize {
    rows.div_ceil(block(rows))
}

/// Floats of the panels of a layer, where all of a batch of `rows` run in parallel.
pub fn panel_floats(widths: &[usize], rows: usize) -> usize {
    let widest = widths.iter().map(|width| width.next_multiple_of(PANEL)).max().unwrap_or(0);
    blocks(rows) * block(rows) * widest
}

/// `columns` in ranges of `width`; the last may be shorter.
pub fn ranges(columns: usize, width: usize) -> impl Iterator<Item = Range<usize>> {
    (0..columns).step_by(width).map(move |first| first..columns.min(first + width))
}
