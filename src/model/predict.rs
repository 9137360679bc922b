//! The forward pass on the host, which answers sample by sample.
//!
//! Engines cannot do this, because they keep outputs to themselves and report only sums. Products are f32 as on the
//! engines; f is computed in float64.

use super::file::Model;
use crate::config::Config;
use crate::cpu::{self, View, multiply};
use crate::data::{DataSet, Features};
use crate::error::{Error, Result};
use crate::memory::{self, Array};
use rayon::prelude::*;

/// What to change if answers do not fit into memory.
const REMEDY: &str = "ask for fewer samples at once, or set RAYON_NUM_THREADS to fewer threads";

/// The answers of a network to some samples.
#[derive(Clone, Debug, PartialEq)]
pub struct Predictions {
    /// Number of outputs per sample.
    pub width: usize,
    /// y_L, `[samples, width]`.
    pub outputs: Vec<f32>,
    /// The class of each sample: the output with the largest net, or the first of equal ones. Net decides, as on the
    /// engines, because saturated outputs may be equal. An unsupervised network decides by y.
    pub classes: Vec<u32>,
}

impl Predictions {
    /// y_L of each sample, in order.
    pub fn rows(&self) -> impl ExactSizeIterator<Item = &[f32]> {
        self.outputs.chunks_exact(self.width)
    }
}

impl Model {
    /// The answers to samples as [`Features`] are made: rows, a flat array, or a whole [`DataSet`]. An
    /// unsupervised net answers with the activations of its one layer.
    ///
    /// # Errors
    /// [`Error::Data`] if the features are not as wide as the network's inputs, ragged or not finite; if the model's file does
    /// not say which functions the network computes; or as [`Self::predict_with`].
    pub fn predict(&self, features: impl Into<Features>) -> Result<Predictions> {
        let config = self.functions()?;
        let features = features.into();
        let (rows, width) = (features.len(), features.width());
        let samples = features.checked()?;
        let n_in = self.layers.first().map_or(0, |layer| layer.n_in);
        if width != n_in {
            return Err(Error::Data(format!("{width} features per row, but the network has {n_in} inputs")));
        }
        self.predict_with(&config, rows, |row, x| samples.copy_row(row, x))
    }

    /// The settings in the model's metadata, which name its activation and output.
    pub(crate) fn functions(&self) -> Result<Config> {
        self.config()?.ok_or_else(|| {
            Error::file(&self.path, "has no metadata ‘config’, so nothing says which activation and output it computes")
        })
    }

