//! The kernels of the cases as WGSL.

use super::{Case, SWITCH, Use, cases_of, draw_case, grid, one_of, tiles, vary};
use homeostat::config::{Precision, Rule};
use homeostat::gpu::{
    Cooperative, Kernel, Layout, Persistent, Plan, Product, Room, Shape, Specialisation, Tile, Tiling,
};
use homeostat::rng::Random;
use homeostat::train::population::Population;
use rayon::prelude::*;
use std::collections::{BTreeMap, HashSet};

/// Each text, with its kernel and a description of its settings.
pub type Texts = BTreeMap<String, (Kernel, String)>;

/// Renders the kernels of one case.
struct Renderer {
    population: Population,
    specialisation: Specialisation,
    plan: Plan,
    product: Product,
}

impl Renderer {
    fn new(case: &Case, product: Product) -> Self {
        let population = case.population();
        // The cases are small, so that they would have no product in half precision.
        let halves = case.config.run.precision.halves();
        let guess = |shapes: &[Shape]| {
            let rounded = |s: &Shape| Shape { halves: if s.squares { 0 } else { halves }, ..*s };
            product.guess(&shapes.iter().map(rounded).collect::<Vec<_>>(), population.len())
        };
        let plan = match halves {
            0 => Plan::guess(product, &population),
            _ => Plan::choose(product, &population, guess),
        };
        let layout = Layout::new(&population, &plan);
        let specialisation = Specialisation::new(&population, &layout);
        Self { population, specialisation, plan, product }
    }

    /// The kernels that a run of this case may launch, with these tiles or others.
    fn kernels(&self) -> impl Iterator<Item = Kernel> {
        // A run with a rounded product does not persist.
        let persists = Plan::can_persist(&self.population) && self.plan.halves() == 0;
        let prepares = self.population.prepares_inputs();
        let halves = self.plan.halves() > 0;
        Kernel::every(self.population.topology.layers()).filter(move |kernel| match kernel {
            Kernel::Prepare | Kernel::ForwardPrepared => prepares,
            Kernel::Persistent => persists,
            Kernel::Halve => halves,
            _ => true,
        })
    }

    fn render(&self, kernel: Kernel, tile: Option<Tile>, joined: Option<Tile>) -> (String, Kernel) {
        // The forms differ in the size of the workgroup, and the wide one in the sums.
        let persistent = Persistent::menu(self.product).pop();
        (self.specialisation.source(kernel, Tiling { product: self.product, tile, joined, persistent }), kernel)
    }

    /// The tile of the backward pass that the kernel can include with this tile, if any.
    fn joined(&self, kernel: Kernel, tile: Option<Tile>) -> Option<Tile> {
        let mut plan = self.plan.clone();
        if let (Kernel::Forward(l), Some(tile)) = (kernel, tile) {
            plan.forward[l] = tile;
        }
        let joined = plan.can_join(&self.population);
        kernel.joined_tile(&Plan { joined, ..plan })
    }
}

const STEMS: [&str; 12] = [
    "prepare",
    "forward",
    "assemble",
    "store",
    "output_delta",
    "backward_delta",
    "update",
    "max_norm",
    "tick",
    "list",
    "halve",
    "persistent",
];

/// The product shaders of a precision.
fn products(precision: Precision) -> &'static [Product] {
    match precision {
        Precision::F32 => &[Product::Register, Product::Tiled(Room::MOST)],
        Precision::F16 => &[Product::Tiled(Room::MOST)],
        // Only cooperative matrices, see `cooperative`.
        Precision::F16x3 => &[],
    }
}

/// The texts of all tiles of a product, with their kernels and descriptions.
fn of_tiles(product: Product, precision: Precision) -> Vec<((String, Kernel), String)> {
    let tiles = tiles(product, precision);
    let render = |(what, tile): &(Use, Tile)| {
        let cases =
            vary(&cases_of(*what, product), &[precision], |case, precision| case.config.run.precision = precision);
        let one = |case: &Case| {
            let renderer = Renderer::new(case, product);
            let kernel = match what {
                Use::Forward => Kernel::Forward(1),
                Use::Output => Kernel::Forward(renderer.population.topology.layers() - 1),
                Use::Backward => Kernel::BackwardDelta(1),
                Use::Update | Use::UpdateWithSquares => Kernel::Update,
            };
            let mut rendered = vec![(renderer.render(kernel, Some(*tile), None), format!("{kernel:?} {tile:?}"))];
            // The first layer has a text of its own, because only this layer reads the data set.
            if *what == Use::Forward {
                rendered.push((renderer.render(Kernel::Forward(0), Some(*tile), None), format!("first {tile:?}")));
            }
            if let Some(joined) = renderer.joined(kernel, Some(*tile)) {
                // Outputs as wide as a block can have two strands.
                for strands in [joined.strands, 2] {
                    let text = renderer.render(kernel, Some(*tile), Some(Tile::joined(strands)));
                    rendered.push((text, format!("{kernel:?} {tile:?} and back in {strands} strands")));
                }
            }
            rendered
        };
        cases.iter().filter(|case| case.is_valid()).flat_map(one).collect::<Vec<_>>()
    };
    tiles.par_iter().flat_map_iter(render).collect()
}

