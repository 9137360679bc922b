//! Every buffer of the GPU engine with its shape and bytes, and what the kernels ask of the adapter's limits, known before
//! anything is allocated. `Buffers` allocates from this list and from nothing else, so what is checked here is what
//! is made there.
//!
//! Only the data set may exceed what one binding can hold: it is cut into pieces of whole rows (see
//! [`Layout::fit_data`]). All else is refused, with what would make it fit.

use super::layout::{Layer, Layout, REGIONS};
use super::plan::{Plan, Product, Tile};
use super::report::alpha_spans;
use super::shader::{Kernel, PERSISTENT_WORKGROUP, PLAIN_WORKGROUP, Specialisation};
use super::state::Arena;
use super::step::workgroups;
use crate::data::Samples;
use crate::error::{Error, Result};
use crate::memory::{Array, human, total};
use crate::rule::member::Member;
use crate::train::population::Population;
use serde::Serialize;

/// What a buffer is for; the fields of `Buffers` have the same names and say the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields of Buffers say it")]
pub enum Role {
    Layers,
    EvaluationLayers,
    Members,
    /// A piece of the data set.
    Data(usize),
    Labels,
    Rows,
    Prepared,
    Weights,
    Memory,
    Neurons,
    Rates,
    Activation,
    Delta,
    Scores,
}

impl Role {
    /// Whether kernels read it as a uniform.
    #[must_use]
    pub const fn is_uniform(self) -> bool {
        matches!(self, Self::Layers | Self::EvaluationLayers | Self::Members)
    }
}

/// A limit of the adapter and how much of it a run takes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Limit {
    /// wgpu's name of it.
    pub name: &'static str,
    /// What the run needs.
    pub needed: u64,
    /// What there is.
    pub offered: u64,
}

/// All buffers of a run, and what is wrong with them.
#[derive(Clone, Debug)]
pub struct BytePlan {
    /// Those that are made before the first step.
    pub buffers: Vec<(Role, Array)>,
    /// Those that results come back in, at most, made when the first does.
    pub staging: Vec<Array>,
    /// What the kernels ask of the adapter.
    pub limits: Vec<Limit>,
    /// What does not fit, and how it would: one sentence each.
    pub problems: Vec<String>,
    adapter: String,
}

/// Bytes of a `vec4<f32>`.
const VEC4: usize = 16;
/// No buffer is smaller: wgpu refuses empty ones, and a binding must hold one element.
pub const SMALLEST: u64 = 16;
/// Storage buffers that one kernel binds at most beside further pieces of the data set; the persistent kernel, which is an
/// option, may bind more ([`Plan::storage_buffers`]).
const STORAGE_BUFFERS: u32 = 8;

/// The buffers of `population`; one place for each size.
fn buffers(population: &Population, layout: &Layout) -> Vec<(Role, Array)> {
    let (p, batch) = (("P", layout.members), ("B", layout.batch_size));
    let rows = population.data.len();
    let arena = |arena, name, width| {
        let [members, planes, vec4s] = layout.arena_shape(arena);
        Array::new(name, VEC4, &[("P", members), ("planes", planes), (width, vec4s)])
    };
    let (word, row) = match population.data.samples {
        Samples::U8(_) => (4, ("words", layout.row4)),
        Samples::F32(_) => (VEC4, ("vec4s", layout.row4)),
    };
    let pieces = layout.pieces(&population.data);
    let piece = |k: usize| {
        let rows = ("rows", layout.piece_rows.min(rows - k * layout.piece_rows));
        let name = if pieces == 1 { "data set".into() } else { format!("data set, {} of {pieces}", k + 1) };
        (Role::Data(k), Array::new(name, word, &[rows, row]))
    };
    let owners = ("P", if population.uses_label_noise() { layout.members } else { 1 });
    let table = |name| Array::new(name, size_of::<Layer>(), &[("layers", layout.layers.len())]);
    let mut list = vec![
        (Role::Layers, table("layer table")),
        (Role::EvaluationLayers, table("layer table of evaluation")),
        (Role::Members, Array::new("member table", size_of::<Member>(), &[p])),
    ];
    list.extend((0..pieces).map(piece));
    list.extend([
        (Role::Labels, Array::new("labels", 4, &[owners, ("rows", rows)])),
        (Role::Rows, Array::new("row lists", 4, &[p, ("rows", layout.rows)])),
        (Role::Prepared, Array::new("prepared inputs", VEC4, &[p, ("vec4s", layout.prepared4)])),
        (Role::Weights, arena(Arena::Weights, "weights", "vec4s")),
        (Role::Memory, arena(Arena::Memory, "rule's memory", "vec4s")),
        (Role::Neurons, arena(Arena::Neurons, "neurons", "vec4s")),
        (Role::Rates, arena(Arena::Rates, "learning rates", "vec4s")),
        (Role::Activation, Array::new("activations", VEC4, &[p, ("vec4s", layout.activation4)])),
        (Role::Delta, Array::new("deltas", VEC4, &[p, batch, ("vec4s", layout.delta4 / layout.batch_size)])),
        (Role::Scores, Array::new("scores", VEC4, &[("regions", REGIONS), p, ("entries", layout.region)])),
    ]);
    list.retain(|(_, array)| array.bytes > 0);
    list.iter_mut().for_each(|(_, array)| array.bytes = array.bytes.max(SMALLEST));
    list
}

