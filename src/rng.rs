//! Counter-based random numbers: Philox4x32-10 (Salmon, Moraes, Dror & Shaw, *Parallel random numbers: as easy as 1, 2,
//! 3*, SC 2011).
//!
//! A draw is a pure function of (seed, stream, substream, index). Initial weights, sample order and splits are
//! therefore the same on every engine and device.

/// The purpose of a draw. Every purpose has its own stream under a seed, so draws for one never shift those for
/// another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Stream {
    /// Initial weights; the substream is the layer.
    Weights = 1,
    /// Sample order; the substream is the epoch, from 1.
    Order = 2,
    /// The split into training and test samples; the substream is the class.
    Split = 3,
    /// The training samples held out for validation; the substream is the class.
    Validation = 4,
    /// The labels that label noise replaces; the substream is the class.
    LabelNoise = 5,
    /// The neurons that dropout drops, drawn by the kernels; see [`Self::tag`].
    Dropout = 6,
    /// The distortion of a sample, drawn by the kernels; see [`Self::tag`].
    Distortion = 7,
    /// The trigger times that a replay shuffles; the substream is the layer, or `u32::MAX` for all layers.
    Replay = 10,
    /// Bootstrap resamples; the only substream is 0.
    Bootstrap = 9,
    /// The hidden neurons that a benchmark freezes; the substream is the layer.
    Frozen = 11,
    /// Randomly drawn settings of a sweep; the substream is the draw, from 1. The seed is specific to sweep and key.
    Sweep = 16,
}

impl Stream {
    /// The last word of the kernels' counters for this stream; kernels add the layer. The tag exceeds the substreams
    /// that [`Random`] puts into that word, so that no counter serves twice.
    #[must_use]
    pub const fn tag(self) -> u32 {
        (self as u32) << 16
    }
}

/// Computes one Philox4x32-10 block: 128 random bits for a 128-bit counter under a 64-bit key.
#[must_use]
pub fn philox4x32(mut counter: [u32; 4], mut key: [u32; 2]) -> [u32; 4] {
    for round in 0..10 {
        if round > 0 {
            key[0] = key[0].wrapping_add(0x9E37_79B9);
            key[1] = key[1].wrapping_add(0xBB67_AE85);
        }
        let p0 = u64::from(counter[0]) * 0xD251_1F53;
        let p1 = u64::from(counter[2]) * 0xCD9E_8D57;
        counter =
            [(p1 >> 32) as u32 ^ counter[1] ^ key[0], p1 as u32, (p0 >> 32) as u32 ^ counter[3] ^ key[1], p0 as u32];
    }
    counter
}

/// Reads one substream sequentially.
#[derive(Clone, Debug)]
pub struct Random {
    key: [u32; 2],
    stream: [u32; 2],
    block: u64,
    buffer: [u32; 4],
    used: usize,
}

impl Random {
    /// The numbers of `stream` and `substream` under `seed`, from the first.
    #[must_use]
    pub fn new(seed: u64, stream: Stream, substream: u32) -> Self {
        Self {
            key: [seed as u32, (seed >> 32) as u32],
            stream: [stream as u32, substream],
            block: 0,
            buffer: [0; 4],
            used: 4,
        }
    }

    /// Draws the next 32 random bits.
    pub fn next_u32(&mut self) -> u32 {
        if self.used == 4 {
            let counter = [self.block as u32, (self.block >> 32) as u32, self.stream[0], self.stream[1]];
            self.buffer = philox4x32(counter, self.key);
            self.block += 1;
            self.used = 0;
        }
        let word = self.buffer[self.used];
        self.used += 1;
        word
    }

    /// Draws uniformly from (0, 1). The value is the centre of one of 2³² equal cells, so neither end is ever drawn.
    pub fn uniform(&mut self) -> f64 {
        (f64::from(self.next_u32()) + 0.5) * 2f64.powi(-32)
    }

    /// Draws from the standard normal distribution by Box–Muller: only the cosine branch, two words per draw.
    pub fn normal(&mut self) -> f64 {
        let radius = (-2.0 * self.uniform().ln()).sqrt();
        radius * (std::f64::consts::TAU * self.uniform()).cos()
    }

    /// Draws uniformly from 0..bound without bias (Lemire, *Fast random integer generation in an interval*, 2019).
    ///
    /// # Panics
    /// If `bound` is 0.
    pub fn below(&mut self, bound: u32) -> u32 {
        assert!(bound > 0, "an interval needs a positive bound");
        let reject_below = bound.wrapping_neg() % bound;
        loop {
            let product = u64::from(self.next_u32()) * u64::from(bound);
            if product as u32 >= reject_below {
                return (product >> 32) as u32;
            }
        }
    }

    /// Shuffles `items` in place (Fisher–Yates from the end, Durstenfeld 1964).
    pub fn shuffle(&mut self, items: &mut [u32]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last as u32 + 1) as usize);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Known-answer vectors published with the authors' Random123 library (kat_vectors, philox4x32 10).
    #[test]
    fn philox_matches_published_vectors() {
        assert_eq!(philox4x32([0; 4], [0; 2]), [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]);
        assert_eq!(philox4x32([u32::MAX; 4], [u32::MAX; 2]), [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]);
        assert_eq!(
            philox4x32([0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344], [0xa409_3822, 0x299f_31d0]),
            [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1]
        );
    }

    #[test]
    fn shuffle_is_a_permutation_and_uniform_enough() {
        let mut counts = [[0u32; 5]; 5];
        for epoch in 0..20_000 {
            let mut items = [0, 1, 2, 3, 4];
            Random::new(7, Stream::Order, epoch).shuffle(&mut items);
            let mut sorted = items;
            sorted.sort_unstable();
            assert_eq!(sorted, [0, 1, 2, 3, 4]);
            for (place, &item) in items.iter().enumerate() {
                counts[place][item as usize] += 1;
            }
        }
        // 20 000 draws at p = 1/5 have a standard deviation of 57. Five of those are far beyond chance for 25 cells.
        for count in counts.iter().flatten() {
            assert!(count.abs_diff(4000) < 285, "{counts:?}");
        }
    }

    #[test]
    fn normal_has_unit_moments() {
        let mut random = Random::new(1, Stream::Weights, 0);
        let draws: Vec<f64> = (0..100_000).map(|_| random.normal()).collect();
        let mean = draws.iter().sum::<f64>() / 1e5;
        let variance = draws.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / 1e5;
        assert!(mean.abs() < 0.015 && (variance - 1.0).abs() < 0.02, "{mean} {variance}");
    }
}
