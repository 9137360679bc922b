//! The tiles of one matrix product: their shapes, the menu of candidates, and the choice without measuring. GPUs use
//! blocks staged in workgroup memory; software Vulkan uses register tiles without barriers. In a block each invocation
//! multiplies for itself, or, in f16 on adapters with cooperative matrices, each subgroup does.
//!
//! No choice of tile changes a bit of any result, because every tile adds along k in the same order. The sum is split
//! into [`strands`], each over a span of k that is a multiple of [`SPAN`]. The number of strands depends only on the
//! shape of the product. Cooperative matrices add in the adapter's order, so their bits differ, but every cooperative
//! tile gives the same bits.

use super::summary::Cooperative;
use serde::{Deserialize, Serialize};

/// Floats in a `vec4`.
pub const LANES: usize = 4;
/// Spans of k are multiples of this many terms.
pub const SPAN: usize = 16;

/// What an adapter grants a workgroup.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Room {
    /// Bytes of workgroup memory.
    pub bytes: usize,
    /// Invocations.
    pub invocations: usize,
}

impl Room {
    /// What every adapter grants.
    pub const LEAST: Self = Self { bytes: 16 << 10, invocations: 256 };
    /// More than this serves no tile: with more memory per workgroup a GPU runs too few workgroups at once.
    pub const MOST: Self = Self { bytes: 48 << 10, invocations: 1024 };
}

/// The division of one matrix product among invocations and workgroups.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Tile {
    /// Output rows one invocation keeps in registers.
    pub rows: usize,
    /// Output columns one invocation keeps, in `vec4`s.
    pub columns4: usize,
    /// Invocations along m that share one block; 1 for register tiles.
    pub block_rows: usize,
    /// Invocations along n that share one block.
    pub block_columns: usize,
    /// Spans of k that are added separately.
    pub strands: usize,
    /// Whether each strand has its own invocations. Otherwise the strands follow one another.
    pub parallel: bool,
    /// Terms of k per strand that a block stages at once in workgroup memory; 0 for a register tile.
    pub slab: usize,
    /// Slabs in workgroup memory: with two, one is written while the other is read.
    pub stages: usize,
    /// Invocations of a workgroup.
    pub workgroup: usize,
    /// Side of the matrices that a subgroup multiplies as a unit; 0 if every invocation multiplies for itself. With
    /// matrices, subgroups instead of invocations own the rows, the columns and the block.
    pub side: usize,
    /// Largest number of subgroups in a workgroup, with [`Self::side`].
    pub subgroups: usize,
    /// Matrices of a subgroup that leave together, with [`Self::side`].
    pub together: usize,
    /// Whether the driver reads matrices from `vec4`s, with [`Self::side`].
    pub vectors: bool,
    /// Whether the driver adds matrices, with [`Self::side`].
    pub adds: bool,
    /// The f16 that hold a factor in workgroup memory; 0 = factors are f32.
    pub halves: usize,
}

impl Tile {
    const NONE: Self = Self {
        rows: 1,
        columns4: 1,
        block_rows: 1,
        block_columns: 1,
        strands: 1,
        parallel: false,
        slab: 0,
        stages: 1,
        workgroup: 32,
        side: 0,
        subgroups: 0,
        together: 0,
        vectors: false,
        adds: false,
        halves: 0,
    };

    /// A register tile. A workgroup has 32 of them.
    #[must_use]
    pub const fn register(rows: usize, columns4: usize, strands: usize) -> Self {
        Self { rows, columns4, strands, ..Self::NONE }
    }

    /// The register tile of a backward pass that the last forward dispatch includes.
    #[must_use]
    pub const fn joined(strands: usize) -> Self {
        Self::register(4, 1, strands)
    }

