//! Checkpoints: the whole training state of a member and its place in the run, in one safetensors file with a checksum.
//! A run that resumes from a checkpoint equals an unbroken run to the last bit, on one device.
//!
//! Per layer l: `layers.{l}.weights` [n_in + 1, n_out], `.memory` (what the rule remembers), `.alpha0`, `.psi`, `.slots`
//! [slots, 4] and `.observed` [slots, 2], all F32 and flat, see [`crate::train::state::LayerState`]; then `running` F64
//! [entries, 3], see [`RunningScore`]. The metadata are `config`, `data` (checksum of the data set and of a replayed trace),
//! `progress`, and `crc32`, the checksum of the other three and of all tensors by name.

use crate::config::Config;
use crate::error::{Error, Result};
use crate::files::{self, safetensors_bytes, to_json, write_atomic};
use crate::memory;
use crate::rule::psi::Slot;
use crate::train::population::Population;
use crate::train::state::{LayerState, MemberState, RunningScore};
use crate::train::trainer::{Divergence, Position};
use safetensors::{Dtype, SafeTensors, tensor::TensorView};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::Path;

/// Name of the tensor of running sums.
const RUNNING: &str = "running";
/// Keys of the metadata.
const CONFIG: &str = "config";
const DATA: &str = "data";
const PROGRESS: &str = "progress";
const CHECKSUM: &str = "crc32";

/// The place of a run, and what the run has found out so far.
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
    /// Where a value was first not finite, if training continued after that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub divergence: Option<Divergence>,
}

/// Why a run cannot resume from a file.
#[derive(Debug)]
pub enum Refusal {
    /// The file is damaged. An earlier checkpoint may serve.
    Damaged(Error),
    /// The file cannot be read, or belongs to other settings or data. An earlier checkpoint would not serve either.
    Final(Error),
}

impl From<Refusal> for Error {
    fn from((Refusal::Damaged(error) | Refusal::Final(error)): Refusal) -> Self {
        error
    }
}

/// A state that a run can resume from.
#[derive(Clone, Debug, PartialEq)]
pub struct Checkpoint {
    /// The place of the run.
    pub progress: Progress,
    /// The whole training state at that place.
    pub state: MemberState,
}

impl Progress {
    /// Whether a run of this population has such a place. The GPU counts rows and ticks from it without a check.
    fn lies_in(&self, population: &Population) -> bool {
        let Position { epoch, batch } = self.position;
        let (epochs, per_epoch) = (population.shared().run.epochs, population.steps_per_epoch());
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

/// The checksum of a checkpoint. The order of the tensors does not matter.
fn checksum<'a>(
    metadata: impl IntoIterator<Item = (&'a String, &'a String)>,
    mut tensors: Vec<(&str, &[u8])>,
) -> String {
    tensors.sort_unstable();
    let metadata: BTreeMap<&str, &str> =
        metadata.into_iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
    let mut checksum = crc32fast::Hasher::new();
    [CONFIG, DATA, PROGRESS]
        .iter()
        .filter_map(|key| metadata.get(*key))
        .for_each(|text| checksum.update(text.as_bytes()));
    for (name, content) in tensors {
        checksum.update(name.as_bytes());
        checksum.update(content);
    }
    format!("{:08x}", checksum.finalize())
}

/// Refuses a state of other settings or other data. The device and the places of files may change.
fn belongs(config: &Config, data: &str, population: &Population) -> std::result::Result<(), String> {
    let essence = |config: &Config| {
        let mut table = config.essence().to_table();
        ["device", "no-autotune", "data", "init", "trace"].iter().for_each(|key| drop(table.remove(*key)));
        if config.follows_the_end().is_none() {
            // A run may be prolonged.
            table.remove("epochs");
        }
        table
    };
    let (then, now) = (essence(config), essence(population.shared()));
    if let Some(key) = then.keys().chain(now.keys()).find(|key| then.get(*key) != now.get(*key)) {
        let value = |table: &toml::Table| table.get(key).map_or_else(|| "nothing".to_owned(), ToString::to_string);
        return Err(format!(
            "belongs to another run: it was made with {key} = {}, and config.toml says {}; put that back as it was, or train \
             anew with another `out`",
            value(&then),
            value(&now)
        ));
    }
    if data != format!("{:08x}", population.checksum()) {
        let config = population.shared();
        let trace = config
            .rule
            .trace
            .as_ref()
            .map_or(String::new(), |path| format!(", or another trace than {},", path.display()));
        return Err(format!(
            "was trained on other samples than {}{trace} holds now; put back what there was, or train anew with another `out`",
            config.data.source
        ));
    }
    Ok(())
}

/// Takes a part of the checkpoint at `path`, given its tensors and its progress.
fn peek<T>(path: &Path, take: impl FnOnce(&SafeTensors, &str) -> std::result::Result<T, String>) -> Result<T> {
    let wrong = |reason: String| Error::file(path, reason);
    let content = files::read(path, memory::whole("a checkpoint"))?;
    let (file, all) = files::tensors(&content, "not a checkpoint").map_err(wrong)?;
    let tensors = file.tensors();
    let found = checksum(&all, tensors.iter().map(|(name, view)| (&**name, view.data())).collect());
    if all.get(CHECKSUM) != Some(&found) {
        return Err(wrong("is damaged: its checksum does not fit its contents".into()));
    }
    take(&file, all.get(PROGRESS).map_or("", String::as_str)).map_err(wrong)
}

/// The numbers of a tensor.
fn floats(file: &SafeTensors, name: &str) -> std::result::Result<Vec<f32>, String> {
    let tensor = file.tensor(name).ok().filter(|tensor| tensor.dtype() == Dtype::F32);
    let tensor = tensor.ok_or_else(|| format!("tensor {name} is missing, or not F32"))?;
    let (words, _) = tensor.data().as_chunks::<4>();
    Ok(words.iter().map(|word| f32::from_le_bytes(*word)).collect())
}

impl Checkpoint {
    /// Writes the file atomically. `data` is the [checksum](Population::checksum) of what the run learns from.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn write(&self, config: &Config, data: u32, path: &Path) -> Result<()> {
        write_atomic(path, &self.encode(config, data, path)?)
    }

