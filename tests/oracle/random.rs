//! Random numbers drawn on the host. A stream is the words of Philox4x32-10 for the counters (block, stream,
//! substream), with the seed as key.

use homeostat::config::Config;
use homeostat::rng::philox4x32;

/// Numbers of the streams. They must not change, because every recorded run was drawn with them.
const WEIGHTS: u32 = 1;
const ORDER: u32 = 2;
pub const LABEL_NOISE: u32 = 5;
pub const REPLAY: u32 = 10;

/// The words of one substream, and the index of the next word.
pub struct Words {
    seed: u64,
    stream: u32,
    substream: u32,
    next: u64,
}

impl Words {
    pub fn new(seed: u64, stream: u32, substream: u32) -> Self {
        Self { seed, stream, substream, next: 0 }
    }

    fn word(&mut self) -> u32 {
        let block = self.next / 4;
        let counter = [block as u32, (block >> 32) as u32, self.stream, self.substream];
        let words = philox4x32(counter, [self.seed as u32, (self.seed >> 32) as u32]);
        let word = words[(self.next % 4) as usize];
        self.next += 1;
        word
    }

    /// Uniform in (0, 1).
    fn uniform(&mut self) -> f64 {
        (f64::from(self.word()) + 0.5) / 2f64.powi(32)
    }

    /// Standard normal, by the cosine of Box and Muller.
    fn normal(&mut self) -> f64 {
        let (u, v) = (self.uniform(), self.uniform());
        (-2.0 * u.ln()).sqrt() * (2.0 * std::f64::consts::PI * v).cos()
    }

    /// Uniform in 0 … n − 1 (Lemire 2019): the high half of word · n. A word is drawn again if its low half is below
    /// 2³² mod n, because these words would favour some numbers.
    pub fn below(&mut self, n: u32) -> u32 {
        let surplus = (1_u64 << 32) % u64::from(n);
        loop {
            let product = u64::from(self.word()) * u64::from(n);
            if product % (1 << 32) >= surplus {
                return (product >> 32) as u32;
            }
        }
    }

    /// The Fisher–Yates shuffle, from the last item down (Durstenfeld 1964).
    pub fn shuffled<T: Clone>(&mut self, items: &[T]) -> Vec<T> {
        let mut items = items.to_vec();
        for last in (1..items.len()).rev() {
            let other = self.below(last as u32 + 1) as usize;
            items.swap(last, other);
        }
        items
    }
}

/// The order in which `epoch` (from 1) visits `rows` training samples.
pub fn order(config: &Config, rows: usize, epoch: u32) -> Vec<usize> {
    let all: Vec<usize> = (0..rows).collect();
    if config.data.no_shuffle { all } else { Words::new(config.run.seed, ORDER, epoch).shuffled(&all) }
}

/// The initial weights of layer `l`, `[n_in + 1][n_out]`; `glorot` and `he` leave the bias row at 0.
pub fn weights(config: &Config, l: usize, n_in: usize, n_out: usize) -> super::Matrix {
    use homeostat::config::InitScheme;
    let mut words = Words::new(config.run.seed, WEIGHTS, l as u32);
    let mut value = |bias: bool| match config.resolved_init_scheme() {
        InitScheme::Normal(sd) => sd * words.normal(),
        InitScheme::Uniform(bound) => bound * (2.0 * words.uniform() - 1.0),
        InitScheme::Glorot | InitScheme::He if bias => 0.0,
        InitScheme::Glorot => (6.0 / (n_in + n_out) as f64).sqrt() * (2.0 * words.uniform() - 1.0),
        InitScheme::He => (2.0 / n_in as f64).sqrt() * words.normal(),
    };
    (0..=n_in).map(|i| (0..n_out).map(|_| value(i == n_in)).collect()).collect()
}
