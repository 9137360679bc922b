//! The values that the templates receive for one population, and the WGSL of its kernels. No device is needed, so the
//! tests can read every specialisation.

use super::template::{self, COOPERATIVE};
use crate::config::{Basis, Config, Decay, OutputDerivative, Task};
use crate::data::Samples;
use crate::data::distort::Distortion;
use crate::gpu::launch::{Kernel, PLAIN_WORKGROUP};
use crate::gpu::layout::{Flag, Layout, Plane, RatePlane, keeps_net};
use crate::gpu::memory::table::{Role, Run, strides};
use crate::gpu::tile::{Product, SPAN, Tile};
use crate::gpu::tiles::{Persistent, Plan, whole_rows4};
use crate::numbered::Number;
use crate::rng::Stream;
use crate::rule::member::{Comparison, Trigger};
use crate::rule::observe;
use crate::train::population::Population;
use minijinja::{Value, value::Serde};
use serde::Serialize;
use std::collections::BTreeMap;

/// Factor of the second f16 of a factor: 2 to the bits of an f16's significand.
const LOW_SCALE: usize = 1 << 11;

/// A basis as the templates receive it: its constant, and its variable in WGSL.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
struct Observable {
    #[serde(flatten)]
    number: Number,
    value: String,
}

impl Observable {
    fn new(basis: Basis) -> Self {
        Self { number: Number::of_word(basis, observe::number(Some(basis))), value: basis.variable().wgsl() }
    }
}

/// A field of `Strides` as the templates receive it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
struct Named {
    name: &'static str,
    doc: &'static str,
}

/// The values that the templates receive.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct Specialisation {
    /// Strides and sizes, which kernels read from a table.
    strides: Vec<Named>,
    /// Numbers that Rust defines and shaders declare.
    planes: Vec<Number>,
    rate_planes: Vec<Number>,
    flags: Vec<Number>,
    comparisons: Vec<Number>,
    decays: Vec<Number>,
    bases: Vec<Observable>,
    no_trigger: String,
    /// The WGSL type and comment behind the name of each buffer's variable.
    buffers: BTreeMap<&'static str, String>,
    activation: String,
    output: String,
    loss: String,
    scope: String,
    bytes: bool,
    /// Planes of the memory arena, and whether its one plane is a velocity.
    memory: usize,
    momentum: bool,
    coast: bool,
    nesterov: bool,
    /// Whether there is a penalty on weights, and whether it shrinks them beside the step.
    weight_decay: bool,
    decoupled: bool,
    /// Whether the rule reads the mean square of each input.
    reads_input: bool,
    /// The rule, whether the rule is unsupervised, and the WGSL of its step.
    rule: String,
    unsupervised: bool,
    /// Whether the neurons of an unsupervised layer inhibit each other.
    inhibits: bool,
    rule_source: &'static str,
    /// Whether any member observes a variable per neuron.
    observe: bool,
    coactivation: bool,
    /// Planes of one member's rates.
    rate_plane_count: usize,
    keep_net: bool,
    /// Whether training drops hidden neurons.
    dropout: bool,
    dropout_stream: u32,
    /// Whether the inputs of training are prepared, and how.
    prepares: bool,
    dropout_input: bool,
    distorts: bool,
    affine: bool,
    elastic: bool,
    /// Width of an image in pixels, and the elastic field's Gaussian as WGSL literals.
    side: usize,
    taps: Vec<String>,
    distortion_stream: u32,
    /// The task, the buffer of labels or targets, and whether samples have weights in the loss.
    task: String,
    answers: &'static str,
    weighted: bool,
    /// Whether δ of softmax outputs is the derivative of the squared error itself.
    full_derivative: bool,
    /// Whether each member has its own labels.
    label_noise: bool,
    /// Pieces of the data set, and elements of a piece where there are several.
    data_pieces: usize,
    piece: usize,
    /// The same of the activation cache; 0 pieces = no cache.
    cache_pieces: usize,
    cache_piece: usize,
    layer_count: usize,
    /// Lengths of the tables of layers and members, and of the head of the neuron arena.
    layer_room: usize,
    member_room: usize,
    head_room: usize,
    /// Whether an α can be 0, so that the kernels must test for frozen neurons.
    freezes: bool,
    /// `vec4`s that a tile must span to own whole rows of the output layer.
    whole_rows4: Option<usize>,
    /// Unrolled steps of the loops over samples: in a product, and where a neuron fetches its samples.
    unroll_samples: usize,
    observe_unroll: usize,
    plain_workgroup: usize,
    span: usize,
    /// Tiles of the persistent kernel.
    forward_tiles: Vec<Tile>,
    backward_tiles: Vec<Tile>,
    update_tile: Tile,
    /// The f16 that hold a copy of W, y or δ; 0 in runs without copies. The second is scaled, so that it is no denormal.
    halves: usize,
    low_scale: usize,
}

