//! From the templates in `shaders/` to WGSL for one population: needs no device, so the tests can read every
//! specialisation.
//!
//! The templates are Jinja (statements on lines that start with `//%`), because naga does not unroll loops and WGSL has
//! no generics: tiles are unrolled and variants chosen here.

use super::family::{Family, Product, Tile};
use super::layout::Layout;
use crate::config::{Basis, Config};
use crate::data::Samples;
use crate::population::Population;
use minijinja::{Environment, UndefinedBehavior, Value, syntax::SyntaxConfig, value::Serde};
use serde::Serialize;

/// Entry points, one shader file each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kernel {
    /// Forward pass of the first layer, which reads the data set.
    ForwardFirst,
    /// Forward pass of the others.
    Forward,
    /// Output layer.
    OutputDelta,
    /// Backward pass.
    BackwardDelta,
    /// Gradient, ψ and weight write.
    Update,
    /// Clock tick of the neurons.
    Tick,
}

impl Kernel {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::ForwardFirst, Self::Forward, Self::OutputDelta, Self::BackwardDelta, Self::Update, Self::Tick];

    /// Shader file and name of the entry point.
    #[must_use]
    pub const fn names(self) -> (&'static str, &'static str) {
        match self {
            Self::ForwardFirst | Self::Forward => ("forward.wgsl", "forward"),
            Self::OutputDelta => ("output_delta.wgsl", "output_delta"),
            Self::BackwardDelta => ("backward_delta.wgsl", "backward_delta"),
            Self::Update => ("update.wgsl", "update"),
            Self::Tick => ("tick.wgsl", "tick_neurons"),
        }
    }
}

macro_rules! sources {
    ($($name:literal),+ $(,)?) => { [$(($name, include_str!(concat!("../../shaders/", $name)))),+] };
}

const SOURCES: [(&str, &str); 12] = sources![
    "common.wgsl",
    "activation.wgsl",
    "input.wgsl",
    "observe.wgsl",
    "psi.wgsl",
    "product_register.wgsl",
    "product_tiled.wgsl",
    "forward.wgsl",
    "output_delta.wgsl",
    "backward_delta.wgsl",
    "update.wgsl",
    "tick.wgsl",
];

/// k-slab of the tiled product.
const SLAB: usize = 16;

/// What the templates see.
#[derive(Clone, Debug, Serialize)]
pub struct Specialisation {
    activation: String,
    output: String,
    loss: String,
    scope: String,
    bytes: bool,
    momentum: bool,
    coast: bool,
    /// Whether any member's bases are observed per neuron.
    observe: bool,
    coactivation: bool,
    keep_net: bool,
    layer_count: usize,
    member_count: usize,
    weights4: usize,
    activation4: usize,
    net4: usize,
    delta4: usize,
    neurons4: usize,
    row4: usize,
    rows: usize,
    scores: usize,
    observe_groups: usize,
    update_groups: usize,
    slab: usize,
}

/// Whether net must be kept beside y: some member observes net².
#[must_use]
pub fn keeps_net(population: &Population) -> bool {
    population.uses_psi() && population.configs.iter().any(|config| config.basis == Basis::Net2)
}

impl Specialisation {
    /// The specialisation for a population laid out as `layout`.
    #[must_use]
    pub fn new(population: &Population, layout: &Layout) -> Self {
        let shared: &Config = population.shared();
        Self {
            activation: shared.activation.to_string(),
            output: shared.output.to_string(),
            loss: shared.loss.to_string(),
            scope: shared.scope.to_string(),
            bytes: matches!(population.data.samples, Samples::U8(_)),
            momentum: population.uses_momentum(),
            coast: shared.coast,
            observe: population.uses_psi() && !shared.slots_per_weight(),
            coactivation: shared.slots_per_weight(),
            keep_net: keeps_net(population),
            layer_count: population.topology.layers(),
            member_count: population.len(),
            weights4: layout.weights4,
            activation4: layout.activation4,
            net4: layout.net4,
            delta4: layout.delta4,
            neurons4: layout.neurons4,
            row4: layout.row4,
            rows: layout.rows,
            scores: layout.region * super::layout::REGIONS,
            observe_groups: layout.observe_groups,
            update_groups: layout.update_groups,
            slab: SLAB,
        }
    }

    /// The WGSL of one kernel.
    ///
    /// # Panics
    /// If a template is malformed, which the tests exclude for every specialisation.
    #[must_use]
    pub fn source(&self, kernel: Kernel, family: &Family) -> String {
        let syntax = SyntaxConfig::builder()
            .line_statement_prefix("//%")
            .build()
            .expect("the prefix does not clash with the delimiters");
        let mut templates = Environment::new();
        templates.set_syntax(syntax);
        templates.set_undefined_behavior(UndefinedBehavior::Strict);
        for (name, source) in SOURCES {
            templates.add_template(name, source).expect("templates parse");
        }
        let (tile, a_along, b_along) = match kernel {
            Kernel::ForwardFirst | Kernel::Forward => (family.forward, "k", "n"),
            Kernel::BackwardDelta => (family.backward, "k", "k"),
            _ => (family.update, "m", "n"),
        };
        let Tile { rows, columns4, .. } = tile;
        let workgroup_size = match kernel {
            Kernel::OutputDelta | Kernel::Tick => family.plain_workgroup,
            _ => tile.workgroup,
        };
        let kernel_values = minijinja::context! {
            first_layer => kernel == Kernel::ForwardFirst,
            product => match family.product {
                Product::Register => "product_register.wgsl",
                Product::Tiled => "product_tiled.wgsl",
            },
            tile_rows => rows,
            tile_columns => columns4,
            workgroup_size,
            a_along,
            b_along,
            coactivation => self.coactivation && kernel == Kernel::Update,
        };
        let context = minijinja::context! { ..kernel_values, ..Value::from(Serde(self)) };
        let template = templates.get_template(kernel.names().0).expect("every kernel has its file");
        template.render(context).unwrap_or_else(|e| panic!("{}: {e:#}", kernel.names().0))
    }
}