    /// The bytes of the file, which is to lie at `path`.
    ///
    /// # Errors
    /// If safetensors cannot hold the state.
    pub fn encode(&self, config: &Config, data: u32, path: &Path) -> Result<Vec<u8>> {
        let refuse = |e: safetensors::SafeTensorError| Error::file(path, format!("cannot be written: {e}"));
        let mut tensors: Vec<(String, Dtype, Vec<usize>, Vec<u8>)> = vec![];
        for (l, layer) in self.state.layers.iter().enumerate() {
            for (name, values) in arrays(layer) {
                let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
                tensors.push((format!("layers.{l}.{name}"), Dtype::F32, vec![values.len()], bytes));
            }
        }
        let sums = &self.state.running.sums;
        let bytes: Vec<u8> = sums.as_flattened().iter().flat_map(|value| value.to_le_bytes()).collect();
        tensors.push((RUNNING.to_owned(), Dtype::F64, vec![sums.len(), 3], bytes));
        let views = tensors
            .iter()
            .map(|(name, dtype, shape, bytes)| Ok((name, TensorView::new(*dtype, shape.clone(), bytes)?)))
            .collect::<std::result::Result<Vec<_>, _>>()
            .map_err(refuse)?;
        let mut metadata = BTreeMap::from([
            (CONFIG.to_owned(), to_json(config)?),
            (DATA.to_owned(), format!("{data:08x}")),
            (PROGRESS.to_owned(), to_json(&self.progress)?),
        ]);
        let checksum = checksum(&metadata, tensors.iter().map(|(name, .., bytes)| (&**name, &**bytes)).collect());
        metadata.insert(CHECKSUM.to_owned(), checksum);
        safetensors_bytes(views, &metadata).map_err(refuse)
    }

    /// The weights of the first layer in the checkpoint at `path`, `[n_in + 1, n_out]` row-major, bias row last.
    ///
    /// # Errors
    /// If the file cannot be read, or is damaged.
    pub fn first_weights(path: &Path) -> Result<Vec<f32>> {
        peek(path, |file, _| floats(file, "layers.0.weights"))
    }

