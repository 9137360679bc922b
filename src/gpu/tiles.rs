//! The tiles of every product of a training step for one population: the choice without measuring, and whether the
//! persistent kernel can train the population.

use super::tile::{DISPATCH, FEW_OUTPUTS, LANES, Product, Shape, Tile, strands};
use crate::config::Scope;
use crate::train::population::Population;
use serde::{Deserialize, Serialize};

/// Most layers of a network that the persistent kernel trains.
const MAX_PERSISTENT_LAYERS: usize = 4;

/// Floating-point operations of a step, per member, below which the persistent kernel is used without measuring. On
/// llvmpipe it is up to four times as fast as one dispatch per phase below this limit, and slower above.
const PERSISTENT_FLOPS: f64 = 2e6;

/// `vec4`s that a tile of the last forward pass must span to own whole rows of the output layer. `None` for rules without a
/// target.
#[must_use]
pub fn whole_rows4(population: &Population) -> Option<usize> {
    (!population.shared().rule.kind.is_unsupervised()).then(|| population.topology.classes().div_ceil(LANES))
}

/// The tiles of every product of a step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// The product shader.
    pub product: Product,
    /// Forward pass, per layer.
    pub forward: Vec<Tile>,
    /// Backward pass, per layer from the second.
    pub backward: Vec<Tile>,
    /// Gradient and update, all layers in one dispatch.
    pub update: Tile,
    /// Whether the last forward dispatch also runs the backward pass through the output layer.
    pub joined: bool,
    /// The form in which the persistent kernel trains, if it does. The tiles then serve evaluation.
    pub persistent: Option<Persistent>,
}

/// A form of the persistent kernel: how a workgroup shares the steps of its member.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Persistent {
    /// Invocations of the workgroup.
    pub workgroup: usize,
    /// Whether the strands of a sum have invocations of their own, which meet at barriers.
    pub parallel: bool,
}

impl Persistent {
    /// The form without barriers inside a product, for software Vulkan.
    pub const SERIAL: Self = Self { workgroup: 256, parallel: false };

    /// The forms that suit an adapter whose other kernels have this product.
    #[must_use]
    pub fn menu(product: Product) -> Vec<Self> {
        let wide = |workgroup| Self { workgroup, parallel: true };
        match product {
            Product::Register => vec![Self::SERIAL],
            Product::Tiled(room) | Product::Cooperative(_, room) => {
                let fits = |form: &Self| form.workgroup <= room.invocations && form.bytes() <= room.bytes;
                [256, 512, 1024].map(wide).into_iter().filter(fits).collect()
            }
        }
    }

    /// Bytes of workgroup memory; `persistent.wgsl` declares as much.
    #[must_use]
    pub const fn bytes(self) -> usize {
        if self.parallel { 16 * self.workgroup } else { 0 }
    }

    /// Tiles of a forward or backward pass that the workgroup computes at once.
    #[must_use]
    pub const fn at_once(self, tile: &Tile) -> usize {
        if self.parallel { self.workgroup / tile.strands } else { self.workgroup }
    }
}

/// The products of one step.
#[derive(Clone, Debug)]
pub struct Shapes {
    /// Forward pass, per layer.
    pub forward: Vec<Shape>,
    /// Backward pass, per layer from the second.
    pub backward: Vec<Shape>,
    /// Gradient: one shape per layer; all layers share a tile.
    pub update: Vec<Shape>,
}

impl Shapes {
    /// The products that a step of `population` consists of.
    #[must_use]
    pub fn new(population: &Population) -> Self {
        let (topology, batch) = (&population.topology, population.batch_size());
        let shared = population.shared();
        let squares = shared.slots_per_weight() || shared.rule.kind.reads_input();
        let update_strands = if squares { 1 } else { strands(batch, topology.parameters()) };
        let last = topology.layers() - 1;
        // Only the shape decides, because rounding decides the bits. A second sum has no matrices.
        let halves = |outputs: usize| if outputs > FEW_OUTPUTS { shared.run.precision.halves() } else { 0 };
        let pass = |m: usize, n: usize, depth: usize| Shape { halves: halves(m * n), ..Shape::new(m, n, depth) };
        Self {
            forward: topology
                .shapes()
                .enumerate()
                .map(|(l, (n_in, n_out))| Shape { is_output: l == last, ..pass(batch, n_out, n_in) })
                .collect(),
            backward: topology.shapes().skip(1).map(|(n_in, n_out)| pass(batch, n_in, n_out)).collect(),
            update: topology
                .shapes()
                .map(|(n_in, n_out)| Shape {
                    rows_in_fours: true,
                    squares,
                    strands: update_strands,
                    halves: if squares { 0 } else { halves(topology.parameters()) },
                    ..Shape::new(n_in, n_out, batch)
                })
                .collect(),
        }
    }
}

impl Shapes {
    /// Whether the factors of some product are rounded to half precision.
    #[must_use]
    pub fn round(&self) -> bool {
        self.forward.iter().chain(&self.backward).chain(&self.update).any(|shape| shape.halves > 0)
    }
}

