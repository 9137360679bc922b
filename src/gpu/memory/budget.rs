//! The memory budget of a run: every buffer with its shape and bytes, and the demands of the kernels on the adapter's
//! limits. The budget is known before any allocation. `Buffers` allocates exactly this list, so a run that fits the
//! budget fits the adapter's limits.
//!
//! Only the data set may exceed one binding, because it can be divided into pieces of whole rows (see
//! [`Layout::fit_data`]). Every other excess is refused, and the message names the setting that would make the run fit.

use super::table::{Remedy, Role, Run};
use crate::error::{Error, Result};
use crate::gpu::launch::{Kernel, Program, field_bytes};
use crate::gpu::layout::Layout;
use crate::gpu::summary::Limit;
use crate::gpu::tile::Tile;
use crate::gpu::tiles::{Persistent, Plan};
use crate::memory::{Array, human, total};
use crate::train::population::Population;

/// All buffers of a run, and the reasons why they do not fit.
#[derive(Clone, Debug)]
pub struct MemoryBudget {
    /// Buffers allocated before the first step.
    pub buffers: Vec<(Role, Array)>,
    /// Upper bound of the staging buffers for readback, allocated at the first readback.
    pub staging: Vec<Array>,
    /// The adapter's limits that the run needs.
    pub limits: Vec<Limit>,
    /// Each excess and its remedy, in one sentence.
    pub problems: Vec<String>,
    adapter: String,
}

/// Most storage buffers that one kernel in f32 binds, without further pieces of the data set. The persistent kernel is
/// optional and may bind more ([`Plan::storage_buffers`]).
const STORAGE_BUFFERS: u32 = 8;

