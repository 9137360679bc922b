//! The order in which a layer stores its columns, and what a step does with each. Columns that learn come first, then columns
//! that are computed, then columns whose y is cached.

use super::layout::{SPAN, ranges};
use crate::train::living::Need;
use std::ops::Range;

/// How a piece of W is updated. Where α belongs to the column and no memory or penalty joins the gradient, α is folded
/// into δ, and the product is the step. Otherwise the gradient of a strip is computed first, then applied. The settings
/// alone decide between the two, so freezing a neighbour changes no bit of a column.
#[derive(Clone, Debug, PartialEq)]
pub enum Way {
    /// The product is added straight to W.
    Direct,
    /// The product is added to the columns that are not frozen, because not even a NaN may reach a frozen weight.
    Masked,
    /// The gradient is applied. An α of 0 protects frozen columns.
    Gradient,
    /// Only some columns of the piece learn. Their weights are gathered row by row, changed and put back.
    Scattered(Scattered),
}

impl Way {
    /// Whether α is folded into δ.
    pub fn folds(&self) -> bool {
        match self {
            Self::Direct | Self::Masked => true,
            Self::Gradient => false,
            Self::Scattered(scattered) => scattered.rates.is_none(),
        }
    }
}

/// The columns of a piece that learn, by their places in the piece.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Scattered {
    pub columns: Vec<u32>,
    /// α0 and ψ of each column; `None` if α is folded into δ.
    pub rates: Option<[Vec<f32>; 2]>,
}

/// Neighbouring columns that are updated in one way. Columns that do not learn are in no piece, or masked by their α.
#[derive(Clone, Debug, PartialEq)]
pub struct Piece {
    pub columns: Range<usize>,
    pub way: Way,
}

impl Piece {
    /// The columns of a gradient of this piece.
    pub fn width(&self) -> usize {
        match &self.way {
            Way::Scattered(scattered) => scattered.columns.len(),
            Way::Direct | Way::Masked | Way::Gradient => self.columns.len(),
        }
    }
}

/// The columns of one layer.
#[derive(Clone, Debug, Default)]
pub struct Columns {
    /// The neuron of each stored column; empty if the columns are stored in the order of the neurons.
    pub order: Vec<u32>,
    /// The need of each stored column.
    pub needs: Vec<Need>,
    /// Number of columns that learn, which are stored first; the number of all columns if they are not ordered.
    pub learning: usize,
    /// Number of columns that learn or are observed.
    pub observed: usize,
    /// Number of cached columns, which are stored last.
    pub cached: usize,
}

impl Columns {
    pub fn new(n_out: usize) -> Self {
        let needs = vec![Need::Learns; n_out];
        Self { order: vec![], needs, learning: n_out, observed: n_out, cached: 0 }
    }

    pub fn n_out(&self) -> usize {
        self.needs.len()
    }

    /// Whether the columns have an order of their own.
    pub fn is_ordered(&self) -> bool {
        !self.order.is_empty()
    }

    /// Brings values per column, or rows of them, into the order of the neurons.
    pub fn restore<T: Copy>(&self, values: &mut [T]) {
        if self.is_ordered() {
            reorder(values, &inverse(&self.order));
        }
    }

    /// The neuron of a stored column.
    pub fn neuron(&self, column: usize) -> usize {
        self.order.get(column).map_or(column, |&neuron| neuron as usize)
    }

    /// Number of columns whose net a step computes; the others are cached.
    pub fn computed(&self) -> usize {
        self.n_out() - self.cached
    }

    /// Whether no neuron learns or is observed.
    pub fn rests(&self) -> bool {
        self.needs.iter().all(|&need| need == Need::Rests)
    }

    /// Number of columns that rest and are not cached yet. They are stored before the cached columns.
    pub fn pending(&self) -> usize {
        if self.is_ordered() { self.computed() - self.observed } else { 0 }
    }

