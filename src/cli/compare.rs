//! `homeostat compare`: decides between training rules, by the results of earlier runs or by runs that it trains itself.

use super::compared::{markdown, terminal};
use super::outputs::refuse_source;
use super::print::{say, say_block, tell};
use super::versus::{Trained, Versus};
use crate::error::{Error, Result};
use crate::files::{to_json, write_atomic};
use crate::run::{Record, gather};
use crate::stats::compare::{Settings, compare, default_metric, failed};
use crate::text::quoted;
use crate::train::metrics::Metric;
use std::path::PathBuf;

/// Most remarks that the terminal shows; the JSON and the Markdown have all.
const NOTES: usize = 8;

/// Train and compare rules over the same seeds, or compare runs.
///
/// With --rules, the command plans, trains, decides and writes a report, all in one directory; the same command resumes
/// after a crash, and with more --seeds trains only those that are new. Every flag of `train` that is a setting applies to
/// all arms, for instance --data, --hidden and --epochs. With RESULTS, it compares what is there: results of sweeps, merged
/// or not, and directories of single runs, whose arms are the settings in which they differ.
///
/// Every arm is compared with the baseline over the seeds that both have. The first line is the verdict. The table shows the
/// mean difference with a bootstrap interval (BCa, 10 000 resamples) and p of Wilcoxon's signed-rank test, also corrected
/// for the number of arms (Holm). P(better) is the probability that a run of the arm is better than a run of the baseline.
/// With --margin, a paired TOST tests whether the two are equivalent. Verdicts use the 5 % level; n.s. is not
/// distinguishable.
#[derive(clap::Args)]
#[command(group = clap::ArgGroup::new("trained").args(["rules", "variants"]).multiple(true))]
pub struct Compare {
    /// Results of a sweep (a directory, or merged *.jsonl), or directories of single runs
    #[arg(value_name = "RESULTS", required_unless_present = "trained", conflicts_with = "trained")]
    results: Vec<PathBuf>,
    #[command(flatten)]
    versus: Versus,
    /// Metric to compare, as in `final` of the records [default: test_rmse of regressions, else test_error]
    #[arg(long, value_name = "NAME")]
    metric: Option<String>,
    /// Arm that all others are compared with [default: the first]
    #[arg(long, value_name = "ARM")]
    baseline: Option<String>,
    /// Compare only these arms; * stands for any text
    #[arg(long, value_name = "ARM,ARM")]
    arms: Vec<String>,
    /// A higher metric is better
    #[arg(long)]
    higher_is_better: bool,
    /// Coverage of the interval
    #[arg(long, value_name = "F", default_value_t = 0.95)]
    confidence: f64,
    /// Largest mean difference that does not matter, for the test of equivalence
    #[arg(long, value_name = "F")]
    margin: Option<f64>,
    /// Print one JSON object on stdout
    #[arg(long)]
    json: bool,
    /// Also write the tables as Markdown
    #[arg(long, value_name = "FILE")]
    export_markdown: Option<PathBuf>,
}

impl Compare {
    /// Trains the arms if rules are named, compares them and prints the result.
    pub fn run(&self, matches: &clap::ArgMatches) -> Result<()> {
        if !self.results.is_empty() {
            self.versus.refuse_settings(matches)?;
            return self.decide(&gather(&self.results)?, None);
        }
        let comparison = self.versus.comparison(matches)?;
        // A mistake must show before hours of training.
        self.settings(&comparison.arms(), "").chosen(comparison.arms().into_iter())?;
        if let Some(name) = self.metric.as_ref().filter(|name| Metric::named(name).is_none()) {
            return Err(Error::config(format!("`metric` {}: runs have no metric of that name", quoted(name))));
        }
        if let Some(path) = &self.export_markdown {
            refuse_source(path, &[comparison.directory()])?;
        }
        let trained = comparison.train()?;
        self.decide(&trained.records, Some(&trained))
    }

