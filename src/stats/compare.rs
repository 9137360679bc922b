//! Compares training rules: several arms over the same seeds, each against one baseline.
//!
//! Pairing by seed removes the effects that initial weights, sample order and split have on both runs of a pair. The
//! statistics are in [`stats`]; this file owns pairs, failed runs and verdicts.

use crate::error::{Error, Result};
use crate::run::Record;
use crate::stats::{self, Interval, Summary};
use crate::text::{named, quoted, quoted_list};
use rayon::prelude::*;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

/// Significance level of all verdicts.
pub const LEVEL: f64 = 0.05;
/// Resamples of the bootstrap.
pub const RESAMPLES: usize = 10_000;
/// Seed of the bootstrap. The seed is fixed so that the same records give the same report.
const SEED: u64 = 0;

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

/// The runs of one arm.
#[derive(Clone, Debug, Serialize)]
pub struct Arm {
    /// Name of the arm.
    pub arm: String,
    /// Summary of the runs that did not fail.
    #[serde(flatten)]
    pub summary: Summary,
    /// Runs that diverged or have no finite value.
    pub failed: usize,
}

/// One arm against the baseline.
#[derive(Clone, Debug, Serialize)]
pub struct Comparison {
    /// Name of the arm.
    pub arm: String,
    /// Seeds whose runs failed in neither arm. All figures here are over these seeds.
    pub pairs: usize,
    /// Mean of the paired differences, arm − baseline.
    pub difference: f64,
    /// Bootstrap interval of `difference`.
    pub interval: Interval,
    /// Two-sided p of the signed-rank test.
    pub p: f64,
    /// Whether `p` is exact.
    pub exact: bool,
    /// `p` after Holm's correction for the number of comparisons.
    pub holm_p: f64,
    /// Probability that a run of the arm is better than a run of the baseline; ties count half.
    pub probability_of_improvement: f64,
    /// p of the test of equivalence, without correction.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tost_p: Option<f64>,
    /// Whether the mean difference lies within the margin, at [`LEVEL`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub equivalent: Option<bool>,
    /// What these figures say.
    pub verdict: Verdict,
}

/// The outcome of a comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// Corrected p below [`LEVEL`], and the larger rank sum favours the arm.
    Better,
    /// Corrected p below [`LEVEL`], and the larger rank sum favours the baseline.
    Worse,
    /// Corrected p not below [`LEVEL`], and the mean difference lies within the margin.
    Equivalent,
    /// None of the other outcomes.
    NotDistinguishable,
}

/// A whole comparison: the object of `--json`.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Metric of the last epoch.
    pub metric: String,
    /// Whether a higher metric is better.
    pub higher_is_better: bool,
    /// The arm that every other arm is compared with.
    pub baseline: String,
    /// Coverage of the intervals, 0 … 1.
    pub confidence: f64,
    /// Resamples of the bootstrap.
    pub resamples: usize,
    /// Margin of equivalence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub margin: Option<f64>,
    /// All arms, the baseline first.
    pub arms: Vec<Arm>,
    /// One comparison per arm except the baseline.
    pub comparisons: Vec<Comparison>,
    /// Remarks that the figures need: failed runs, seeds left out, too few seeds.
    pub notes: Vec<String>,
}

/// What two runs of a pair have in common: the seed, and the part of a cross-validation, if there is one.
type Key = (u64, Option<String>);

/// Values of an arm; `None` for a failed run.
type Runs = BTreeMap<Key, Option<f64>>;

/// Compares every arm with the baseline.
///
/// # Errors
/// [`Error::Config`] if the confidence or the margin is out of range, or if an arm or the metric is unknown. The same
/// if every run failed, a seed comes twice, or an arm shares fewer than two seeds with the baseline.
pub fn compare(records: &[Record], settings: &Settings) -> Result<Report> {
    let Settings { metric, baseline, higher_is_better, confidence, margin, .. } = settings;
    if !(*confidence > 0.0 && *confidence < 1.0) {
        return Err(Error::config(format!("`confidence = {confidence}`: must lie between 0 and 1")));
    }
    if let Some(margin) = margin.filter(|margin| !(margin.is_finite() && *margin > 0.0)) {
        return Err(Error::config(format!("`margin = {margin}`: must be a positive number")));
    }
    let arms = chosen(records, settings)?;
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
        if pairs.len() < 2 {
            let count = if pairs.is_empty() { "no seed" } else { "only one seed" };
            apart.push(format!(
                "{} is left out: with {} it has {count} in common whose runs did not fail, and differences need two",
                quoted(arm),
                quoted(baseline)
            ));
            continue;
        }
        notes.extend(left_out(arm, baseline, &runs[0], runs_of_arm, &pairs));
        compared.push((*arm, pairs));
    }
    // The bootstrap of every arm starts from the same seed, so the arms may be computed in any order.
    let mut comparisons: Vec<Comparison> =
        compared.par_iter().map(|(arm, pairs)| against_baseline(arm, pairs, settings)).collect();
    if comparisons.is_empty() && !apart.is_empty() {
        return Err(Error::config(apart.join("; ")));
    }
    notes.append(&mut apart);
    let p: Vec<f64> = comparisons.iter().map(|comparison| comparison.p).collect();
    for (comparison, holm_p) in comparisons.iter_mut().zip(stats::holm(&p)) {
        comparison.settle(holm_p);
    }
    notes.extend(comparisons.iter().filter_map(|comparison| too_few(comparison, p.len())));
    let arms = arms
        .iter()
        .zip(&runs)
        .map(|(arm, runs)| {
            let values: Vec<f64> = runs.values().flatten().copied().collect();
            Arm { arm: (*arm).to_owned(), failed: runs.len() - values.len(), summary: stats::summary(&values) }
        })
        .collect();
    Ok(Report {
        metric: metric.clone(),
        higher_is_better: *higher_is_better,
        baseline: baseline.clone(),
        confidence: *confidence,
        resamples: RESAMPLES,
        margin: *margin,
        arms,
        comparisons,
        notes,
    })
}

