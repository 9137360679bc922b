//! How a step is cut into units of work, and where its intermediate values lie. Both follow from shapes alone, never
//! from the number of threads, so no bit of a result depends on which thread computed it.
//!
//! A step keeps one *record* per sample: x, then y of every layer, then the extra values that the rule needs, then δ.
//! The matrix "y of layer l" is a column range of all records. A block of samples is contiguous memory, so one thread
//! can own the block through all layers.

use crate::config::Config;
use crate::rule::observe::Quantity;
use std::ops::Range;

/// Most samples in a block. With half as many, a product reads a wide W so often that it takes twice the time.
pub const BLOCK: usize = 64;
/// Columns of a panel, the piece of a layer's output that one product computes.
pub const PANEL: usize = 256;
/// Rows of a strip, the piece of W that is updated at once.
pub const STRIP: usize = 24;
/// Columns from which a strip of [`STRIP`] rows is worth a product of its own; narrower strips are higher. So four strips cover the
/// 784 inputs of MNIST where 32 columns learn, two for each of two threads.
pub const STRIP_COLUMNS: usize = 288;
/// Most rows of a strip, where few columns learn.
pub const MOST_STRIP: usize = 9 * STRIP;
/// Columns of a span, the piece of a strip whose gradient is computed and applied at once. The gradient stays in the
/// second-level cache meanwhile.
pub const SPAN: usize = 1024;
/// Floats of scratch memory: room for a panel of a block, or for the gradient of a strip. Where few columns learn a strip
/// is higher, and its gradient no larger.
pub const ROOM: usize = if BLOCK * PANEL > STRIP * SPAN { BLOCK * PANEL } else { STRIP * SPAN };

/// Floats of scratch memory behind [`ROOM`]: a row of a span's weights, its rates and up to three planes of memory.
pub const ROW_ROOM: usize = 6 * SPAN;

/// Floats in a cache line.
const LINE: usize = 16;

/// Where the values of one layer lie in a record: offsets in floats.
#[derive(Clone, Debug)]
pub struct Place {
    pub n_in: usize,
    pub n_out: usize,
    /// The layer's input: x, or y of the layer below.
    pub input: usize,
    pub y: usize,
    /// y in the order in which the layer stores its columns, in runs that order them; not in the output layer.
    pub packed: Option<usize>,
    /// net, where the basis observes net.
    pub net: Option<usize>,
    /// Input² and y², where the basis observes co-activation.
    pub squares: Option<(usize, usize)>,
    /// f(net) before dropout, and the dropout factors; only in hidden layers with dropout.
    pub dropout: Option<(usize, usize)>,
    pub delta: usize,
    /// δ with the factor of the update: 1/B, times α where α can be folded in.
    pub step: usize,
}

impl Place {
    /// Where y lies in the order in which the layer stores its columns; `ordered` says whether that is an order of its own.
    pub fn stored_y(&self, ordered: bool) -> usize {
        self.packed.filter(|_| ordered).unwrap_or(self.y)
    }
}

/// Where all values lie in a record.
#[derive(Clone, Debug)]
pub struct Layout {
    pub layers: Vec<Place>,
    /// Floats of a record.
    pub stride: usize,
    /// Offset of the first δ. All values before it belong to the forward pass.
    pub deltas: usize,
}

impl Layout {
    /// The layout for a network of these widths.
    pub fn new(config: &Config, widths: &[usize]) -> Self {
        let mut end = 0;
        let mut place = |width: &usize| {
            let start = end;
            end += width.next_multiple_of(LINE);
            start
        };
        let y: Vec<usize> = widths.iter().map(&mut place).collect();
        let hidden = &widths[1..widths.len() - 1];
        let packed: Vec<usize> = hidden.iter().filter(|_| orders_columns(config)).map(&mut place).collect();
        let keeps_net = config.observes() && config.observed().variable().quantity == Quantity::Net;
        let net: Vec<usize> = widths[1..].iter().filter(|_| keeps_net).map(&mut place).collect();
        let squares: Vec<usize> = widths.iter().filter(|_| config.slots_per_weight()).map(&mut place).collect();
        let mut per_hidden = || -> Vec<usize> {
            hidden.iter().filter(|_| config.regularisation.dropout > 0.0).map(&mut place).collect()
        };
        let (undropped, factors) = (per_hidden(), per_hidden());
        let delta: Vec<usize> = widths[1..].iter().map(&mut place).collect();
        let step: Vec<usize> = widths[1..].iter().map(&mut place).collect();
        let layers = (0..widths.len() - 1).map(|l| Place {
            n_in: widths[l],
            n_out: widths[l + 1],
            input: y[l],
            y: y[l + 1],
            packed: packed.get(l).copied(),
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

/// Whether layers store the columns that learn first. Dropout and co-activation work on all columns in the order of the
/// neurons.
pub fn orders_columns(config: &Config) -> bool {
    config.can_freeze()
        && !config.run.no_skip_frozen
        && config.regularisation.dropout == 0.0
        && !config.slots_per_weight()
}

/// Samples per block of a batch of `rows` samples; the last block may be smaller. A batch that fits one block is halved,
/// so that two cores share it.
pub fn block(rows: usize) -> usize {
    let least = if rows >= BLOCK / 2 { 2 } else { 1 };
    rows.div_ceil(rows.div_ceil(BLOCK).max(least)).max(1)
}

/// Blocks in a batch of `rows` samples.
pub fn blocks(rows: usize) -> usize {
    rows.div_ceil(block(rows))
}

/// Floats of all panels of the widest layer, for a batch of `rows` samples whose panels run in parallel.
pub fn panel_floats(widths: &[usize], rows: usize) -> usize {
    let widest = widths.iter().map(|width| width.next_multiple_of(PANEL)).max().unwrap_or(0);
    blocks(rows) * block(rows) * widest
}

/// Splits `columns` into ranges of `width`; the last range may be shorter.
pub fn ranges(columns: usize, width: usize) -> impl Iterator<Item = Range<usize>> {
    (0..columns).step_by(width).map(move |first| first..columns.min(first + width))
}
