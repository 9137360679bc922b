//! `model.safetensors`: weights and learning rates in the convention of PyTorch's `nn.Linear`, with the configuration
//! in the metadata.
//!
//! The reader checks every name, type, shape and value, because such files also come from other programs.

use crate::config::{Config, DataSettings, Hidden, MOST_HIDDEN_LAYERS, Scope, Task};
use crate::data::about::About;
use crate::data::preparation::Preparation;
use crate::data::{DataSet, Search};
use crate::error::{Error, Result};
use crate::files::{self, safetensors_bytes, to_json, write_atomic};
use crate::memory::{self, Array};
use crate::network::topology::Topology;
use crate::train::population::Population;
use crate::train::state::MemberState;
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The learning rates of one layer.
#[derive(Clone, Debug, PartialEq)]
pub enum Alpha {
    /// One rate per neuron, `[n_out]`.
    PerNeuron(Vec<f32>),
    /// One rate per weight, `[n_in + 1, n_out]`, bias row last.
    PerWeight(Vec<f32>),
}

/// One layer of a [`Model`], in this program's layout.
#[derive(Clone, Debug, PartialEq)]
pub struct ModelLayer {
    /// Number of inputs.
    pub n_in: usize,
    /// Number of neurons.
    pub n_out: usize,
    /// W, `[n_in + 1, n_out]`; the last row is the bias, fed with −1.
    pub weights: Vec<f32>,
    /// α; `None` if the file has no learning rates.
    pub alpha: Option<Alpha>,
}

/// An array of the model file, in the layout of PyTorch's `nn.Linear`.
#[derive(Clone, Debug, PartialEq)]
pub struct Tensor {
    /// `layers.{l}.weight`, `layers.{l}.bias` or `layers.{l}.alpha`.
    pub name: String,
    /// The size of each dimension.
    pub shape: Vec<usize>,
    /// The values, row-major.
    pub values: Vec<f32>,
}

/// The data that a network was trained on, and what it does to them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ModelData {
    /// What it learnt.
    pub task: Task,
    /// Columns, classes and targets.
    #[serde(flatten)]
    pub about: About,
    /// Scaling of features and targets.
    #[serde(flatten)]
    pub preparation: Preparation,
    /// Numbers of training, validation and test samples.
    pub samples: [usize; 3],
    /// [`DataSet::checksum`].
    pub checksum: u32,
}

impl ModelData {
    /// Reads each part on its own, because serde would hold flattened parts as trees of 32 bytes per number.
    fn parse(json: &str) -> serde_json::Result<Self> {
        #[derive(Deserialize)]
        struct Own {
            task: Task,
            samples: [usize; 3],
            checksum: u32,
        }
        let Own { task, samples, checksum } = serde_json::from_str(json)?;
        let (about, preparation) = (serde_json::from_str(json)?, serde_json::from_str(json)?);
        Ok(Self { task, about, preparation, samples, checksum })
    }
}

/// A network as its file stores it.
#[derive(Clone, Debug, PartialEq)]
pub struct Model {
    /// W_1 … W_L.
    pub layers: Vec<ModelLayer>,
    /// The configuration as JSON; `None` if the file has none.
    pub config: Option<String>,
    /// The data that the network was trained on; `None` if the file does not say.
    pub data: Option<ModelData>,
    /// The file that the network was read from, for messages; empty for a network from memory.
    pub path: PathBuf,
}

impl Model {
    /// The network of one member of a population, whose settings were `config`.
    ///
    /// # Errors
    /// If the configuration cannot be written as JSON, which does not happen for a valid one.
    pub fn of_member(population: &Population, member: usize, config: &Config, state: &MemberState) -> Result<Self> {
        let data = ModelData {
            task: population.data.task,
            about: population.data.about.clone(),
            preparation: (*population.preparations[member]).clone(),
            samples: [population.train_rows(), population.validation_rows(), population.test_rows()],
            checksum: population.data_checksum,
        };
        Ok(Self { data: Some(data), ..Self::from_state(config, &population.topology, state)? })
    }

    /// The network in `state`, without what is known of its data.
    ///
    /// # Errors
    /// If the configuration cannot be written as JSON, which does not happen for a valid one.
    pub fn from_state(config: &Config, topology: &Topology, state: &MemberState) -> Result<Self> {
        let layer = |((n_in, n_out), layer): ((usize, usize), &crate::train::state::LayerState)| ModelLayer {
            n_in,
            n_out,
            weights: layer.weights.clone(),
            alpha: Some(match layer.alpha(config.rule.kind) {
                alpha if config.rule.scope == Scope::Weight || alpha.len() == layer.weights.len() => {
                    Alpha::PerWeight(alpha)
                }
                alpha => Alpha::PerNeuron(alpha),
            }),
        };
        let layers = topology.shapes().zip(&state.layers).map(layer).collect();
        Ok(Self { layers, config: Some(to_json(&config.essence())?), data: None, path: PathBuf::new() })
    }

