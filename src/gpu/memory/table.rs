//! The table of GPU buffers. A row names the buffer's purpose, WGSL variable, element, shape and content, the runs that
//! need the buffer, and the setting that makes it smaller. Allocation, memory budget, bindings, readback of the state
//! and poison tests iterate over the table. A new buffer is one row here and its shader.

use crate::config::Task;
use crate::data::Samples;
use crate::gpu::layout::{Layer, Layout, Region};
use crate::gpu::tile::LANES;
use crate::memory::Array;
use crate::rule::member::Member;
use crate::train::population::Population;
use bytemuck::Pod;
use wgpu::BufferUsages;

/// The run on which the size and the content of buffers depend.
#[derive(Clone, Copy)]
pub struct Run<'a> {
    /// The population to train.
    pub population: &'a Population,
    /// The layout of the population in GPU memory.
    pub layout: &'a Layout,
}

impl Run<'_> {
    /// The members as a dimension of a shape.
    const fn members(&self) -> (&'static str, usize) {
        ("P", self.layout.members)
    }

    /// The length of the member table.
    const fn member_table(&self) -> (&'static str, usize) {
        let room = self.layout.member_room();
        (if room > self.layout.members { "entries" } else { "P" }, room)
    }

    /// The layer with most weights, as text for people.
    fn heaviest(&self) -> String {
        self.population.topology.largest_layer()
    }

    /// The layer with most neurons, as text for people.
    pub fn widest(&self) -> String {
        let shapes = self.population.topology.shapes().enumerate();
        let widest = shapes.max_by_key(|(_, (_, n_out))| *n_out);
        widest.map_or(String::new(), |(l, (n_in, n_out))| format!("layer {} ({n_in} → {n_out})", l + 1))
    }
}

/// The bytes of a table, with zeros up to its length.
fn padded<T: Pod>(entries: &[T], length: usize) -> Vec<u8> {
    let mut bytes: Vec<u8> = bytemuck::cast_slice(entries).to_vec();
    bytes.resize(length * size_of::<T>(), 0);
    bytes
}

/// One element of a buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Element {
    /// `vec4<f32>`
    Vec4,
    /// `vec4<f16>`
    Half4,
    /// `u32`
    Word,
    /// A struct of this many bytes, whose array the shader declares.
    Struct(usize),
}

impl Element {
    /// Bytes of the element.
    #[must_use]
    pub const fn bytes(self) -> usize {
        match self {
            Self::Vec4 => 16,
            Self::Half4 => 8,
            Self::Word => 4,
            Self::Struct(bytes) => bytes,
        }
    }

    /// The WGSL type of a storage buffer of this element.
    #[must_use]
    pub const fn array(self) -> Option<&'static str> {
        match self {
            Self::Vec4 => Some("array<vec4<f32>>"),
            Self::Half4 => Some("array<vec4<f16>>"),
            Self::Word => Some("array<u32>"),
            Self::Struct(_) => None,
        }
    }
}

/// Writes bytes into a piece of a buffer: `(piece, first byte, bytes)`.
pub type Write<'a> = &'a mut dyn FnMut(usize, usize, &[u8]);

