//! The shape of the network: widths, matrix shapes and what follows from them. How an engine lays its arrays out in
//! memory is the engine's own affair (`gpu::layout` is the GPU's).

/// The widths of all layers, input first: `[n_0, n_1, …, n_L]`, L ≥ 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Topology {
    widths: Vec<usize>,
}

impl Topology {
    /// A network with these widths.
    ///
    /// # Panics
    /// If there are fewer than two widths or one of them is 0; the configuration is checked before.
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
    pub fn shapes(&self) -> impl ExactSizeIterator<Item = (usize, usize)> + '_ {
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

    /// Floating-point operations of one training step per sample: three products of two operations per weight, less
    /// the backward product of the first layer, which is not needed.
    #[must_use]
    pub fn flops_per_sample(&self) -> f64 {
        let products: usize = self.shapes().enumerate().map(|(l, (i, o))| i * o * if l == 0 { 4 } else { 6 }).sum();
        products as f64
    }
}
