//! From the templates in `shaders/` to WGSL for one population: needs no device, so the tests can read every
//! specialisation.
//!
//! The templates are Jinja (statements on lines that start with `//%`), because naga does not unroll loops and WGSL has
//! no generics: tiles are unrolled and variants chosen here.

use super::layout::Layout;
use super::plan::{Plan, Product, SPAN, Tile};
use crate::config::{Basis, Config, Precision};
use crate::data::Samples;
use crate::data::distort::Distortion;
use crate::rng::Stream;
use crate::train::population::Population;
use minijinja::{Environment, UndefinedBehavior, Value, syntax::SyntaxConfig, value::Serde};
use serde::Serialize;

/// Entry points, one shader file each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kernel {
    /// Inputs of a training batch, where they are not the data set's own.
    Prepare,
    /// Forward pass of a layer (from 0); the first reads the data set, the last may go on to δ_L.
    Forward(usize),
    /// Forward pass of the first layer in training, where the inputs are prepared.
    ForwardPrepared,
    /// Output layer, where the forward pass does not include it.
    OutputDelta,
    /// Backward pass through a layer (from 1).
    BackwardDelta(usize),
    /// Gradient, ψ and weight write of all layers.
    Update,
    /// Limit on the norms of the neurons' weights.
    MaxNorm,
    /// Clock tick of the neurons.
    Tick,
    /// Whole steps, a workgroup per member.
    Persistent,
}

impl Kernel {
    /// The kernels that prepared inputs need beside the others.
    pub const PREPARED: [Self; 2] = [Self::Prepare, Self::ForwardPrepared];

    /// All kernels of a network of `layers` layers but [`Self::PREPARED`] and the persistent one, which few networks have.
    pub fn all(layers: usize) -> impl Iterator<Item = Self> {
        let passes = (0..layers).map(Self::Forward).chain((1..layers).map(Self::BackwardDelta));
        passes.chain([Self::OutputDelta, Self::Update, Self::MaxNorm, Self::Tick])
    }

    /// Stem of the shader file.
    #[must_use]
    pub const fn stem(self) -> &'static str {
        match self {
            Self::Prepare => "prepare",
            Self::Forward(_) | Self::ForwardPrepared => "forward",
            Self::OutputDelta => "output_delta",
            Self::BackwardDelta(_) => "backward_delta",
            Self::Update => "update",
            Self::MaxNorm => "max_norm",
            Self::Tick => "tick",
            Self::Persistent => "persistent",
        }
    }

    /// Name of the entry point.
    #[must_use]
    pub const fn entry_point(self) -> &'static str {
        match self {
            Self::Tick => "tick_neurons",
            _ => self.stem(),
        }
    }

    /// The tile of its product.
    #[must_use]
    pub fn tile(self, plan: &Plan) -> Option<Tile> {
        match self {
            Self::Forward(l) => Some(plan.forward[l]),
            Self::ForwardPrepared => Some(plan.forward[0]),
            Self::BackwardDelta(l) => Some(plan.backward[l - 1]),
            Self::Update => Some(plan.update),
            Self::Prepare | Self::OutputDelta | Self::MaxNorm | Self::Tick | Self::Persistent => None,
        }
    }
}

macro_rules! sources {
    ($($name:literal),+ $(,)?) => { [$(($name, include_str!(concat!("../../shaders/", $name)))),+] };
}

const SOURCES: [(&str, &str); 20] = sources![
    "common.wgsl",
    "canary.wgsl",
    "random.wgsl",
    "dropout.wgsl",
    "prepare.wgsl",
    "activation.wgsl",
    "input.wgsl",
    "observe.wgsl",
    "psi.wgsl",
    "product_register.wgsl",
    "product_tiled.wgsl",
    "forward.wgsl",
    "score.wgsl",
    "output_delta.wgsl",
    "backward_delta.wgsl",
    "update.wgsl",
    "max_norm.wgsl",
    "unsupervised.wgsl",
    "tick.wgsl",
    "persistent.wgsl",
];

/// What a kernel with cooperative matrices begins with. naga takes a variable for different in every invocation, so it would
/// refuse the loop over slabs, and it asks this one filter about uniformity of every kind.
pub const COOPERATIVE: &str =
    "enable f16;\nenable wgpu_cooperative_matrix;\ndiagnostic(off, derivative_uniformity);\n\n";

/// Invocations of a workgroup of the kernels without a product.
pub const PLAIN_WORKGROUP: usize = 64;
/// Invocations of a workgroup of the persistent kernel.
pub(super) const PERSISTENT_WORKGROUP: usize = 256;

