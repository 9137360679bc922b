//! The trigger trace of a ψ run: for every slot, the tick at which the slot triggered.
//!
//! Together with the settings, the trace gives α at any time. `rule = replay` replays the trace without homeostasis: as
//! a mean curve, or dealt to other neurons.
//!
//! A `trace.safetensors` holds `layers.{l}.onset`, U32 `[n_out]`, or `[n_out, n_in + 1]` with co-activation. Ticks
//! count from 1; 0 marks a slot that never triggered. Its metadata are `config`, the resolved settings as JSON, and
//! `ticks`, the number of ticks of the run.

use crate::config::{Config, Latch, Replay, Rule};
use crate::error::{Error, Result};
use crate::files::{self, safetensors_bytes, to_json, write_atomic};
use crate::memory;
use crate::network::topology::Topology;
use crate::rng::{Random, Stream};
use crate::rule::member::Member;
use crate::rule::psi::{self, Slot};
use safetensors::{Dtype, SafeTensors, tensor::TensorView};
use std::path::Path;

/// The trigger times of one member.
#[derive(Clone, Debug, PartialEq)]
pub struct Trace {
    /// The settings of the traced run.
    pub config: Config,
    /// T, the number of ticks of the traced run.
    pub ticks: u32,
    /// The tick at which each slot triggered, from 1; 0 = never. Per layer, in the order of
    /// [`crate::train::state::LayerState::slots`].
    pub onsets: Vec<Vec<u32>>,
    /// Number of weights that share a slot, per layer.
    weights_per_slot: Vec<usize>,
}

impl Trace {
    /// The trace of a run of `ticks` ticks in which the slots of each layer triggered at `onsets`.
    #[must_use]
    pub fn new(config: Config, topology: &Topology, onsets: Vec<Vec<u32>>, ticks: u32) -> Self {
        let weights = |((n_in, n_out), onsets): ((usize, usize), &Vec<u32>)| (n_in + 1) * n_out / onsets.len();
        let weights_per_slot = topology.shapes().zip(&onsets).map(weights).collect();
        Self { config, ticks, onsets, weights_per_slot }
    }

    /// Hashes the parts of the trace that a replay depends on.
    pub(crate) fn checksum(&self, checksum: &mut crc32fast::Hasher) {
        checksum.update(to_json(&self.config.essence()).unwrap_or_default().as_bytes());
        checksum.update(&self.ticks.to_le_bytes());
        self.onsets.iter().for_each(|onsets| checksum.update(bytemuck::cast_slice(onsets)));
    }