    /// A block of invocations, with the deepest slabs that fit `room`; `None` if no slab fits.
    fn block(block: Block, strands: usize, parallel: bool, squares: bool, room: Room) -> Option<Self> {
        let Block { rows, columns4, block_rows, block_columns, deepest } = block;
        let workgroup = block_rows * block_columns * if parallel { strands } else { 1 };
        let tile = Self { rows, columns4, block_rows, block_columns, strands, parallel, workgroup, ..Self::NONE };
        let staged = |(slab, stages)| Self { slab, stages, ..tile };
        let slabs = [(32, 2), (32, 1), (16, 2), (16, 1), (8, 2), (8, 1)].map(staged).into_iter();
        let fits = |tile: &Self| tile.slab <= deepest && tile.workgroup_bytes(squares) <= room.bytes;
        slabs.into_iter().find(|tile| fits(tile) && workgroup <= room.invocations)
    }

    /// A block of `block_rows` × `block_columns` subgroups that own `rows` × `columns` outputs each. With two `halves` per factor
    /// every output has two sums, which leave together.
    const fn cooperative(
        [rows, columns, block_rows, block_columns]: [usize; 4],
        Cooperative { side, largest, smallest, vectors, adds }: Cooperative,
        slab: usize,
        halves: usize,
    ) -> Self {
        let workgroup = block_rows * block_columns * largest;
        let subgroups = workgroup / smallest;
        let (columns4, together) = (columns / LANES, if halves == 2 || rows * columns > side * side { 2 } else { 1 });
        Self {
            rows,
            columns4,
            block_rows,
            block_columns,
            slab,
            workgroup,
            side,
            subgroups,
            together,
            vectors,
            adds,
            halves,
            ..Self::NONE
        }
    }

    /// Output rows of a block.
    #[must_use]
    pub const fn height(&self) -> usize {
        self.rows * self.block_rows
    }

    /// Output columns of a block, in `vec4`s.
    #[must_use]
    pub const fn width4(&self) -> usize {
        self.columns4 * self.block_columns
    }

    /// Workgroups that cover `m` × `4·n4` outputs.
    #[must_use]
    pub const fn groups(&self, m: usize, n4: usize) -> usize {
        let blocks = m.div_ceil(self.height()) * n4.div_ceil(self.width4());
        if self.slab == 0 { blocks.div_ceil(self.workgroup) } else { blocks }
    }

    /// f16 of a slab of this height or width, each row with eight more, stored along k or across.
    const fn padded(&self, side: usize) -> usize {
        let (along, across) = ((self.slab + 8) * side, self.slab * (side + 8));
        if along > across { along } else { across }
    }

    /// Neurons that one workgroup of the update observes, in `vec4`s. In a block, at least 16 invocations fetch the
    /// samples of each.
    #[must_use]
    pub const fn observed4(&self) -> usize {
        match (self.slab, self.workgroup / 16) {
            (0, _) => self.workgroup,
            (_, 0) => 1,
            (_, 1..8) => self.workgroup / 16,
            _ => 8,
        }
    }

    /// Bytes of workgroup memory; `product_tiled.wgsl` and `product_cooperative.wgsl` declare as much. With `squares` the
    /// kernel also stages the operand of a second sum, the product of squares.
    #[must_use]
    pub const fn workgroup_bytes(&self, squares: bool) -> usize {
        // Two vec4s per invocation, where the update observes neurons.
        let observed = 32 * self.workgroup;
        if self.side > 0 {
            return 2 * self.halves * (self.padded(self.height()) + self.padded(LANES * self.width4()))
                + 4 * self.subgroups * self.together * self.side * self.side
                + observed;
        }
        let groups = if self.parallel { self.strands } else { 1 };
        // Each row of a slab is one vec4 longer than the block, for the sake of the banks.
        let row = self.height() / LANES + 1 + (self.width4() + 1) * if squares { 2 } else { 1 };
        let slabs = 16 * self.stages * groups * self.slab * row;
        let sums = if self.parallel { 4 * groups * self.height() * LANES * self.width4() } else { 0 };
        // In f32 the arrays share one place. In f16 each has its own. A tile must fit in both.
        let shared = if slabs > sums { slabs } else { sums };
        let shared = if shared > observed { shared } else { observed };
        let separate = slabs / 2 + sums + observed;
        if separate > shared { separate } else { shared }
    }
}