    /// The place of the checkpoint at `path`, and for each layer the ticks at which its slots had triggered; 0 = not yet.
    ///
    /// # Errors
    /// If the file cannot be read, or is damaged.
    pub fn onsets(path: &Path) -> Result<(Progress, Vec<Vec<u32>>)> {
        peek(path, |file, progress| {
            let progress = serde_json::from_str(progress).map_err(|e| format!("its metadata ‘{PROGRESS}’: {e}"))?;
            let mut layers = vec![];
            loop {
                match floats(file, &format!("layers.{}.slots", layers.len())) {
                    Ok(slots) => {
                        let slots = bytemuck::pod_collect_to_vec::<f32, Slot>(&slots);
                        layers.push(slots.iter().map(|slot| slot.onset as u32).collect());
                    }
                    Err(reason) if layers.is_empty() => return Err(reason),
                    Err(_) => return Ok((progress, layers)),
                }
            }
        })
    }

    /// Reads a checkpoint of a run of this population, which has one member.
    ///
    /// # Errors
    /// As [`Self::decode`], and if it cannot be read.
    pub fn read(path: &Path, population: &Population) -> std::result::Result<Self, Refusal> {
        let content = files::read(path, memory::whole("a checkpoint")).map_err(|e| match e {
            Error::File { path, reason } => {
                let reason = format!("cannot be read: {reason}; move it away to resume from an earlier state");
                Refusal::Final(Error::file(path, reason))
            }
            other => Refusal::Final(other),
        })?;
        Self::decode(path, &content, population)
    }

    /// Checks and decodes the content of the file at `path`.
    ///
    /// # Errors
    /// If the file is damaged, or belongs to a run of other settings or data.
    pub fn decode(path: &Path, content: &[u8], population: &Population) -> std::result::Result<Self, Refusal> {
        let wrong = |reason: String| Refusal::Damaged(Error::file(path, reason));
        let (file, all) = files::tensors(content, "not a checkpoint").map_err(wrong)?;
        let metadata =
            |key: &str| all.get(key).ok_or_else(|| wrong(format!("not a checkpoint: it has no metadata ‘{key}’")));
        let progress: Progress = serde_json::from_str(metadata(PROGRESS)?)
            .map_err(|e| wrong(format!("its metadata ‘{PROGRESS}’ cannot be read: {e}")))?;
        let tensors = file.tensors();
        let contents = tensors.iter().map(|(name, view)| (&**name, view.data())).collect();
        let found = checksum(&all, contents);
        let is_whole = *metadata(CHECKSUM)? == found;
        let (config, data) = (metadata(CONFIG)?, metadata(DATA)?);
        if is_whole {
            let of_another = |reason: String| Refusal::Final(Error::file(path, reason));
            let config = Config::from_json(config)
                .map_err(|e| of_another(format!("its settings are of another version of this program: {e}")))?;
            belongs(&config, data, population).map_err(of_another)?;
        }
        if !progress.lies_in(population) {
            return Err(wrong(format!("its metadata ‘progress’ is no place in this run: {}", metadata(PROGRESS)?)));
        }
        let mut layers = vec![];
        for (l, shape) in population.initial_state()[0].layers.iter().enumerate() {
            let mut values = vec![];
            for (name, expected) in arrays(shape) {
                let name = format!("layers.{l}.{name}");
                let tensor = file.tensor(&name).map_err(|_| wrong(format!("tensor {name} is missing")))?;
                if tensor.dtype() != Dtype::F32 || tensor.shape() != [expected.len()] {
                    return Err(wrong(format!(
                        "tensor {name} has type {:?} and shape {:?}, expected F32 [{}]",
                        tensor.dtype(),
                        tensor.shape(),
                        expected.len()
                    )));
                }
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
        let sums = match (tensor.dtype(), tensor.shape()) {
            (Dtype::F64, [_, 3]) => tensor.data().as_chunks::<8>().0.as_chunks::<3>().0.iter(),
            (dtype, shape) => {
                return Err(wrong(format!(
                    "tensor {RUNNING} has type {dtype:?} and shape {shape:?}, expected F64 [_, 3]"
                )));
            }
        };
        let sums = sums.map(|sums| sums.map(f64::from_le_bytes)).collect();
        if !is_whole {
            return Err(wrong("is damaged: its checksum does not fit its contents".into()));
        }
        let Progress { steps, samples_since_tick, running_samples, .. } = progress;
        let running = RunningScore { samples: running_samples, sums };
        Ok(Self { progress, state: MemberState { steps, samples_since_tick, running, layers } })
    }
}
