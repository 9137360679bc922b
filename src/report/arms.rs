//! The arms of a sweep, as its page and its figures see them.

use crate::run::Record;
use crate::stats::mean;
use std::collections::HashMap;

/// An arm: the runs that differ in the seed alone.
pub struct Arm<'a> {
    /// Place among all arms, which decides its colour.
    pub place: usize,
    pub name: &'a str,
    pub records: Vec<&'a Record>,
}

/// The arms of these records, in the order of their first record.
pub fn arms(records: &[Record]) -> Vec<Arm<'_>> {
    let mut arms: Vec<Arm<'_>> = vec![];
    let mut places = HashMap::new();
    for record in records {
        let place = *places.entry(record.arm.as_str()).or_insert(arms.len());
        match arms.get_mut(place) {
            Some(arm) => arm.records.push(record),
            None => arms.push(Arm { place, name: &record.arm, records: vec![record] }),
        }
    }
    arms
}

impl Arm<'_> {
    /// Outcomes of the runs that have one.
    pub fn outcomes(&self, metric: &str) -> Vec<f64> {
        self.records.iter().filter_map(|record| record.metric(metric)).collect()
    }

    /// The runs that have not failed.
    pub fn whole(&self) -> impl Iterator<Item = &Record> {
        self.records.iter().copied().filter(|record| record.failure().is_none())
    }

    /// Mean over the runs of a figure of each run; `None` if no run has it.
    pub fn mean(&self, figure: impl Fn(&Record) -> Option<f64>) -> Option<f64> {
        let values: Vec<f64> = self.whole().filter_map(figure).collect();
        (!values.is_empty()).then(|| mean(&values))
    }

    /// GFLOP that a run did, as a mean over the runs: summed over its epochs, or as its record gives the sum.
    pub fn gflop(&self) -> Option<f64> {
        self.mean(|record| summed(record, "gflop_per_epoch").or_else(|| record.metric("gflop")))
    }

    /// GFLOP of a run in which nothing freezes, as a mean over the runs.
    pub fn gflop_full(&self) -> Option<f64> {
        self.mean(|record| summed(record, "gflop_full"))
    }
}

/// The names of these arms without the words that all of them share.
pub fn short_names(names: &[&str]) -> Vec<String> {
    let in_all = |word: &str| names.iter().all(|name| name.split(' ').any(|other| other == word));
    let short = |name: &&str| {
        let own: Vec<&str> = name.split(' ').filter(|word| !in_all(word)).collect();
        if own.is_empty() { (*name).to_owned() } else { own.join(" ") }
    };
    names.iter().map(short).collect()
}

/// Sum of a metric over the epochs of a run.
fn summed(record: &Record, metric: &str) -> Option<f64> {
    let values: Option<Vec<f64>> = record.epochs.iter().map(|epoch| epoch.get(metric)?.as_f64()).collect();
    values.filter(|values| !values.is_empty()).map(|values| values.iter().sum())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_leave_out_what_all_share() {
        assert_eq!(short_names(&["psi ticks=4 hidden=9", "constant hidden=9"]), ["psi ticks=4", "constant"]);
        assert_eq!(short_names(&["psi", "psi hidden=9"]), ["psi", "hidden=9"]);
        assert_eq!(short_names(&["alone"]), ["alone"]);
    }
}
