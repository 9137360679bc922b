//! Compares training rules: several arms over the same seeds, each against one baseline.
//!
//! Pairing by seed removes the effects that initial weights, sample order and split have on both runs of a pair. The
//! statistics are in [`stats`]; this file owns pairs, failed runs and outcomes. `verdict.rs` puts them into words.

use crate::error::{Error, Result};
use crate::run::Record;
use crate::stats::outcome::{Arm, Comparison, Report, Verdict};
use crate::stats::{self, verdict};
use crate::text::{named, one_line, quoted, quoted_list};
use rayon::prelude::*;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

/// Significance level of all verdicts.
pub const LEVEL: f64 = 0.05;
/// Resamples of the bootstrap.
pub const RESAMPLES: usize = 10_000;
/// Seed of the bootstrap. The seed is fixed so that the same records give the same report.
const SEED: u64 = 0;
/// The metrics that decide where the user names none; the first that a record has.
const DEFAULT_METRICS: [&str; 2] = ["test_rmse", "test_error"];
/// Reasons of failed runs that a note names; the other runs are counted.
const REASONS: usize = 3;

/// The question that [`compare`] answers.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Metric of the last epoch.
    pub metric: String,
    /// The arm that every other arm is compared with.
    pub baseline: String,
    /// The other arms; empty means all.
    pub arms: Vec<String>,
    /// Whether a higher metric is better. For errors and losses, lower is better.
    pub higher_is_better: bool,
    /// Coverage of the interval, 0 … 1.
    pub confidence: f64,
    /// The mean difference below which arms count as equivalent; `None` leaves out the test of equivalence.
    pub margin: Option<f64>,
}

/// What two runs of a pair have in common: the seed, and the part of a cross-validation, if there is one.
type Key = (u64, Option<String>);

/// A run of an arm.
struct Run<'a> {
    record: &'a Record,
    /// The metric; `None` for a failed run.
    value: Option<f64>,
}

type Runs<'a> = BTreeMap<Key, Run<'a>>;

/// The runs of one arm and of the baseline that have a value for the same seed.
struct Pairs {
    /// (arm, baseline), by what pairs them.
    values: BTreeMap<Key, (f64, f64)>,
    /// Whether the runs of every pair have the same outcome, bit for bit.
    identical: bool,
}

/// The metric that decides between these records where the user names none: the RMSE of a regression, else the error, of
/// the test samples.
#[must_use]
pub fn default_metric(records: &[Record]) -> &'static str {
    let has = |metric: &&&str| records.iter().any(|record| record.metric(metric).is_some());
    DEFAULT_METRICS.iter().find(has).copied().unwrap_or("test_error")
}

