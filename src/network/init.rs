//! Initial weights, drawn on the host so that every engine starts from the same bits.

use crate::config::InitScheme;
use crate::rng::{Random, Stream};

/// W of layer `layer` (from 0): row-major `[n_in + 1, n_out]`, the bias row last.
///
/// Values are drawn row by row. `normal` and `uniform` draw the bias row too; `glorot` and `he` leave it at 0.
#[must_use]
pub fn weights(scheme: InitScheme, seed: u64, layer: usize, n_in: usize, n_out: usize) -> Vec<f32> {
    let mut random = Random::new(seed, Stream::Weights, layer as u32);
    let mut draw = |count: usize| -> Vec<f32> {
        let mut value = || match scheme {
            InitScheme::Normal(sd) => sd * random.normal(),
            InitScheme::Uniform(bound) => bound * (2.0 * random.uniform() - 1.0),
            InitScheme::Glorot => (6.0 / (n_in + n_out) as f64).sqrt() * (2.0 * random.uniform() - 1.0),
            InitScheme::He => (2.0 / n_in as f64).sqrt() * random.normal(),
        };
        (0..count).map(|_| value() as f32).collect()
    };
    match scheme {
        InitScheme::Normal(_) | InitScheme::Uniform(_) => draw((n_in + 1) * n_out),
        InitScheme::Glorot | InitScheme::He => {
            let mut all = draw(n_in * n_out);
            all.resize((n_in + 1) * n_out, 0.0);
            all
        }
    }
}
