//! `model.safetensors`: weights and learning rates in the convention of PyTorch's `nn.Linear`, with the configuration
//! in the metadata. The reader trusts nothing: such files come from other programs.

use super::predict::BLOCK;
use crate::config::{Config, Hidden, Scope};
use crate::data::DataSet;
use crate::error::{Error, Result};
use crate::files::{to_json, write_atomic};
use crate::network::topology::Topology;
use crate::train::state::MemberState;
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// The learning rates of one layer.
#[derive(Clone, Debug, PartialEq)]
pub enum Alpha {
    /// `[n_out]`.
    PerNeuron(Vec<f32>),
    /// `[n_in + 1, n_out]`, bias row last.
    PerWeight(Vec<f32>),
}

/// One layer of a [`Model`], in this program's layout.
#[derive(Clone, Debug, PartialEq)]
pub struct ModelLayer {
    /// Inputs.
    pub n_in: usize,
    /// Neurons.
    pub n_out: usize,
    /// W, `[n_in + 1, n_out]`, bias row last (fed with −1).
    pub weights: Vec<f32>,
    /// α, where the file has it.
    pub alpha: Option<Alpha>,
}

/// An array as files have it, in the layout of PyTorch's `nn.Linear`.
#[derive(Clone, Debug, PartialEq)]
pub struct Tensor {
    /// `layers.{l}.weight`, `.bias` or `.alpha`.
    pub name: String,
    /// Its sizes.
    pub shape: Vec<usize>,
    /// Row-major.
    pub values: Vec<f32>,
}

/// A network as it is kept in a file.
#[derive(Clone, Debug, PartialEq)]
pub struct Model {
    /// W_1 … W_L.
    pub layers: Vec<ModelLayer>,
    /// The configuration as JSON, where the file has it.
    pub config: Option<String>,
    /// Where it was read from, for messages.
    pub path: PathBuf,
}

impl Model {
    /// The network of one member.
    ///
    /// # Errors
    /// Never for a valid configuration.
    pub fn from_state(config: &Config, topology: &Topology, state: &MemberState) -> Result<Self> {
        let layer = |((n_in, n_out), layer): ((usize, usize), &crate::train::state::LayerState)| ModelLayer {
            n_in,
            n_out,
            weights: layer.weights.clone(),
            alpha: Some(match layer.alpha(config.rule) {
                alpha if config.scope == Scope::Weight || alpha.len() == layer.weights.len() => Alpha::PerWeight(alpha),
                alpha => Alpha::PerNeuron(alpha),
            }),
        };
        let layers = topology.shapes().zip(&state.layers).map(layer).collect();
        Ok(Self { layers, config: Some(to_json(config)?), path: PathBuf::new() })
    }

    /// What the file holds, layer by layer: weight and bias, and α where there is one.
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