impl Plan {
    /// A plan chosen without measuring.
    #[must_use]
    pub fn guess(product: Product, population: &Population) -> Self {
        let plan = Self::choose(product, population, |shapes| product.guess(shapes, population.len()));
        let joined = plan.can_join(population) && plan.gains_by_joining(population);
        Self { joined, ..plan }
    }

    /// Whether a workgroup of the last forward dispatch owns whole rows of the output layer, so that the dispatch includes
    /// δ_L. Rules without a target have no δ_L.
    #[must_use]
    pub fn owns_whole_rows(&self, population: &Population) -> bool {
        let last = self.forward[self.forward.len() - 1];
        whole_rows4(population).is_some_and(|rows4| last.width4() >= rows4)
    }

    /// The f16 that hold a factor of the products that round; 0 if none does.
    #[must_use]
    pub fn halves(&self) -> usize {
        self.forward.iter().chain(&self.backward).chain([&self.update]).map(|tile| tile.halves).max().unwrap_or(0)
    }

    /// Whether the last forward dispatch can include the backward pass through the output layer. This needs workgroups that
    /// own whole rows, and a product in f32.
    #[must_use]
    pub fn can_join(&self, population: &Population) -> bool {
        self.product != Product::Register
            && self.backward.last().is_some_and(|tile| tile.halves == 0)
            && self.owns_whole_rows(population)
    }

    /// Whether the model of a large GPU expects a joined dispatch to be faster than two.
    fn gains_by_joining(&self, population: &Population) -> bool {
        let (members, shapes) = (population.len(), Shapes::new(population).backward);
        let shape = shapes[shapes.len() - 1];
        let (last, separate) = (self.forward[self.forward.len() - 1], self.backward[shapes.len() - 1]);
        last.joined_cost(&shape, members) < DISPATCH + separate.cost(&[shape], members)
    }

    /// Whether to train with the persistent kernel without measuring, because a step takes no longer than its launches.
    #[must_use]
    pub fn guess_persistent(population: &Population) -> bool {
        let flops = population.topology.flops_per_sample() * population.batch_size() as f64;
        Self::can_persist(population) && population.batch_size() <= 16 && flops < PERSISTENT_FLOPS
    }

    /// A plan with tiles that `pick` chooses, given the shapes that must share a tile.
    pub fn choose(product: Product, population: &Population, mut pick: impl FnMut(&[Shape]) -> Tile) -> Self {
        let shapes = Shapes::new(population);
        Self {
            product,
            forward: shapes.forward.iter().map(|shape| pick(std::slice::from_ref(shape))).collect(),
            backward: shapes.backward.iter().map(|shape| pick(std::slice::from_ref(shape))).collect(),
            update: pick(&shapes.update),
            joined: false,
            persistent: None,
        }
    }

    /// The tiles of the persistent kernel. They are small, so that one workgroup has work for all its invocations.
    #[must_use]
    pub fn persistent_tiles(population: &Population) -> Self {
        Self::choose(Product::Register, population, |shapes| {
            let rows = population.batch_size().next_power_of_two().min(4);
            Tile::register(if shapes[0].rows_in_fours { 4 } else { rows }, 1, shapes[0].strands)
        })
    }

    /// Whether the persistent kernel can train `population`. The kernel unrolls over the layers, so they must be few.
    /// It has no slots of ψ per weight, no prepared inputs and no kernels that few runs need. Its register tiles have
    /// no half precision.
    #[must_use]
    pub fn can_persist(population: &Population) -> bool {
        let shared = population.shared();
        population.topology.layers() <= MAX_PERSISTENT_LAYERS
            && !shared.slots_per_weight()
            && !shared.rule.kind.reads_input()
            && !shared.rule.kind.is_unsupervised()
            && shared.regularisation.max_norm.is_none()
            && !population.prepares_inputs()
            && !Shapes::new(population).round()
    }

    /// Storage buffers of the persistent kernel: the eight that every adapter supports, one for a rule's memory and one
    /// for weight scope.
    #[must_use]
    pub fn storage_buffers(population: &Population) -> u32 {
        let weight_scope = population.shared().rule.scope == Scope::Weight;
        8 + u32::from(population.memory_per_weight() > 0) + u32::from(weight_scope)
    }

    /// Whether measuring could have found this plan for `population`.
    #[must_use]
    pub fn fits(&self, population: &Population) -> bool {
        let mut tiles = self.forward.iter().chain(&self.backward).chain([&self.update]);
        let mut all = true;
        let expected = Self::choose(self.product, population, |shapes| {
            let menu = self.product.menu(shapes);
            let tile = tiles.next().filter(|tile| menu.contains(tile));
            all &= tile.is_some();
            *tile.unwrap_or(&menu[0])
        });
        let lengths = (self.forward.len(), self.backward.len());
        all && lengths == (expected.forward.len(), expected.backward.len())
            && (!self.joined || self.can_join(population))
            && self
                .persistent
                .is_none_or(|form| Self::can_persist(population) && Persistent::menu(self.product).contains(&form))
    }
}
