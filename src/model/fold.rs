//! Folds the scaling of features and targets into the first and the last layer, for programs that know neither.

use super::file::Model;
use crate::data::preparation::Scaling;

impl Model {
    /// About how much [`Self::folded`] changes net, relative to the spread of a feature: the rounding of f32 times the largest
    /// offset in units of its feature's spread.
    #[must_use]
    pub fn folding_loss(&self) -> f64 {
        let scaling = self.data.as_ref().and_then(|data| data.preparation.scaling.as_ref());
        let shift = |scaling: &Scaling| {
            let shifts = scaling.offset.iter().zip(&scaling.factor).map(|(offset, factor)| (offset * factor).abs());
            shifts.fold(0.0, f64::max)
        };
        scaling.map_or(0.0, shift) * f64::from(f32::EPSILON)
    }

    /// The same network for unscaled features, if `features` is set, and with outputs in the units of the targets. Missing
    /// features are no longer imputed. Sums are f64 and rounded once.
    #[must_use]
    pub fn folded(&self, features: bool) -> Self {
        let mut model = self.clone();
        let Some(data) = &mut model.data else { return model };
        let scaling = if features { data.preparation.scaling.take() } else { None };
        if let (Some(scaling), Some(first)) = (scaling, model.layers.first_mut()) {
            let n_out = first.n_out;
            let mut shift = vec![0.0f64; n_out];
            for (i, row) in first.weights.chunks_exact_mut(n_out).take(first.n_in).enumerate() {
                for (w, shift) in row.iter_mut().zip(&mut shift) {
                    let scaled = f64::from(*w) * scaling.factor[i];
                    *shift += scaled * scaling.offset[i];
                    *w = scaled as f32;
                }
            }
            // The bias row is fed with −1, so it grows by what the offsets take away.
            let bias = &mut first.weights[first.n_in * n_out..];
            bias.iter_mut().zip(shift).for_each(|(bias, shift)| *bias = (f64::from(*bias) + shift) as f32);
        }
        if let (Some(targets), Some(last)) = (data.preparation.targets.take(), model.layers.last_mut()) {
            let n_out = last.n_out;
            let (weights, bias) = last.weights.split_at_mut(last.n_in * n_out);
            let scaled = |w: f32, k: usize| f64::from(w) * targets.deviation[k % n_out];
            weights.iter_mut().enumerate().for_each(|(k, w)| *w = scaled(*w, k) as f32);
            bias.iter_mut().enumerate().for_each(|(k, bias)| *bias = (scaled(*bias, k) - targets.mean[k]) as f32);
        }
        model
    }
}