/// Compares every arm with the baseline.
///
/// # Errors
/// [`Error::Config`] if the confidence or the margin is out of range, or if an arm or the metric is unknown. The same
/// if every run failed, a seed comes twice, or no arm shares a seed with the baseline.
pub fn compare(records: &[Record], settings: &Settings) -> Result<Report> {
    let Settings { metric, baseline, higher_is_better, confidence, margin, .. } = settings;
    let arms = settings.chosen(records.iter().map(|record| record.arm.as_str()))?;
    // Sorted by arm once, because a search of all records for every arm takes minutes with 10 000 arms.
    let mut records_of: HashMap<&str, Vec<&Record>> = arms.iter().map(|arm| (*arm, vec![])).collect();
    for record in records {
        records_of.entry(&record.arm).and_modify(|of_arm| of_arm.push(record));
    }
    check_metric(records_of.values().flatten().copied(), metric)?;
    let runs = arms.iter().map(|arm| runs_of(&records_of[arm], arm, metric)).collect::<Result<Vec<_>>>()?;

    let mut notes: Vec<String> = arms.iter().zip(&runs).filter_map(|(arm, runs)| failures(arm, runs)).collect();
    let mut compared = vec![];
    let mut apart = vec![];
    for (arm, runs_of_arm) in arms.iter().zip(&runs).skip(1) {
        let pairs = pairs(&runs[0], runs_of_arm);
        if pairs.values.is_empty() {
            apart.push(format!(
                "{} is left out: with {} it has no seed in common whose runs did not fail",
                quoted(arm),
                quoted(baseline)
            ));
            continue;
        }
        notes.extend(left_out(arm, baseline, &runs[0], runs_of_arm, &pairs.values));
        compared.push((*arm, pairs));
    }
    // The bootstrap of every arm starts from the same seed, so the arms may be computed in any order.
    let mut comparisons: Vec<Comparison> =
        compared.par_iter().map(|(arm, pairs)| against_baseline(arm, pairs, settings)).collect();
    if comparisons.is_empty() && !apart.is_empty() {
        return Err(Error::config(apart.join("; ")));
    }
    notes.append(&mut apart);
    let p: Vec<f64> = comparisons.iter().filter(|c| c.is_tested()).map(|comparison| comparison.p).collect();
    for (comparison, holm_p) in comparisons.iter_mut().filter(|c| c.is_tested()).zip(stats::holm(&p)) {
        settle(comparison, holm_p);
    }
    notes.extend(too_few(&comparisons));
    let arms = arms
        .iter()
        .zip(&runs)
        .map(|(arm, runs)| {
            let values: Vec<f64> = runs.values().filter_map(|run| run.value).collect();
            Arm { arm: (*arm).to_owned(), failed: runs.len() - values.len(), summary: stats::summary(&values) }
        })
        .collect();
    let mut report = Report {
        verdict: String::new(),
        metric: metric.clone(),
        higher_is_better: *higher_is_better,
        baseline: baseline.clone(),
        confidence: *confidence,
        resamples: RESAMPLES,
        margin: *margin,
        arms,
        comparisons,
        notes,
    };
    report.verdict = verdict::sentence(&report, &|name| verdict::in_sentence(name, one_line));
    Ok(report)
}

/// The error for an arm that none of the `known` ones is.
pub fn no_such_arm(setting: &str, arm: &str, known: &[&str]) -> Error {
    Error::config(format!("`{setting}` {}: no such arm; there are: {}", quoted(arm), quoted_list(known)))
}

impl Settings {
    /// The arms to compare, of all arms: the baseline, then the others in the order of the settings, or in the order of
    /// `all` if the settings name none. Arms may come several times.
    ///
    /// # Errors
    /// If an arm is unknown or alone, or a number is out of its range.
    pub fn chosen<'a>(&'a self, all: impl Iterator<Item = &'a str>) -> Result<Vec<&'a str>> {
        let Self { confidence, margin, .. } = self;
        if !(*confidence > 0.0 && *confidence < 1.0) {
            return Err(Error::config(format!("`confidence = {confidence}`: must lie between 0 and 1")));
        }
        if let Some(margin) = margin.filter(|margin| !(margin.is_finite() && *margin > 0.0)) {
            return Err(Error::config(format!("`margin = {margin}`: must be a positive number")));
        }
        let mut names = HashSet::new();
        let known: Vec<&str> = all.filter(|arm| names.insert(*arm)).collect();
        let wanted = if self.arms.is_empty() { known.clone() } else { strings(&self.arms) };
        for (flag, arm) in [("baseline", self.baseline.as_str())].into_iter().chain(wanted.iter().map(|a| ("arms", *a)))
        {
            if !names.contains(arm) {
                return Err(no_such_arm(flag, arm, &known));
            }
        }
        let mut names = HashSet::new();
        let arms: Vec<&str> =
            std::iter::once(self.baseline.as_str()).chain(wanted).filter(|arm| names.insert(*arm)).collect();
        if arms.len() == 1 {
            return Err(Error::config(format!(
                "{} is the only arm; there is nothing to hold against it",
                quoted(arms[0])
            )));
        }
        Ok(arms)
    }
}

fn strings(names: &[String]) -> Vec<&str> {
    names.iter().map(String::as_str).collect()
}

