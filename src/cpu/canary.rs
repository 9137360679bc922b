//! Records the first step in which a layer had a value that is not finite. Twin of `shaders/canary.wgsl`.

use super::vectorised::vectorised;
use std::sync::atomic::{AtomicU32, Ordering};

/// The record of one layer: the largest `!number` over the steps that saw such a value; 0 means never. The largest
/// `!number` belongs to the earliest step. A maximum does not depend on order, so any thread may update the record.
#[derive(Debug, Default)]
pub struct Canary {
    net: AtomicU32,
    delta: AtomicU32,
}

vectorised! {
    /// Whether any value is not finite. Such a value has all exponent bits set, so adding 1 to the exponent carries
    /// into the sign bit.
    pub fn search(values: &[f32], found: &mut bool) {
        let carries = |v: &f32| (v.to_bits() & 0x7f80_0000) + 0x0080_0000;
        *found = values.iter().fold(0, |seen, v| seen | carries(v)) >> 31 == 1;
    }
}

impl Canary {
    /// Checks values that net is computed from; `number` steps were trained before this one.
    pub fn watch_net(&self, values: &[f32], number: u32) {
        let mut found = false;
        search(values, &mut found);
        if found {
            self.net.fetch_max(!number, Ordering::Relaxed);
        }
    }

    /// Records that δ or a loss is not finite; `number` steps were trained before this one.
    pub fn note_delta(&self, number: u32) {
        self.delta.fetch_max(!number, Ordering::Relaxed);
    }

    /// The records for net and δ.
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
