//! The shape of the network: widths, matrix shapes and the counts that follow from them. Memory layouts belong to the
//! engines (`gpu::layout`, `cpu::layout`).

use crate::error::{Error, Result};

/// Most values that an array may have per member. A byte for each would already fill 1 TiB. Up to this limit every
/// product of sizes stays below 2⁶³.
pub const MOST_VALUES: u128 = 1 << 40;

/// The widths of all layers, input first: `[n_0, n_1, …, n_L]`, L ≥ 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Topology {
    widths: Vec<usize>,
}

impl Topology {
    /// A network with these widths.
    ///
    /// # Panics
    /// If there are fewer than two widths or one of them is 0. The checks of the configuration exclude both.
    #[must_use]
    pub fn new(widths: Vec<usize>) -> Self {
        assert!(widths.len() >= 2 && widths.iter().all(|&n| n > 0), "bad widths {widths:?}");
        Self { widths }
    }

    /// n_0 … n_L.
    #[must_use]
    pub fn widths(&self) -> &[usize] {
        &self.widths
    }

    /// L, the number of weight matrices.
    #[must_use]
    pub fn layers(&self) -> usize {
        self.widths.len() - 1
    }

    /// (n_in, n_out) of every weight layer; index 0 is W_1 of the paper.
    pub fn shapes(&self) -> impl ExactSizeIterator<Item = (usize, usize)> + Clone + '_ {
        self.widths.windows(2).map(|w| (w[0], w[1]))
    }

    /// n_L.
    #[must_use]
    pub fn classes(&self) -> usize {
        self.widths[self.widths.len() - 1]
    }

    /// Trainable values of one member, biases included.
    #[must_use]
    pub fn parameters(&self) -> usize {
        self.shapes().map(|(n_in, n_out)| (n_in + 1) * n_out).sum()
    }

    /// Refuses a network that no machine could hold. Arithmetic on sizes therefore never overflows.
    ///
    /// # Errors
    /// [`Error::Device`] if the network has more than [`MOST_VALUES`] weights; the message names the layer that exceeds
    /// the limit.
    pub fn check(&self) -> Result<()> {
        let mut all = 0;
        for (l, (n_in, n_out)) in self.shapes().enumerate() {
            let weights = (n_in as u128 + 1) * n_out as u128;
            all += weights;
            if all > MOST_VALUES {
                return Err(Error::Device(format!(
                    "layer {} ({n_in} → {n_out}) would have {weights} weights, and no net can have more than {MOST_VALUES}; \
                     use a narrower `hidden`",
                    l + 1
                )));
            }
        }
        Ok(())
    }

    /// The layer with the most weights, for messages: `layer 2 (800 → 1000)`.
    #[must_use]
    pub fn largest_layer(&self) -> String {
        let largest = self.shapes().enumerate().max_by_key(|(_, (n_in, n_out))| (n_in + 1) * n_out);
        largest.map_or(String::new(), |(l, (n_in, n_out))| format!("layer {} ({n_in} → {n_out})", l + 1))
    }

    /// Floating-point operations of one training step per sample. Every layer has three products of two operations per
    /// weight, except that the first layer needs no backward product.
    #[must_use]
    pub fn flops_per_sample(&self) -> f64 {
        let product = |(l, (i, o))| i as f64 * o as f64 * if l == 0 { 4.0 } else { 6.0 };
        self.shapes().enumerate().map(product).sum()
    }
}