/// The content of a buffer, and so its writer.
#[derive(Clone, Copy)]
pub enum Content {
    /// A uniform that the host writes at the start, and again whenever the tiles change.
    Table(fn(&Run<'_>) -> Vec<u8>),
    /// Data that the host writes once, before the first step.
    Input(fn(&Run<'_>, Write<'_>)),
    /// Training state, which the host sets and reads back.
    State,
    /// Data that a step writes before it reads them; tests fill the buffer with NaN.
    Scratch,
    /// Copies that kernels write whenever they write the original, or after the host has set it.
    Copies,
    /// Sums for the next report, which copies them and then resets them to 0.
    Scores,
}

impl Content {
    /// The wgpu usage of the buffer.
    #[must_use]
    pub fn usage(self) -> BufferUsages {
        let read_back = BufferUsages::STORAGE | BufferUsages::COPY_SRC | BufferUsages::COPY_DST;
        match self {
            Self::Table(_) => BufferUsages::UNIFORM | BufferUsages::COPY_DST,
            Self::Input(_) => BufferUsages::STORAGE | BufferUsages::COPY_DST,
            Self::State | Self::Scratch | Self::Copies | Self::Scores => read_back,
        }
    }

    /// Whether kernels read the buffer as a uniform.
    #[must_use]
    pub const fn is_uniform(self) -> bool {
        matches!(self, Self::Table(_))
    }
}

/// The purpose of a dispatch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use {
    /// A training step or a tick.
    Training,
    /// An evaluation of loss and error.
    Evaluation,
}

/// The remedy for a buffer that is too large, beside fewer members.
#[derive(Clone, Copy)]
pub enum Remedy {
    /// A smaller batch.
    Batch,
    /// The setting in this text.
    Setting(fn(&Run<'_>) -> String),
}

/// A stride or size by which shaders index the buffer, a field of `Strides` in
/// [`common.wgsl`](../../../shaders/common.wgsl): name, value and meaning.
pub type Stride = (&'static str, fn(&Run<'_>) -> usize, &'static str);

/// One buffer.
pub struct Row {
    /// The variable in the shaders; further pieces have the suffixes `_1`, `_2` …
    pub wgsl: &'static str,
    /// The name in messages.
    pub name: &'static str,
    /// The element of the buffer.
    pub element: fn(&Run<'_>) -> Element,
    /// The WGSL type of the variable, if it is not an array of the element.
    pub declared: Option<&'static str>,
    /// The dimensions in elements, slowest first. A dimension is 0 if the run does not need the buffer.
    pub shape: fn(&Run<'_>) -> Vec<(&'static str, usize)>,
    /// Elements of the slowest dimension in one piece, for a buffer that may exceed one binding.
    pub cut: Option<fn(&Run<'_>) -> usize>,
    /// The content of the buffer.
    pub content: Content,
    /// The only use that binds the buffer; `None` = both uses.
    pub only: Option<Use>,
    /// Whether kernels index single floats of the buffer instead of elements.
    pub by_floats: bool,
    /// The remedy if the buffer is too large.
    pub remedy: Remedy,
    /// The strides and sizes by which shaders index the buffer.
    pub strides: &'static [Stride],
}

/// The values that most rows share.
const ROW: Row = Row {
    wgsl: "",
    name: "",
    element: |_| Element::Vec4,
    declared: None,
    shape: |_| vec![],
    cut: None,
    content: Content::State,
    only: None,
    by_floats: false,
    remedy: Remedy::Setting(|_| "use fewer samples, or features, in `data`".into()),
    strides: &[],
};

macro_rules! buffers {
    ($($(#[$doc:meta])* $role:ident { $($row:tt)* })+) => {
        /// What a buffer is for.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(usize)]
        pub enum Role { $($(#[$doc])* $role,)+ }

        impl Role {
            /// All roles, in the order of the table.
            pub const ALL: &'static [Self] = &[$(Self::$role),+];
        }

        static TABLE: &[Row] = &[$(Row { $($row)* }),+];
    };
}

buffers! {
    /// Layer table of training.
    Layers {
        wgsl: "layers",
        name: "layer table",
        element: |_| Element::Struct(size_of::<Layer>()),
        shape: |run| vec![("layers", run.layout.layer_room())],
        content: Content::Table(|run| padded(&run.layout.layers, run.layout.layer_room())),
        only: Some(Use::Training),
        remedy: Remedy::Setting(|_| "use fewer layers in `hidden`".into()),
        strides: &[
            ("layers", |run| run.layout.layers.len(), "layers of weights"),
            ("observe_groups", |run| run.layout.observe_groups, "workgroups of the update dispatch over neurons"),
        ],
        ..ROW
    }
    /// Layer table of evaluation: the same arenas, divided for the larger batch.
    EvaluationLayers {
        wgsl: "layers",
        name: "layer table of evaluation",
        element: |_| Element::Struct(size_of::<Layer>()),
        shape: |run| vec![("layers", run.layout.layer_room())],
        content: Content::Table(|run| padded(&run.layout.evaluation_layers, run.layout.layer_room())),
        only: Some(Use::Evaluation),
        remedy: Remedy::Setting(|_| "use fewer layers in `hidden`".into()),
        ..ROW
    }
    /// The settings of each member.
    Members {
        wgsl: "members",
        name: "member table",
        element: |_| Element::Struct(size_of::<Member>()),
        shape: |run| vec![run.member_table()],
        content: Content::Table(|run| padded(&run.population.members, run.layout.member_room())),
        remedy: Remedy::Setting(|_| "use fewer members".into()),
        ..ROW
    }
    /// The strides and sizes by which shaders index buffers.
    Strides {
        wgsl: "strides",
        name: "strides",
        element: |_| Element::Struct(size_of::<u32>()),
        // OpenGL pads a uniform to whole vec4s.
        shape: |_| vec![("strides", strides().count().next_multiple_of(LANES))],
        content: Content::Table(|run| {
            let values: Vec<u32> = strides().map(|(_, value, _)| value(run) as u32).collect();
            padded(&values, values.len().next_multiple_of(LANES))
        }),
        ..ROW
    }
    /// The data set, every row padded: words of four bytes, or `vec4`s. It comes in pieces if one binding is too small.
    Data {
        wgsl: "data",
        name: "data set",
        element: |run| match run.population.data.samples {
            Samples::U8(_) => Element::Word,
            Samples::F32(_) => Element::Vec4,
        },
        shape: |run| {
            let columns = if matches!(run.population.data.samples, Samples::U8(_)) { "words" } else { "vec4s" };
            vec![("rows", run.population.data.len()), (columns, run.layout.row4)]
        },
        cut: Some(|run| run.layout.piece_rows),
        content: Content::Input(data_set),
        strides: &[("row4", |run| run.layout.row4, "one sample of the data set")],
        ..ROW
    }
    /// The labels of all rows, once, or once per member where label noise makes them differ. Where samples have weights, each
    /// label is followed by its weight.
    Labels {
        wgsl: "labels",
        name: "labels",
        element: |_| Element::Word,
        shape: |run| {
            let owners = if run.population.uses_label_noise() { run.layout.members } else { 1 };
            let rows = if run.population.data.task == Task::Classification { run.population.data.len() } else { 0 };
            let row = if run.population.data.weights.is_some() { Some(("label, weight", 2)) } else { None };
            [("P", owners), ("rows", rows)].into_iter().chain(row).collect()
        },
        content: Content::Input(|run, write| {
            let owners = if run.population.uses_label_noise() { run.layout.members } else { 1 };
            for member in 0..owners {
                let labels = run.population.labels(member);
                match &run.population.data.weights {
                    None => write(0, member * size_of_val(labels), bytemuck::cast_slice(labels)),
                    Some(weights) => {
                        let pairs: Vec<[u32; 2]> = labels.iter().zip(weights).map(|(&l, w)| [l, w.to_bits()]).collect();
                        write(0, member * size_of_val(&pairs[..]), bytemuck::cast_slice(&pairs));
                    }
                }
            }
        }),
        remedy: Remedy::Setting(|run| match run.population.uses_label_noise() {
            true => "use `label-noise = 0`".into(),
            false => "use fewer samples, or features, in `data`".into(),
        }),
        strides: &[(
            "labels",
            |run| run.population.data.len() * if run.population.data.weights.is_some() { 2 } else { 1 },
            "labels of one member, where each has its own",
        )],
        ..ROW
    }
    /// The targets of all rows, every row padded, for tasks without classes. Where samples have weights, each row is followed by
    /// its weight.
    Targets {
        wgsl: "targets",
        name: "targets",
        shape: |run| {
            let has_values = run.population.data.task != Task::Classification && !run.population.shared().rule.kind.is_unsupervised();
            let rows = if has_values { run.population.data.len() } else { 0 };
            vec![("rows", rows), ("vec4s", target4(run))]
        },
        content: Content::Input(|run, write| {
            let data = &*run.population.data;
            let width = LANES * target4(run);
            let mut padded = vec![0.0f32; data.len() * width];
            for (row, (to, from)) in padded.chunks_exact_mut(width).zip(data.values.chunks_exact(data.classes)).enumerate() {
                to[..from.len()].copy_from_slice(from);
                if let Some(weights) = &data.weights {
                    to[width - LANES] = weights[row];
                }
            }
            write(0, 0, bytemuck::cast_slice(&padded));
        }),
        strides: &[("target4", target4, "targets of one sample")],
        ..ROW
    }
    /// Each member's row list: the epoch's order, then the validation rows, then the test rows.
    Rows {
        wgsl: "rows",
        name: "row lists",
        element: |_| Element::Word,
        shape: |run| vec![run.members(), ("rows", run.layout.rows)],
        content: Content::Input(|run, write| {
            for (member, split) in run.population.splits.iter().enumerate() {
                let rows = [&split.validation[..], &split.test].concat();
                write(0, (member * run.layout.rows + split.train.len()) * size_of::<u32>(), bytemuck::cast_slice(&rows));
            }
        }),
        strides: &[
            ("rows", |run| run.layout.rows, "one member's row list: the epoch's order, then the validation and the test rows"),
            ("train_rows", |run| run.population.train_rows(), "rows of an epoch"),
            ("batch", |run| run.layout.batch_size, "samples of a training batch"),
        ],
        ..ROW
    }
    /// The prepared inputs of a batch, in runs that prepare them.
    Prepared {
        wgsl: "prepared",
        name: "prepared inputs",
        shape: |run| vec![run.members(), ("vec4s", run.layout.prepared4)],
        content: Content::Scratch,
        remedy: Remedy::Batch,
        ..ROW
    }
    /// W of all layers.
    Weights {
        wgsl: "weights",
        name: "weights",
        shape: |run| vec![run.members(), ("planes", 1), ("vec4s", run.layout.weights4)],
        remedy: Remedy::Setting(|run| format!("{} has most of them: use a narrower `hidden`", run.heaviest())),
        strides: &[("weights4", |run| run.layout.weights4, "one member's weights")],
        ..ROW
    }
    /// The rule's memory of each weight, for rules with a memory.
    Memory {
        wgsl: "memory",
        name: "rule's memory",
        shape: |run| vec![run.members(), ("planes", run.layout.memory), ("vec4s", run.layout.weights4)],
        remedy: Remedy::Setting(|run| {
            format!("{} has most of it: use a narrower `hidden`, `momentum = 0` or a `rule` without memory", run.heaviest())
        }),
        ..ROW
    }
    /// The canary of all members, then the planes of each member's neurons.
    Neurons {
        wgsl: "neurons",
        name: "neurons",
        declared: Some("Neurons"),
        shape: |run| vec![run.members(), ("planes", 1), ("vec4s", run.layout.neuron_arena4())],
        by_floats: true,
        remedy: Remedy::Setting(|run| format!("{} has most of them: use a narrower `hidden`", run.widest())),
        strides: &[("neurons4", |run| run.layout.neurons4, "one plane of one member's neurons")],
        ..ROW
    }
    /// The learning rates of the weights, and with co-activation their slots, in weight scope.
    Rates {
        wgsl: "rates",
        name: "learning rates",
        shape: |run| {
            let planes = if run.layout.weight_scope { run.layout.rate_planes } else { 0 };
            vec![run.members(), ("planes", planes), ("vec4s", run.layout.weights4)]
        },
        remedy: Remedy::Setting(|run| match run.layout.slots_per_weight {
            true => format!(
                "{} has most of them: use another `basis` than coactivation, which keeps {} values per weight, or a narrower \
                 `hidden`",
                run.heaviest(),
                run.layout.rate_planes
            ),
            false => format!("{} has most of them: use `scope = neuron`, or a narrower `hidden`", run.heaviest()),
        }),
        ..ROW
    }
    /// y of all layers for a batch, then a place for one layer in stored order, then net if a member observes net.
    Activation {
        wgsl: "activation_arena",
        name: "activations",
        shape: |run| vec![run.members(), ("vec4s", run.layout.activation4)],
        content: Content::Scratch,
        remedy: Remedy::Batch,
        strides: &[
            ("activation4", |run| run.layout.activation4, "one member's activation arena: y of all layers, the packed place, then net where it is kept"),
            ("net4", |run| run.layout.net4, "where net begins in it"),
        ],
        ..ROW
    }
    /// δ of all layers for a batch.
    Delta {
        wgsl: "delta_arena",
        name: "deltas",
        shape: |run| {
            let (batch, delta4) = (run.layout.batch_size, run.layout.delta4);
            vec![run.members(), ("B", batch), ("vec4s", delta4 / batch)]
        },
        content: Content::Scratch,
        remedy: Remedy::Batch,
        strides: &[("delta4", |run| run.layout.delta4, "one member's delta arena")],
        ..ROW
    }
    /// W, y and δ in half precision, in runs with products that read them so. Every kernel that writes one of them also writes
    /// the copy, see `halves.wgsl`.
    Halves {
        wgsl: "halves",
        name: "copies in f16",
        element: |_| Element::Half4,
        shape: |run| vec![run.members(), ("parts", run.layout.halves), ("vec4s", run.layout.half_part4)],
        content: Content::Copies,
        remedy: Remedy::Setting(|_| "use `precision = f32`, or a narrower `hidden`".into()),
        strides: &[
            ("halves4", |run| run.layout.halves * run.layout.half_part4, "one member's copies in half precision"),
            ("half_part4", |run| run.layout.half_part4, "one part of them: W, then y, then delta"),
            ("half_delta", |run| run.layout.half_delta4, "where delta begins in a part"),
        ],
        ..ROW
    }
    /// The answers of resting neurons to the rows of training and validation: y of up to two layers, then net where it is
    /// kept. It comes in pieces if one binding is too small.
    Cache {
        wgsl: "cache",
        name: "activation cache",
        shape: |run| {
            let rows = run.layout.members * run.layout.cache_rows;
            vec![("P × rows", rows), ("vec4s", run.layout.cache4)]
        },
        cut: Some(|run| run.layout.cache_piece_rows),
        content: Content::Scratch,
        remedy: Remedy::Setting(|_| "use `activation-cache = off`".into()),
        strides: &[
            ("cache4", |run| run.layout.cache4, "one row of the activation cache: y of up to two layers, then net where it is kept"),
            ("cache_net4", |run| run.layout.cache_y4, "where net begins in it"),
        ],
        ..ROW
    }
    /// Sums of losses and wrong answers: one entry per place in a batch, region after region.
    Scores {
        wgsl: "scores",
        name: "scores",
        shape: |run| vec![("regions", Region::COUNT), run.members(), ("entries", run.layout.region)],
        content: Content::Scores,
        remedy: Remedy::Batch,
        strides: &[("region", |run| run.layout.region, "score entries of one member in one region")],
        ..ROW
    }
}

/// `vec4`s of a sample's targets, with the weight of the sample behind them.
fn target4(run: &Run<'_>) -> usize {
    run.population.topology.classes().div_ceil(LANES) + usize::from(run.population.data.weights.is_some())
}

/// Uploads the data set, rows padded to whole elements. Rows go in portions, so that staging memory stays small.
fn data_set(run: &Run<'_>, write: Write<'_>) {
    const PORTION_ROWS: usize = 4096;
    let (data, piece_rows) = (&*run.population.data, run.layout.piece_rows);
    let row_bytes = run.layout.row_words(&data.samples) * size_of::<u32>();
    let mut portion = Vec::new();
    for (k, first) in (0..data.len()).step_by(piece_rows).enumerate() {
        let piece = first..(first + piece_rows).min(data.len());
        for first in piece.clone().step_by(PORTION_ROWS) {
            portion.clear();
            for row in first..(first + PORTION_ROWS).min(piece.end) {
                let features = row * data.features..(row + 1) * data.features;
                let end = portion.len() + row_bytes;
                match &data.samples {
                    Samples::U8(bytes) => portion.extend_from_slice(&bytes[features]),
                    Samples::F32(reals) => portion.extend_from_slice(bytemuck::cast_slice(&reals[features])),
                }
                portion.resize(end, 0);
            }
            write(k, (first - piece.start) * row_bytes, &portion);
        }
    }
}

/// The smallest buffer in bytes. wgpu refuses empty buffers, and a binding must hold one element.
const SMALLEST: u64 = 16;

impl Role {
    /// The role's row of the table.
    #[must_use]
    pub fn row(self) -> &'static Row {
        &TABLE[self as usize]
    }

    /// The buffers of training state.
    pub fn state() -> impl Iterator<Item = Self> {
        Self::ALL.iter().copied().filter(|role| matches!(role.row().content, Content::State))
    }

    /// The buffers that a step writes before reading them.
    pub fn scratch() -> impl Iterator<Item = Self> {
        Self::ALL.iter().copied().filter(|role| matches!(role.row().content, Content::Scratch))
    }

    /// The role and the piece that a shader calls `name` when it is dispatched for `purpose`.
    #[must_use]
    pub fn named(name: &str, purpose: Use) -> Option<(Self, usize)> {
        let find = |name: &str| {
            let serves = |row: &Row| row.wgsl == name && row.only.is_none_or(|only| only == purpose);
            Self::ALL.iter().copied().find(|role| serves(role.row()))
        };
        find(name).map(|role| (role, 0)).or_else(|| {
            let (name, piece) = name.rsplit_once('_')?;
            Some((find(name)?, piece.parse().ok()?))
        })
    }

    /// The pieces of the buffer as arrays; empty if the run does not need the buffer.
    #[must_use]
    pub fn arrays(self, run: &Run<'_>) -> Vec<Array> {
        let row = self.row();
        let shape = (row.shape)(run);
        if shape.iter().any(|&(_, size)| size == 0) {
            return vec![];
        }
        let (dimension, size) = shape[0];
        let cut = row.cut.map_or(size, |cut| cut(run));
        let pieces = size.div_ceil(cut);
        let piece = |k: usize| {
            let name = if pieces == 1 { row.name.into() } else { format!("{}, {} of {pieces}", row.name, k + 1) };
            let shape = [&[(dimension, cut.min(size - k * cut))], &shape[1..]].concat();
            let array = Array::new(name, (row.element)(run).bytes(), &shape);
            Array { bytes: array.bytes.max(SMALLEST), ..array }
        };
        (0..pieces).map(piece).collect()
    }

    /// The WGSL type behind the name of the variable, with the shape as a comment.
    #[must_use]
    pub fn declaration(self, run: &Run<'_>) -> Option<String> {
        let row = self.row();
        let kind = row.declared.or_else(|| (row.element)(run).array())?;
        let dimensions: String = (row.shape)(run).iter().map(|(name, _)| format!("[{name}]")).collect();
        Some(format!("{kind};  // {}: {dimensions}", row.name))
    }

    /// Floats of all pieces together.
    #[must_use]
    pub fn floats(self, run: &Run<'_>) -> usize {
        let dimensions = (self.row().shape)(run).into_iter().map(|(_, size)| size);
        dimensions.product::<usize>() * (self.row().element)(run).bytes() / size_of::<f32>()
    }
}

/// Every stride and size by which shaders index buffers, in the order of `Strides` in `common.wgsl`.
pub fn strides() -> impl Iterator<Item = &'static Stride> {
    TABLE.iter().flat_map(|row| row.strides)
}
