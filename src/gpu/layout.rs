//! The layout of GPU memory: strides, offsets and launch sizes. `shaders/common.wgsl` declares
//! what the other shaders read of it.
//!
//! Every array is an arena of `vec4`s with the member as its first axis. Rows are padded to whole `vec4`s with zeros. A
//! `4` in a name means "counted in `vec4`s".

use super::arrangement::{Permits, Stored};
use super::tile::LANES;
use super::tiles::Plan;
use crate::config::{ActivationCache, Scope};
use crate::data::{DataSet, Samples, Split};
use crate::numbered::numbered;
use crate::rule::observe::Quantity;
use crate::train::population::Population;
use bytemuck::{Pod, Zeroable};
use std::sync::Arc;

numbered! {
    /// Planes of the neuron arena, in order.
    Plane {
        /// psi of the next step: alpha = alpha0 * psi; 1 with co-activation, whose psi is in the rates
        Psi = "PSI",
        /// the initial rate; 1 in weight scope, whose initial rates are in the rates
        Alpha0 = "ALPHA0",
        /// sum of the observed variable since the last tick
        Sum = "SUM",
        /// rounding carry of that sum (Kahan)
        Carry = "CARRY",
        /// n of the slot
        Ticks = "TICKS",
        /// its onset
        Onset = "ONSET",
        /// its trigger
        Trigger = "TRIGGER",
        /// whether it is armed
        Armed = "ARMED",
        /// the factor of a schedule, by which a tick multiplies psi
        Scale = "SCALE",
        /// the list of the stored vec4s with a column that learns; its length is in the canary
        List = "LIST",
        /// the neuron of each stored column
        Order = "ORDER",
        /// the stored column of each neuron
        Column = "COLUMN",
    }
}

numbered! {
    /// Planes of the rates in weight scope. Without co-activation only the first plane exists.
    RatePlane {
        /// the rate that alpha started from
        Alpha0 = "ALPHA0",
        /// psi of the next step
        Psi = "PSI",
        /// sum of the observed variable since the last tick
        Sum = "SUM",
        /// n of the slot
        Ticks = "TICKS",
        /// its onset
        Onset = "ONSET",
        /// its trigger
        Trigger = "TRIGGER",
    }
}

/// One row of the layer table, as the shaders read it. Offsets count `vec4`s, and so do fields with a `4` in their
/// name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct Layer {
    /// Inputs.
    pub n_in: u32,
    /// Neurons.
    pub n_out: u32,
    /// Inputs, padded.
    pub in4: u32,
    /// Neurons, padded.
    pub out4: u32,
    /// Offset of W in a member's weights, `[n_in + 1][out4]`.
    pub weights: u32,
    /// Offset of the layer's input in the activation arena, `[B][in4]`; unused by the first layer.
    pub source: u32,
    /// Offset of the layer's output and δ, `[B][out4]`.
    pub result: u32,
    /// Offset of the layer's neurons in a plane.
    pub neurons: u32,
    /// Workgroups of the update dispatch before the layer's tiles; see [`Layout::regroup`].
    pub update_groups: u32,
    /// Workgroups of the update dispatch before the layer's neurons.
    pub observe_groups: u32,
    /// Number of the layer, from 0.
    pub index: u32,
    /// Offset of the packed place, where y of a layer lies in stored order until `assemble` brings it in order.
    pub packed: u32,
}

/// The immediates of one dispatch, as the shaders read them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Pod, Zeroable)]
#[repr(C)]
pub struct Step {
    /// The layer (from 0) whose W this dispatch uses.
    pub layer: u32,
    /// Place of the batch's first sample in the row list.
    pub batch_start: u32,
    /// Samples in the batch.
    pub batch_len: u32,
    /// The bits of the step's [`Flag`]s.
    pub flags: u32,
    /// Number of the tick that ends this step, from 1.
    pub tick: f32,
    /// Samples since the last tick.
    pub samples: f32,
    /// First entry of the score region.
    pub scores: u32,
    /// Batches that one dispatch of the persistent kernel trains.
    pub steps: u32,
    /// Steps trained before this step, since the start of the run.
    pub number: u32,
    /// Entry of the batch's first sample in the score region; entries wrap around at the region's end.
    pub score: u32,
}

numbered! {
    /// A property of a step, stored as one bit.
    Flag {
        /// the observed sums restart at 0
        FirstOfTick = "FIRST_OF_TICK",
        /// this step ends a tick
        EndsTick = "ENDS_TICK",
        /// write y and delta, not only the scores
        Training = "TRAINING",
        /// the cache answers for resting neurons
        Cached = "CACHED",
        /// this pass fills the cache
        Fill = "FILL",
    }
}

