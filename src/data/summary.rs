//! What a person should know of a data set before training: sizes, classes, ranges, and what looks like a mistake.

use super::read::joined;
use super::set::{DataSet, Samples};
use super::split::Split;
use crate::config::Task;
use crate::text::{one_line, significant, thousands};
use rayon::prelude::*;
use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::ops::Range;

/// Most classes that are listed one by one.
const LISTED: usize = 12;

/// Rows that one thread looks at, at a time.
const BLOCK: usize = 4096;

/// Features that are looked at together.
const PANEL: usize = 1 << 16;

/// Most features among which repeated ones are sought, because each takes a place in a map. Tables have no more.
const COMPARED: usize = 1 << 20;

/// The summary, as lines without an end.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Summary {
    /// What the data are.
    pub facts: Vec<String>,
    /// What may be a mistake.
    pub doubts: Vec<String>,
}

impl Summary {
    /// Looks at all samples of `data`, which are split as `split` says. `scale` says how features are scaled.
    #[must_use]
    pub fn new(data: &DataSet, split: &Split, scale: &str) -> Self {
        let count = |number: usize| thousands(number as f64);
        let of = |number: usize, what: &str, several: &str| {
            format!("{} {}", count(number), if number == 1 { what } else { several })
        };
        let kind = match data.task {
            Task::Classification => of(data.classes, "class", "classes"),
            Task::Regression => of(data.classes, "target", "targets") + " (regression)",
            Task::Multilabel => of(data.classes, "label", "labels") + " (multilabel)",
        };
        let kind = match &data.about.labels[..] {
            [label] => format!("{kind} in column ‘{}’", one_line(label)),
            _ => kind,
        };
        let name = one_line(&data.name);
        let (samples, features) = (of(data.len(), "sample", "samples"), of(data.features, "feature", "features"));
        let mut facts = vec![format!("data: {name}, {samples} of {features}, {kind}")];
        let parts = [(&split.train, "training"), (&split.validation, "validation"), (&split.test, "test")];
        let parts = parts.iter().filter(|(rows, _)| !rows.is_empty());
        facts.push(parts.map(|(rows, name)| format!("{} {name}", count(rows.len()))).collect::<Vec<_>>().join(", "));
        if let Some(classes) = classes(data, split) {
            facts.push(classes);
        }
        let (least, most, constant, twins) = columns(data);
        facts.push(format!("features {} … {}, {scale}", significant(least, 4), significant(most, 4)));
        let mut doubts = vec![];
        let names = data.about.feature_names();
        let named = |columns: &[usize]| {
            let name = |&k: &usize| names.as_ref().map_or_else(|| (k + 1).to_string(), |names| one_line(&names[k]));
            joined(columns.iter().map(name))
        };
        if !constant.is_empty() {
            let verb = if constant.len() == 1 { "never changes and is no use" } else { "never change and are no use" };
            doubts.push(format!("{} {verb}: {}", of(constant.len(), "feature", "features"), named(&constant)));
        }
        if !twins.is_empty() {
            let pairs = twins.iter().map(|(a, b)| format!("{} = {}", named(&[*a]), named(&[*b])));
            let verb = if twins.len() == 1 { "repeats another" } else { "repeat another" };
            doubts.push(format!("{} {verb}: {}", of(twins.len(), "feature", "features"), joined(pairs)));
        }
        let shared = shared_rows(data, split);
        if shared > 0 {
            doubts.push(format!(
                "{shared} of the {} held-out samples have the same features as a training sample, so their error says less",
                split.validation.len() + split.test.len()
            ));
        }
        let unseen = unseen_classes(data, split);
        if !unseen.is_empty() {
            doubts.push(format!("no training sample has the class {}", joined(unseen.into_iter())));
        }
        Self { facts, doubts }
    }
}

/// The number of samples of each class, in training and held out.
fn classes(data: &DataSet, split: &Split) -> Option<String> {
    if data.task != Task::Classification {
        return None;
    }
    let counts = |rows: &[u32]| {
        let mut counts = vec![0usize; data.classes];
        rows.iter().for_each(|&row| counts[data.labels[row as usize] as usize] += 1);
        counts
    };
    let (train, held_out) = (counts(&split.train), counts(&[&split.validation[..], &split.test].concat()));
    if data.classes <= LISTED {
        let class = |k| format!("{} {} + {}", one_line(&data.about.output(k)), train[k], held_out[k]);
        return Some(format!(
            "per class, training + held out: {}",
            (0..data.classes).map(class).collect::<Vec<_>>().join(", ")
        ));
    }
    let least = (0..data.classes).min_by_key(|&k| train[k])?;
    let most = (0..data.classes).max_by_key(|&k| train[k])?;
    let class = |k: usize| format!("{} of class {}", train[k], one_line(&data.about.output(k)));
    Some(format!("per class {} … {} training samples", class(least), class(most)))
}