/// What the templates see.
#[derive(Clone, Debug, Serialize)]
pub struct Specialisation {
    activation: String,
    output: String,
    loss: String,
    scope: String,
    bytes: bool,
    /// Planes of the memory arena, and whether the one there is holds a velocity.
    memory: usize,
    momentum: bool,
    coast: bool,
    nesterov: bool,
    weight_decay: bool,
    /// Whether the rule reads the mean square of each input.
    reads_input: bool,
    /// The rule, whether it knows no target, and the WGSL of its step.
    rule: String,
    unsupervised: bool,
    rule_source: &'static str,
    /// Whether the norms of the neurons' weights are limited.
    pub(super) limits_norms: bool,
    /// Whether any member's bases are observed per neuron.
    observe: bool,
    coactivation: bool,
    keep_net: bool,
    /// Whether hidden neurons are left out.
    dropout: bool,
    dropout_stream: u32,
    /// Whether the inputs of training are prepared, and how.
    prepares: bool,
    dropout_input: bool,
    distorts: bool,
    affine: bool,
    elastic: bool,
    /// Width of an image, and the elastic field's Gaussian as WGSL.
    side: usize,
    taps: Vec<String>,
    distortion_stream: u32,
    /// Whether members have labels of their own.
    label_noise: bool,
    data_rows: usize,
    /// Pieces of the data set, and the rows of each but the last.
    data_pieces: usize,
    piece_rows: usize,
    layer_count: usize,
    member_count: usize,
    weights4: usize,
    activation4: usize,
    net4: usize,
    delta4: usize,
    neurons4: usize,
    row4: usize,
    rows: usize,
    /// Score entries of one region.
    region: usize,
    observe_groups: usize,
    update_groups: usize,
    /// Whether an α can be 0, so that asking is worth while.
    freezes: bool,
    out4: Vec<usize>,
    /// Steps of a loop over samples that are unrolled: in a product, and where a neuron's samples are fetched.
    unroll_samples: usize,
    observe_unroll: usize,
    plain_workgroup: usize,
    span: usize,
    train_rows: usize,
    batch_size: usize,
    persistent_workgroup: usize,
    /// Tiles of the persistent kernel.
    forward_tiles: Vec<Tile>,
    backward_tiles: Vec<Tile>,
    update_tile: Tile,
    /// Type of the operands in workgroup memory. f16 is this and nothing else: they are rounded when they are staged and
    /// multiplied and summed as f32.
    staged: String,
}

/// Whether net must be kept beside y: some member observes net².
#[must_use]
pub fn keeps_net(population: &Population) -> bool {
    population.configs.iter().any(|config| config.observes() && config.observed() == Basis::Net2)
}

impl Specialisation {
    /// The specialisation for a population laid out as `layout`.
    #[must_use]
    pub fn new(population: &Population, layout: &Layout) -> Self {
        let shared: &Config = population.shared();
        let persistent = Plan::persistent_tiles(population);
        let distortion = Distortion::new(shared, population.data.features);
        let taps = distortion.as_ref().map_or(&[][..], Distortion::taps);
        Self {
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
            reads_input: shared.rule.kind.reads_input(),
            rule: shared.rule.kind.kernel().to_string(),
            unsupervised: shared.rule.kind.is_unsupervised(),
            rule_source: shared.rule.kind.shader(),
            limits_norms: shared.regularisation.max_norm.is_some(),
            observe: population.observes() && !shared.slots_per_weight(),
            coactivation: shared.slots_per_weight(),
            keep_net: keeps_net(population),
            dropout: shared.regularisation.dropout > 0.0,
            dropout_stream: Stream::Dropout.tag(),
            prepares: population.prepares_inputs(),
            dropout_input: shared.regularisation.dropout_input > 0.0,
            distorts: distortion.is_some(),
            affine: distortion.as_ref().is_some_and(Distortion::is_affine),
            elastic: !taps.is_empty(),
            side: distortion.as_ref().map_or(0, Distortion::side),
            // The shortest decimal that reads back as the same number.
            taps: taps.iter().map(|tap| format!("{tap:?}f")).collect(),
            distortion_stream: Stream::Distortion.tag(),
            label_noise: population.uses_label_noise(),
            data_rows: population.data.len(),
            data_pieces: layout.pieces(&population.data),
            piece_rows: layout.piece_rows,
            layer_count: population.topology.layers(),
            member_count: population.len(),
            weights4: layout.weights4,
            activation4: layout.activation4,
            net4: layout.net4,
            delta4: layout.delta4,
            neurons4: layout.neurons4,
            row4: layout.row4,
            rows: layout.rows,
            region: layout.region,
            observe_groups: layout.observe_groups,
            update_groups: layout.update_groups,
            freezes: population.moves_alpha() || population.shared().network.init.is_some(),
            out4: layout.layers.iter().map(|layer| layer.out4 as usize).collect(),
            unroll_samples: layout.batch_size.next_power_of_two().min(4),
            observe_unroll: layout.batch_size.next_power_of_two().min(8),
            plain_workgroup: PLAIN_WORKGROUP,
            span: SPAN,
            train_rows: population.train_rows(),
            batch_size: layout.batch_size,
            persistent_workgroup: PERSISTENT_WORKGROUP,
            forward_tiles: persistent.forward,
            backward_tiles: persistent.backward,
            update_tile: persistent.update,
            staged: shared.run.precision.to_string(),
        }
    }