impl Flag {
    /// The bit of the flag in [`Step::flags`].
    #[must_use]
    pub const fn bit(self) -> u32 {
        1 << self as u32
    }
}

/// Counts and first non-finite steps of one layer of one member, in the head of the neuron arena; twin of `Canary` in
/// `canary.wgsl`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct CanaryRecord {
    /// Forward passes through the layer, evaluation included.
    pub forwards: u32,
    /// Updates of the layer's weights.
    pub updates: u32,
    /// The largest `!number` of all steps with a non-finite net, so `!net` is the first such step; 0 = never.
    pub net: u32,
    /// The same for δ; in the output layer also for the loss.
    pub delta: u32,
    /// Entries of the layer's [`Plane::List`].
    pub listed: u32,
    /// Whether a pass that filled the cache met a non-finite net.
    pub broken: u32,
    /// Sum over all updates of samples times `vec4`s of columns whose gradient was computed; wraps around.
    pub work: u32,
    /// Keeps the array stride a multiple of 16.
    pub reserved: u32,
}

/// What a step computes of one layer of one member, in the head of the neuron arena behind the canary; twin of `Living`
/// in `canary.wgsl`. The host decides it (`arrangement.rs`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct LivingRecord {
    /// `vec4`s of stored columns whose net is computed where the cache may answer.
    pub nets: u32,
    /// `vec4`s of stored columns that need δ.
    pub learns: u32,
    /// 1 = y goes to the packed place.
    pub packed: u32,
    /// Offset of the layer in the cache, for row 0 of the data set; modulo 2³², because the cache may begin at a later row.
    pub cache: u32,
}

numbered! {
    /// Score regions: one for training batches, and one for each evaluation of the training, validation and test rows.
    Region {
        /// while training
        Running = "RUNNING",
        /// training rows
        Train = "TRAIN",
        /// validation rows
        Validation = "VALIDATION",
        /// test rows
        Test = "TEST",
    }
}

/// Lengths that kernels declare for the tables of layers, of members and of both together, unless a run has more. Runs with
/// different numbers of layers and members therefore share compiled kernels.
const LAYER_ROOM: usize = 16;
const MEMBER_ROOM: usize = 64;
const HEAD_ROOM: usize = 256;

/// The length of a table of `count` entries.
const fn roomy(count: usize, room: usize) -> usize {
    if count > room { count } else { room }
}

/// All strides and launch sizes of one population under one plan. Fields with a `4` in their name count `vec4`s.
#[derive(Clone, Debug)]
pub struct Layout {
    /// P, the members of the population.
    pub members: usize,
    /// Whether every weight has its own α (weight scope).
    pub weight_scope: bool,
    /// Whether every weight has its own slot of ψ (co-activation).
    pub slots_per_weight: bool,
    /// Planes of the rate arena.
    pub rate_planes: usize,
    /// Floats of the rule's memory per weight, one plane of the memory arena each.
    pub memory: usize,
    /// B, the samples of a training batch.
    pub batch_size: usize,
    /// Samples of one evaluation dispatch.
    pub evaluation_batch: usize,
    /// Layer table of training.
    pub layers: Vec<Layer>,
    /// Layer table of evaluation: the same arenas, divided for the larger batch.
    pub evaluation_layers: Vec<Layer>,
    /// `vec4`s of one member's weights.
    pub weights4: usize,
    /// `vec4`s of one member's activation arena.
    pub activation4: usize,
    /// Offset of net in the activation arena.
    pub net4: usize,
    /// `vec4`s of one member's δ arena.
    pub delta4: usize,
    /// Offset of δ in the copies in half precision.
    pub half_delta4: usize,
    /// `vec4`s of one part of a member's copies: W, y and δ.
    pub half_part4: usize,
    /// Parts of the copies, the f16 that hold a factor; 0 if no kernel reads copies.
    pub halves: usize,
    /// `vec4`s of one plane of one member's neurons.
    pub neurons4: usize,
    /// `vec4`s of one sample's features, padded; for a data set of bytes, words.
    pub row4: usize,
    /// Rows in each piece of the data set but the last. There is one piece unless a binding is too small for all rows.
    pub piece_rows: usize,
    /// `vec4`s of one member's prepared inputs; 0 where training reads the data set directly.
    pub prepared4: usize,
    /// Entries of one member's row list: training rows, then validation rows, then test rows.
    pub rows: usize,
    /// Score entries per member of one region. The number does not depend on the number of members, so a member's sums
    /// have the same order alone and in a population.
    pub region: usize,
    /// Workgroups of the update dispatch over neurons.
    pub observe_groups: usize,
    /// Workgroups of the update dispatch over tiles.
    pub update_groups: usize,
    /// What the kernels can leave out.
    pub permits: Permits,
    /// Per member and layer, what a step computes and in which order columns are stored.
    pub arrangement: Arc<Vec<Vec<Stored>>>,
    /// Rows of one member in the cache; 0 = no cache.
    pub cache_rows: usize,
    /// The first row of the data set in each member's part of the cache.
    pub cache_first: Vec<usize>,
    /// `vec4`s of one row of the cache: a place for layers of even number, a place for the others, and as much for net
    /// where it is kept. At any time at most two neighbouring layers are cached.
    pub cache4: usize,
    /// `vec4`s of y in one row of the cache.
    pub cache_y4: usize,
    /// Rows of all members in each piece of the cache but the last.
    pub cache_piece_rows: usize,
}