    /// The selectivity of each neuron of a one-layer network: 1 − mean/max of its response over `rows` of `data`.
    ///
    /// Selectivity is near 1 for a neuron that responds to a single row. It is 0 for a neuron that responds to all rows
    /// alike, and for one that never responds.
    #[must_use]
    pub fn selectivity(&self, config: &Config, data: &DataSet, rows: &[u32]) -> Vec<f64> {
        let width = self.classes();
        let (mut sum, mut most) = (vec![0.0; width], vec![0.0_f64; width]);
        for rows in rows.chunks(self.block()) {
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

    /// Answers `samples` inputs. `input(i, x)` writes the features of sample `i` into `x`, which has one place per
    /// input of layer 1. An unsupervised network answers with the activations of its one layer.
    ///
    /// # Errors
    /// If an output is not finite, because inputs or weights were too large. If the outputs do not fit into memory.
    pub fn predict_with(
        &self,
        config: &Config,
        samples: usize,
        input: impl Fn(usize, &mut [f32]) + Sync,
    ) -> Result<Predictions> {
        let width = self.classes();
        let array = Array::new("outputs", 4, &[("samples", samples), ("neurons", width)]);
        let lent = cpu::answers(self.shapes(), samples);
        let lent_bytes = lent.bytes as usize;
        memory::check_machine("predict", &[array, lent], REMEDY)?;
        let (mut outputs, mut classes) = (room(samples * width)?, room(samples)?);
        outputs.resize(samples * width, 0.0);
        classes.resize(samples, 0);
        // Other data may have taken what the machine had, and a block that fails to allocate would end the process.
        drop(room::<u8>(lent_bytes)?);
        let size = self.block();
        let blocks = outputs.par_chunks_mut(size * width).zip(classes.par_chunks_mut(size)).enumerate();
        blocks.for_each(|(block, (outputs, classes))| {
            self.predict_block(config, |i, x| input(block * size + i, x), outputs, classes);
        });
        if let Some(data) = &self.data {
            data.preparation.restore(&mut outputs);
        }
        match outputs.iter().position(|y| !y.is_finite()) {
            None => Ok(Predictions { width, outputs, classes }),
            Some(place) => Err(Error::Run(format!(
                "output {} for sample {} is {}; its features or the weights of {} are too large",
                place % width,
                place / width,
                outputs[place],
                self.path.display()
            ))),
        }
    }

    fn predict_block(
        &self,
        config: &Config,
        input: impl Fn(usize, &mut [f32]),
        outputs: &mut [f32],
        classes: &mut [u32],
    ) {
        let last = self.layers.len() - 1;
        self.pass(config, classes.len(), input, |l, net, y| {
            if l == last {
                outputs.copy_from_slice(y);
                let decides = if config.rule.kind.is_unsupervised() { y } else { net };
                let rows = decides.chunks_exact(self.classes());
                classes.iter_mut().zip(rows).for_each(|(class, row)| *class = first_largest(row));
            }
        });
    }

    fn shapes(&self) -> impl Iterator<Item = (usize, usize)> + Clone {
        self.layers.iter().map(|layer| (layer.n_in, layer.n_out))
    }

    /// Number of samples that one thread processes at a time.
    pub(crate) fn block(&self) -> usize {
        cpu::answered_at_once(self.shapes())
    }

    /// Prepares the features as in training, computes net and y of each layer, both `[samples, n_out]`, and passes them to
    /// `visit`.
    ///
    /// # Panics
    /// If `samples` is more than [`Self::block`].
    pub(crate) fn pass(
        &self,
        config: &Config,
        samples: usize,
        input: impl Fn(usize, &mut [f32]),
        mut visit: impl FnMut(usize, &[f32], &[f32]),
    ) {
        let block = self.block();
        assert!(samples <= block, "a block has {block} samples");
        let n_in = self.layers[0].n_in;
        // Blocks are always full, because a product of another shape may round differently. So the answer to a sample
        // does not depend on the number of samples asked for.
        let mut x = vec![0.0; block * n_in];
        for (i, x) in x.chunks_exact_mut(n_in).take(samples).enumerate() {
            input(i, x);
            if let Some(data) = &self.data {
                data.preparation.apply(x);
            }
        }
        for (l, layer) in self.layers.iter().enumerate() {
            let (n_in, n_out) = (layer.n_in, layer.n_out);
            let (weights, bias) = layer.weights.split_at(n_in * n_out);
            let mut net = vec![0.0; block * n_out];
            multiply(&mut net, n_out, 0.0, View::new(&x, block, n_in, n_in), View::new(weights, n_in, n_out, n_out));
            for row in net.chunks_exact_mut(n_out) {
                row.iter_mut().zip(bias).for_each(|(net, bias)| *net -= bias);
            }
            let mut y = net.clone();
            if l + 1 < self.layers.len() || config.rule.kind.is_unsupervised() {
                y.iter_mut().for_each(|y| *y = config.network.activation.of(f64::from(*y)) as f32);
            } else {
                let rows = net.chunks_exact(n_out).zip(y.chunks_exact_mut(n_out));
                rows.for_each(|(net, y)| config.network.output.of(net, y));
            }
            visit(l, &net[..samples * n_out], &y[..samples * n_out]);
            x = y;
        }
    }
}

/// Room for so many numbers.
fn room<T>(count: usize) -> Result<Vec<T>> {
    let mut numbers = Vec::new();
    numbers.try_reserve_exact(count).map_err(|_| memory::exhausted("predict", REMEDY))?;
    Ok(numbers)
}

/// The index of the largest value, or of the first of equal ones.
pub(crate) fn first_largest(values: &[f32]) -> u32 {
    let mut best = 0;
    for (k, value) in values.iter().enumerate() {
        if *value > values[best] {
            best = k;
        }
    }
    best as u32
}