/// What a plan decides about the text of one kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tiling {
    /// The product shader.
    pub product: Product,
    /// The tile of the kernel's product, if it has one.
    pub tile: Option<Tile>,
    /// The tile of the backward pass that the kernel includes, if any.
    pub joined: Option<Tile>,
    /// The form of the persistent kernel; other kernels ignore it.
    pub persistent: Option<Persistent>,
}

impl Tiling {
    /// What `plan` decides about `kernel`.
    #[must_use]
    pub fn new(kernel: Kernel, plan: &Plan) -> Self {
        let (tile, joined) = (kernel.tile(plan), kernel.joined_tile(plan));
        Self { product: plan.product, tile, joined, persistent: plan.persistent }
    }
}

impl Specialisation {
    /// The specialisation for a population laid out as `layout`.
    #[must_use]
    pub fn new(population: &Population, layout: &Layout) -> Self {
        let shared: &Config = population.shared();
        let persistent = Plan::persistent_tiles(population);
        let distortion = Distortion::new(shared, population.data.features);
        let taps = distortion.as_ref().map_or(&[][..], Distortion::taps);
        let run = Run { population, layout };
        let flag = |flag: Number| Number { number: 1 << flag.number, ..flag };
        let (pieces, cache_pieces) = (layout.pieces(&population.data), layout.cache_pieces());
        let several = |pieces: usize, rows: usize, row: usize| if pieces > 1 { rows * row } else { 0 };
        let declared = |role: &Role| Some((role.row().wgsl, role.declaration(&run)?));
        Self {
            strides: strides().map(|&(name, _, doc)| Named { name, doc }).collect(),
            planes: Plane::numbers(),
            rate_planes: RatePlane::numbers(),
            flags: Flag::numbers().into_iter().map(flag).collect(),
            comparisons: Comparison::numbers(),
            decays: Decay::ALL.iter().map(|&decay| Number::of_word(decay, decay as u32)).collect(),
            bases: Basis::ALL.iter().copied().map(Observable::new).collect(),
            no_trigger: format!("{:e}", Trigger::NONE.value()),
            buffers: Role::ALL.iter().filter_map(declared).collect(),
            activation: shared.network.activation.to_string(),
            output: shared.network.output.to_string(),
            loss: shared.network.loss.to_string(),
            scope: shared.rule.scope.to_string(),
            bytes: matches!(population.data.samples, Samples::U8(_)),
            memory: population.memory_per_weight(),
            momentum: shared.rule.momentum > 0.0,
            coast: shared.rule.coast,
            nesterov: shared.rule.nesterov,
            weight_decay: shared.regularisation.weight_decay > 0.0,
            decoupled: shared.rule.kind.decouples_decay(),
            reads_input: shared.rule.kind.reads_input(),
            rule: shared.rule.kind.kernel().to_string(),
            unsupervised: shared.rule.kind.is_unsupervised(),
            inhibits: shared.rule.inhibition > 0.0,
            rule_source: shared.rule.kind.shader(),
            observe: population.observes() && !shared.slots_per_weight(),
            coactivation: shared.slots_per_weight(),
            rate_plane_count: layout.rate_planes,
            keep_net: keeps_net(population),
            dropout: shared.regularisation.dropout > 0.0,
            dropout_stream: Stream::Dropout.tag(),
            prepares: population.prepares_inputs(),
            dropout_input: shared.regularisation.dropout_input > 0.0,
            distorts: distortion.is_some(),
            affine: distortion.as_ref().is_some_and(Distortion::is_affine),
            elastic: !taps.is_empty(),
            side: distortion.as_ref().map_or(0, Distortion::side),
            // `{:?}` gives the shortest decimal that parses back to the same number.
            taps: taps.iter().map(|tap| format!("{tap:?}f")).collect(),
            distortion_stream: Stream::Distortion.tag(),
            task: population.data.task.to_string(),
            answers: if population.data.task == Task::Classification { "labels" } else { "targets" },
            weighted: population.data.weights.is_some(),
            full_derivative: shared.network.output_derivative == OutputDerivative::Full,
            label_noise: population.uses_label_noise(),
            data_pieces: pieces,
            piece: several(pieces, layout.piece_rows, layout.row4),
            cache_pieces,
            cache_piece: several(cache_pieces, layout.cache_piece_rows, layout.cache4),
            layer_count: population.topology.layers(),
            layer_room: layout.layer_room(),
            member_room: layout.member_room(),
            head_room: layout.head_room(),
            freezes: population.can_freeze(),
            whole_rows4: whole_rows4(population),
            unroll_samples: layout.batch_size.next_power_of_two().min(4),
            observe_unroll: layout.batch_size.next_power_of_two().min(8),
            plain_workgroup: PLAIN_WORKGROUP,
            span: SPAN,
            forward_tiles: persistent.forward,
            backward_tiles: persistent.backward,
            update_tile: persistent.update,
            halves: layout.halves,
            low_scale: LOW_SCALE,
        }
    }