/// Bytes of activations that evaluation may use even if training needs less, all members together.
const EVALUATION_BYTES: usize = 8 << 20;
/// Samples per evaluation dispatch where memory allows.
const EVALUATION_BATCH: usize = 1024;

/// Most pieces of the cache that a kernel binds.
const CACHE_PIECES: usize = 4;
/// Most bytes of the cache where the setting leaves the size to the engine.
const CACHE_BYTES: u64 = 2 << 30;

/// Whether α of a neuron can be 0, so that its gradient need not be computed. Momentum that coasts moves weights even
/// then, and with co-activation every weight is observed.
#[must_use]
pub fn skips(population: &Population) -> bool {
    let shared = population.shared();
    // The list holds numbers as floats, which count exactly to 2²⁴.
    let exact = population.topology.widths().iter().all(|&n| n < 1 << 24);
    population.can_freeze() && exact && !shared.run.no_skip_frozen && !shared.rule.coast && !shared.slots_per_weight()
}

/// What the kernels of `plan` can leave out. With dropout the order stays, because hidden neurons drop out by number. The
/// persistent kernel has no packed place, and kernels in half precision have no other order.
#[must_use]
pub fn permits(population: &Population, plan: &Plan) -> Permits {
    let shared = population.shared();
    let skips = skips(population);
    let packs = skips
        && population.topology.layers() > 1
        && shared.regularisation.dropout == 0.0
        && plan.halves() == 0
        && plan.persistent.is_none();
    let caches = packs && !population.prepares_inputs() && shared.run.activation_cache != ActivationCache::Off;
    Permits { skips, packs, orders: packs && shared.rule.scope != Scope::Layer, caches }
}

/// Whether the forward pass must store net beside y, because some member observes net.
#[must_use]
pub fn keeps_net(population: &Population) -> bool {
    population.configs.iter().any(|config| config.observes() && config.observed().variable().quantity == Quantity::Net)
}

