//! The dispatches of a run: its kernels, the workgroups of each, and [`Program`]. `Program` alone decides which kernels
//! a run has; compilation, the memory budget and the recording of steps all use it.

use super::arrangement::Stored;
use super::layout::{Layer, Layout, permits, skips};
use super::tile::{LANES, Tile};
use super::tiles::Plan;
use crate::data::distort::Distortion;
use crate::train::population::Population;
use std::sync::Arc;

/// Workgroup size of kernels without a product.
pub const PLAIN_WORKGROUP: usize = 64;

/// The entry points; each shader file has one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kernel {
    /// Prepares the inputs of a training batch, where they differ from the data set's rows.
    Prepare,
    /// Forward pass of the first layer in training, in runs that prepare inputs.
    ForwardPrepared,
    /// Forward pass of a layer (from 0). The first layer reads the data set; the last may include δ_L, and the backward pass
    /// through the output layer.
    Forward(usize),
    /// Brings y of a layer from stored order into the order of its neurons, and adds what the cache answers.
    Assemble(usize),
    /// Copies y of a layer into the cache.
    Store(usize),
    /// The output layer, in runs whose forward pass does not include it.
    OutputDelta,
    /// Backward pass through a layer (from 1).
    BackwardDelta(usize),
    /// Gradient, ψ and weight write of all layers.
    Update,
    /// Limits the norm of each neuron's weights.
    MaxNorm,
    /// A clock tick: advances the neurons' slots of ψ.
    Tick,
    /// Lists the columns that learn, after a tick.
    List,
    /// Rounds W to half precision after the host has set W, in runs that keep such copies.
    Halve,
    /// Whole training steps, with one workgroup per member.
    Persistent,
}

impl Kernel {
    /// Every kernel that a network of `layers` layers can have, in the order of a step.
    pub fn every(layers: usize) -> impl Iterator<Item = Self> {
        let of_layer = |l| [Self::Forward(l), Self::Assemble(l), Self::Store(l)];
        let forward = [Self::Prepare, Self::ForwardPrepared].into_iter().chain((0..layers).flat_map(of_layer));
        let backward = [Self::OutputDelta].into_iter().chain((1..layers).rev().map(Self::BackwardDelta));
        forward.chain(backward).chain([
            Self::Update,
            Self::MaxNorm,
            Self::Tick,
            Self::List,
            Self::Halve,
            Self::Persistent,
        ])
    }

    /// The kernels with their own tile, in the order in which [`Plan::choose`] asks for tiles.
    pub fn products(layers: usize) -> impl Iterator<Item = Self> {
        (0..layers).map(Self::Forward).chain((1..layers).map(Self::BackwardDelta)).chain([Self::Update])
    }