/// The baseline, then the other arms in the order of the settings, or in the order of the records if the settings name
/// none.
fn chosen<'a>(records: &'a [Record], settings: &'a Settings) -> Result<Vec<&'a str>> {
    let mut names = HashSet::new();
    let known: Vec<&str> = records.iter().map(|record| record.arm.as_str()).filter(|arm| names.insert(*arm)).collect();
    let wanted = if settings.arms.is_empty() { known.clone() } else { strings(&settings.arms) };
    for (flag, arm) in
        [("`baseline`", settings.baseline.as_str())].into_iter().chain(wanted.iter().map(|a| ("`arms`", *a)))
    {
        if !names.contains(arm) {
            return Err(Error::config(format!(
                "{flag} {}: no such arm; there are: {}",
                quoted(arm),
                quoted_list(&known)
            )));
        }
    }
    let mut names = HashSet::new();
    let arms: Vec<&str> =
        std::iter::once(settings.baseline.as_str()).chain(wanted).filter(|arm| names.insert(*arm)).collect();
    if arms.len() == 1 {
        return Err(Error::config(format!("{} is the only arm; there is nothing to hold against it", quoted(arms[0]))));
    }
    Ok(arms)
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
fn runs_of(records: &[&Record], arm: &str, metric: &str) -> Result<Runs> {
    let mut runs = Runs::new();
    for record in records {
        if runs.insert((record.seed, record.fold()), record.metric(metric)).is_some() {
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

/// (arm, baseline) of every seed that has a value in both.
fn pairs(baseline: &Runs, arm: &Runs) -> BTreeMap<Key, (f64, f64)> {
    let value = |key| baseline.get(key).copied().flatten();
    arm.iter().filter_map(|(key, arm)| Some((key.clone(), ((*arm)?, value(key)?)))).collect()
}

fn against_baseline(arm: &str, pairs: &BTreeMap<Key, (f64, f64)>, settings: &Settings) -> Comparison {
    let (own, base): (Vec<f64>, Vec<f64>) = pairs.values().copied().unzip();
    let differences: Vec<f64> = own.iter().zip(&base).map(|(a, b)| a - b).collect();
    let largest = own.iter().chain(&base).fold(0.0f64, |most, value| most.max(value.abs()));
    // Far above the rounding error of a difference, far below any real difference.
    let signed_rank = stats::signed_rank(&differences, 1e-12 * largest);
    let lower = stats::probability_of_improvement(&own, &base);
    let tost_p = settings.margin.map(|margin| stats::tost(&differences, margin));
    let better = (signed_rank.plus > signed_rank.minus) == settings.higher_is_better;
    Comparison {
        arm: arm.to_owned(),
        pairs: pairs.len(),
        difference: stats::mean(&differences),
        interval: stats::bootstrap_mean(&differences, settings.confidence, RESAMPLES, SEED),
        p: signed_rank.p,
        exact: signed_rank.exact,
        holm_p: signed_rank.p,
        probability_of_improvement: if settings.higher_is_better { 1.0 - lower } else { lower },
        tost_p,
        equivalent: tost_p.map(|p| p < LEVEL),
        verdict: if better { Verdict::Better } else { Verdict::Worse },
    }
}

impl Comparison {
    /// Stores the corrected p. Without significance the verdict becomes `Equivalent` or `NotDistinguishable`.
    fn settle(&mut self, holm_p: f64) {
        self.holm_p = holm_p;
        if holm_p >= LEVEL {
            self.verdict =
                if self.equivalent == Some(true) { Verdict::Equivalent } else { Verdict::NotDistinguishable };
        }
    }
}

fn failures(arm: &str, runs: &Runs) -> Option<String> {
    let failed: Vec<&Key> = runs.iter().filter(|(_, value)| value.is_none()).map(|(key, _)| key).collect();
    (!failed.is_empty()).then(|| {
        format!(
            "{} of {} runs of {} failed and are left out: {}",
            failed.len(),
            runs.len(),
            quoted(arm),
            seeds(&failed)
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

/// A note if p could not fall below [`LEVEL`] even with all differences of one sign.
fn too_few(comparison: &Comparison, comparisons: usize) -> Option<String> {
    let least = |pairs: usize| 0.5f64.powi(pairs as i32 - 1) * comparisons as f64;
    let needed = (2..).find(|&pairs| least(pairs) < LEVEL)?;
    (comparison.pairs < needed).then(|| {
        format!(
            "{}: {} pairs of seeds cannot give a p below {LEVEL} with {comparisons} arm{} to compare; it takes {needed}",
            quoted(&comparison.arm),
            comparison.pairs,
            if comparisons == 1 { "" } else { "s" }
        )
    })
}