    /// The kernels that training needs beside [`Kernel::all`] where its inputs are prepared.
    #[must_use]
    pub fn prepared_kernels(&self) -> &'static [Kernel] {
        if self.prepares { &Kernel::PREPARED } else { &[] }
    }

    /// Whether the update sums a product of squares beside the gradient.
    pub(super) const fn sums_squares(&self) -> bool {
        self.coactivation || self.reads_input
    }

    /// Bytes of workgroup memory for the fields of an elastic distortion: two `vec2`s per pixel.
    pub(super) const fn field_bytes(&self) -> usize {
        if self.elastic { 16 * self.side * self.side } else { 0 }
    }

    /// Whether the forward pass with `tile` sees whole rows of the output layer, and so includes δ_L.
    #[must_use]
    pub fn covers_rows(&self, tile: &Tile) -> bool {
        !self.unsupervised && self.out4.last().is_some_and(|&out4| tile.width4() >= out4)
    }

    /// The WGSL of one kernel; `tile` is that of its product, if it has one.
    ///
    /// # Panics
    /// If a template is malformed, which the tests exclude for every specialisation.
    #[must_use]
    pub fn source(&self, kernel: Kernel, product: Product, tile: Option<Tile>) -> String {
        let syntax = SyntaxConfig::builder()
            .line_statement_prefix("//%")
            .line_comment_prefix("//#")
            .build()
            .expect("the prefixes do not clash with the delimiters");
        let mut templates = Environment::new();
        templates.set_syntax(syntax);
        templates.set_undefined_behavior(UndefinedBehavior::Strict);
        for (name, source) in SOURCES.into_iter().chain([("rule.wgsl", self.rule_source)]) {
            templates.add_template(name, source).expect("templates parse");
        }
        let is_first = matches!(kernel, Kernel::Forward(0) | Kernel::ForwardPrepared);
        let is_output = kernel == Kernel::Forward(self.layer_count - 1) || (is_first && self.layer_count == 1);
        let kernel_values = minijinja::context! {
            kernel => kernel.stem(),
            op => format!("{}_", kernel.stem()),
            first_layer => is_first,
            prepared => self.prepares && matches!(kernel, Kernel::ForwardPrepared | Kernel::Update),
            whole_rows => is_output && tile.is_some_and(|tile| self.covers_rows(&tile)),
            product => match product {
                _ if kernel == Kernel::Persistent => "product_register.wgsl",
                Product::Register => "product_register.wgsl",
                Product::Tiled | Product::Cooperative(_) => "product_tiled.wgsl",
            },
            tile => Value::from(Serde(tile)),
            coactivation => self.coactivation && kernel == Kernel::Update,
            // Whether the product of squares is summed beside the gradient.
            squares => self.sums_squares() && kernel == Kernel::Update,
        };
        let context = minijinja::context! { ..kernel_values, ..Value::from(Serde(self)) };
        let name = match kernel {
            Kernel::OutputDelta if self.unsupervised => "unsupervised.wgsl".into(),
            _ => format!("{}.wgsl", kernel.stem()),
        };
        let template = templates.get_template(&name).expect("every kernel has its file");
        let source = template.render(context).unwrap_or_else(|e| panic!("{name}: {e:#}"));
        // Only what has a product uses f16, and only there may a driver be asked for it.
        let enable = match tile {
            Some(tile) if tile.side > 0 => COOPERATIVE,
            Some(_) if self.staged == Precision::F16.to_string() => "enable f16;\n\n",
            _ => "",
        };
        format!("{enable}{source}")
    }
}
