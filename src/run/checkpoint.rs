//! Checkpoints: the whole training state of a member and its place in the run, in one safetensors file with a checksum.
//! Going on from one equals not having stopped, to the last bit on one device.
//!
//! Per layer l: `layers.{l}.weights` [n_in + 1, n_out], `.memory` (what the rule remembers), `.alpha0`, `.psi`, `.slots`
//! [slots, 4] and `.observed` [slots, 2], all F32 and flat, see [`crate::population::LayerState`]; then `running` F64
//! [entries, 3], see [`RunningScore`]. Metadata `config`, `progress` and `crc32`, that of the progress and of all tensors in
//! the order above.

use crate::config::Config;
use crate::error::{Error, Result};
use crate::population::{LayerState, MemberState, Population, RunningScore};
use crate::psi::Slot;
use crate::trainer::Position;
use safetensors::{Dtype, SafeTensors, tensor::TensorView};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::path::Path;

/// Name of the tensor of running sums.
const RUNNING: &str = "running";

/// Where a run stands beside its state.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    /// The next batch to train.
    pub position: Position,
    /// Steps trained.
    pub steps: u32,
    /// Samples since the last tick.
    pub samples_since_tick: u64,
    /// Samples since the last report.
    pub running_samples: u64,
    /// Seconds that the run has taken.
    pub seconds: f64,
    /// The best validation error so far and its epoch.
    pub best: Option<(f64, u32)>,
    /// The last epoch, once early stopping has decided on it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end: Option<u32>,
}

/// A state that a run can go on from.
#[derive(Clone, Debug, PartialEq)]
pub struct Checkpoint {
    /// Where the run stands.
    pub progress: Progress,
    /// The whole training state there.
    pub state: MemberState,
}

impl Progress {
    /// Whether a run of this population can stand here. Rows and ticks are counted from it, on a GPU unchecked.
    fn lies_in(&self, population: &Population) -> bool {
        let Position { epoch, batch } = self.position;
        let (epochs, per_epoch) = (population.shared().epochs, population.steps_per_epoch());
        let begun = u64::from(epoch.saturating_sub(1));
        let last = if begun == u64::from(epochs) { 1 } else { per_epoch };
        (1..=u64::from(epochs) + 1).contains(&u64::from(epoch))
            && batch < last
            && self.steps == (begun * u64::from(per_epoch) + u64::from(batch)) as u32
            && self.best.is_none_or(|(_, best)| best < epoch)
    }
}