/// Refuses a metric that no record has: a misspelt name must not look like failed runs.
fn check_metric<'a>(records: impl Iterator<Item = &'a Record>, metric: &str) -> Result<()> {
    let names: BTreeSet<&str> = records.flat_map(Record::metrics).collect();
    if names.is_empty() {
        return Err(Error::config("every run failed: no record has metrics of a last epoch"));
    }
    if !names.contains(metric) {
        let names: Vec<&str> = names.into_iter().collect();
        return Err(Error::config(format!(
            "`metric` {}: no record has a number of that name; there are: {}",
            quoted(metric),
            names.iter().map(|name| named(name)).collect::<Vec<_>>().join(", ")
        )));
    }
    Ok(())
}

/// The runs of one arm by what pairs them, from the records of the arm.
fn runs_of<'a>(records: &[&'a Record], arm: &str, metric: &str) -> Result<Runs<'a>> {
    let mut runs = Runs::new();
    for record in records {
        let run = Run { record, value: record.metric(metric) };
        if runs.insert((record.seed, record.fold()), run).is_some() {
            return Err(Error::config(format!(
                "seed {} of {} comes twice, the second time as {}; give every record once",
                record.seed,
                quoted(arm),
                quoted(&record.id)
            )));
        }
    }
    Ok(runs)
}

fn pairs(baseline: &Runs, arm: &Runs) -> Pairs {
    let mut pairs = Pairs { values: BTreeMap::new(), identical: true };
    for (key, own) in arm {
        let Some(base) = baseline.get(key) else { continue };
        if let (Some(value), Some(of_base)) = (own.value, base.value) {
            pairs.values.insert(key.clone(), (value, of_base));
            pairs.identical &= own.record.ended_like(base.record);
        }
    }
    pairs
}

fn against_baseline(arm: &str, pairs: &Pairs, settings: &Settings) -> Comparison {
    let (own, base): (Vec<f64>, Vec<f64>) = pairs.values.values().copied().unzip();
    let differences: Vec<f64> = own.iter().zip(&base).map(|(a, b)| a - b).collect();
    let largest = own.iter().chain(&base).fold(0.0f64, |most, value| most.max(value.abs()));
    // Far above the rounding error of a difference, far below any real difference.
    let signed_rank = stats::signed_rank(&differences, 1e-12 * largest);
    let lower = stats::probability_of_improvement(&own, &base);
    let tost_p = settings.margin.map(|margin| stats::tost(&differences, margin));
    let better = (signed_rank.plus > signed_rank.minus) == settings.higher_is_better;
    Comparison {
        arm: arm.to_owned(),
        pairs: own.len(),
        difference: stats::mean(&differences),
        interval: stats::bootstrap_mean(&differences, settings.confidence, RESAMPLES, SEED),
        p: signed_rank.p,
        exact: signed_rank.exact,
        holm_p: signed_rank.p,
        probability_of_improvement: if settings.higher_is_better { 1.0 - lower } else { lower },
        tost_p,
        equivalent: tost_p.map(|p| p < LEVEL),
        verdict: match (pairs.identical, own.len(), better) {
            (true, ..) => Verdict::Identical,
            (_, 1, _) => Verdict::OneSeed,
            (.., true) => Verdict::Better,
            (.., false) => Verdict::Worse,
        },
    }
}

/// Stores the corrected p. Without significance the verdict becomes `Equivalent` or `NotDistinguishable`.
fn settle(comparison: &mut Comparison, holm_p: f64) {
    comparison.holm_p = holm_p;
    if holm_p >= LEVEL && comparison.verdict != Verdict::Identical {
        let is_equivalent = comparison.equivalent == Some(true);
        comparison.verdict = if is_equivalent { Verdict::Equivalent } else { Verdict::NotDistinguishable };
    }
}

/// The notes on failed runs alone, for records of which no report can be made.
#[must_use]
pub fn failed(records: &[Record]) -> Vec<String> {
    let mut places = HashMap::new();
    let mut arms: Vec<(&str, Runs)> = vec![];
    for record in records {
        let place = *places.entry(record.arm.as_str()).or_insert(arms.len());
        if place == arms.len() {
            arms.push((&record.arm, Runs::new()));
        }
        let value = record.failure().is_none().then_some(0.0);
        arms[place].1.insert((record.seed, record.fold()), Run { record, value });
    }
    arms.iter().filter_map(|(arm, runs)| failures(arm, runs)).collect()
}

