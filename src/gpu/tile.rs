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
    /// Spans of k that are added separately: in parallel in a block, one after another in a register tile.
    pub strands: usize,
    /// Terms of k per strand that a block stages at once in workgroup memory; 0 for a register tile.
    pub slab: usize,
    /// Invocations of a workgroup.
    pub workgroup: usize,
    /// Side of the matrices that a subgroup multiplies as a unit; 0 if every invocation multiplies for itself. With
    /// matrices, subgroups instead of invocations own the rows, the columns and the block.
    pub side: usize,
    /// Largest number of subgroups in a workgroup, with [`Self::side`].
    pub subgroups: usize,
}

impl Tile {
    /// A register tile. A workgroup has 32 of them.
    #[must_use]
    pub const fn register(rows: usize, columns4: usize, strands: usize) -> Self {
        Self { rows, columns4, block_rows: 1, block_columns: 1, strands, slab: 0, workgroup: 32, side: 0, subgroups: 0 }
    }

    /// A block of `block_rows` × `block_columns` invocations per strand.
    #[must_use]
    pub const fn block(
        rows: usize,
        columns4: usize,
        block_rows: usize,
        block_columns: usize,
        strands: usize,
        slab: usize,
    ) -> Self {
        let workgroup = block_rows * block_columns * strands;
        Self { rows, columns4, block_rows, block_columns, strands, slab, workgroup, side: 0, subgroups: 0 }
    }

