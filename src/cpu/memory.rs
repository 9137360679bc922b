//! The memory budget of the CPU engine: every array with its shape and bytes, known before any is allocated.

use super::cache;
use super::layer::Layer;
use super::layout::{self, Layout, ROOM, ROW_ROOM};
use super::output::Tally;
use crate::error::Result;
use crate::memory::{self, Array};
use crate::train::population::Population;

/// Most samples that the forward pass on the host processes at a time.
const MOST_ANSWERED: usize = 64;

/// Floats of the widest layer beyond which the forward pass processes fewer samples at a time.
const ANSWERED_FLOATS: usize = 1 << 22;

/// Samples that the forward pass on the host processes at a time in a network of these layers, `(n_in, n_out)`.
///
/// The number changes no answer, because an element of a product depends on its row and column alone.
pub fn answered_at_once(shapes: impl Iterator<Item = (usize, usize)>) -> usize {
    let widest = shapes.map(|(n_in, n_out)| n_in.max(n_out)).max().unwrap_or(1);
    (ANSWERED_FLOATS / widest.max(1)).clamp(1, MOST_ANSWERED)
}

/// The input, net and y of one layer, which every thread holds to answer `samples` samples on the host.
pub fn answers(shapes: impl Iterator<Item = (usize, usize)> + Clone, samples: usize) -> Array {
    let block = answered_at_once(shapes.clone());
    let threads = rayon::current_num_threads().min(samples.div_ceil(block));
    let floats = shapes.map(|(n_in, n_out)| n_in.saturating_add(n_out.saturating_mul(2))).max().unwrap_or(0);
    Array::new("answers", 4, &[("threads", threads), ("samples", block), ("floats", floats)])
}

/// The arrays that the engine keeps for `population` as long as it lives.
pub fn kept(population: &Population) -> Vec<Array> {
    let (widths, batch) = (population.topology.widths(), population.batch_size());
    let p = ("P", population.len());
    // Members may observe different variables, and then their records differ in length.
    let records = population.configs.iter().map(|config| Layout::new(config, widths).stride).sum();
    let columns = population
        .configs
        .iter()
        .map(|config| widths[1..].iter().map(|&n_out| Layer::column_bytes(config, n_out)).sum::<usize>())
        .sum();
    let slots = match population.shared().slots_per_weight() {
        true => population.topology.parameters(),
        false => widths[1..].iter().sum(),
    };
    let mut arrays = population.state_arrays();
    arrays.extend([
        Array::new("sums and carries", 8, &[p, ("slots", slots)]),
        Array::new("columns", 1, &[("bytes", columns)]),
        Array::new("records", 4, &[("B", batch), ("floats", records)]),
        Array::new("panels", 4, &[p, ("floats", layout::panel_floats(widths, batch))]),
        Array::new("tallies", size_of::<Tally>(), &[p, ("blocks", layout::blocks(batch))]),
        Array::new("row lists", 4, &[p, ("rows", population.train_rows())]),
    ]);
    arrays
}

/// The arrays that every thread needs for a time: scratch memory, and the records of a block under evaluation.
fn lent(population: &Population) -> Vec<Array> {
    let threads = ("threads", rayon::current_num_threads());
    let rows = population.train_rows().max(population.validation_rows()).max(population.test_rows());
    // A thread evaluates any member, so its room holds the longest record.
    let widths = population.topology.widths();
    let stride = population.configs.iter().map(|config| Layout::new(config, widths).stride).max().unwrap_or(0);
    vec![
        Array::new("scratch", 4, &[threads, ("floats", ROOM + ROW_ROOM)]),
        Array::new("records of evaluation", 4, &[threads, ("B", layout::block(rows)), ("floats", stride)]),
        // A run ends with the answers to some samples, in which it looks for doubts.
        answers(population.topology.shapes(), rows),
    ]
}

/// Bytes that the activation caches of all members may take; 0 if there are none.
pub fn cache_bytes(population: &Population) -> u64 {
    cache::planned(population, memory::total(&without_cache(population))).map_or(0, |array| array.bytes)
}

/// All arrays of a run on this engine, as they are while neurons are frozen.
pub fn budget(population: &Population) -> Vec<Array> {
    let mut arrays = without_cache(population);
    arrays.extend(cache::planned(population, memory::total(&arrays)));
    arrays
}

/// All arrays of a run on this engine but the activation cache. The initial state counts too, because it is freed only
/// after the engine copied it.
fn without_cache(population: &Population) -> Vec<Array> {
    let mut arrays = vec![population.data.array()];
    let initial = memory::total(&population.state_arrays());
    arrays.push(Array::new("initial state", 1, &[("bytes", usize::try_from(initial).unwrap_or(usize::MAX))]));
    arrays.extend(kept(population));
    arrays.extend(lent(population));
    arrays.push(population.headers());
    arrays
}

/// Refuses a population that this machine has too little memory for.
pub fn check(population: &Population) -> Result<()> {
    let layer = population.topology.largest_layer();
    let fewer = if population.len() > 1 { ", fewer members" } else { "" };
    let remedy = format!("{layer} has most weights: use a narrower `hidden`, a smaller `batch-size`{fewer}");
    memory::check_machine("the run", &budget(population), &remedy)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use crate::data::DataSet;
    use std::sync::Arc;

    /// A thread may evaluate any member, so its scratch records must hold the longest, whichever member comes first.
    #[test]
    fn records_of_evaluation_hold_the_member_with_the_longest() {
        let config = |basis: &str| {
            let text = format!("data = 'iris'\nhidden = [40]\nbatch-size = 8\ntheta = 2.0\nbasis = '{basis}'");
            Config::overlay([&text.parse().expect("TOML")]).expect("settings that make sense")
        };
        let floats = |bases: &[&str]| {
            let configs = bases.iter().map(|basis| config(basis)).collect();
            let data = Arc::new(DataSet::open("iris").expect("built in"));
            let population = Population::new(configs, data, None).expect("members differ in what they may");
            let arrays = lent(&population);
            arrays.iter().find(|array| array.name == "records of evaluation").expect("planned").shape[2].1
        };
        assert!(floats(&["net2"]) > floats(&["act"]));
        assert_eq!(floats(&["act", "net2"]), floats(&["net2"]));
    }
}