/// The shape of a block of invocations: the outputs of each, the invocations along both axes, and the deepest slab that
/// pays.
#[derive(Clone, Copy)]
struct Block {
    rows: usize,
    columns4: usize,
    block_rows: usize,
    block_columns: usize,
    deepest: usize,
}

const fn block(rows: usize, columns4: usize, block_rows: usize, block_columns: usize, deepest: usize) -> Block {
    Block { rows, columns4, block_rows, block_columns, deepest }
}

/// Blocks whose strands follow one another, large to small. Blocks of more than 32 outputs per invocation lack the
/// registers for a second set of sums.
const BLOCKS: [Block; 8] = [
    block(8, 2, 16, 16, 16), // 128 × 128
    block(8, 2, 8, 16, 16),  // 64 × 128
    block(8, 1, 8, 32, 16),  // 64 × 128, more invocations
    block(8, 1, 8, 16, 16),  // 64 × 64
    block(4, 1, 16, 16, 16), // 64 × 64, more invocations
    block(4, 1, 8, 16, 16),  // 32 × 64
    block(4, 1, 8, 8, 32),   // 32 × 32
    block(4, 1, 4, 8, 32),   // 16 × 32
];

/// Blocks whose strands work side by side, large to small.
const PARALLEL_BLOCKS: [Block; 5] = [
    block(4, 1, 8, 16, 32), // 32 × 64
    block(4, 1, 8, 8, 32),  // 32 × 32
    block(4, 1, 4, 16, 32), // 16 × 64
    block(4, 1, 4, 8, 32),  // 16 × 32
    block(4, 1, 4, 4, 32),  // 16 × 16
];

/// Most outputs of an invocation that keeps two sums per output: of the current strand, and of the strands before.
const MOST_DOUBLE_SUMS: usize = 32;

/// Every block of subgroups, large to small: the rows × columns that one subgroup owns, and the subgroups along both
/// axes.
const SUBGROUP_BLOCKS: [[usize; 4]; 8] = [
    [32, 64, 4, 2], // 128 × 128
    [32, 64, 2, 2], // 64 × 128
    [32, 32, 2, 2], // 64 × 64
    [16, 32, 2, 2], // 32 × 64
    [16, 16, 2, 2], // 32 × 32
    [16, 16, 1, 4], // 16 × 64
    [16, 64, 1, 1], // 16 × 64, fewer invocations
    [16, 16, 1, 2], // 16 × 32
];

/// Most sums per invocation of a subgroup; more would not fit into its registers.
const MOST_SUMS: usize = 64;
/// A product of at least this many multiplications gets a larger register tile.
const LARGE_PRODUCT: usize = 1 << 25;
/// Widest output layer, in `vec4`s, that a block of the forward pass must span completely, so that the pass includes
/// δ_L.
const WHOLE_ROWS: usize = 16;

/// A product with no more outputs keeps few multiprocessors busy. It gets more strands, and no half precision, because its time
/// is that of the slabs, which follow one another: on an H100 half precision made such products slower.
pub const FEW_OUTPUTS: usize = 65_536;

/// Strands of a product with this `depth` (terms of each sum) and number of outputs. Products with too few outputs to
/// keep a GPU busy get more strands, of at least 64 terms on average. Spans are rounded up, so the last strand may be
/// shorter, or empty. Only the shape decides, because the order of a sum decides its last bits.
#[must_use]
pub const fn strands(depth: usize, outputs: usize) -> usize {
    let wanted = match outputs {
        0..=FEW_OUTPUTS => 8,
        65_537..=262_144 => 4,
        262_145..=524_288 => 2,
        _ => 1,
    };
    let mut strands = 1;
    while 2 * strands <= wanted && 2 * strands * 64 <= depth {
        strands *= 2;
    }
    strands
}

