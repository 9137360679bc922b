//! Which runs train together, and how many: as many as memory and speed allow.
//!
//! The figures behind the constants are in `results/packing.md`.

use crate::config::{Config, Rule};
use crate::data::DataSet;
use crate::device::{self, Choice};
use crate::gpu::{Context, Pick};
use crate::network::topology::Topology;
use crate::train::population::MAX_MEMBERS;

/// What runs of one population have in common.
#[derive(Clone, Debug, PartialEq)]
pub struct Key {
    shared: Config,
    /// A model file decides weights, and may widen the output layer.
    init: Option<std::path::PathBuf>,
    /// Runs that repeat traces wait for those that make them, and then train together.
    repeats: bool,
}

impl Key {
    /// That of a run.
    pub fn new(config: &Config, repeats: bool) -> Self {
        Self { shared: config.shared(), init: config.init.clone(), repeats }
    }
}

/// Arithmetic of one step beyond which further members make a GPU no faster: about a millisecond of a fast one. A larger
/// population would only put more runs at risk.
const HARDWARE_STEP_FLOPS: f64 = 2e10;
/// The same for software Vulkan: about 25 ms of it.
const SOFTWARE_STEP_FLOPS: f64 = 5e8;
/// Members per thread of the CPU engine where it pays to pack: more were no faster, and put more runs at risk.
const CPU_MEMBERS_PER_THREAD: usize = 8;
/// Weights of a member, in bytes, up to which members side by side were faster than one after another. Larger ones train
/// alone, on all threads: side by side they took up to a quarter longer.
const CPU_PACKED_BYTES: usize = 2 << 20;

/// Decides how many runs make a population.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Packer {
    /// On the CPU engine.
    Cpu {
        /// Threads.
        threads: usize,
    },
    /// On an adapter.
    Gpu {
        /// Largest array that a kernel can bind, in bytes.
        binding: u64,
        /// Whether it is a software renderer.
        software: bool,
    },
}

impl Packer {
    /// For the device that `choice` means on this machine.
    #[must_use]
    pub fn new(choice: &Choice) -> Self {
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
        // An adapter that does not exist is refused, with the reason, when it is opened.
        found
            .and_then(|index| list.get(index))
            .map_or(cpu, |adapter| Self::Gpu { binding: adapter.max_binding_bytes, software: !adapter.is_hardware })
    }

    /// Members of a population of runs like this one at most.
    #[must_use]
    pub fn members(&self, config: &Config, data: &DataSet) -> usize {
        let widths = std::iter::once(data.features).chain(config.hidden.0.iter().copied()).chain([data.classes]);
        let topology = Topology::new(widths.collect());
        if topology.check().is_err() {
            // Refused, with the reason, once it is to be trained.
            return 1;
        }
        let batch = config.batch_size.min(data.len().max(1));
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

    /// Members of the next population of `waiting` runs: all populations of them equally large, on the CPU engine in
    /// whole rounds of its threads.
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

/// Bytes of a member in the arrays that grow with the population: what is kept per weight, activations, row lists. The GPU
/// engine knows better, and refuses what does not fit; this only spares asking in vain.
fn array_bytes(config: &Config, topology: &Topology, data: &DataSet, batch: usize) -> [usize; 3] {
    let padded = |width: usize| width.next_multiple_of(4);
    let weights: usize = topology.shapes().map(|(n_in, n_out)| (n_in + 1) * padded(n_out)).sum();
    let planes = match config.rule {
        _ if config.slots_per_weight() => 6,
        Rule::Psi | Rule::Constant | Rule::Replay => 1,
        // The memory of the other rules.
        _ => 4,
    };
    let units: usize = topology.widths()[1..].iter().copied().map(padded).sum();
    [4 * planes * weights, 4 * 2 * batch * units, 4 * data.len()]
}