    /// Writes the trace atomically, so that a reader never sees a part of it.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn write(&self, topology: &Topology, path: &Path) -> Result<()> {
        write_atomic(path, &self.encode(topology, path)?)
    }

    /// The bytes of the file, which is to lie at `path`.
    ///
    /// # Errors
    /// If safetensors cannot hold the trace.
    pub fn encode(&self, topology: &Topology, path: &Path) -> Result<Vec<u8>> {
        let tensor = |(l, ((n_in, n_out), onsets)): (usize, ((usize, usize), &Vec<u32>))| {
            let per_weight = onsets.len() != n_out;
            let rows = if per_weight { n_in + 1 } else { 1 };
            let shape = if per_weight { vec![n_out, rows] } else { vec![n_out] };
            let transposed = (0..n_out).flat_map(|j| (0..rows).map(move |i| onsets[i * n_out + j]));
            (format!("layers.{l}.onset"), shape, transposed.flat_map(u32::to_le_bytes).collect::<Vec<u8>>())
        };
        let tensors: Vec<_> = topology.shapes().zip(&self.onsets).enumerate().map(tensor).collect();
        let refuse = |e: safetensors::SafeTensorError| Error::file(path, format!("cannot be written: {e}"));
        let views = tensors
            .iter()
            .map(|(name, shape, bytes)| Ok((name, TensorView::new(Dtype::U32, shape.clone(), bytes)?)))
            .collect::<std::result::Result<Vec<_>, _>>()
            .map_err(refuse)?;
        let metadata =
            [("config".to_owned(), to_json(&self.config.essence())?), ("ticks".to_owned(), self.ticks.to_string())];
        safetensors_bytes(views, &metadata.into_iter().collect()).map_err(refuse)
    }

    /// The settings of the run that the whole trace at `path` records.
    ///
    /// # Errors
    /// If the file cannot be read or is not a trace.
    pub fn source(path: &Path) -> Result<Config> {
        let content = files::read(path, memory::whole("a trace"))?;
        header(path, &content).map(|(_, config, _)| config)
    }

    /// Reads the trace that `config` replays in a run of `ticks` ticks on a network of this topology.
    ///
    /// # Errors
    /// If the file cannot be read or is not a trace. If the trace is of another network, of a run with another number
    /// of ticks, or of a rule other than ψ. If the traced run was gated: its falls could pause, which trigger times
    /// alone do not record.
    pub fn read(path: &Path, config: &Config, topology: &Topology, ticks: u32) -> Result<Self> {
        Self::decode(path, &files::read(path, memory::whole("a trace"))?, config, topology, ticks)
    }

    /// Checks and decodes `content`, the bytes of the file at `path`.
    ///
    /// # Errors
    /// As [`Self::read`], except reading the file.
    pub fn decode(path: &Path, content: &[u8], config: &Config, topology: &Topology, ticks: u32) -> Result<Self> {
        let wrong = |reason: String| refusal(path, &reason);
        let (file, source, traced) = header(path, content)?;
        if source.rule.kind != Rule::Psi {
            return Err(wrong(format!("is of a run of `rule = {}`; only `rule = psi` triggers", source.rule.kind)));
        }
        if source.rule.latch == Latch::Gated {
            return Err(wrong(
                "is of a run with `latch = gated`, whose falls pause; give one with `latch = latched`".into(),
            ));
        }
        if traced != ticks {
            return Err(wrong(format!(
                "has {traced} ticks, but this run has {ticks}; use the same `epochs` and `clock`"
            )));
        }
        let mut onsets = vec![];
        for (l, (n_in, n_out)) in topology.shapes().enumerate() {
            let name = format!("layers.{l}.onset");
            let tensor = file.tensor(&name).map_err(|_| wrong(format!("tensor {name} is missing")))?;
            let rows = if config.slots_per_weight() { n_in + 1 } else { 1 };
            let shape = if config.slots_per_weight() { vec![n_out, rows] } else { vec![n_out] };
            if tensor.dtype() != Dtype::U32 || tensor.shape() != shape {
                return Err(wrong(format!(
                    "tensor {name} has type {:?} and shape {:?}, expected U32 {shape:?}; give the trace of a run of the same net, `basis` and `scope`",
                    tensor.dtype(),
                    tensor.shape()
                )));
            }
            let (words, _) = tensor.data().as_chunks::<4>();
            let values: Vec<u32> = words.iter().map(|word| u32::from_le_bytes(*word)).collect();
            if let Some(late) = values.iter().find(|&&onset| onset > ticks) {
                return Err(wrong(format!("tensor {name} has tick {late} of {ticks}")));
            }
            onsets.push((0..rows).flat_map(|i| (0..n_out).map(move |j| j * rows + i)).map(|at| values[at]).collect());
        }
        Ok(Self::new(source, topology, onsets, ticks))
    }

    /// The mean of ψ over the weights of `layer`, or of all layers, in the step after tick `t`.
    #[must_use]
    pub fn mean_psi(&self, layer: Option<usize>, t: u32) -> f64 {
        let member = Member::new(&self.config, &self.config, self.ticks);
        let psi = |onset: u32| f64::from(psi::psi(&member, &Slot::latched(onset, t)));
        let (mut sum, mut count) = (0.0, 0.0);
        for (l, (onsets, &weights)) in self.onsets.iter().zip(&self.weights_per_slot).enumerate() {
            if layer.is_none_or(|layer| layer == l) {
                sum += weights as f64 * onsets.iter().map(|&onset| psi(onset)).sum::<f64>();
                count += (weights * onsets.len()) as f64;
            }
        }
        sum / count
    }

    /// The trigger times of layer `l` as the setting `replay` deals them, shuffled with the seed; `None` if `replay`
    /// uses mean curves.
    #[must_use]
    pub fn dealt(&self, config: &Config, l: usize) -> Option<Vec<u32>> {
        match config.rule.replay.filter(|_| config.rule.kind == Rule::Replay)? {
            Replay::Global | Replay::Layer => None,
            Replay::Shuffle => {
                let mut onsets = self.onsets[l].clone();
                Random::new(config.run.seed, Stream::Replay, l as u32).shuffle(&mut onsets);
                Some(onsets)
            }
            Replay::Random => {
                let mut all = self.onsets.concat();
                Random::new(config.run.seed, Stream::Replay, u32::MAX).shuffle(&mut all);
                let first: usize = self.onsets[..l].iter().map(Vec::len).sum();
                Some(all[first..first + self.onsets[l].len()].to_vec())
            }
            Replay::Reverse => Some(reversed(&self.onsets[l])),
        }
    }
}

/// The same trigger times, the latest for the slot that triggered first. Slots that never triggered come last, and of slots
/// with the same time the first.
fn reversed(onsets: &[u32]) -> Vec<u32> {
    let mut order: Vec<usize> = (0..onsets.len()).collect();
    // Never (0) becomes the largest number.
    order.sort_by_key(|&slot| onsets[slot].wrapping_sub(1));
    let mut dealt = vec![0; onsets.len()];
    for (&slot, &opposite) in order.iter().zip(order.iter().rev()) {
        dealt[slot] = onsets[opposite];
    }
    dealt
}

fn refusal(path: &Path, reason: &str) -> Error {
    Error::file(path, format!("`trace`: {reason}"))
}

/// The tensors of a trace, the settings of its run and its number of ticks; an error if `content` is not a trace.
fn header<'a>(path: &Path, content: &'a [u8]) -> Result<(SafeTensors<'a>, Config, u32)> {
    let wrong = |reason: String| refusal(path, &reason);
    let (file, metadata) = files::tensors(content, "not a trace.safetensors").map_err(wrong)?;
    let metadata = |key: &str| metadata.get(key).ok_or_else(|| wrong(format!("has no metadata ‘{key}’")));
    let source = Config::from_json(metadata("config")?).map_err(|e| wrong(format!("its metadata ‘config’: {e}")))?;
    let ticks = metadata("ticks")?.parse().map_err(|_| wrong("its metadata ‘ticks’ is no number".into()))?;
    Ok((file, source, ticks))
}