impl BytePlan {
    /// The buffers of `population` laid out as `layout`, held against `limits` of `adapter`.
    #[must_use]
    pub fn new(adapter: &str, limits: &wgpu::Limits, population: &Population, layout: &Layout, plan: &Plan) -> Self {
        let buffers = buffers(population, layout);
        let bytes = |role| buffers.iter().find(|(other, _)| *other == role).map_or(0, |(_, array)| array.bytes);
        let spans: usize = alpha_spans(layout, population.shared().rule.kind).map(|(.., floats)| floats).sum();
        let canary = 4 * layout.canary_words();
        let report = canary + bytes(Role::Scores) as usize + 4 * spans;
        let arenas = [Role::Weights, Role::Memory, Role::Neurons, Role::Rates];
        let state = arenas.into_iter().map(bytes).max().unwrap_or(0) as usize;
        let staging = vec![
            Array::new("report, read back", 1, &[("reports", 2), ("bytes", report)]),
            Array::new("state, read back", 1, &[("bytes", canary + state)]),
        ];
        let check = Check { adapter, offered: limits, population, layout, buffers: &buffers };
        let (mut problems, mut taken) = (vec![], vec![]);
        for (role, array) in &buffers {
            problems.extend(check.array(*role, array));
        }
        if report.max(state) as u64 > limits.max_buffer_size {
            problems.push(format!(
                "{adapter}: to be read back, a report takes {} and the state {}, but a buffer may have at most {}; use a \
                 narrower --hidden, fewer members, or --device cpu",
                human(report as u64),
                human(state as u64),
                human(limits.max_buffer_size)
            ));
        }
        check.launches(plan, &mut taken, &mut problems);
        let largest = |uniform| buffers.iter().filter(move |(role, _)| role.is_uniform() == uniform);
        let most = |uniform| largest(uniform).map(|(_, array)| array.bytes).max().unwrap_or(0);
        let pieces = layout.pieces(&population.data);
        let first = if plan.persistent { Plan::storage_buffers(population) } else { STORAGE_BUFFERS };
        let bound = first.saturating_add(u32::try_from(pieces - 1).unwrap_or(u32::MAX));
        if bound > limits.max_storage_buffers_per_shader_stage {
            problems.push(format!(
                "{adapter}: the data set needs {pieces} arrays of at most {}, but its kernels can bind only {} arrays, \
                 {STORAGE_BUFFERS} of them for the first and all else; use fewer samples in --data, bytes in the place of \
                 reals (a quarter), or --device cpu",
                human(check.most(false)),
                limits.max_storage_buffers_per_shader_stage
            ));
        }
        let limit = |name, needed, offered| Limit { name, needed, offered };
        let limits = [
            limit("max_storage_buffer_binding_size", most(false), limits.max_storage_buffer_binding_size),
            limit("max_uniform_buffer_binding_size", most(true), limits.max_uniform_buffer_binding_size),
            limit("max_buffer_size", most(false).max(report.max(state) as u64), limits.max_buffer_size),
            limit(
                "max_storage_buffers_per_shader_stage",
                u64::from(bound),
                u64::from(limits.max_storage_buffers_per_shader_stage),
            ),
        ];
        Self { limits: limits.into_iter().chain(taken).collect(), buffers, staging, problems, adapter: adapter.into() }
    }

    /// The array of a role; `None` where the run needs none.
    #[must_use]
    pub fn get(&self, role: Role) -> Option<&Array> {
        self.buffers.iter().find(|(other, _)| *other == role).map(|(_, array)| array)
    }