/// All different texts of the tiles of cooperative matrices.
pub fn cooperative(matrices: Cooperative) -> Texts {
    let of = |precision| of_tiles(Product::Cooperative(matrices, Room::MOST), precision);
    let rendered = [Precision::F16, Precision::F16x3].into_iter().flat_map(of);
    let texts = rendered.map(|((text, kernel), what)| (text, (kernel, what)));
    texts.filter(|(text, _)| text.contains("enable wgpu_cooperative_matrix;")).collect()
}

/// All different texts of a precision.
pub fn texts(precision: Precision) -> Texts {
    let mut texts = Texts::new();
    let mut keep = |rendered: Vec<((String, Kernel), String)>| {
        for ((text, kernel), what) in rendered {
            texts.entry(text).or_insert((kernel, what));
        }
    };
    for &product in products(precision) {
        for stem in STEMS {
            // Equal specialisations give equal texts, so each is rendered once.
            let mut known = HashSet::new();
            let cases = vary(&grid(stem), &[precision], |case, precision| case.config.run.precision = precision);
            let valid = cases.par_iter().filter(|case| case.is_valid());
            let mut renderers: Vec<Renderer> = valid.map(|case| Renderer::new(case, product)).collect();
            renderers.retain(|renderer| known.insert(renderer.specialisation.clone()));
            let render = |renderer: &Renderer| {
                let of_stem = renderer.kernels().filter(|kernel| kernel.stem() == stem);
                let one = |kernel: Kernel| {
                    let what = format!("{kernel:?} {product:?} {:?}", renderer.population.shared());
                    let tile = kernel.tile(&renderer.plan);
                    (renderer.render(kernel, tile, renderer.joined(kernel, tile)), what)
                };
                of_stem.map(one).collect::<Vec<_>>()
            };
            keep(renderers.par_iter().flat_map_iter(render).collect());
        }
        keep(of_tiles(product, precision));
    }
    texts
}

/// The texts of `count` valid random runs with their descriptions, and the rules that were drawn.
pub fn draw(random: &mut Random, count: usize) -> (Vec<(String, String)>, HashSet<Rule>) {
    let (mut texts, mut rules) = (vec![], HashSet::new());
    let register = tiles(Product::Register, Precision::F32);
    let tiled = [Precision::F32, Precision::F16].map(|precision| tiles(Product::Tiled(Room::MOST), precision));
    for case in std::iter::repeat_with(|| draw_case(random)).filter(Case::is_valid).take(count).collect::<Vec<_>>() {
        rules.insert(case.config.rule.kind);
        for &product in products(case.config.run.precision) {
            let renderer = Renderer::new(&case, product);
            let half = case.config.run.precision == Precision::F16;
            let tiles = if product == Product::Register { &register } else { &tiled[usize::from(half)] };
            let shared = renderer.population.shared();
            let squares = shared.slots_per_weight() || shared.rule.kind.reads_input();
            for kernel in renderer.kernels() {
                let what = match kernel {
                    Kernel::Forward(l) if l + 1 == renderer.population.topology.layers() => Some(Use::Output),
                    Kernel::Forward(_) | Kernel::ForwardPrepared => Some(Use::Forward),
                    Kernel::BackwardDelta(_) => Some(Use::Backward),
                    Kernel::Update if squares => Some(Use::UpdateWithSquares),
                    Kernel::Update => Some(Use::Update),
                    _ => None,
                };
                let fitting: Vec<Tile> =
                    tiles.iter().filter(|(u, _)| Some(*u) == what).map(|(_, tile)| *tile).collect();
                let tile = (!fitting.is_empty()).then(|| one_of(random, &fitting));
                let joined = renderer.joined(kernel, tile).filter(|_| one_of(random, &SWITCH));
                let text = renderer.render(kernel, tile, joined).0;
                texts.push((text, format!("{kernel:?} {tile:?} {joined:?} {case:?}")));
            }
        }
    }
    (texts, rules)
}

/// Kernels hold no widths, no batch size from 8 on, and no small numbers of layers and members, so that a driver compiles them once for
/// the networks whose tiles agree.
#[test]
fn networks_of_other_sizes_share_kernels() {
    for product in [Product::Register, Product::TILED] {
        share_kernels(product);
    }
}

fn share_kernels(product: Product) {
    let renderer = |hidden: &[usize], batch: usize, members: usize| {
        let mut case = Case::new(hidden);
        case.config.run.batch_size = batch;
        case.members = members;
        Renderer::new(&case, product)
    };
    let one = renderer(&[5, 9], 16, 2);
    let others =
        [renderer(&[50, 90], 100, 2), renderer(&[5, 9], 16, 1), renderer(&[5, 9], 16, 64), renderer(&[5, 9, 7], 16, 5)];
    for other in &others {
        let deeper = other.population.topology.layers() > one.population.topology.layers();
        for kernel in one.kernels() {
            // The passes of the persistent kernel are unrolled for their widths and layers. The last layer computes scores.
            if kernel == Kernel::Persistent && other.population.topology != one.population.topology
                || deeper && kernel == Kernel::Forward(2)
            {
                continue;
            }
            let tile = kernel.tile(&one.plan);
            let joined = one.joined(kernel, tile);
            assert!(one.render(kernel, tile, joined) == other.render(kernel, tile, joined), "{kernel:?}");
        }
    }
}