    /// Writes the file, whole or not at all.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn write(&self, path: &Path) -> Result<()> {
        let tensors = self.tensors();
        let contents: Vec<Vec<u8>> = tensors.iter().map(|tensor| bytes(&tensor.values)).collect();
        let refuse = |e: safetensors::SafeTensorError| Error::file(path, format!("cannot be written: {e}"));
        let views = tensors
            .iter()
            .zip(&contents)
            .map(|(tensor, bytes)| Ok((&tensor.name, TensorView::new(Dtype::F32, tensor.shape.clone(), bytes)?)))
            .collect::<std::result::Result<Vec<_>, _>>()
            .map_err(refuse)?;
        let metadata = self.config.clone().map(|json| HashMap::from([("config".to_owned(), json)]));
        write_atomic(path, &safetensors::serialize(views, metadata).map_err(refuse)?)
    }

    /// Reads and checks a file.
    ///
    /// # Errors
    /// If it is no safetensors file, lacks a tensor, has one that does not belong, or one of a wrong type or shape or
    /// with a value that is not finite; the message names file and tensor.
    pub fn read(path: &Path) -> Result<Self> {
        if path.is_dir() {
            return Err(Error::file(path, "is a directory; give the model.safetensors in it"));
        }
        if !path.is_file() {
            return Err(Error::file(path, "no such file; give a model.safetensors"));
        }
        Self::decode(path, &std::fs::read(path).map_err(|e| Error::file(path, e))?)
    }

    /// Checks and decodes what the file at `path` holds.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn decode(path: &Path, content: &[u8]) -> Result<Self> {
        let refuse = |e: safetensors::SafeTensorError| Error::file(path, format!("not a safetensors file: {e}"));
        let file = SafeTensors::deserialize(content).map_err(refuse)?;
        let (_, header) = SafeTensors::read_metadata(content).map_err(refuse)?;
        let config = header.metadata().as_ref().and_then(|metadata| metadata.get("config").cloned());
        let count = file.names().iter().filter(|name| name.ends_with(".weight")).count();
        if count == 0 {
            return Err(Error::file(
                path,
                "has no tensor layers.0.weight; expected layers.{l}.weight and .bias, l from 0",
            ));
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
        Ok(Self { layers, config, path: path.to_owned() })
    }

    /// The configuration it was trained with; `None` in a file from elsewhere.
    ///
    /// # Errors
    /// If it is there and damaged.
    pub fn config(&self) -> Result<Option<Config>> {
        let parse = |json: &String| {
            Config::from_json(json).map_err(|e| Error::file(&self.path, format!("its metadata `config`: {e}")))
        };
        self.config.as_ref().map(parse).transpose()
    }

    /// Widths of the hidden layers; of an unsupervised net, which has no other, that of its one layer.
    #[must_use]
    pub fn hidden(&self) -> Vec<usize> {
        if self.is_unsupervised() {
            return self.layers.iter().map(|layer| layer.n_out).collect();
        }
        self.layers.iter().skip(1).map(|layer| layer.n_in).collect()
    }

    /// Whether it was trained by a rule that knows no target.
    #[must_use]
    pub fn is_unsupervised(&self) -> bool {
        matches!(self.config(), Ok(Some(config)) if config.rule.is_unsupervised())
    }

    /// 1 − mean/max of each neuron's response over these rows of the data, for a net of one layer: 0 for a neuron that
    /// answers to all alike, near 1 for one that answers to a single row; 0 for one that never answers.
    #[must_use]
    pub fn selectivity(&self, config: &Config, data: &DataSet, rows: &[u32]) -> Vec<f64> {
        let width = self.classes();
        let (mut sum, mut most) = (vec![0.0; width], vec![0.0_f64; width]);
        for rows in rows.chunks(BLOCK) {
            let input = |i: usize, x: &mut [f32]| data.copy_row(rows[i] as usize, x);
            self.pass(config, rows.len(), input, |_, _, y| {
                for (place, y) in y.iter().enumerate() {
                    sum[place % width] += f64::from(*y);
                    most[place % width] = most[place % width].max(f64::from(*y));
                }
            });
        }
        let of = |(sum, most): (&f64, &f64)| if *most > 0.0 { 1.0 - sum / rows.len() as f64 / most } else { 0.0 };
        sum.iter().zip(&most).map(of).collect()
    }

    /// Outputs of the last layer.
    #[must_use]
    pub fn classes(&self) -> usize {
        self.layers.last().map_or(0, |layer| layer.n_out)
    }

    /// The outputs that a net which goes on from this one needs at least. The neurons of an unsupervised layer are none: what
    /// classifies comes behind them.
    #[must_use]
    pub fn least_outputs(&self) -> Option<usize> {
        (!self.is_unsupervised()).then(|| self.classes())
    }

    /// Refuses data that the network cannot take: other features, or labels beyond its outputs.
    ///
    /// # Errors
    /// Names both sizes.
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

    /// Gives `config` the hidden widths of this network, or holds the ones `given` against it.
    ///
    /// # Errors
    /// If they differ.
    pub fn adopt_hidden(&self, config: &mut Config, given: bool) -> Result<()> {
        let hidden = Hidden(self.hidden());
        if given && config.hidden != hidden {
            return Err(Error::config(format!(
                "--hidden {}: {} has {hidden}; leave --hidden out to take the file's",
                config.hidden,
                self.path.display()
            )));
        }
        config.hidden = hidden;
        Ok(())
    }

    /// Puts the weights into a member's initial state of the same widths.
    pub fn apply_weights(&self, state: &mut MemberState) {
        for (layer, target) in self.layers.iter().zip(&mut state.layers) {
            target.weights.clone_from(&layer.weights);
        }
    }

    /// Puts the learning rates, where the file has them, into a member's initial state of the same widths. A rate per
    /// neuron serves all its weights in weight scope; the reverse has no meaning. Rules that keep rates of their own start
    /// anew.
    ///
    /// # Errors
    /// If the file has a rate per weight and the scope is not weight.
    pub fn apply_rates(&self, config: &Config, state: &mut MemberState) -> Result<()> {
        if !self.gives_rates(config) {
            return Ok(());
        }
        let scope = config.scope;
        for (l, (layer, target)) in self.layers.iter().zip(&mut state.layers).enumerate() {
            match (&layer.alpha, scope) {
                (None, _) => {}
                (Some(Alpha::PerWeight(alpha)), Scope::Weight) => target.alpha0.clone_from(alpha),
                (Some(Alpha::PerNeuron(alpha)), Scope::Weight) => target.alpha0 = alpha.repeat(layer.n_in + 1),
                (Some(Alpha::PerNeuron(alpha)), Scope::Neuron | Scope::Layer) => target.alpha0.clone_from(alpha),
                (Some(Alpha::PerWeight(_)), Scope::Neuron | Scope::Layer) => {
                    return Err(Error::file(
                        &self.path,
                        format!(
                            "layers.{l}.alpha has one rate per weight; use --scope weight instead of {scope}, or remove the alpha tensors"
                        ),
                    ));
                }
            }
        }
        Ok(())
    }

    /// Whether a run that starts from this file takes its learning rates over.
    #[must_use]
    pub fn gives_rates(&self, config: &Config) -> bool {
        let has_rates = self.layers.iter().any(|layer| layer.alpha.is_some());
        has_rates && !config.fresh_alpha && !config.rule.has_own_memory()
    }

    /// Whether the file has learning rates and every one of them is 0: training from here changes nothing.
    #[must_use]
    pub fn is_frozen(&self) -> bool {
        self.layers.iter().all(|layer| match &layer.alpha {
            Some(Alpha::PerNeuron(alpha) | Alpha::PerWeight(alpha)) => alpha.iter().all(|&a| a == 0.0),
            None => false,
        })
    }
}

/// Whether a tensor name is one of the contract for a net of `count` layers.
fn belongs(name: &str, count: usize) -> bool {
    let parts = name.strip_prefix("layers.").and_then(|rest| rest.split_once('.'));
    parts.is_some_and(|(number, kind)| {
        // Parsed and written again, as `+1` and `01` are numbers too.
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