    /// Bytes of all that is made before the first step.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        total(self.buffers.iter().map(|(_, array)| array))
    }

    /// Refuses what does not fit.
    ///
    /// # Errors
    /// [`Error::Device`] with the first problem.
    pub fn check(&self) -> Result<()> {
        match &self.problems[..] {
            [] => Ok(()),
            [problem] => Err(Error::Device(problem.clone())),
            [problem, others @ ..] => {
                Err(Error::Device(format!("{problem} (and {} more: train --dry-run lists them)", others.len())))
            }
        }
    }

    /// That the adapter has no room for `array`, although its limits allow it.
    pub(super) fn out_of_memory(&self, array: &Array, before: u64, reason: &str) -> Error {
        Error::Device(format!(
            "{}: no memory for the {} ({}; {} in all, of which {} were there): {reason}; use a narrower --hidden, a smaller \
             --batch-size, fewer members, or --device cpu",
            self.adapter,
            array.name,
            human(array.bytes),
            human(self.bytes()),
            human(before)
        ))
    }
}

/// Holds a run against the limits of an adapter.
struct Check<'a> {
    adapter: &'a str,
    offered: &'a wgpu::Limits,
    population: &'a Population,
    layout: &'a Layout,
    buffers: &'a [(Role, Array)],
}