    /// Stem of the shader file.
    #[must_use]
    pub const fn stem(self) -> &'static str {
        match self {
            Self::Prepare => "prepare",
            Self::Forward(_) | Self::ForwardPrepared => "forward",
            Self::Assemble(_) => "assemble",
            Self::Store(_) => "store",
            Self::OutputDelta => "output_delta",
            Self::BackwardDelta(_) => "backward_delta",
            Self::Update => "update",
            Self::MaxNorm => "max_norm",
            Self::Tick => "tick",
            Self::List => "list",
            Self::Halve => "halve",
            Self::Persistent => "persistent",
        }
    }

    /// Name of the entry point.
    #[must_use]
    pub const fn entry_point(self) -> &'static str {
        match self {
            Self::Tick => "tick_neurons",
            Self::List => "list_columns",
            _ => self.stem(),
        }
    }

    /// The layer (from 0) of one dispatch; 0 where a dispatch covers all layers.
    #[must_use]
    pub const fn layer(self) -> usize {
        match self {
            Self::Forward(l) | Self::BackwardDelta(l) | Self::Assemble(l) | Self::Store(l) => l,
            _ => 0,
        }
    }

    /// The tile of the kernel's product; `None` for a kernel without a product.
    #[must_use]
    pub fn tile(self, plan: &Plan) -> Option<Tile> {
        match self {
            Self::Forward(l) => Some(plan.forward[l]),
            Self::ForwardPrepared => Some(plan.forward[0]),
            Self::BackwardDelta(l) => Some(plan.backward[l - 1]),
            Self::Update => Some(plan.update),
            Self::Prepare
            | Self::Assemble(_)
            | Self::Store(_)
            | Self::OutputDelta
            | Self::MaxNorm
            | Self::Tick
            | Self::List
            | Self::Halve
            | Self::Persistent => None,
        }
    }

    /// The tile of the backward pass that the kernel includes, if any.
    #[must_use]
    pub fn joined_tile(self, plan: &Plan) -> Option<Tile> {
        let last = plan.backward.last()?;
        let includes = plan.joined && plan.persistent.is_none() && self == Self::Forward(plan.forward.len() - 1);
        includes.then(|| Tile::joined(last.strands))
    }

    /// Invocations of a workgroup.
    #[must_use]
    pub fn workgroup(self, plan: &Plan) -> usize {
        match (self.tile(plan), self) {
            (Some(tile), _) => tile.workgroup,
            (None, Self::Persistent) => plan.persistent.map_or(0, |persistent| persistent.workgroup),
            (None, _) => PLAIN_WORKGROUP,
        }
    }

    /// Number of `vec4`s of columns that one dispatch computes: the largest number of any member, because members freeze
    /// different neurons. With `cached`, y of resting neurons comes from the cache.
    #[must_use]
    pub fn width4(self, layout: &Layout, cached: bool) -> usize {
        let most = |columns: &dyn Fn(&[Stored]) -> usize| {
            layout.arrangement.iter().map(|member| columns(member)).max().unwrap_or(0).div_ceil(LANES)
        };
        match self {
            Self::Forward(_) | Self::ForwardPrepared if cached => most(&|member| member[self.layer()].nets),
            Self::BackwardDelta(l) => most(&|member| member[l - 1].learns),
            _ => layout.layers[self.layer()].out4 as usize,
        }
    }

    /// Workgroups of one dispatch over `samples` samples, along x and along y, on an adapter that allows `most` per
    /// dimension. A count above `most` continues along y, unless y already means the layer. `width4` is the
    /// [width](Self::width4).
    #[must_use]
    pub fn workgroups(self, layout: &Layout, plan: &Plan, samples: usize, width4: usize, most: usize) -> [usize; 2] {
        let widest = |width: fn(&Layer) -> u32| layout.layers.iter().map(width).max().unwrap_or(1) as usize;
        let layers = layout.layers.len();
        let x = match self {
            Self::Tick => return [widest(|layer| layer.n_out).div_ceil(PLAIN_WORKGROUP), layers],
            Self::MaxNorm => return [widest(|layer| layer.out4).div_ceil(PLAIN_WORKGROUP), layers],
            Self::Prepare => samples,
            Self::Forward(_) | Self::ForwardPrepared => plan.forward[self.layer()].groups(samples, width4),
            Self::Assemble(_) | Self::Store(_) => (samples * width4).div_ceil(PLAIN_WORKGROUP),
            Self::BackwardDelta(l) => plan.backward[l - 1].groups(samples, width4),
            Self::List => layers,
            Self::Halve => layout.weights4.div_ceil(PLAIN_WORKGROUP),
            Self::OutputDelta => samples.div_ceil(PLAIN_WORKGROUP),
            Self::Update => layout.observe_groups + layout.update_groups,
            Self::Persistent => 1,
        };
        if x > most { [most, x.div_ceil(most)] } else { [x, 1] }
    }

    /// Whether evaluation dispatches the kernel, too.
    #[must_use]
    pub const fn evaluates(self) -> bool {
        matches!(self, Self::Forward(_) | Self::Assemble(_) | Self::OutputDelta)
    }

    /// Whether a run of `population` with the tiles of `plan` dispatches the kernel.
    fn is_needed(self, population: &Population, plan: &Plan) -> bool {
        let shared = population.shared();
        match self {
            Self::Forward(_) => true,
            Self::Prepare | Self::ForwardPrepared => population.prepares_inputs(),
            Self::OutputDelta => !plan.owns_whole_rows(population),
            // The output layer is never packed.
            Self::Assemble(l) | Self::Store(l) => {
                permits(population, plan).packs && l + 1 < population.topology.layers()
            }
            Self::List => skips(population),
            Self::Halve => plan.halves() > 0,
            Self::BackwardDelta(l) => plan.persistent.is_none() && Self::Forward(l).joined_tile(plan).is_none(),
            Self::Update => plan.persistent.is_none(),
            Self::MaxNorm => shared.regularisation.max_norm.is_some(),
            Self::Tick => population.moves_alpha() && !shared.slots_per_weight(),
            Self::Persistent => plan.persistent.is_some(),
        }
    }
}

/// Bytes of workgroup memory for the fields of an elastic distortion: two `vec2`s per pixel.
#[must_use]
pub fn field_bytes(population: &Population) -> usize {
    let distortion = Distortion::new(population.shared(), population.data.features);
    distortion.filter(|distortion| !distortion.taps().is_empty()).map_or(0, |elastic| 16 * elastic.side().pow(2))
}

/// The kernels of a run, and the subsets that a training step, an evaluation and a tick dispatch, in order.
#[derive(Clone, Debug)]
pub struct Program {
    /// Every kernel of the run; each appears once.
    pub kernels: Vec<Kernel>,
    /// The kernels of one training step; the persistent kernel trains several steps per dispatch.
    pub step: Arc<[Kernel]>,
    /// The kernels of one batch of an evaluation.
    pub evaluation: Arc<[Kernel]>,
    /// The kernel at the end of a tick, in runs whose neurons have slots of ψ.
    pub tick: Option<Kernel>,
}

impl Program {
    /// The kernels of a run of `population` with the tiles of `plan`.
    #[must_use]
    pub fn new(population: &Population, plan: &Plan) -> Self {
        let every = Kernel::every(population.topology.layers());
        let kernels: Vec<Kernel> = every.filter(|kernel| kernel.is_needed(population, plan)).collect();
        let has = |kernel| kernels.contains(&kernel);
        let in_step = |kernel: &Kernel| match kernel {
            // With prepared inputs, only evaluation reads the data set directly.
            Kernel::Forward(0) => !has(Kernel::ForwardPrepared),
            Kernel::Tick | Kernel::List | Kernel::Halve | Kernel::Store(_) => false,
            _ => true,
        };
        let step = match has(Kernel::Persistent) {
            true => [Kernel::Persistent].into(),
            false => kernels.iter().copied().filter(in_step).collect(),
        };
        let evaluation = kernels.iter().copied().filter(|kernel| kernel.evaluates()).collect();
        let tick = Some(Kernel::Tick).filter(|&tick| has(tick));
        Self { step, evaluation, tick, kernels }
    }
}