/// The smallest and the largest value, the features that are constant, and those that repeat an earlier one.
fn columns(data: &DataSet) -> (f64, f64, Vec<usize>, Vec<(usize, usize)>) {
    let (mut smallest, mut largest) = (f32::INFINITY, f32::NEG_INFINITY);
    let (mut constant, mut twins) = (vec![], vec![]);
    let mut seen: HashMap<u64, usize> = HashMap::new();
    // Few wide samples would take less memory than what is known of all their features.
    for first in (0..data.features).step_by(PANEL) {
        let (least, most, hashes) = panel(data, first..data.features.min(first + PANEL));
        for (k, ((least, most), hash)) in (first..).zip(least.into_iter().zip(most).zip(hashes)) {
            (smallest, largest) = (smallest.min(least), largest.max(most));
            if least >= most {
                constant.push(k);
            } else if least < most && data.features <= COMPARED {
                match seen.get(&hash) {
                    Some(&twin) => twins.push((k, twin)),
                    None => drop(seen.insert(hash, k)),
                }
            }
        }
    }
    (f64::from(smallest), f64::from(largest), constant, twins)
}

/// The smallest value, the largest value and the hash of each of some features.
fn panel(data: &DataSet, features: Range<usize>) -> (Vec<f32>, Vec<f32>, Vec<u64>) {
    let width = features.len();
    let none = || (vec![f32::INFINITY; width], vec![f32::NEG_INFINITY; width], vec![0u64; width]);
    // A hash of a column is a sum over its rows of a hash of place and value, so that blocks of rows can be added up.
    let block = |first: usize| {
        let mut part = none();
        let (least, most, hashes) = (&mut part.0, &mut part.1, &mut part.2);
        let mut x = vec![0.0; width];
        for row in first..data.len().min(first + BLOCK) {
            data.copy_part(row, features.start, &mut x);
            let place = (row as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            for (k, &value) in x.iter().enumerate() {
                (least[k], most[k]) = (least[k].min(value), most[k].max(value));
                let mixed = (u64::from(value.to_bits()) ^ place).wrapping_mul(0xff51_afd7_ed55_8ccd);
                hashes[k] = hashes[k].wrapping_add(mixed ^ (mixed >> 33));
            }
        }
        part
    };
    let starts: Vec<usize> = (0..data.len()).step_by(BLOCK).collect();
    starts.into_par_iter().map(block).reduce(none, |mut all, part| {
        for k in 0..width {
            (all.0[k], all.1[k]) = (all.0[k].min(part.0[k]), all.1[k].max(part.1[k]));
            all.2[k] = all.2[k].wrapping_add(part.2[k]);
        }
        all
    })
}

/// Number of held-out samples whose features are those of a training sample.
fn shared_rows(data: &DataSet, split: &Split) -> usize {
    let hash = |row: &u32| {
        let mut hasher = DefaultHasher::new();
        let range = *row as usize * data.features..(*row as usize + 1) * data.features;
        match &data.samples {
            Samples::U8(bytes) => bytes[range].hash(&mut hasher),
            Samples::F32(reals) => bytemuck::cast_slice::<f32, u8>(&reals[range]).hash(&mut hasher),
        }
        hasher.finish()
    };
    if split.validation.is_empty() && split.test.is_empty() {
        return 0;
    }
    let hashes = |rows: &[u32]| rows.par_iter().with_min_len(BLOCK).map(hash).collect::<Vec<u64>>();
    // A sorted list takes a third of the memory of a set, and tables may have many narrow rows.
    let mut train = hashes(&split.train);
    train.par_sort_unstable();
    [&split.validation, &split.test]
        .into_iter()
        .flat_map(|rows| hashes(rows))
        .filter(|hash| train.binary_search(hash).is_ok())
        .count()
}

/// The names of the classes that occur only in held-out samples.
fn unseen_classes(data: &DataSet, split: &Split) -> Vec<String> {
    if data.task != Task::Classification {
        return vec![];
    }
    let mut seen = vec![false; data.classes];
    split.train.iter().for_each(|&row| seen[data.labels[row as usize] as usize] = true);
    let mut occurs = vec![false; data.classes];
    data.labels.iter().for_each(|&label| occurs[label as usize] = true);
    (0..data.classes).filter(|&k| occurs[k] && !seen[k]).map(|k| one_line(&data.about.output(k))).collect()
}