/// Which runs of an arm failed and why, with equal reasons together.
fn failures(arm: &str, runs: &Runs) -> Option<String> {
    let failed: Vec<(&Key, String)> = runs
        .iter()
        .filter(|(_, run)| run.value.is_none())
        .map(|(key, run)| (key, run.record.failure().unwrap_or_else(|| "has no number of that metric".to_owned())))
        .collect();
    let mut reasons: Vec<(&str, Vec<&Key>)> = vec![];
    for (key, reason) in &failed {
        match reasons.iter_mut().find(|(known, _)| known == reason) {
            Some((_, keys)) => keys.push(key),
            None => reasons.push((reason, vec![key])),
        }
    }
    let mut told: Vec<String> =
        reasons.iter().take(REASONS).map(|(reason, keys)| format!("{} {reason}", seeds(keys))).collect();
    if reasons.len() > REASONS {
        let rest: Vec<&Key> = reasons[REASONS..].iter().flat_map(|(_, keys)| keys).copied().collect();
        told.push(format!("{} for other reasons", seeds(&rest)));
    }
    (!failed.is_empty()).then(|| {
        format!(
            "{} of {} runs of {} failed and are left out: {}",
            failed.len(),
            runs.len(),
            quoted(arm),
            told.join("; ")
        )
    })
}

fn left_out(arm: &str, baseline: &str, a: &Runs, b: &Runs, pairs: &BTreeMap<Key, (f64, f64)>) -> Option<String> {
    let all: BTreeSet<&Key> = a.keys().chain(b.keys()).collect();
    let missing: Vec<&Key> = all.into_iter().filter(|key| !pairs.contains_key(*key)).collect();
    (!missing.is_empty()).then(|| {
        format!(
            "{} and {} are compared over the {} seeds that both have; left out: {}",
            quoted(arm),
            quoted(baseline),
            pairs.len(),
            seeds(&missing)
        )
    })
}

fn seeds(seeds: &[&Key]) -> String {
    let name = |(seed, fold): &&Key| match fold {
        Some(fold) => format!("{seed} (fold {fold})"),
        None => seed.to_string(),
    };
    let list = seeds.iter().map(name).collect::<Vec<_>>().join(", ");
    format!("{} {list}", if seeds.len() == 1 { "seed" } else { "seeds" })
}

/// The least number of pairs with which p can fall below [`LEVEL`] after the correction for so many comparisons.
#[must_use]
pub fn pairs_needed(comparisons: usize) -> usize {
    // With all differences of one sign, p of the signed-rank test is 2^(1 − pairs).
    let least = |pairs: usize| 0.5f64.powi(pairs as i32 - 1) * comparisons as f64;
    (2..).find(|&pairs| least(pairs) < LEVEL).unwrap_or(usize::MAX)
}

/// Notes on arms whose p could not fall below [`LEVEL`] even with all differences of one sign, one for each number of pairs.
fn too_few(comparisons: &[Comparison]) -> Vec<String> {
    let tested = comparisons.iter().filter(|comparison| comparison.is_tested()).count();
    let needed = pairs_needed(tested);
    let is_open = |comparison: &&Comparison| comparison.is_tested() && comparison.verdict != Verdict::Identical;
    let mut few: BTreeMap<usize, Vec<&str>> = BTreeMap::new();
    for comparison in comparisons.iter().filter(is_open).filter(|comparison| comparison.pairs < needed) {
        few.entry(comparison.pairs).or_default().push(&comparison.arm);
    }
    let arms = if tested == 1 { "arm" } else { "arms" };
    let note = |(pairs, names): (usize, Vec<&str>)| {
        let list = quoted_list(&names);
        format!(
            "{list}: {pairs} pairs of seeds cannot give a p below {LEVEL} with {tested} {arms} to compare; it takes {needed}"
        )
    };
    few.into_iter().map(note).collect()
}