    /// A block of `block_rows` × `block_columns` subgroups that own `rows` × `columns` outputs each.
    const fn cooperative(
        [rows, columns, block_rows, block_columns]: [usize; 4],
        Cooperative { side, largest, smallest }: Cooperative,
    ) -> Self {
        let workgroup = block_rows * block_columns * largest;
        let subgroups = workgroup / smallest;
        let columns4 = columns / LANES;
        Self { rows, columns4, block_rows, block_columns, strands: 1, slab: SPAN, workgroup, side, subgroups }
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

    /// Bytes of workgroup memory. With `squares` the kernel also stages the operand of a second sum, the product of
    /// squares.
    #[must_use]
    pub const fn workgroup_bytes(&self, squares: bool) -> usize {
        if self.side > 0 {
            // The last 16 bytes are the flag that skips a block.
            return 2 * self.slab * (self.height() + LANES * self.width4())
                + 4 * self.subgroups * self.side * self.side
                + 16;
        }
        let slab = self.height() / LANES + self.width4() * if squares { 2 } else { 1 };
        let partial =
            if self.strands > 1 { self.block_rows * self.block_columns * self.rows * self.columns4 } else { 0 };
        16 * (self.strands * self.slab * slab + partial)
    }
}

/// Every block shape, large to small.
const BLOCKS: [Tile; 15] = [
    Tile::block(8, 2, 16, 16, 1, 16), // 128 × 128
    Tile::block(8, 2, 8, 16, 1, 16),  // 64 × 128
    Tile::block(4, 1, 16, 16, 1, 16), // 64 × 64
    Tile::block(8, 2, 8, 8, 1, 16),   // 64 × 64, fewer invocations
    Tile::block(4, 1, 8, 16, 1, 16),  // 32 × 64
    Tile::block(4, 1, 8, 8, 1, 16),   // 32 × 32
    Tile::block(4, 1, 4, 8, 1, 16),   // 16 × 32
    Tile::block(4, 1, 8, 16, 2, 8),   // 32 × 64
    Tile::block(4, 1, 8, 8, 2, 16),   // 32 × 32
    Tile::block(4, 1, 8, 8, 4, 8),    // 32 × 32
    Tile::block(4, 1, 4, 16, 4, 8),   // 16 × 64
    Tile::block(4, 1, 4, 8, 4, 8),    // 16 × 32
    Tile::block(4, 1, 4, 8, 8, 8),    // 16 × 32
    Tile::block(4, 1, 8, 4, 8, 8),    // 32 × 16
    Tile::block(4, 1, 4, 4, 8, 8),    // 16 × 16
];

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

/// Workgroup memory that every adapter offers.
const WORKGROUP_BYTES: usize = 16 << 10;
/// Invocations of a workgroup that every adapter offers.
const WORKGROUP: usize = 256;
/// Most sums per invocation of a subgroup; more would not fit into its registers.
const MOST_SUMS: usize = 64;
/// Number of workgroups that keeps a large GPU busy.
const BUSY_GROUPS: usize = 128;
/// A product of at least this many multiplications gets a larger register tile.
const LARGE_PRODUCT: usize = 1 << 25;
/// Widest output layer, in `vec4`s, that a block of the forward pass must span completely, so that the pass includes
/// δ_L.
const WHOLE_ROWS: usize = 16;

/// Strands of a product with this `depth` (terms of each sum) and number of outputs. Products with too few outputs to
/// keep a GPU busy get more strands, each with at least 64 terms. Only the shape decides, because the order of a sum
/// decides its last bits.
#[must_use]
pub const fn strands(depth: usize, outputs: usize) -> usize {
    let wanted = match outputs {
        0..=65_536 => 8,
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
    Tiled,
    /// `product_tiled.wgsl` with cooperative matrices, except in kernels with a second sum.
    Cooperative(Cooperative),
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
}

impl Product {
    /// The tiles that can compute all of `shapes` in one dispatch, large to small.
    #[must_use]
    pub fn menu(self, shapes: &[Shape]) -> Vec<Tile> {
        let first = shapes[0];
        let out4 = first.n.div_ceil(LANES);
        let fits = |tile: &Tile| {
            tile.workgroup_bytes(first.squares) <= WORKGROUP_BYTES
                && tile.workgroup <= WORKGROUP
                && (!first.is_output || out4 > WHOLE_ROWS || tile.width4() >= out4)
        };
        match self {
            Self::Register => vec![register_tile(shapes)],
            Self::Cooperative(matrices) if !first.squares => {
                let few = |tile: &Tile| LANES * tile.rows * tile.columns4 <= MOST_SUMS * matrices.largest;
                let blocks = SUBGROUP_BLOCKS.map(|block| Tile::cooperative(block, matrices)).into_iter();
                blocks.filter(|tile| few(tile) && fits(tile)).collect()
            }
            Self::Tiled | Self::Cooperative(_) => {
                BLOCKS.into_iter().filter(|tile| tile.strands == first.strands && fits(tile)).collect()
            }
        }
    }

    /// The tile to use without measuring: the largest that still keeps the GPU busy with `members` networks.
    ///
    /// # Panics
    /// If no tile has the strands of the shapes, which cannot happen for the products of a step.
    #[must_use]
    pub fn guess(self, shapes: &[Shape], members: usize) -> Tile {
        let menu = self.menu(shapes);
        let groups = |tile: &Tile| -> usize {
            members * shapes.iter().map(|shape| tile.groups(shape.m, shape.n.div_ceil(LANES))).sum::<usize>()
        };
        let busy = menu.iter().find(|tile| groups(tile) >= BUSY_GROUPS);
        *busy.or(menu.last()).expect("every number of strands has a block that fits")
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

    fn blocks() -> impl Iterator<Item = Product> {
        let of =
            |(largest, smallest)| [8, 16].map(|side| Product::Cooperative(Cooperative { side, largest, smallest }));
        [Product::Tiled].into_iter().chain(SUBGROUPS.into_iter().flat_map(of))
    }

    #[test]
    fn every_product_has_a_block() {
        for depth in [1, 64, 128, 256, 512, 784, 4096] {
            for (m, n) in [(1, 1), (128, 10), (128, 256), (128, 1024), (512, 1000), (512, 2500), (31, 70)] {
                for squares in [false, true] {
                    let strands = if squares { 1 } else { strands(depth, m * n) };
                    for is_output in [false, true] {
                        let shape = Shape { m, n, depth, is_output, rows_in_fours: squares, squares, strands };
                        for product in blocks() {
                            assert!(!product.menu(&[shape]).is_empty(), "{product:?}, {shape:?}");
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn blocks_respect_the_limits_of_every_adapter() {
        let shape =
            Shape { m: 512, n: 512, depth: 512, is_output: false, rows_in_fours: false, squares: false, strands: 1 };
        for product in blocks() {
            let strands = if product == Product::Tiled { &[1, 2, 4, 8][..] } else { &[1] };
            for tile in strands.iter().flat_map(|&strands| product.menu(&[Shape { strands, ..shape }])) {
                assert!(tile.workgroup <= 256 && tile.workgroup_bytes(false) <= 16384, "{tile:?}");
                assert!(tile.rows.is_multiple_of(LANES) && SPAN.is_multiple_of(tile.slab), "{tile:?}");
                if let Product::Cooperative(Cooperative { side, largest, smallest }) = product {
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
