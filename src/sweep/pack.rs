//! Packing: which runs of a sweep train together in one population, and how many of them memory and speed allow.
//!
//! The measurements behind the constants are in `results/packing.md`.

use crate::config::{Config, Rule};
use crate::data::DataSet;
use crate::device::{self, Device};
use crate::gpu::{Context, Pick};
use crate::network::topology::Topology;
use crate::train::population::MAX_MEMBERS;
use std::collections::HashMap;

/// The settings that all runs of one population must have in common.
#[derive(Debug, PartialEq)]
struct Key {
    shared: Config,
    /// The file of initial weights, which may also widen the output layer.
    init: Option<std::path::PathBuf>,
    /// Whether the runs replay traces. Such runs wait for the runs that record the traces, and then train together.
    repeats: bool,
}

/// Numbers the kinds of runs in the order in which they first come. Runs of one kind may train together.
#[derive(Debug, Default)]
pub struct Kinds {
    /// The kind of the last run. Most runs follow a run of their own arm, so that a comparison finds their kind.
    last: Option<(Key, usize)>,
    /// The kinds by the text of their keys, because settings are floats, which no map takes as keys.
    known: HashMap<String, usize>,
}

impl Kinds {
    /// The number of the kind of a run with this configuration, from 0.
    pub fn number(&mut self, config: &Config, repeats: bool) -> usize {
        let key = Key { shared: config.shared(), init: config.network.init.clone(), repeats };
        if let Some((_, number)) = self.last.as_ref().filter(|(last, _)| *last == key) {
            return *number;
        }
        let next = self.known.len();
        let number = *self.known.entry(format!("{key:?}")).or_insert(next);
        self.last = Some((key, number));
        number
    }
}

/// Floating-point operations per step beyond which more members do not make a hardware GPU faster: about a millisecond
/// on a fast one. A larger population would only lose more runs if the device fails.
const HARDWARE_STEP_FLOPS: f64 = 2e10;
/// The same limit for software Vulkan: about 25 ms.
const SOFTWARE_STEP_FLOPS: f64 = 5e8;
/// Largest number of members per CPU thread. More members were not faster, and would lose more runs at a failure.
const CPU_MEMBERS_PER_THREAD: usize = 8;
/// Largest weights of one member, in bytes, at which training members side by side was faster than one after another.
/// Larger members train alone, on all threads, because side by side they took up to a quarter longer.
const CPU_PACKED_BYTES: usize = 2 << 20;

/// Decides how many runs form a population on one device.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Packer {
    /// The CPU engine.
    Cpu {
        /// Number of threads.
        threads: usize,
    },
    /// A GPU adapter.
    Gpu {
        /// Largest array that a kernel can bind, in bytes.
        binding: u64,
        /// Whether the adapter is a software renderer.
        software: bool,
    },
}

impl Packer {
    /// The packer for the device that `choice` selects on this machine.
    #[must_use]
    pub fn new(choice: &Device) -> Self {
        let cpu = Self::Cpu { threads: rayon::current_num_threads() };
        let Some(pick) = choice.pick() else { return cpu };
        let list = Context::list();
        let found = match pick {
            Pick::Index(index) => Some(index),
            Pick::Name(name) => {
                list.iter().position(|adapter| adapter.name.to_lowercase().contains(&name.to_lowercase()))
            }
            Pick::Hardware | Pick::Any => device::automatic().or(Some(0)),
        };
        // A missing adapter is not an error here, because opening it reports one with the reason.
        found
            .and_then(|index| list.get(index))
            .map_or(cpu, |adapter| Self::Gpu { binding: adapter.max_binding_bytes, software: !adapter.is_hardware })
    }

    /// Largest number of members in a population of runs like this one.
    #[must_use]
    pub fn members(&self, config: &Config, data: &DataSet) -> usize {
        let widths =
            std::iter::once(data.features).chain(config.network.hidden.0.iter().copied()).chain([data.classes]);
        let topology = Topology::new(widths.collect());
        if topology.check().is_err() {
            // An invalid topology is not an error here, because training reports one with the reason.
            return 1;
        }
        let batch = config.run.batch_size.min(data.len().max(1));
        let step = topology.flops_per_sample() * batch as f64;
        let most = match *self {
            Self::Cpu { threads } => {
                let weights = array_bytes(config, &topology, data, batch)[0];
                if weights > CPU_PACKED_BYTES { 1 } else { threads * CPU_MEMBERS_PER_THREAD }
            }
            Self::Gpu { binding, software } => {
                let largest = array_bytes(config, &topology, data, batch).into_iter().max().unwrap_or(1);
                let by_speed = if software { SOFTWARE_STEP_FLOPS } else { HARDWARE_STEP_FLOPS } / step;
                (binding as usize / largest.max(1)).min(by_speed.ceil() as usize)
            }
        };
        most.clamp(1, MAX_MEMBERS)
    }

    /// Number of members of the next population of `waiting` runs, at most `most`. All populations become equally large;
    /// on the CPU engine the number is rounded up to a multiple of the threads, because some would idle otherwise.
    #[must_use]
    pub fn share(&self, waiting: usize, most: usize) -> usize {
        let even = waiting.div_ceil(waiting.div_ceil(most));
        let round = match *self {
            Self::Cpu { threads } => even.next_multiple_of(threads),
            Self::Gpu { .. } => even,
        };
        round.min(most).min(waiting)
    }
}

/// Bytes of one member in the arrays that grow with the population: state per weight, activations, and row lists.
///
/// The estimate is rough. It only avoids attempts that would fail; the GPU engine computes the exact sizes and refuses
/// a population that does not fit.
fn array_bytes(config: &Config, topology: &Topology, data: &DataSet, batch: usize) -> [usize; 3] {
    let padded = |width: usize| width.next_multiple_of(4);
    let weights: usize = topology.shapes().map(|(n_in, n_out)| (n_in + 1) * padded(n_out)).sum();
    let planes = match config.rule.kind {
        _ if config.slots_per_weight() => 6,
        Rule::Psi | Rule::Constant | Rule::Replay => 1,
        // All other rules have memory of their own.
        _ => 4,
    };
    let units: usize = topology.widths()[1..].iter().copied().map(padded).sum();
    [4 * planes * weights, 4 * 2 * batch * units, 4 * data.len()]
}