/// The product shader that the kernels include.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Product {
    /// `product_register.wgsl`
    Register,
    /// `product_tiled.wgsl`
    Tiled(Room),
    /// `product_cooperative.wgsl` for products in half precision.
    Cooperative(Cooperative, Room),
}

/// One matrix product of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Output rows.
    pub m: usize,
    /// Output columns.
    pub n: usize,
    /// Terms of each sum.
    pub depth: usize,
    /// Whether this is the last forward pass, whose blocks should span whole rows.
    pub is_output: bool,
    /// Whether A is read along m in `vec4`s (the update), so that a tile's rows are a multiple of four.
    pub rows_in_fours: bool,
    /// Whether every tile has a second sum, of squares (co-activation, or a rule that reads its input).
    pub squares: bool,
    /// Strands of the product.
    pub strands: usize,
    /// The f16 that hold a factor; 0 = the factors stay f32.
    pub halves: usize,
}

impl Shape {
    /// An `m` × `n` product of this depth that is neither the last forward pass nor the update.
    #[must_use]
    pub const fn new(m: usize, n: usize, depth: usize) -> Self {
        let strands = strands(depth, m * n);
        Self { m, n, depth, is_output: false, rows_in_fours: false, squares: false, strands, halves: 0 }
    }
}

impl Product {
    /// Blocks in workgroup memory that fit every adapter.
    pub const TILED: Self = Self::Tiled(Room::LEAST);

    /// The tiles that can compute all of `shapes` in one dispatch: those whose strands follow one another, then those whose
    /// strands work side by side, each from large to small.
    #[must_use]
    pub fn menu(self, shapes: &[Shape]) -> Vec<Tile> {
        let first = shapes[0];
        let out4 = first.n.div_ceil(LANES);
        let spans = |tile: &Tile| !first.is_output || out4 > WHOLE_ROWS || tile.width4() >= out4;
        match self {
            Self::Register => vec![register_tile(shapes)],
            Self::Cooperative(matrices, room) if first.halves > 0 => {
                let halves = first.halves;
                let few = |tile: &Tile| LANES * tile.rows * tile.columns4 * halves <= MOST_SUMS * matrices.largest;
                let fits =
                    |tile: &Tile| tile.workgroup_bytes(false) <= room.bytes && tile.workgroup <= room.invocations;
                let deepest = |block| {
                    [64, 32, 16].map(|slab| Tile::cooperative(block, matrices, slab, halves)).into_iter().find(fits)
                };
                let blocks = SUBGROUP_BLOCKS.into_iter().filter_map(deepest);
                blocks.filter(|tile| few(tile) && spans(tile)).collect()
            }
            Self::Tiled(room) | Self::Cooperative(_, room) => {
                let tile = |block, parallel| {
                    let tile = Tile::block(block, first.strands, parallel, first.squares, room)?;
                    Some(Tile { halves: first.halves, ..tile })
                };
                let few = |block: &Block| first.strands == 1 || 4 * block.rows * block.columns4 <= MOST_DOUBLE_SUMS;
                let serial = BLOCKS.into_iter().filter(few).filter_map(|block| tile(block, false));
                let parallel = PARALLEL_BLOCKS.into_iter().filter(|_| first.strands > 1);
                serial.chain(parallel.filter_map(|block| tile(block, true))).filter(spans).collect()
            }
        }
    }

    /// The tile to use without measuring: the one that [`Tile::cost`] expects to be fastest for `members` networks.
    ///
    /// # Panics
    /// If the menu is empty, which cannot happen for the products of a step.
    #[must_use]
    pub fn guess(self, shapes: &[Shape], members: usize) -> Tile {
        self.ranked(shapes, members)[0]
    }