impl Layout {
    /// The layout of `population` for the tiles of `plan`.
    #[must_use]
    pub fn new(population: &Population, plan: &Plan) -> Self {
        let topology = &population.topology;
        let members = population.len();
        let batch_size = population.batch_size();
        let widths4: Vec<usize> = topology.widths().iter().map(|&n| n.div_ceil(LANES)).collect();
        let sample4: usize = widths4[1..].iter().sum();
        let permits = permits(population, plan);
        // The output layer is never packed.
        let packed4 = if permits.packs { widths4[1..topology.layers()].iter().copied().max().unwrap_or(0) } else { 0 };
        let delta4 = batch_size * sample4;
        let net4 = batch_size * (sample4 + packed4);
        let training4 = net4 * if keeps_net(population) { 2 } else { 1 };
        let affordable = EVALUATION_BYTES / (16 * members * (sample4 + packed4));
        let evaluation_batch = affordable.min(EVALUATION_BATCH).max(batch_size);
        let (train, validation, test) = (population.train_rows(), population.validation_rows(), population.test_rows());
        let most_rows = train.max(validation).max(test);
        let evaluation_batch = evaluation_batch.min(most_rows);
        let table = |batch: usize| {
            let (mut weights, mut result, mut neurons, mut update_groups, mut observe_groups) = (0, 0, 0, 0, 0);
            let mut layers = Vec::with_capacity(topology.layers());
            for (l, (n_in, n_out)) in topology.shapes().enumerate() {
                let (in4, out4) = (widths4[l], widths4[l + 1]);
                layers.push(Layer {
                    n_in: n_in as u32,
                    n_out: n_out as u32,
                    in4: in4 as u32,
                    out4: out4 as u32,
                    weights: weights as u32,
                    source: if l == 0 { 0 } else { (result - batch * in4) as u32 },
                    result: result as u32,
                    neurons: neurons as u32,
                    update_groups: update_groups as u32,
                    observe_groups: observe_groups as u32,
                    index: l as u32,
                    packed: (batch * sample4) as u32,
                });
                weights += (n_in + 1) * out4;
                result += batch * out4;
                neurons += out4;
                update_groups += plan.update.groups(n_in, out4);
                observe_groups += out4.div_ceil(plan.update.observed4());
            }
            (layers, weights, neurons, update_groups, observe_groups)
        };
        let (layers, weights4, neurons4, update_groups, observe_groups) = table(batch_size);
        let (evaluation_layers, ..) = table(evaluation_batch);
        // The place of y serves training and evaluation, as in the activation arena.
        let half_y4 = if plan.halves() > 0 { net4.max(evaluation_batch * sample4) } else { 0 };
        let config = population.shared();
        let whole: Vec<Stored> = topology.shapes().map(|(_, n_out)| Stored::whole(n_out)).collect();
        let of_parity = |parity: usize| {
            let layers = widths4[1..topology.layers()].iter().skip(parity).step_by(2);
            layers.copied().max().unwrap_or(0)
        };
        let cache_y4 = of_parity(0) + of_parity(1);
        let visited = |split: &Split| {
            let rows = || split.train.iter().chain(&split.validation).map(|&row| row as usize);
            rows().min().zip(rows().max()).map_or((0, 0), |(first, last)| (first, last + 1 - first))
        };
        let visited: Vec<(usize, usize)> = population.splits.iter().map(visited).collect();
        let cache_rows = visited.iter().map(|&(_, rows)| rows).max().unwrap_or(0);
        Self {
            permits,
            arrangement: Arc::new(vec![whole; members]),
            cache_rows: if permits.caches { cache_rows } else { 0 },
            cache_first: visited.into_iter().map(|(first, _)| first).collect(),
            cache4: cache_y4 * if keeps_net(population) { 2 } else { 1 },
            cache_y4,
            cache_piece_rows: members * cache_rows,
            members,
            weight_scope: config.rule.scope == Scope::Weight,
            slots_per_weight: config.slots_per_weight(),
            rate_planes: if config.slots_per_weight() { RatePlane::COUNT } else { 1 },
            memory: population.memory_per_weight(),
            batch_size,
            evaluation_batch,
            layers,
            evaluation_layers,
            weights4,
            activation4: training4.max(evaluation_batch * (sample4 + packed4)),
            net4,
            delta4,
            half_delta4: weights4 + half_y4,
            half_part4: weights4 + half_y4 + delta4,
            halves: plan.halves(),
            neurons4,
            row4: widths4[0],
            piece_rows: population.data.len(),
            prepared4: if population.prepares_inputs() { batch_size * widths4[0] } else { 0 },
            rows: train + validation + test,
            region: batch_size.max(EVALUATION_BATCH.min(most_rows)),
            observe_groups,
            update_groups,
        }
    }

    /// Divides the data set into as few pieces of whole rows as buffers of at most `most` bytes allow.
    #[must_use]
    pub fn fit_data(mut self, data: &DataSet, most: u64) -> Self {
        let row_bytes = 4 * self.row_words(&data.samples) as u64;
        let fitting = usize::try_from(most / row_bytes).unwrap_or(usize::MAX).clamp(1, data.len());
        self.piece_rows = data.len().div_ceil(data.len().div_ceil(fitting));
        self
    }

    /// Divides the cache into as few pieces of whole rows as buffers of at most `most` bytes allow. Leaves the cache out if
    /// these are too many, or if the cache is larger than `allowed`.
    #[must_use]
    pub fn fit_cache(mut self, allowed: ActivationCache, most: u64) -> Self {
        let (row_bytes, rows) = (16 * self.cache4 as u64, self.members * self.cache_rows);
        let fitting = usize::try_from(most.checked_div(row_bytes).unwrap_or(0)).unwrap_or(usize::MAX).max(1);
        let pieces = rows.div_ceil(fitting).max(1);
        let allowed = match allowed {
            ActivationCache::Auto => CACHE_BYTES,
            ActivationCache::Off => 0,
            ActivationCache::Bytes(bytes) => bytes,
        };
        let bytes = row_bytes.saturating_mul(rows as u64);
        self.cache_piece_rows = rows.div_ceil(pieces).max(1);
        if bytes > allowed || row_bytes > most || pieces > CACHE_PIECES || bytes / 16 > u64::from(u32::MAX) {
            (self.cache_rows, self.permits.caches) = (0, false);
        }
        self
    }