/// The arrays of a layer, by name.
fn arrays(layer: &LayerState) -> [(&'static str, &[f32]); 6] {
    [
        ("weights", &layer.weights),
        ("memory", &layer.memory),
        ("alpha0", &layer.alpha0),
        ("psi", &layer.psi),
        ("slots", bytemuck::cast_slice(&layer.slots)),
        ("observed", layer.observed.as_flattened()),
    ]
}

impl Checkpoint {
    /// Writes the file, whole or not at all.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn write(&self, config: &Config, path: &Path) -> Result<()> {
        let refuse = |e: safetensors::SafeTensorError| Error::file(path, format!("cannot be written: {e}"));
        let progress = super::to_json(&self.progress)?;
        let mut checksum = crc32fast::Hasher::new();
        checksum.update(progress.as_bytes());
        let mut tensors: Vec<(String, Dtype, Vec<usize>, Vec<u8>)> = vec![];
        for (l, layer) in self.state.layers.iter().enumerate() {
            for (name, values) in arrays(layer) {
                let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
                checksum.update(&bytes);
                tensors.push((format!("layers.{l}.{name}"), Dtype::F32, vec![values.len()], bytes));
            }
        }
        let sums = &self.state.running.sums;
        let bytes: Vec<u8> = sums.as_flattened().iter().flat_map(|value| value.to_le_bytes()).collect();
        checksum.update(&bytes);
        tensors.push((RUNNING.to_owned(), Dtype::F64, vec![sums.len(), 3], bytes));
        let views = tensors
            .iter()
            .map(|(name, dtype, shape, bytes)| Ok((name, TensorView::new(*dtype, shape.clone(), bytes)?)))
            .collect::<std::result::Result<Vec<_>, _>>()
            .map_err(refuse)?;
        let metadata = HashMap::from([
            ("config".to_owned(), super::to_json(config)?),
            ("progress".to_owned(), progress),
            ("crc32".to_owned(), format!("{:08x}", checksum.finalize())),
        ]);
        super::write_atomic(path, &safetensors::serialize(views, Some(metadata)).map_err(refuse)?)
    }

    /// Reads a checkpoint of a run of this population, which has one member.
    ///
    /// # Errors
    /// If the file is damaged, or belongs to a run of another shape or length.
    pub fn read(path: &Path, population: &Population) -> Result<Self> {
        Self::decode(path, &std::fs::read(path).map_err(|e| Error::file(path, e))?, population)
    }

    /// Checks and decodes what the file at `path` holds.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn decode(path: &Path, content: &[u8], population: &Population) -> Result<Self> {
        let wrong = |reason: String| Error::file(path, reason);
        let damaged = |e: safetensors::SafeTensorError| wrong(format!("not a checkpoint: {e}"));
        let file = SafeTensors::deserialize(content).map_err(damaged)?;
        let (_, header) = SafeTensors::read_metadata(content).map_err(damaged)?;
        let metadata = |key: &str| {
            let values = header.metadata().as_ref().and_then(|values| values.get(key));
            values.ok_or_else(|| wrong(format!("not a checkpoint: it has no metadata `{key}`")))
        };
        let progress: Progress = serde_json::from_str(metadata("progress")?)
            .map_err(|e| wrong(format!("its metadata `progress` cannot be read: {e}")))?;
        if !progress.lies_in(population) {
            return Err(wrong(format!("its metadata `progress` is no place in this run: {}", metadata("progress")?)));
        }
        let mut checksum = crc32fast::Hasher::new();
        checksum.update(metadata("progress")?.as_bytes());
        let mut layers = vec![];
        for (l, shape) in population.initial_state()[0].layers.iter().enumerate() {
            let mut values = vec![];
            for (name, expected) in arrays(shape) {
                let name = format!("layers.{l}.{name}");
                let tensor = file.tensor(&name).map_err(|_| wrong(format!("tensor {name} is missing")))?;
                if tensor.dtype() != Dtype::F32 || tensor.shape() != [expected.len()] {
                    return Err(wrong(format!(
                        "tensor {name} has type {:?} and shape {:?}, expected F32 [{}]: it belongs to another run",
                        tensor.dtype(),
                        tensor.shape(),
                        expected.len()
                    )));
                }
                checksum.update(tensor.data());
                let (words, _) = tensor.data().as_chunks::<4>();
                values.push(words.iter().map(|word| f32::from_le_bytes(*word)).collect::<Vec<f32>>());
            }
            let mut next = || values.remove(0);
            layers.push(LayerState {
                weights: next(),
                memory: next(),
                alpha0: next(),
                psi: next(),
                slots: bytemuck::pod_collect_to_vec::<f32, Slot>(&next()),
                observed: next().chunks_exact(2).map(|pair| [pair[0], pair[1]]).collect(),
            });
        }
        let tensor = file.tensor(RUNNING).map_err(|_| wrong(format!("tensor {RUNNING} is missing")))?;
        checksum.update(tensor.data());
        let sums = match (tensor.dtype(), tensor.shape()) {
            (Dtype::F64, [_, 3]) => tensor.data().as_chunks::<8>().0.as_chunks::<3>().0.iter(),
            (dtype, shape) => {
                return Err(wrong(format!(
                    "tensor {RUNNING} has type {dtype:?} and shape {shape:?}, expected F64 [_, 3]"
                )));
            }
        };
        let sums = sums.map(|sums| sums.map(f64::from_le_bytes)).collect();
        let found = format!("{:08x}", checksum.finalize());
        if *metadata("crc32")? != found {
            return Err(wrong("is damaged: its checksum does not fit its contents".into()));
        }
        let Progress { steps, samples_since_tick, running_samples, .. } = progress;
        let running = RunningScore { samples: running_samples, sums };
        Ok(Self { progress, state: MemberState { steps, samples_since_tick, running, layers } })
    }
}
