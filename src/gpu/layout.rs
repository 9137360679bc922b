//! The layout of GPU memory: strides, offsets and launch sizes. Host twin of `shaders/common.wgsl`, which declares them
//! for the other shaders.
//!
//! Every array is an arena of `vec4`s with the member as its first axis. Rows are padded to whole `vec4`s with zeros. A
//! `4` in a name means "counted in `vec4`s".

use super::tile::LANES;
use super::tiles::Plan;
use crate::config::Scope;
use crate::data::{DataSet, Samples};
use crate::numbered::numbered;
use crate::rule::observe::Quantity;
use crate::train::population::Population;
use bytemuck::{Pod, Zeroable};

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
    /// Workgroups of the update dispatch before the layer's tiles.
    pub update_groups: u32,
    /// Workgroups of the update dispatch before the layer's neurons.
    pub observe_groups: u32,
    /// Number of the layer, from 0.
    pub index: u32,
    /// Keeps the array stride a multiple of 16.
    pub reserved: u32,
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

/// All strides and launch sizes of one population under one plan. Fields with a `4` in their name count `vec4`s.
#[derive(Clone, Debug)]
pub struct Layout {
    /// P, the members of the population.
    pub members: usize,
    /// Whether every weight has its own α (weight scope).
    pub weight_scope: bool,
    /// Whether every weight has its own slot of ψ (co-activation).
    pub slots_per_weight: bool,
    /// Whether a member's ψ observes δ. A layer whose rates are 0 then still needs its δ.
    pub observes_delta: bool,
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
}

/// Bytes of activations that evaluation may use even if training needs less, all members together.
const EVALUATION_BYTES: usize = 8 << 20;
/// Samples per evaluation dispatch where memory allows.
const EVALUATION_BATCH: usize = 1024;

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
        let net4 = batch_size * sample4;
        let training4 = net4 * if keeps_net(population) { 2 } else { 1 };
        let affordable = EVALUATION_BYTES / (16 * members * sample4);
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
                    reserved: 0,
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
        let config = population.shared();
        Self {
            members,
            weight_scope: config.rule.scope == Scope::Weight,
            slots_per_weight: config.slots_per_weight(),
            observes_delta: population.configs.iter().any(|c| c.observes() && c.observed().triggers_below()),
            rate_planes: if config.slots_per_weight() { RatePlane::COUNT } else { 1 },
            memory: population.memory_per_weight(),
            batch_size,
            evaluation_batch,
            layers,
            evaluation_layers,
            weights4,
            activation4: training4.max(evaluation_batch * sample4),
            net4,
            delta4: net4,
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

    /// Bytes of the canary of all members, in the head of the neuron arena.
    #[must_use]
    pub const fn canary_bytes(&self) -> usize {
        size_of::<CanaryRecord>() * self.layers.len() * self.members
    }

    /// `vec4`s of one member in the neuron arena, including the member's share of the head.
    #[must_use]
    pub const fn neuron_arena4(&self) -> usize {
        self.layers.len() * size_of::<CanaryRecord>() / 16 + Plane::COUNT * self.neurons4
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