    /// Gives each layer as many workgroups of the update dispatch as the member with the longest list needs, because
    /// software Vulkan spends almost as much on a workgroup without work. A layer has at least one, which counts the
    /// update. The output layer has all, so that kernels know where the last layer ends.
    pub fn regroup(&mut self, plan: &Plan) {
        let last = self.layers.len() - 1;
        let mut groups = 0;
        for (l, layer) in self.layers.iter_mut().enumerate() {
            let longest = self.arrangement.iter().map(|member| member[l].listed4).max().unwrap_or(0);
            let width4 = if l == last { layer.out4 as usize } else { longest };
            layer.update_groups = groups as u32;
            groups += plan.update.groups(layer.n_in as usize, width4).max(1);
        }
        self.update_groups = groups;
    }

    /// Number of pieces of the cache.
    #[must_use]
    pub const fn cache_pieces(&self) -> usize {
        (self.members * self.cache_rows).div_ceil(self.cache_piece_rows)
    }

    /// What the kernels read of a layer's [arrangement](Self::arrangement).
    #[must_use]
    pub fn living(&self, member: usize, l: usize) -> LivingRecord {
        let stored = &self.arrangement[member][l];
        let in_lanes = |columns: usize| columns.div_ceil(LANES) as u32;
        let even = if l.is_multiple_of(2) { 0 } else { self.cache_y4 - self.odd4() };
        let row = (member * self.cache_rows).wrapping_sub(self.cache_first[member]);
        LivingRecord {
            nets: in_lanes(stored.nets),
            learns: in_lanes(stored.learns),
            packed: u32::from(stored.packed),
            cache: row.wrapping_mul(self.cache4).wrapping_add(even) as u32,
        }
    }

    /// `vec4`s of the widest hidden layer of odd number.
    fn odd4(&self) -> usize {
        let hidden = &self.layers[..self.layers.len() - 1];
        hidden.iter().skip(1).step_by(2).map(|layer| layer.out4 as usize).max().unwrap_or(0)
    }

    /// First score entry of a region, `[regions][P][region]`.
    #[must_use]
    pub const fn scores(&self, region: Region) -> usize {
        region as usize * self.members * self.region
    }

    /// Number of pieces of the data set.
    #[must_use]
    pub fn pieces(&self, data: &DataSet) -> usize {
        data.len().div_ceil(self.piece_rows)
    }

    /// Length of the layer table.
    #[must_use]
    pub const fn layer_room(&self) -> usize {
        roomy(self.layers.len(), LAYER_ROOM)
    }

    /// Length of the member table.
    #[must_use]
    pub const fn member_room(&self) -> usize {
        roomy(self.members, MEMBER_ROOM)
    }

    /// Records of each kind in the head of the neuron arena.
    #[must_use]
    pub const fn head_room(&self) -> usize {
        roomy(self.members * self.layers.len(), HEAD_ROOM)
    }

    /// Bytes of the head of the neuron arena: the canary of all members, and behind it their [`LivingRecord`]s.
    #[must_use]
    pub const fn head_bytes(&self) -> usize {
        self.living_place() + size_of::<LivingRecord>() * self.head_room()
    }

    /// The first byte of the [`LivingRecord`]s in the head.
    #[must_use]
    pub const fn living_place(&self) -> usize {
        size_of::<CanaryRecord>() * self.head_room()
    }

    /// Bytes of the canary of all members, at the start of the head.
    #[must_use]
    pub const fn canary_bytes(&self) -> usize {
        size_of::<CanaryRecord>() * self.layers.len() * self.members
    }

    /// `vec4`s of one member in the neuron arena, including the member's share of the head.
    #[must_use]
    pub const fn neuron_arena4(&self) -> usize {
        (self.head_bytes() / 16).div_ceil(self.members) + Plane::COUNT * self.neurons4
    }

    /// Words of one data set row: packed bytes or floats.
    #[must_use]
    pub fn row_words(&self, samples: &Samples) -> usize {
        match samples {
            Samples::U8(_) => self.row4,
            Samples::F32(_) => self.row4 * LANES,
        }
    }
}