    /// Sets the needs after a tick, and returns the order in which the columns must be stored from now on, as places in
    /// the present order; `None` if the order stays. `ordered` says whether columns that learn come first.
    pub fn renew(&mut self, needs: Vec<Need>, ordered: bool) -> Option<Vec<u32>> {
        let n_out = self.n_out();
        let known = n_out - self.cached;
        // A neuron that learns again may answer otherwise from now on.
        let is_cached = |column: usize| column >= known && needs[column] == Need::Rests;
        let mut places: Vec<u32> = (0..n_out as u32).collect();
        if ordered {
            let class = |column: usize| match needs[column] {
                Need::Learns => 0,
                Need::Observed => 1,
                Need::Rests if is_cached(column) => 3,
                Need::Rests => 2,
            };
            places.sort_by_key(|&column| (class(column as usize), self.neuron(column as usize)));
            let up_to = |most| places.iter().filter(|&&column| class(column as usize) <= most).count();
            (self.learning, self.observed, self.cached) = (up_to(0), up_to(1), n_out - up_to(2));
        } else {
            places.sort_by_key(|&column| self.neuron(column as usize));
            (self.learning, self.observed, self.cached) = (n_out, n_out, 0);
        }
        self.needs = places.iter().map(|&column| needs[column as usize]).collect();
        let order: Vec<u32> = places.iter().map(|&column| self.neuron(column as usize) as u32).collect();
        let is_natural = order.iter().enumerate().all(|(column, &neuron)| column == neuron as usize);
        // A layer without resting neurons needs no order.
        self.order = if is_natural && self.observed == n_out { vec![] } else { order };
        let stays = places.iter().enumerate().all(|(place, &column)| place == column as usize);
        (!stays).then_some(places)
    }

    /// The stored columns of each span of neurons that learn, with all neurons of the span. Spans are ranges of neurons, not
    /// of stored columns, so that a column is updated in the same way wherever it is stored.
    pub fn spans(&self) -> impl Iterator<Item = (Range<usize>, Range<usize>)> + '_ {
        let mut first = 0;
        ranges(self.n_out(), SPAN).map(move |span| {
            if !self.is_ordered() {
                return (span.clone(), span);
            }
            let learning = &self.order[first..self.learning];
            let count = learning.iter().take_while(|&&neuron| (neuron as usize) < span.end).count();
            let columns = first..first + count;
            first += count;
            (columns, span)
        })
    }
}

/// Moves the columns of every row of `values`: the column at `places[i]` comes to place i.
pub fn reorder<T: Copy>(values: &mut [T], places: &[u32]) {
    let mut row = Vec::with_capacity(places.len());
    for values in values.chunks_exact_mut(places.len()) {
        row.clear();
        row.extend(places.iter().map(|&place| values[place as usize]));
        values.copy_from_slice(&row);
    }
}

/// The inverse of an order.
fn inverse(order: &[u32]) -> Vec<u32> {
    let mut places = vec![0; order.len()];
    order.iter().enumerate().for_each(|(place, &at)| places[at as usize] = place as u32);
    places
}

#[cfg(test)]
mod tests {
    use super::*;
    use Need::{Learns, Observed, Rests};

    #[test]
    fn those_that_learn_come_first_and_those_in_the_cache_last() {
        let mut columns = Columns::new(5);
        let mut neurons = [0, 1, 2, 3, 4];
        let mut renew = |columns: &mut Columns, needs: [Need; 5], ordered| {
            let stored = (0..5).map(|column| needs[columns.neuron(column)]).collect();
            if let Some(places) = columns.renew(stored, ordered) {
                reorder(&mut neurons, &places);
            }
            let counts = (columns.learning, columns.observed, columns.pending(), columns.cached);
            assert!((0..5).all(|column| columns.neuron(column) == neurons[column]), "{columns:?} {neurons:?}");
            (neurons, counts)
        };
        let now = renew(&mut columns, [Rests, Learns, Observed, Rests, Learns], true);
        assert_eq!(now, ([1, 4, 2, 0, 3], (2, 3, 2, 0)));
        columns.cached = 2;
        let now = renew(&mut columns, [Rests, Rests, Observed, Rests, Learns], true);
        assert_eq!(now, ([4, 2, 1, 0, 3], (1, 2, 1, 2)));
        columns.cached = 3;
        // Neuron 3 thaws.
        let now = renew(&mut columns, [Rests, Rests, Rests, Learns, Learns], true);
        assert_eq!(now, ([3, 4, 2, 0, 1], (2, 2, 1, 2)));
        assert_eq!(renew(&mut columns, [Learns; 5], true), ([0, 1, 2, 3, 4], (5, 5, 0, 0)));
        let now = renew(&mut columns, [Rests, Learns, Observed, Rests, Learns], false);
        assert_eq!(now, ([0, 1, 2, 3, 4], (5, 5, 0, 0)));
    }

    #[test]
    fn orders_have_inverses() {
        let order = [2, 0, 3, 1];
        let mut values = [10, 20, 30, 40, 50, 60, 70, 80];
        reorder(&mut values, &order);
        assert_eq!(values, [30, 10, 40, 20, 70, 50, 80, 60]);
        reorder(&mut values, &inverse(&order));
        assert_eq!(values, [10, 20, 30, 40, 50, 60, 70, 80]);
    }
}
