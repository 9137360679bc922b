//! The two kernel families behind one interface: blocks staged in workgroup memory for GPUs, register tiles without
//! barriers for software Vulkan.

use serde::Serialize;

/// How one matrix product is cut up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tile {
    /// Output rows one invocation keeps in registers.
    pub rows: usize,
    /// Output columns one invocation keeps, in `vec4`s.
    pub columns4: usize,
    /// Invocations of a workgroup.
    pub workgroup: usize,
    /// Invocations along m that share one block; 1 where every invocation works for itself.
    pub block_rows: usize,
    /// Invocations along n that share one block.
    pub block_columns: usize,
}

impl Tile {
    /// A register tile; `workgroup` of them make a workgroup.
    const fn register(rows: usize, columns4: usize, workgroup: usize) -> Self {
        Self { rows, columns4, workgroup, block_rows: 1, block_columns: 1 }
    }

    /// A block of 16 × 16 invocations.
    const fn block(rows: usize, columns4: usize) -> Self {
        Self { rows, columns4, workgroup: 256, block_rows: 16, block_columns: 16 }
    }

    /// Independent tiles of one workgroup.
    #[must_use]
    pub const fn tiles_per_workgroup(&self) -> usize {
        self.workgroup / (self.block_rows * self.block_columns)
    }
}

/// Which product shader the kernels include.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Product {
    /// `product_register.wgsl`
    Register,
    /// `product_tiled.wgsl`
    Tiled,
}

/// A kernel family and its tile shapes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Family {
    /// The product shader.
    pub product: Product,
    /// Forward pass.
    pub forward: Tile,
    /// Backward pass.
    pub backward: Tile,
    /// Gradient and update.
    pub update: Tile,
    /// Invocations of a workgroup of the kernels without a product.
    pub plain_workgroup: usize,
}

impl Family {
    /// For GPUs.
    pub const TILED: Self = Self {
        product: Product::Tiled,
        forward: Tile::block(4, 1),
        backward: Tile::block(4, 1),
        update: Tile::block(4, 1),
        plain_workgroup: 64,
    };

    /// For software Vulkan. Shapes measured on llvmpipe, see `results/`.
    pub const REGISTER: Self = Self::register(8, 4);

    /// Register tiles of `rows` × `4 · columns4` outputs; `rows` a multiple of 4. Small tiles compile faster.
    #[must_use]
    pub const fn register(rows: usize, columns4: usize) -> Self {
        let tile = Tile::register(rows, columns4, 32);
        Self { product: Product::Register, forward: tile, backward: tile, update: tile, plain_workgroup: 32 }
    }

    /// With co-activation every tile has two sums; halve it so that they fit the registers.
    #[must_use]
    pub const fn with_squares(mut self) -> Self {
        if matches!(self.product, Product::Register) {
            self.update.columns4 = self.update.columns4.div_ceil(2);
        }
        self
    }
}