    /// The tensors of the file, layer by layer: weight, bias and, if the layer has rates, α.
    #[must_use]
    pub fn tensors(&self) -> Vec<Tensor> {
        let mut tensors = vec![];
        for (l, layer) in self.layers.iter().enumerate() {
            let (n_in, n_out) = (layer.n_in, layer.n_out);
            let mut add = |kind, shape, values| {
                tensors.push(Tensor { name: format!("layers.{l}.{kind}"), shape, values });
            };
            let (weight, bias) = layer.weights.split_at(n_in * n_out);
            add("weight", vec![n_out, n_in], transposed(weight, n_in, n_out));
            add("bias", vec![n_out], bias.iter().map(|w| -w).collect());
            match &layer.alpha {
                Some(Alpha::PerNeuron(alpha)) => add("alpha", vec![n_out], alpha.clone()),
                Some(Alpha::PerWeight(alpha)) => {
                    add("alpha", vec![n_out, n_in + 1], transposed(alpha, n_in + 1, n_out));
                }
                None => {}
            }
        }
        tensors
    }

    /// Writes the file atomically, so that a reader never sees a part of it.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        write_atomic(path.as_ref(), &self.encode(path.as_ref())?)
    }

    /// The bytes of the file, which is to lie at `path`.
    ///
    /// # Errors
    /// If safetensors cannot hold the network.
    pub fn encode(&self, path: &Path) -> Result<Vec<u8>> {
        let tensors = self.tensors();
        let contents: Vec<Vec<u8>> = tensors.iter().map(|tensor| bytes(&tensor.values)).collect();
        let refuse = |e: safetensors::SafeTensorError| Error::file(path, format!("cannot be written: {e}"));
        let views = tensors
            .iter()
            .zip(&contents)
            .map(|(tensor, bytes)| Ok((&tensor.name, TensorView::new(Dtype::F32, tensor.shape.clone(), bytes)?)))
            .collect::<std::result::Result<Vec<_>, _>>()
            .map_err(refuse)?;
        let data = self.data.as_ref().map(to_json).transpose()?;
        let entries = [("config", self.config.clone()), ("data", data)];
        let metadata: BTreeMap<_, _> =
            entries.into_iter().filter_map(|(key, json)| Some((key.to_owned(), json?))).collect();
        safetensors_bytes(views, &metadata).map_err(refuse)
    }

    /// Reads and checks a file.
    ///
    /// # Errors
    /// If the file is not a safetensors file. If a tensor is missing, foreign, of a wrong type or shape, or holds a
    /// value that is not finite or a negative α. The message names file and tensor.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        if path.is_dir() {
            return Err(Error::file(path, "is a directory; give the model.safetensors in it"));
        }
        if !path.is_file() {
            return Err(Error::file(path, "no such file; give a model.safetensors"));
        }
        Self::decode(path, &files::read(path, memory::whole("a model"))?)
    }

    /// Checks and decodes `content`, the bytes of the file at `path`.
    ///
    /// # Errors
    /// As [`Self::open`], except reading the file.
    pub fn decode(path: &Path, content: &[u8]) -> Result<Self> {
        let read = files::tensors(content, "not a safetensors file");
        let (file, mut metadata) = read.map_err(|reason| Error::file(path, reason))?;
        let (config, data) = (metadata.remove("config"), metadata.remove("data"));
        // Lists of names take several times their text. Tables of a million columns have tens of megabytes of text.
        let parsed = Array::new("metadata", 6, &[("bytes", data.as_ref().map_or(0, String::len))]);
        memory::check_machine(&format!("reading {}", path.display()), &[parsed], "use a machine with more")?;
        let data = data
            .map(|json| ModelData::parse(&json).map_err(|e| Error::file(path, format!("its metadata ‘data’: {e}"))));
        let count = file.names().iter().filter(|name| name.ends_with(".weight")).count();
        if file.tensor("running").is_ok() {
            return Err(Error::file(
                path,
                "is a checkpoint, the state of a run; give the model.safetensors in the run's directory",
            ));
        }
        if count == 0 {
            return Err(Error::file(
                path,
                "has no tensor layers.0.weight; expected layers.{l}.weight and .bias, l from 0",
            ));
        }
        if count > MOST_HIDDEN_LAYERS + 1 {
            return Err(Error::file(path, format!("has {count} layers, more than {}", MOST_HIDDEN_LAYERS + 1)));
        }
        let reader = Reader { path, file: &file };
        let mut layers: Vec<ModelLayer> = vec![];
        for l in 0..count {
            let layer = reader.layer(l)?;
            if let Some(previous) = layers.last()
                && previous.n_out != layer.n_in
            {
                return Err(reader.wrong(
                    &format!("layers.{l}.weight"),
                    &format!("takes {} inputs, but layer {} has {} neurons", layer.n_in, l - 1, previous.n_out),
                ));
            }
            layers.push(layer);
        }
        if let Some(name) = file.names().into_iter().find(|name| !belongs(name, count)) {
            return Err(reader.wrong(name, "is not one of layers.{l}.weight, .bias and .alpha; remove it"));
        }
        let model = Self { layers, config, data: data.transpose()?, path: path.to_owned() };
        model.check_own_data()?;
        Ok(model)
    }

    /// Refuses metadata whose scaling does not fit the layers.
    fn check_own_data(&self) -> Result<()> {
        let Some(data) = &self.data else { return Ok(()) };
        let n_in = self.layers.first().map_or(0, |layer| layer.n_in);
        let finite = |values: &[f64]| values.iter().all(|value| value.is_finite());
        let fits = |values: &[f64], width: usize| values.len() == width && finite(values);
        let scaling = data.preparation.scaling.as_ref().is_none_or(|scaling| {
            let fill = scaling.fill.as_ref().is_none_or(|fill| fits(fill, n_in));
            fits(&scaling.offset, n_in) && fits(&scaling.factor, n_in) && fill
        });
        let targets = data
            .preparation
            .targets
            .as_ref()
            .is_none_or(|targets| fits(&targets.mean, self.classes()) && fits(&targets.deviation, self.classes()));
        let columns = data.about.columns.is_empty() || data.about.is_level().len() == n_in;
        let outputs = data.about.outputs.len() <= self.classes() || self.is_unsupervised();
        match scaling && targets && columns && outputs {
            true => Ok(()),
            false => Err(Error::file(&self.path, "its metadata ‘data’ does not fit the layers; train it again")),
        }
    }

    /// The name of output `k`: of a class or a target.
    #[must_use]
    pub fn output_name(&self, k: usize) -> String {
        self.data.as_ref().map_or_else(|| k.to_string(), |data| data.about.output(k))
    }

    /// What the network learnt.
    #[must_use]
    pub fn task(&self) -> Task {
        self.data.as_ref().map_or(Task::Classification, |data| data.task)
    }

    /// The configuration that the network was trained with; `None` if another program wrote the file.
    ///
    /// # Errors
    /// If the configuration is present but invalid.
    pub fn config(&self) -> Result<Option<Config>> {
        let parse = |json: &String| {
            Config::from_json(json).map_err(|e| Error::file(&self.path, format!("its metadata ‘config’: {e}")))
        };
        self.config.as_ref().map(parse).transpose()
    }

    /// Widths of the hidden layers. An unsupervised network has only one layer, whose width is returned.
    #[must_use]
    pub fn hidden(&self) -> Vec<usize> {
        if self.is_unsupervised() {
            return self.layers.iter().map(|layer| layer.n_out).collect();
        }
        self.layers.iter().skip(1).map(|layer| layer.n_in).collect()
    }

    /// Whether the network was trained by a rule without targets.
    #[must_use]
    pub fn is_unsupervised(&self) -> bool {
        matches!(self.config(), Ok(Some(config)) if config.rule.kind.is_unsupervised())
    }

    /// Whether the file has one layer, does not say how it was trained, and starts an unsupervised rule.
    #[must_use]
    pub fn may_be_unsupervised(&self, config: &Config) -> bool {
        config.rule.kind.is_unsupervised() && self.config.is_none() && self.layers.len() == 1
    }

    /// Number of outputs of the last layer.
    #[must_use]
    pub fn classes(&self) -> usize {
        self.layers.last().map_or(0, |layer| layer.n_out)
    }

    /// The least number of outputs that a network initialised from this one needs. `None` for an unsupervised network,
    /// because its neurons are not classes: a classifier is stacked on top of them.
    #[must_use]
    pub fn least_outputs(&self) -> Option<usize> {
        (!self.is_unsupervised()).then(|| self.classes())
    }

    /// Opens the data that `settings` name, with the features and classes that the network was trained on.
    ///
    /// # Errors
    /// If the data cannot be opened or do not fit the network.
    pub fn open_data(&self, settings: &DataSettings, search: &Search) -> Result<DataSet> {
        let data = match &self.data {
            Some(known) => DataSet::open_like(settings, search, &known.about, known.task)?,
            None => DataSet::open_as(settings, search)?,
        };
        self.check_data(&data)?;
        Ok(data)
    }

    /// Refuses data that have changed since the network was trained on them.
    ///
    /// # Errors
    /// If the checksum differs.
    pub fn check_unchanged(&self, data: &DataSet) -> Result<()> {
        match &self.data {
            Some(known) if known.checksum != data.checksum() => Err(Error::file(
                &self.path,
                format!(
                    "{} has changed since this network was trained on it; name it with `data` to treat it as new data",
                    data.name
                ),
            )),
            _ => Ok(()),
        }
    }

    /// Refuses data that do not fit the network: another number of features, or more classes than outputs.
    ///
    /// # Errors
    /// Names both numbers if they do not fit.
    pub fn check_data(&self, data: &DataSet) -> Result<()> {
        let n_in = self.layers.first().map_or(0, |layer| layer.n_in);
        if n_in != data.features {
            return Err(Error::file(
                &self.path,
                format!(
                    "layers.0.weight takes {n_in} features, but {} has {}; give the data it was made for",
                    data.name, data.features
                ),
            ));
        }
        if self.classes() < data.classes && !self.is_unsupervised() {
            return Err(Error::file(
                &self.path,
                format!(
                    "has {} outputs, but {} has {} classes; give the data it was made for",
                    self.classes(),
                    data.name,
                    data.classes
                ),
            ));
        }
        Ok(())
    }

    /// Sets the hidden widths of `config` to those of this network. If the user has set them (`given`), only compares.
    ///
    /// # Errors
    /// If the widths that the user has set differ from the network's.
    pub fn adopt_hidden(&self, config: &mut Config, given: bool) -> Result<()> {
        let hidden = Hidden(match self.may_be_unsupervised(config) {
            true => vec![self.classes()],
            false => self.hidden(),
        });
        if given && config.network.hidden != hidden {
            return Err(Error::config(format!(
                "`hidden = {}`: {} has {hidden}; leave `hidden` out to take the file's",
                config.network.hidden,
                self.path.display()
            )));
        }
        config.network.hidden = hidden;
        Ok(())
    }

    /// Copies the weights into a member's initial state of the same widths.
    pub fn apply_weights(&self, state: &mut MemberState) {
        for (layer, target) in self.layers.iter().zip(&mut state.layers) {
            target.weights.clone_from(&layer.weights);
        }
    }

    /// Copies the learning rates, if the file has any, into a member's initial state of the same widths.
    ///
    /// With scope `weight`, a rate per neuron is repeated for all weights of that neuron; the reverse is not defined.
    /// Rules that keep rates of their own ignore the file's rates, and so do layers that `freeze-layers` keeps.
    ///
    /// # Errors
    /// If the file has a rate per weight and the scope is not `weight`.
    pub fn apply_rates(&self, config: &Config, state: &mut MemberState) -> Result<()> {
        if !self.gives_rates(config) {
            return Ok(());
        }
        let scope = config.rule.scope;
        for (l, (layer, target)) in self.layers.iter().zip(&mut state.layers).enumerate() {
            match (&layer.alpha, scope) {
                (Some(Alpha::PerWeight(_)), Scope::Neuron | Scope::Layer) => {
                    return Err(Error::file(
                        &self.path,
                        format!(
                            "layers.{l}.alpha has one rate per weight; use `scope = weight` instead of {scope}, or remove the alpha tensors"
                        ),
                    ));
                }
                _ if l < config.network.freeze_layers => {}
                (None, _) => {}
                (Some(Alpha::PerWeight(alpha)), Scope::Weight) => target.alpha0.clone_from(alpha),
                (Some(Alpha::PerNeuron(alpha)), Scope::Weight) => target.alpha0 = alpha.repeat(layer.n_in + 1),
                (Some(Alpha::PerNeuron(alpha)), Scope::Neuron | Scope::Layer) => target.alpha0.clone_from(alpha),
            }
        }
        Ok(())
    }

    /// Whether a run that starts from this file takes the file's learning rates as its initial ones.
    #[must_use]
    pub fn gives_rates(&self, config: &Config) -> bool {
        let has_rates = self.layers.iter().any(|layer| layer.alpha.is_some());
        has_rates && !config.network.fresh_alpha && !config.rule.kind.has_own_memory()
    }

    /// Whether the file has learning rates and all of them are 0, so that training from this file changes nothing.
    #[must_use]
    pub fn is_frozen(&self) -> bool {
        self.layers.iter().all(|layer| match &layer.alpha {
            Some(Alpha::PerNeuron(alpha) | Alpha::PerWeight(alpha)) => alpha.iter().all(|&a| a == 0.0),
            None => false,
        })
    }
}

