//! The activation cache: y of frozen neurons for every row that training or validation visits in each epoch. A value is
//! computed once. Only the columns that the layer counts as cached are valid.

use super::ahead::in_large_pages;
use super::layout::{block, orders_columns};
use crate::config::ActivationCache;
use crate::memory::{self, Array};
use crate::train::population::Population;

/// The rows of the data set that one member visits in every epoch: its training and its validation rows.
#[derive(Debug, Default)]
pub struct Kept {
    /// The rows, ascending.
    pub rows: Vec<u32>,
    /// Place in `rows` of each row from the first of `rows` on; [`NOWHERE`] for a row that is not kept.
    places: Vec<u32>,
    /// Whether each row is computed alone, as in training on single samples. The values then have other bits.
    pub alone: bool,
}

const NOWHERE: u32 = u32::MAX;

impl Kept {
    /// The rows of `member` that evaluation or training visits every epoch.
    pub fn new(population: &Population, member: usize) -> Self {
        let split = &population.splits[member];
        let mut rows = [&split.train[..], &split.validation].concat();
        rows.sort_unstable();
        let (first, last) = (rows[0], rows[rows.len() - 1]);
        let mut places = vec![NOWHERE; (last - first) as usize + 1];
        rows.iter().enumerate().for_each(|(place, row)| places[(row - first) as usize] = place as u32);
        Self { rows, places, alone: population.batch_size() == 1 }
    }

    /// The place of `row` among the kept rows.
    fn place(&self, row: u32) -> Option<usize> {
        let place = self.places.get(row.checked_sub(*self.rows.first()?)? as usize)?;
        (*place != NOWHERE).then_some(*place as usize)
    }

    /// Rows that are computed at a time. The last block must not have a single row, because a row alone gets other bits.
    pub fn block(&self) -> usize {
        let rows = self.rows.len();
        let mut sizes = (2..=block(rows)).rev();
        if self.alone { 1 } else { sizes.find(|size| rows % size != 1).unwrap_or(1) }
    }

    /// Whether the cache has the values that a pass over `rows` would compute. The smallest block of the pass has `least` rows.
    pub fn answers(&self, rows: &[u32], least: usize) -> bool {
        self.alone == (least == 1) && rows.iter().all(|&row| self.place(row).is_some())
    }
}

/// y of one layer, `[kept rows, n_out]`, in the order of the neurons.
#[derive(Debug)]
pub struct Cache {
    pub values: Vec<f32>,
    pub width: usize,
}

impl Cache {
    pub fn new(rows: usize, width: usize) -> Self {
        let mut values = vec![0.0; rows * width];
        in_large_pages(&mut values);
        Self { values, width }
    }

    /// y for `row`, if it is kept.
    pub fn find(&self, kept: &Kept, row: u32) -> Option<&[f32]> {
        let place = kept.place(row)?;
        Some(&self.values[place * self.width..(place + 1) * self.width])
    }

    /// y for `row`, which must be kept.
    pub fn row(&self, kept: &Kept, row: u32) -> &[f32] {
        self.find(kept, row).expect("the row is kept")
    }
}

/// Bytes of the caches of one layer of a member.
pub fn bytes(rows: usize, width: usize) -> u64 {
    4 * rows as u64 * width as u64
}

/// The caches that all members of `population` keep at a time once neurons freeze; `None` if they keep none. A layer that
/// learns needs y of its own frozen neurons. It also needs y of the layer below, if that layer is frozen as a whole.
pub fn planned(population: &Population, others: u64) -> Option<Array> {
    let shared = population.shared();
    let rows = population.train_rows() + population.validation_rows();
    let widths = population.topology.widths();
    let hidden = &widths[1..widths.len() - 1];
    let pairs = hidden.windows(2).map(|pair| pair[0] + pair[1]);
    let width = pairs.chain(hidden.iter().copied()).max().unwrap_or(0);
    let array = Array::new("activation cache", 4, &[("P", population.len()), ("rows", rows), ("neurons", width)]);
    let most = match shared.run.activation_cache {
        ActivationCache::Off => 0,
        ActivationCache::Bytes(bytes) => bytes,
        ActivationCache::Auto => memory::of_machine().unwrap_or(u64::MAX).saturating_sub(others),
    };
    let serves = population.configs.iter().any(orders_columns) && !population.prepares_inputs() && width > 0;
    (serves && array.bytes <= most && rows > 1).then_some(array)
}