    /// The menu, the tile with the least expected time first.
    #[must_use]
    pub fn ranked(self, shapes: &[Shape], members: usize) -> Vec<Tile> {
        let mut menu = self.menu(shapes);
        menu.sort_by(|a, b| a.cost(shapes, members).total_cmp(&b.cost(shapes, members)));
        menu
    }
}

// Constants of [`Tile::cost`] and [`Tile::joined_cost`], by results/gpu-model.md.

/// Multiprocessors of the GPU that the model has in mind, rounded to a power of two. A GPU with fewer prefers larger tiles,
/// which measuring finds.
const PROCESSORS: f64 = 128.0;
/// FMAs of a multiprocessor per cycle.
const FMAS: f64 = 128.0;
/// Cycles from the fetch of a slab to the next, if nothing else limits it.
const LATENCY: f64 = 1100.0;
/// Invocations that a multiprocessor runs at once, given the registers that a block needs.
const RESIDENT: f64 = 400.0;
/// Numbers fetched per FMA by a block of 32 × 64.
const LARGE_BLOCK: f64 = 96.0 / 2048.0;
/// Cycles per FMA that each number fetched beyond [`LARGE_BLOCK`] costs.
const SMALL_BLOCK: f64 = 45.0;
/// Cycles per FMA with matrices, if fetching does not limit them; a guess.
const MATRIX: f64 = 0.15;
/// Cycles per FMA with matrices that each f16 fetched per FMA costs, because the L2 limits them.
const MATRIX_FETCH: f64 = 13.0;
/// Cycles that a dispatch takes beside its work.
pub const DISPATCH: f64 = 8500.0;
/// Cycles per FMA of a joined backward pass, and cycles until its operands arrive. Both are guesses; no GPU has measured them.
const JOINED_FMA: f64 = 4.0;
const JOINED_FETCH: f64 = 300.0;

impl Tile {
    /// Workgroups that a multiprocessor runs at once.
    fn resident(&self) -> f64 {
        (RESIDENT / self.workgroup as f64).floor().max(1.0)
    }

    /// The time that one dispatch is expected to take, in cycles of a large GPU. Two bounds compete: the arithmetic of the
    /// busiest multiprocessor, and the latency of the slabs, which follow one another.
    #[must_use]
    pub fn cost(&self, shapes: &[Shape], members: usize) -> f64 {
        let (height, width) = (self.height() as f64, (LANES * self.width4()) as f64);
        let outputs = height * width;
        // Small blocks fetch more for each FMA.
        let fetched = (height + width) / outputs;
        let small = SMALL_BLOCK * (fetched - LARGE_BLOCK).max(0.0);
        // Cycles per FMA, measured: results/gpu-model.md. A block of few invocations leaves the schedulers waiting.
        let overhead = match (self.side, self.rows, self.columns4, self.workgroup) {
            (1.., ..) => {
                // One product of f16, or three.
                let (products, numbers) = if self.halves == 2 { (3.0, 2.0) } else { (1.0, 1.0) };
                (products * MATRIX).max(numbers * MATRIX_FETCH * fetched)
            }
            (0, 8.., 2.., 256..) => 1.9 + small,
            (0, 8.., 2.., _) => 2.2 + small,
            (0, 8.., ..) => 2.0 + small,
            _ => 2.35 + small,
        };
        let resident = self.resident();
        let (mut work, mut chain, mut groups) = (0.0, 0.0_f64, 0.0);
        for shape in shapes {
            let blocks = (members * self.groups(shape.m, shape.n.div_ceil(LANES))) as f64;
            let terms = shape.depth as f64 / if self.parallel { self.strands as f64 } else { 1.0 };
            groups += blocks;
            work += blocks * outputs * shape.depth as f64 / FMAS * overhead;
            // The slabs follow one another, and then the rows, four at a time.
            chain = chain.max((terms / self.slab.max(1) as f64).ceil() + (self.rows / LANES) as f64);
        }
        let rounds = (groups / PROCESSORS).ceil();
        // Few waves leave the last one partly empty.
        let busiest = work / groups * rounds;
        let waves = (groups / (PROCESSORS * resident)).ceil();
        // Of two tiles with equal times the smaller one wins, because it spreads the work further.
        busiest.max(chain * LATENCY * waves) + outputs / FMAS
    }