impl Check<'_> {
    /// Bytes that a buffer may have.
    fn most(&self, uniform: bool) -> u64 {
        let binding = match uniform {
            true => self.offered.max_uniform_buffer_binding_size,
            false => self.offered.max_storage_buffer_binding_size,
        };
        binding.min(self.offered.max_buffer_size)
    }

    /// What is wrong with one buffer.
    fn array(&self, role: Role, array: &Array) -> Option<String> {
        // The kernels count in u32: elements, in the neurons' case single floats. Pieces of the data set count on.
        let words = match role {
            Role::Neurons => array.elements().saturating_mul(4),
            Role::Data(_) => (self.population.data.len() as u64).saturating_mul(self.layout.row4 as u64),
            _ => array.elements(),
        };
        let most = self.most(role.is_uniform());
        let reason = if array.bytes > most {
            format!("but one array may have at most {} on this adapter", human(most))
        } else if words > u64::from(u32::MAX) {
            "and its kernels count no further than 2³² elements".to_owned()
        } else {
            return None;
        };
        Some(format!(
            "{}: the {} {} take {}, {reason}; {}, or --device cpu",
            self.adapter,
            array.name,
            array.dimensions(),
            human(array.bytes),
            self.remedy(role)
        ))
    }

    /// Whether every member has its own of these.
    fn grows_with_members(&self, role: Role) -> bool {
        match role {
            Role::Data(_) | Role::Layers | Role::EvaluationLayers => false,
            Role::Labels => self.population.uses_label_noise(),
            _ => true,
        }
    }

    /// The largest share of `whole` with which all buffers that grow with it, by `grows`, would fit.
    fn fitting(&self, whole: usize, grows: impl Fn(Role) -> bool) -> u64 {
        let share = |(role, array): &(Role, Array)| {
            whole as u128 * u128::from(self.most(role.is_uniform())) / u128::from(array.bytes)
        };
        let least = self.buffers.iter().filter(|(role, _)| grows(*role)).map(share).min().unwrap_or(0);
        u64::try_from(least).unwrap_or(u64::MAX)
    }

    /// What would make the buffer of a role fit.
    fn remedy(&self, role: Role) -> String {
        let members = self.fitting(self.layout.members, |role| self.grows_with_members(role));
        if self.grows_with_members(role) && self.layout.members > 1 && members > 0 {
            return format!("use at most {members} members (--max-members, --members)");
        }
        let weights = self.population.topology.largest_layer();
        let shapes = self.population.topology.shapes().enumerate();
        let widest = shapes
            .max_by_key(|(_, (_, n_out))| *n_out)
            .map_or(String::new(), |(l, (n_in, n_out))| format!("layer {} ({n_in} → {n_out})", l + 1));
        let batched = |role| matches!(role, Role::Prepared | Role::Activation | Role::Delta | Role::Scores);
        match role {
            Role::Weights => format!("{weights} has most of them: use a narrower --hidden"),
            Role::Memory => {
                format!("{weights} has most of it: use a narrower --hidden, --momentum 0 or a --rule without memory")
            }
            Role::Rates if self.layout.slots_per_weight => format!(
                "{weights} has most of them: use another --basis than coactivation, which keeps {} values per weight, or a \
                 narrower --hidden",
                self.layout.rate_planes
            ),
            Role::Rates => format!("{weights} has most of them: use --scope neuron, or a narrower --hidden"),
            Role::Neurons => format!("{widest} has most of them: use a narrower --hidden"),
            role if batched(role) => match self.fitting(self.layout.batch_size, batched) {
                0 => format!("{widest} is the widest: use a narrower --hidden"),
                fitting => {
                    format!("use --batch-size {fitting} or less, or a narrower --hidden; {widest} is the widest")
                }
            },
            Role::Layers | Role::EvaluationLayers => "use fewer layers in --hidden".into(),
            Role::Members => "use fewer members".into(),
            Role::Labels if self.population.uses_label_noise() => "use --label-noise 0".into(),
            _ => "use fewer samples, or features, in --data".into(),
        }
    }

    /// Launch sizes and workgroups of every kernel of `plan`.
    fn launches(&self, plan: &Plan, limits: &mut Vec<Limit>, problems: &mut Vec<String>) {
        let Self { adapter, offered, population, layout, .. } = *self;
        let most = offered.max_compute_workgroups_per_dimension as usize;
        let specialisation = Specialisation::new(population, layout);
        let persistent = plan.persistent.then_some(Kernel::Persistent);
        let prepared = specialisation.prepared_kernels().iter().copied();
        let (mut dimension, mut invocations, mut storage) = (layout.members, PLAIN_WORKGROUP, 0);
        let kernels = Kernel::all(layout.layers.len()).chain(prepared).chain(persistent);
        for kernel in kernels.filter(|kernel| match kernel {
            Kernel::Tick => population.moves_alpha() && !layout.slots_per_weight,
            Kernel::MaxNorm => specialisation.limits_norms,
            _ => true,
        }) {
            let l = match kernel {
                Kernel::Forward(l) | Kernel::BackwardDelta(l) => l,
                _ => 0,
            };
            let evaluates = matches!(kernel, Kernel::Forward(_) | Kernel::OutputDelta);
            let samples = if evaluates { layout.region } else { layout.batch_size };
            let [x, y] = workgroups(layout, plan, kernel, l, samples);
            // Where y means something of its own, x cannot go on there.
            let splits = !matches!(kernel, Kernel::Tick | Kernel::MaxNorm);
            let (x, y) = if splits && x > most { (most, x.div_ceil(most)) } else { (x, y) };
            dimension = dimension.max(x).max(y);
            let tile = kernel.tile(plan);
            let workgroup = match (tile, kernel) {
                (Some(tile), _) => tile.workgroup,
                (None, Kernel::Persistent) => PERSISTENT_WORKGROUP,
                (None, _) => PLAIN_WORKGROUP,
            };
            let ids = (x as u64).saturating_mul(y as u64).saturating_mul(workgroup as u64);
            if x > most || y > most || ids > u64::from(u32::MAX) {
                let layers = match kernel {
                    Kernel::Forward(_) | Kernel::BackwardDelta(_) => format!("layer {}", l + 1),
                    _ => "its layers".into(),
                };
                problems.push(format!(
                    "{adapter}: kernel {} needs {x} × {y} workgroups of {workgroup} for {layers}, but the adapter starts at \
                     most {most} along a dimension and 2³² invocations in all; use a narrower --hidden, or --device cpu",
                    kernel.stem()
                ));
            }
            invocations = invocations.max(workgroup);
            let staged = |tile: Tile| plan.product == Product::Tiled && tile.slab > 0;
            let squares = kernel == Kernel::Update && specialisation.sums_squares();
            storage = storage.max(tile.filter(|tile| staged(*tile)).map_or(0, |tile| tile.workgroup_bytes(squares)));
        }
        storage = storage.max(specialisation.field_bytes());
        let taken = [
            ("max_compute_workgroups_per_dimension", dimension, most as u32),
            ("max_compute_invocations_per_workgroup", invocations, offered.max_compute_invocations_per_workgroup),
            ("max_compute_workgroup_storage_size", storage, offered.max_compute_workgroup_storage_size),
        ];
        for (name, needed, offered) in taken {
            if needed > offered as usize && name != taken[0].0 {
                problems.push(format!(
                    "{adapter}: a workgroup needs {needed} of {name}, but the adapter has {offered}; use --no-autotune, or --device cpu"
                ));
            }
            limits.push(Limit { name, needed: needed as u64, offered: u64::from(offered) });
        }
        if layout.members > most {
            problems.push(format!(
                "{adapter}: {} members are more than the {most} workgroups along a dimension; use fewer members",
                layout.members
            ));
        }
    }
}
