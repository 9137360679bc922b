//! Dropout with inverted scaling: the factor on a neuron's y in one training step.

use homeostat::rng::philox4x32;

/// `layer` 0 is the inputs, `place` the index of the sample in its batch, `step` the number of steps trained before
/// this one.
pub fn factor(seed: u64, step: u32, place: usize, layer: usize, unit: usize, share: f64) -> f64 {
    if share == 0.0 {
        return 1.0;
    }
    let counter = [unit as u32 / 4, place as u32, step, 6 * 65_536 + layer as u32];
    let word = philox4x32(counter, [seed as u32, (seed >> 32) as u32])[unit % 4];
    // The trainer holds the share as f32, which decides at most one word in 2²⁵ differently from float64.
    if f64::from(word) < f64::from(share as f32) * 2f64.powi(32) { 0.0 } else { 1.0 / (1.0 - share) }
}