    /// The time that a forward dispatch with this tile is expected to take longer, in cycles of a large GPU, if it includes
    /// the backward pass of this `shape` through the same layer.
    #[must_use]
    pub fn joined_cost(&self, shape: &Shape, members: usize) -> f64 {
        let resident = self.resident();
        let blocks = (members * shape.m.div_ceil(self.height())) as f64;
        let waves = (blocks / (PROCESSORS * resident)).ceil();
        let tile = Self::joined(shape.strands);
        let rows = self.height().min(shape.m).next_multiple_of(tile.rows);
        let tiles = (rows / tile.rows * shape.n.div_ceil(LANES * tile.columns4)) as f64;
        let rounds = (tiles / self.workgroup as f64).ceil();
        let chain = rounds * shape.depth.div_ceil(LANES) as f64 * JOINED_FETCH;
        let work = (rows * shape.n * shape.depth) as f64 / FMAS * JOINED_FMA;
        waves * chain.max(work * resident.min(blocks / PROCESSORS).max(1.0))
    }
}

/// Shapes measured on llvmpipe, see `results/`: 8 × 16, and fewer rows where the product has fewer. Large products get
/// 16 × 16, because 30 % more speed outweighs three times the compile time. Still larger tiles take minutes to compile.
fn register_tile(shapes: &[Shape]) -> Tile {
    let shape = shapes[0];
    let tallest = shapes.iter().map(|shape| shape.m).max().unwrap_or(1);
    let terms = shapes.iter().map(|shape| shape.m * shape.n * shape.depth).max().unwrap_or(0);
    let highest = if terms >= LARGE_PRODUCT && !shape.squares { 16 } else { 8 };
    let rows = tallest.next_power_of_two().clamp(if shape.rows_in_fours { 4 } else { 1 }, highest);
    let out4 = shape.n.div_ceil(LANES);
    let columns4 = match (shape.is_output && out4 <= 8, shape.squares) {
        (true, _) => out4,
        // Every tile has two sums here, so half the columns fit the registers.
        (false, true) => 2,
        (false, false) => 4,
    };
    Tile::register(rows, columns4, shape.strands)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Largest and smallest subgroups of NVIDIA, Apple and Mesa's llvmpipe; AMD; Intel; Qualcomm.
    const SUBGROUPS: [(usize, usize); 6] = [(32, 32), (8, 8), (64, 32), (32, 8), (32, 16), (128, 64)];

    const ROOMS: [Room; 3] = [Room::LEAST, Room { bytes: 32 << 10, invocations: 512 }, Room::MOST];

    fn blocks() -> impl Iterator<Item = (Product, Room)> {
        let sides = |(largest, smallest)| {
            [8, 16].map(|side| Cooperative { side, largest, smallest, vectors: side == 16, adds: side == 16 })
        };
        let of = move |room| {
            let matrices =
                SUBGROUPS.into_iter().flat_map(sides).map(move |matrices| Product::Cooperative(matrices, room));
            [Product::Tiled(room)].into_iter().chain(matrices).map(move |product| (product, room))
        };
        ROOMS.into_iter().flat_map(of)
    }

    #[test]
    fn every_product_has_a_block() {
        for depth in [1, 64, 128, 256, 512, 784, 4096] {
            for (m, n) in [(1, 1), (128, 10), (128, 256), (128, 1024), (512, 1000), (512, 2500), (31, 70)] {
                for squares in [false, true] {
                    let strands = if squares { 1 } else { strands(depth, m * n) };
                    for is_output in [false, true] {
                        let shape =
                            Shape { is_output, rows_in_fours: squares, squares, strands, ..Shape::new(m, n, depth) };
                        for (product, _) in blocks() {
                            // Two f16 for each factor may not fit the least workgroup memory; the engine refuses that.
                            let all: &[usize] = match product {
                                Product::Cooperative(_, Room::LEAST) if !squares => &[0, 1],
                                Product::Cooperative(..) if !squares => &[0, 1, 2],
                                _ => &[0],
                            };
                            for &halves in all {
                                let shape = Shape { halves, ..shape };
                                assert!(!product.menu(&[shape]).is_empty(), "{product:?}, {shape:?}");
                            }
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn blocks_respect_the_limits_of_their_room() {
        for (product, room) in blocks() {
            let halves = usize::from(matches!(product, Product::Cooperative(..)));
            let shape = Shape { halves, ..Shape::new(512, 512, 512) };
            let strands = if matches!(product, Product::Tiled(_)) { &[1, 2, 4, 8][..] } else { &[1] };
            for tile in strands.iter().flat_map(|&strands| product.menu(&[Shape { strands, ..shape }])) {
                assert!(tile.workgroup <= room.invocations && tile.workgroup_bytes(false) <= room.bytes, "{tile:?}");
                // Each sample of a block has an invocation of its own, for δ_L.
                assert!(tile.height() <= tile.workgroup, "{tile:?}");
                assert!(tile.rows.is_multiple_of(LANES) && tile.slab.is_multiple_of(LANES), "{tile:?}");
                if let Product::Cooperative(Cooperative { side, largest, smallest, .. }, _) = product {
                    // At least as many subgroups as owners, whatever their size, and each owns whole matrices.
                    let owners = tile.block_rows * tile.block_columns;
                    assert!(tile.workgroup / largest >= owners && tile.workgroup.is_multiple_of(largest), "{tile:?}");
                    assert!(tile.subgroups * smallest >= tile.workgroup, "{tile:?}");
                    assert!(tile.rows.is_multiple_of(side) && (4 * tile.columns4).is_multiple_of(side), "{tile:?}");
                    assert!(tile.slab.is_multiple_of(side) && tile.side == side, "{tile:?}");
                }
            }
        }
    }

    /// The order that measurements on an H100 suggest, see results/gpu-model.md.
    #[test]
    fn tiles_fit_the_product() {
        let shape = Shape::new;
        let product = Product::Tiled(Room::MOST);
        let outputs = |shape, members| {
            let tile = product.guess(&[shape], members);
            (tile.height() * LANES * tile.width4(), tile.parallel)
        };
        // A little work is spread far, and its strands run side by side.
        assert!(outputs(shape(128, 256, 10), 1).0 <= 32 * 64);
        assert_eq!(outputs(shape(128, 256, 784), 1), (16 * 16, true));
        // Much work takes large tiles, and the strands of a population follow one another.
        assert!(outputs(shape(512, 2000, 2500), 1).0 >= 64 * 64);
        assert!(outputs(shape(512, 2000, 2500), 1).0 > outputs(shape(512, 500, 1000), 1).0);
        let (population, parallel) = outputs(shape(128, 256, 784), 64);
        assert!(population >= 64 * 64 && !parallel);
        // Matrices are limited by what they fetch, so their blocks are larger.
        let matrices = Cooperative { side: 16, largest: 32, smallest: 32, vectors: true, adds: true };
        let half = Shape { halves: 1, ..shape(512, 2000, 2500) };
        let tile = Product::Cooperative(matrices, Room::MOST).guess(&[half], 1);
        assert_eq!((tile.height(), LANES * tile.width4(), tile.slab), (64, 128, 64));
    }

    #[test]
    fn strands_follow_the_shape() {
        assert_eq!(strands(784, 128 * 256), 8);
        assert_eq!(strands(784, 128 * 1024), 4);
        assert_eq!(strands(1024, 128 * 10), 8);
        assert_eq!(strands(128, 784 * 256), 2);
        assert_eq!(strands(784, 512 * 2500), 1);
        assert_eq!(strands(10, 128 * 256), 1);
    }
}
