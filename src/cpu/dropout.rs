//! Dropout: the factors that drop and scale a sample's neurons. Twin of `shaders/dropout.wgsl`, which defines dropout;
//! both drop the same neurons.

use super::vectorised::vectorised;
use crate::rng::Stream;
use crate::rule::member::Member;

/// Philox blocks that are computed side by side.
const LANES: usize = 16;

/// The draws for one layer in one step.
#[derive(Clone, Copy, Debug)]
pub struct Dropout {
    seed: [u32; 2],
    number: u32,
    layer: u32,
    share: f32,
}

impl Dropout {
    /// The draws for layer `layer` (0 = the inputs) in step `number` of the run.
    pub fn new(settings: &Member, number: u32, layer: usize) -> Self {
        let share = if layer == 0 { settings.dropout_input } else { settings.dropout };
        Self { seed: settings.seed, number, layer: layer as u32, share }
    }

    /// Writes the factors of the sample at `place` of the batch, for the neurons from `first` on (a multiple of 4). A
    /// factor is 0 or 1/(1 − share).
    pub fn factors(&self, place: usize, first: usize, factors: &mut [f32]) {
        debug_assert!(first.is_multiple_of(4), "four neurons share a block of random numbers");
        let threshold = (self.share.min(0.999_999_94) * 4_294_967_296.0) as u32;
        let tag = Stream::Dropout.tag() + self.layer;
        fill(factors, [(first / 4) as u32, place as u32, self.number, tag], self.seed, threshold, self.share);
    }
}

impl Dropout {
    /// Drops and scales all `values` of a layer, for the sample at `place` of the batch.
    pub fn apply(&self, place: usize, values: &mut [f32]) {
        let mut factors = [0.0; 4 * LANES];
        for (i, values) in values.chunks_mut(factors.len()).enumerate() {
            let factors = &mut factors[..values.len()];
            self.factors(place, i * 4 * LANES, factors);
            apply(values, factors);
        }
    }
}

vectorised! {
    /// Writes 0 where the random word lies below `threshold`, else 1/(1 − share). Computes `rng::philox4x32` on many
    /// blocks at a time.
    pub fn fill(factors: &mut [f32], counter: [u32; 4], seed: [u32; 2], threshold: u32, share: f32) {
        let scale = 1.0 / (1.0 - share);
        for (group, factors) in factors.chunks_mut(4 * LANES).enumerate() {
            let mut words = counter.map(|word| [word; LANES]);
            for (lane, word) in words[0].iter_mut().enumerate() {
                *word += (group * LANES + lane) as u32;
            }
            let mut key = seed;
            for _ in 0..10 {
                let [c0, c1, c2, c3] = &mut words;
                for lane in 0..LANES {
                    let p0 = u64::from(c0[lane]) * 0xD251_1F53;
                    let p1 = u64::from(c2[lane]) * 0xCD9E_8D57;
                    c0[lane] = (p1 >> 32) as u32 ^ c1[lane] ^ key[0];
                    c2[lane] = (p0 >> 32) as u32 ^ c3[lane] ^ key[1];
                    c1[lane] = p1 as u32;
                    c3[lane] = p0 as u32;
                }
                key = [key[0].wrapping_add(0x9E37_79B9), key[1].wrapping_add(0xBB67_AE85)];
            }
            for (lane, four) in factors.chunks_mut(4).enumerate() {
                for (factor, words) in four.iter_mut().zip(&words) {
                    *factor = if words[lane] >= threshold { scale } else { 0.0 };
                }
            }
        }
    }
}

/// Multiplies `values` by `factors`. A dropped value becomes 0 even if it was NaN or infinite.
pub fn apply(values: &mut [f32], factors: &[f32]) {
    values.iter_mut().zip(factors).for_each(|(v, &factor)| *v = if factor == 0.0 { 0.0 } else { *v * factor });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use crate::rng::philox4x32;

    #[test]
    fn factors_follow_the_counter() {
        let config = Config::default().dropout(0.3).seed(7 << 40 | 5);
        let settings = Member::new(&config, &config, 1);
        let (number, place, layer) = (1234, 17, 2);
        let dropout = Dropout::new(&settings, number, layer);
        let mut factors = vec![f32::NAN; 203];
        dropout.factors(place, 8, &mut factors);
        let mut dropped = 0;
        for (i, &factor) in factors.iter().enumerate() {
            let unit = 8 + i as u32;
            let counter = [unit / 4, place as u32, number, 6 * 65_536 + layer as u32];
            let word = philox4x32(counter, settings.seed)[unit as usize % 4];
            let expected = if f64::from(word) < 0.3 * 4_294_967_296.0 { 0.0 } else { 1.0 / (1.0 - 0.3) };
            assert_eq!(factor, expected, "{unit}");
            dropped += u32::from(factor == 0.0);
        }
        // 203 draws at p = 0.3 have a standard deviation of 6.5.
        assert!(dropped.abs_diff(61) < 33, "{dropped}");
    }
}