    /// Whether the update sums a product of squares beside the gradient.
    const fn sums_squares(&self) -> bool {
        self.coactivation || self.reads_input
    }

    /// The WGSL of one kernel.
    ///
    /// # Panics
    /// If a template is malformed, which the tests exclude for every specialisation.
    #[must_use]
    pub fn source(&self, kernel: Kernel, tiling: Tiling) -> String {
        let Tiling { product, tile, joined, persistent } = tiling;
        let is_first = matches!(kernel, Kernel::Forward(0) | Kernel::ForwardPrepared);
        let is_output = kernel == Kernel::Forward(self.layer_count - 1) || (is_first && self.layer_count == 1);
        let prepared = self.prepares && matches!(kernel, Kernel::ForwardPrepared | Kernel::Update);
        let kernel_values = minijinja::context! {
            kernel => kernel.stem(),
            op => format!("{}_", kernel.stem()),
            first_layer => is_first,
            prepared => prepared,
            // Type of four features as they lie in memory.
            data_type => if self.bytes && !prepared { "u32" } else { "vec4<f32>" },
            whole_rows => is_output && tile.zip(self.whole_rows4).is_some_and(|(tile, rows4)| tile.width4() >= rows4),
            product => match product {
                _ if kernel == Kernel::Persistent => "product_register.wgsl",
                Product::Register => "product_register.wgsl",
                _ if tile.is_some_and(|tile| tile.side > 0) => "product_cooperative.wgsl",
                Product::Tiled(_) | Product::Cooperative(..) => "product_tiled.wgsl",
            },
            tile => Value::from(Serde(tile)),
            backward_tile => Value::from(Serde(joined)),
            persistent => Value::from(Serde(persistent.filter(|_| kernel == Kernel::Persistent))),
            observed4 => tile.map(|tile| tile.observed4()),
            // Type of the factors in workgroup memory. Products and sums are f32.
            staged => if tile.is_some_and(|tile| tile.halves > 0) { "f16" } else { "f32" },
            coactivation => self.coactivation && kernel == Kernel::Update,
            // Whether the kernel sums the product of squares beside the gradient.
            squares => self.sums_squares() && kernel == Kernel::Update,
        };
        let context = minijinja::context! { ..kernel_values, ..Value::from(Serde(self)) };
        let name = match kernel {
            Kernel::OutputDelta if self.unsupervised => "unsupervised.wgsl".into(),
            _ => format!("{}.wgsl", kernel.stem()),
        };
        let source = template::render(&name, self.rule_source, &self.buffers, context);
        let enable = match tile {
            Some(tile) if tile.side > 0 => COOPERATIVE,
            // Only a run in f16 may require it of the driver.
            _ if self.halves > 0 && source.contains("<f16>") => "enable f16;\n\n",
            _ => "",
        };
        format!("{enable}{source}")
    }
}