/// Whether `name` is a tensor that the file contract allows in a network of `count` layers.
fn belongs(name: &str, count: usize) -> bool {
    let parts = name.strip_prefix("layers.").and_then(|rest| rest.split_once('.'));
    parts.is_some_and(|(number, kind)| {
        // The number is formatted again and compared, because `parse` also accepts `+1` and `01`.
        let layer = number.parse().ok().filter(|l: &usize| *l < count && l.to_string() == number);
        layer.is_some() && ["weight", "bias", "alpha"].contains(&kind)
    })
}

struct Reader<'a> {
    path: &'a Path,
    file: &'a SafeTensors<'a>,
}

impl Reader<'_> {
    fn wrong(&self, tensor: &str, reason: &str) -> Error {
        Error::file(self.path, format!("tensor {tensor} {reason}"))
    }

    fn layer(&self, l: usize) -> Result<ModelLayer> {
        let name = format!("layers.{l}.weight");
        let weight = self.tensor(&name)?;
        let &[n_out, n_in] = weight.shape() else {
            return Err(self.wrong(&name, &format!("has shape {:?}, expected [n_out, n_in]", weight.shape())));
        };
        if n_in == 0 || n_out == 0 {
            return Err(self.wrong(&name, &format!("has shape {:?}: a layer needs inputs and neurons", weight.shape())));
        }
        let mut weights = transposed(&self.values(&name, &weight)?, n_out, n_in);
        let name = format!("layers.{l}.bias");
        let bias = self.tensor(&name)?;
        if bias.shape() != [n_out] {
            return Err(self.wrong(&name, &format!("has shape {:?}, expected [{n_out}]", bias.shape())));
        }
        weights.extend(self.values(&name, &bias)?.iter().map(|b| -b));
        Ok(ModelLayer { n_in, n_out, weights, alpha: self.alpha(l, n_in, n_out)? })
    }

    fn alpha(&self, l: usize, n_in: usize, n_out: usize) -> Result<Option<Alpha>> {
        let name = format!("layers.{l}.alpha");
        if self.file.tensor(&name).is_err() {
            return Ok(None);
        }
        let tensor = self.tensor(&name)?;
        let values = self.values(&name, &tensor)?;
        if values.iter().any(|&alpha| alpha < 0.0) {
            return Err(self.wrong(&name, "has a negative learning rate"));
        }
        match tensor.shape() {
            [rows] if *rows == n_out => Ok(Some(Alpha::PerNeuron(values))),
            [rows, columns] if (*rows, *columns) == (n_out, n_in + 1) => {
                Ok(Some(Alpha::PerWeight(transposed(&values, n_out, n_in + 1))))
            }
            shape => {
                let reason = format!("has shape {shape:?}, expected [{n_out}] or [{n_out}, {}]", n_in + 1);
                Err(self.wrong(&name, &reason))
            }
        }
    }

    fn tensor(&self, name: &str) -> Result<TensorView<'_>> {
        let tensor = self.file.tensor(name).map_err(|_| self.wrong(name, "is missing"))?;
        if tensor.dtype() != Dtype::F32 {
            return Err(self.wrong(name, &format!("has type {:?}, expected F32", tensor.dtype())));
        }
        Ok(tensor)
    }

    fn values(&self, name: &str, tensor: &TensorView<'_>) -> Result<Vec<f32>> {
        let (quads, _) = tensor.data().as_chunks::<4>();
        let values: Vec<f32> = quads.iter().map(|quad| f32::from_le_bytes(*quad)).collect();
        match values.iter().position(|value| !value.is_finite()) {
            Some(place) => Err(self.wrong(name, &format!("has {} at place {place}", values[place]))),
            None => Ok(values),
        }
    }
}

/// The transpose of a row-major `[rows, columns]` matrix.
fn transposed(values: &[f32], rows: usize, columns: usize) -> Vec<f32> {
    (0..columns).flat_map(|c| (0..rows).map(move |r| values[r * columns + c])).collect()
}

fn bytes(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}