impl MemoryBudget {
    /// The buffers of `population` laid out as `layout`, compared with `limits` of `adapter`.
    #[must_use]
    pub fn new(adapter: &str, limits: &wgpu::Limits, population: &Population, layout: &Layout, plan: &Plan) -> Self {
        let run = Run { population, layout };
        let arrays = |&role: &Role| role.arrays(&run).into_iter().map(move |array| (role, array));
        let buffers: Vec<(Role, Array)> = Role::ALL.iter().flat_map(arrays).collect();
        let bytes = |role| buffers.iter().find(|(other, _)| *other == role).map_or(0, |(_, array)| array.bytes);
        let spans: usize = layout.alpha_places(population.shared().rule.kind).map(|(_, place)| place.span()).sum();
        let canary = layout.canary_bytes();
        let report = canary + bytes(Role::Scores) as usize + size_of::<f32>() * spans;
        let state = Role::state().map(bytes).max().unwrap_or(0) as usize;
        let staging = vec![
            Array::new("report, read back", 1, &[("reports", 2), ("bytes", report)]),
            Array::new("state, read back", 1, &[("bytes", canary + state)]),
        ];
        let check = Check { adapter, offered: limits, run, buffers: &buffers };
        let (mut problems, mut taken) = (vec![], vec![]);
        for (role, array) in &buffers {
            problems.extend(check.array(*role, array));
        }
        if report.max(state) as u64 > limits.max_buffer_size {
            problems.push(format!(
                "{adapter}: to be read back, a report takes {} and the state {}, but a buffer may have at most {}; use a \
                 narrower `hidden`, fewer members, or `device = cpu`",
                human(report as u64),
                human(state as u64),
                human(limits.max_buffer_size)
            ));
        }
        check.launches(plan, &mut taken, &mut problems);
        let largest = |uniform| buffers.iter().filter(move |(role, _)| role.row().content.is_uniform() == uniform);
        let most = |uniform| largest(uniform).map(|(_, array)| array.bytes).max().unwrap_or(0);
        let pieces = layout.pieces(&population.data);
        let others = STORAGE_BUFFERS + u32::from(plan.halves() > 0);
        let first = if plan.persistent.is_some() { Plan::storage_buffers(population) } else { others };
        let bound = first.saturating_add(u32::try_from(pieces - 1).unwrap_or(u32::MAX));
        if bound > limits.max_storage_buffers_per_shader_stage && pieces == 1 && plan.halves() > 0 {
            problems.push(format!(
                "{adapter}: kernels in half precision bind {bound} arrays, but the adapter has {}; use `precision = f32`",
                limits.max_storage_buffers_per_shader_stage
            ));
        } else if bound > limits.max_storage_buffers_per_shader_stage {
            problems.push(format!(
                "{adapter}: the data set needs {pieces} arrays of at most {}, but its kernels can bind only {} arrays, \
                 {first} of them for the first and all else; use fewer samples in `data`, bytes in the place of \
                 reals (a quarter), or `device = cpu`",
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

    /// Bytes of all buffers allocated before the first step.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        total(self.buffers.iter().map(|(_, array)| array))
    }

    /// Refuses a run that does not fit.
    ///
    /// # Errors
    /// [`Error::Device`] with the first problem.
    pub fn check(&self) -> Result<()> {
        match &self.problems[..] {
            [] => Ok(()),
            [problem] => Err(Error::Device(problem.clone())),
            [problem, others @ ..] => {
                Err(Error::Device(format!("{problem} (and {} more: `dry-run` lists them)", others.len())))
            }
        }
    }

    /// The error of an adapter that has no memory for `array`, although its limits allow the array. `before` is the
    /// number of bytes allocated by then.
    pub fn out_of_memory(&self, array: &Array, before: u64, reason: &str) -> Error {
        Error::Device(format!(
            "{}: no memory for the {} ({}; {} in all, of which {} were there): {reason}; use a narrower `hidden`, a smaller \
             `batch-size`, fewer members, or `device = cpu`",
            self.adapter,
            array.name,
            human(array.bytes),
            human(self.bytes()),
            human(before)
        ))
    }
}

/// Compares a run with the limits of an adapter.
struct Check<'a> {
    adapter: &'a str,
    offered: &'a wgpu::Limits,
    run: Run<'a>,
    buffers: &'a [(Role, Array)],
}

impl Check<'_> {
    /// Most bytes of one buffer.
    fn most(&self, uniform: bool) -> u64 {
        let binding = match uniform {
            true => self.offered.max_uniform_buffer_binding_size,
            false => self.offered.max_storage_buffer_binding_size,
        };
        binding.min(self.offered.max_buffer_size)
    }

    /// Why one buffer does not fit, if it does not.
    fn array(&self, role: Role, array: &Array) -> Option<String> {
        let row = role.row();
        // Kernels index in u32, and across all pieces of a buffer.
        let pieces = self.buffers.iter().filter(|(other, _)| *other == role);
        let elements = pieces.fold(0, |sum: u64, (_, array)| sum.saturating_add(array.elements()));
        let counted = elements.saturating_mul(if row.by_floats { 4 } else { 1 });
        let most = self.most(row.content.is_uniform());
        let reason = if array.bytes > most {
            format!("but one array may have at most {} on this adapter", human(most))
        } else if counted > u64::from(u32::MAX) {
            "and its kernels count no further than 2³² elements".to_owned()
        } else {
            return None;
        };
        Some(format!(
            "{}: the {} {} take {}, {reason}; {}, or `device = cpu`",
            self.adapter,
            array.name,
            array.dimensions(),
            human(array.bytes),
            self.remedy(role, array)
        ))
    }

    /// Whether the array has the members as an axis.
    fn grows_with_members(&self, array: &Array) -> bool {
        array.shape.contains(&("P", self.run.layout.members))
    }

    /// The largest part of `whole` for which all buffers that grow with `whole` would fit. `grows` selects these buffers.
    fn fitting(&self, whole: usize, grows: impl Fn(Role, &Array) -> bool) -> u64 {
        let share = |(role, array): &(Role, Array)| {
            whole as u128 * u128::from(self.most(role.row().content.is_uniform())) / u128::from(array.bytes)
        };
        let least = self.buffers.iter().filter(|(role, array)| grows(*role, array)).map(share).min().unwrap_or(0);
        u64::try_from(least).unwrap_or(u64::MAX)
    }

    /// The setting that would make the buffer of a role fit.
    fn remedy(&self, role: Role, array: &Array) -> String {
        let Run { layout, .. } = self.run;
        let members = self.fitting(layout.members, |_, array| self.grows_with_members(array));
        if self.grows_with_members(array) && layout.members > 1 && members > 0 {
            return format!("use at most {members} members (`max-members`, `members`)");
        }
        let batched = |role: Role, _: &Array| matches!(role.row().remedy, Remedy::Batch);
        match role.row().remedy {
            Remedy::Setting(remedy) => remedy(&self.run),
            Remedy::Batch => {
                let widest = self.run.widest();
                match self.fitting(layout.batch_size, batched) {
                    0 => format!("{widest} is the widest: use a narrower `hidden`"),
                    fitting => {
                        format!("use `batch-size = {fitting}` or less, or a narrower `hidden`; {widest} is the widest")
                    }
                }
            }
        }
    }

    /// Checks the launch sizes and workgroups of every kernel of `plan`.
    fn launches(&self, plan: &Plan, limits: &mut Vec<Limit>, problems: &mut Vec<String>) {
        let Self { adapter, offered, run: Run { population, layout }, .. } = *self;
        let most = offered.max_compute_workgroups_per_dimension as usize;
        let shared = population.shared();
        let sums_squares = shared.slots_per_weight() || shared.rule.kind.reads_input();
        let (mut dimension, mut invocations, mut storage) = (layout.members, 0, 0);
        for kernel in Program::new(population, plan).kernels {
            let samples = match kernel {
                Kernel::Assemble(_) | Kernel::Store(_) => layout.evaluation_batch,
                _ if kernel.evaluates() => layout.region,
                _ => layout.batch_size,
            };
            // While nothing is frozen.
            let width4 = match kernel {
                Kernel::BackwardDelta(l) => layout.layers[l].in4 as usize,
                _ => kernel.width4(layout, false),
            };
            let [x, y] = kernel.workgroups(layout, plan, samples, width4, most);
            dimension = dimension.max(x).max(y);
            let workgroup = kernel.workgroup(plan);
            let ids = (x as u64).saturating_mul(y as u64).saturating_mul(workgroup as u64);
            if x > most || y > most || ids > u64::from(u32::MAX) {
                let layers = match kernel {
                    Kernel::Forward(l) | Kernel::BackwardDelta(l) => format!("layer {}", l + 1),
                    _ => "its layers".into(),
                };
                problems.push(format!(
                    "{adapter}: kernel {} needs {x} × {y} workgroups of {workgroup} for {layers}, but the adapter starts at \
                     most {most} along a dimension and 2³² invocations in all; use a narrower `hidden`, or `device = cpu`",
                    kernel.stem()
                ));
            }
            invocations = invocations.max(workgroup);
            let staged = |tile: &Tile| tile.slab > 0;
            let squares = kernel == Kernel::Update && sums_squares;
            let staged = kernel.tile(plan).filter(staged).map_or(0, |tile| tile.workgroup_bytes(squares));
            storage = storage.max(staged);
        }
        let strands = plan.persistent.map_or(0, Persistent::bytes);
        storage = storage.max(field_bytes(population)).max(strands);
        let taken = [
            ("max_compute_workgroups_per_dimension", dimension, most as u32),
            ("max_compute_invocations_per_workgroup", invocations, offered.max_compute_invocations_per_workgroup),
            ("max_compute_workgroup_storage_size", storage, offered.max_compute_workgroup_storage_size),
        ];
        for (name, needed, offered) in taken {
            if needed > offered as usize && name != taken[0].0 {
                problems.push(format!(
                    "{adapter}: a workgroup needs {needed} of {name}, but the adapter has {offered}; use `no-autotune`, or `device = cpu`"
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