    /// What to compare, of these arms, and by which metric if the user names none.
    fn settings(&self, arms: &[&str], metric: &str) -> Settings {
        Settings {
            metric: self.metric.clone().unwrap_or_else(|| metric.to_owned()),
            baseline: self.baseline.clone().unwrap_or_else(|| arms.first().copied().unwrap_or_default().to_owned()),
            arms: split(&self.arms, arms),
            higher_is_better: self.higher_is_better,
            confidence: self.confidence,
            margin: self.margin,
        }
    }

    /// Compares the records and prints the outcome; of arms that were trained here also the report and what comes next.
    fn decide(&self, records: &[Record], trained: Option<&Trained>) -> Result<()> {
        if let Some(path) = &self.export_markdown {
            refuse_source(path, &self.results)?;
        }
        let arms: Vec<&str> = records.iter().map(|record| record.arm.as_str()).collect();
        let settings = self.settings(&arms, default_metric(records));
        let report = compare(records, &settings).inspect_err(|_| tell_notes(&failed(records)))?;
        tell_notes(&report.notes);
        if let Some(path) = &self.export_markdown {
            write_atomic(path, markdown(&report).as_bytes())?;
        }
        // The page is written first, because a closed stdout ends the program, and reported last.
        let page = trained.map(|trained| trained.write_report(&report));
        if self.json {
            say(to_json(&report)?)?;
        } else {
            say_block(terminal(&report))?;
        }
        page.transpose()?;
        match trained {
            Some(trained) => trained.tell_places(&report, self.json),
            None => Ok(()),
        }
    }
}

/// Prints the notes of a comparison, up to a limit.
fn tell_notes(notes: &[String]) {
    notes.iter().take(NOTES).for_each(|note| tell(format_args!("note: {note}")));
    if notes.len() > NOTES {
        tell(format_args!("note: {} more remarks are in the output of `compare --json`", notes.len() - NOTES));
    }
}

/// Splits lists at commas, except a list that is the name of a known arm. A name with `*` is all known arms that it fits; if it
/// fits none, it stays. `arms` may come several times.
pub(super) fn split(lists: &[String], arms: &[&str]) -> Vec<String> {
    let mut known = arms.to_vec();
    known.sort_unstable();
    known.dedup();
    let cut = |list: &String| match known.binary_search(&list.as_str()).is_ok() {
        true => vec![list.clone()],
        false => list.split(',').map(|name| name.trim().to_owned()).collect(),
    };
    let spread = |name: String| {
        let all: Vec<String> =
            known.iter().filter(|arm| name.contains('*') && fits(&name, arm)).map(|arm| (*arm).to_owned()).collect();
        if all.is_empty() { vec![name] } else { all }
    };
    lists.iter().flat_map(cut).flat_map(spread).collect()
}

/// Whether `name` is `pattern`, in which each `*` stands for any text.
fn fits(pattern: &str, name: &str) -> bool {
    match pattern.split_once('*') {
        None => name == pattern,
        Some((start, rest)) => name.strip_prefix(start).is_some_and(|left| {
            (0..=left.len()).filter(|&at| left.is_char_boundary(at)).any(|at| fits(rest, &left[at..]))
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_may_have_a_comma() {
        let lists = ["a,b", "c, d=1"].map(str::to_owned);
        assert_eq!(split(&lists, &["a", "b", "c, d=1"]), ["a", "b", "c, d=1"]);
    }

    #[test]
    fn a_star_stands_for_any_text() {
        let known = ["psi d=1", "psi d=2", "α d=2"];
        for (list, arms) in
            [("*d=2", &["psi d=2", "α d=2"][..]), ("psi*", &["psi d=1", "psi d=2"]), ("*d=3", &["*d=3"])]
        {
            assert_eq!(split(&[list.to_owned()], &known), arms, "{list}");
        }
        assert!(fits("*", "") && fits("a*b*c", "aXbbYc") && !fits("a*b*c", "acb"));
    }
}
