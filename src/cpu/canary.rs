//! Where a layer first had a value that is not finite. Twin of what `shaders/canary.wgsl` records.

use super::vectorised::vectorised;
use std::sync::atomic::{AtomicU32, Ordering};

/// The record of one layer: the largest of `!number` over the steps that saw such a value, 0 = never. A maximum has no
/// order, so any thread may add to it.
#[derive(Debug, Default)]
pub struct Canary {
    net: AtomicU32,
    delta: AtomicU32,
}

vectorised! {
    /// Whether any value is not finite: its exponent has all bits, so that one more carries into the sign.
    pub fn search(values: &[f32], found: &mut bool) {
        let carries = |v: &f32| (v.to_bits() & 0x7f80_0000) + 0x0080_0000;
        *found = values.iter().fold(0, |seen, v| seen | carries(v)) >> 31 == 1;
    }
}

impl Canary {
    /// Looks through values that go into net, after `number` steps.
    pub fn watch_net(&self, values: &[f32], number: u32) {
        let mut found = false;
        search(values, &mut found);
        if found {
            self.net.fetch_max(!number, Ordering::Relaxed);
        }
    }

    /// Takes note of a δ, or a loss, that is not finite, in the step after `number` others.
    pub fn note_delta(&self, number: u32) {
        self.delta.fetch_max(!number, Ordering::Relaxed);
    }

    /// What has been recorded for net and δ.
    pub fn words(&self) -> [u32; 2] {
        [&self.net, &self.delta].map(|word| word.load(Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_finite_is_found_wherever_it_is() {
        let mut values = vec![f32::MAX, f32::MIN, 0.0, -0.0, f32::MIN_POSITIVE, 1e-40];
        values.resize(45, 1.5);
        let mut found = true;
        search(&values, &mut found);
        assert!(!found);
        for place in 0..values.len() {
            for value in [f32::INFINITY, f32::NEG_INFINITY, f32::NAN, -f32::NAN] {
                let before = std::mem::replace(&mut values[place], value);
                search(&values, &mut found);
                assert!(found, "{value} at {place}");
                values[place] = before;
            }
        }
    }
}
