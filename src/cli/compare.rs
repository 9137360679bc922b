//! `homeostat compare`: prints the statistics that decide between training rules.

use super::outputs::refuse_source;
use super::print::{say, say_block, tell};
use crate::error::{Error, Result};
use crate::files::{to_json, write_atomic};
use crate::run::Record;
use crate::stats::compare::{Arm, Comparison, RESAMPLES, Report, Settings, Verdict, compare};
use crate::text::{self, named, quoted_list};
use std::path::PathBuf;

/// Compare training rules by the results of a sweep.
///
/// Every arm is compared with the baseline over the seeds that both have. The table shows the mean difference with a
/// bootstrap interval (BCa, 10 000 resamples) and p of Wilcoxon's signed-rank test, also corrected for the number of arms
/// (Holm). P(better) is the probability that a run of the arm is better than a run of the baseline. With --margin, a
/// paired TOST tests whether the two are equivalent. Verdicts use the 5 % level.
#[derive(clap::Args)]
pub struct Compare {
    /// Merged results *.jsonl, or a directory with the records of a sweep, DIR/*.json or DIR/runs/*.json
    #[arg(value_name = "RESULTS", required = true)]
    results: Vec<PathBuf>,
    /// Metric to compare, as in `final` of the records
    #[arg(long, value_name = "NAME", default_value = "test_error")]
    metric: String,
    /// Arm that all others are compared with
    #[arg(long, value_name = "ARM")]
    baseline: Option<String>,
    /// Compare only these arms
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
    /// Compares the arms and prints the result.
    pub fn run(&self) -> Result<()> {
        if let Some(path) = &self.export_markdown {
            refuse_source(path, &self.results)?;
        }
        let records = Record::read_all(&self.results)?;
        let mut known: Vec<&str> = records.iter().map(|record| record.arm.as_str()).collect();
        known.sort_unstable();
        known.dedup();
        let baseline = self
            .baseline
            .clone()
            .ok_or_else(|| Error::config(format!("--baseline ARM is needed; there are: {}", quoted_list(&known))))?;
        let report = compare(
            &records,
            &Settings {
                metric: self.metric.clone(),
                baseline,
                arms: split(&self.arms, &known),
                higher_is_better: self.higher_is_better,
                confidence: self.confidence,
                margin: self.margin,
            },
        )?;
        for note in &report.notes {
            tell(format_args!("note: {note}"));
        }
        if let Some(path) = &self.export_markdown {
            write_atomic(path, markdown(&report).as_bytes())?;
        }
        if self.json { say(to_json(&report)?) } else { say_block(terminal(&report)) }
    }
}

/// Splits lists at commas, except a list that is the name of a known arm. `known` is sorted.
fn split(lists: &[String], known: &[&str]) -> Vec<String> {
    let cut = |list: &String| match known.binary_search(&list.as_str()).is_ok() {
        true => vec![list.clone()],
        false => list.split(',').map(|name| name.trim().to_owned()).collect(),
    };
    lists.iter().flat_map(cut).collect()
}

/// How a report writes the names of arms and metrics, which may come from anyone.
struct Names {
    /// In a table or in a sentence.
    plain: fn(&str) -> String,
    /// Apart from the words of a sentence.
    apart: fn(&str) -> String,
}

const TERMINAL: Names = Names { plain: named, apart: |name| format!("`{}`", named(name)) };
const MARKDOWN: Names =
    Names { plain: |name| text::markdown(&named(name)), apart: |name| text::markdown_code(&named(name)) };

/// The cells of a table, row by row; the first row is the header.
type Table = Vec<Vec<String>>;

fn arms(report: &Report, names: &Names) -> Table {
    let summaries = || report.arms.iter().map(|arm| &arm.summary);
    let number = printer(summaries().map(|summary| summary.mean), 5);
    let header = ["arm", "runs", "failed", "mean", "sd", "median"];
    let row = |arm: &Arm| {
        let summary = arm.summary;
        let [mean, sd, median] = [summary.mean, summary.sd, summary.median].map(&number);
        vec![(names.plain)(&arm.arm), summary.n.to_string(), arm.failed.to_string(), mean, sd, median]
    };
    [header.map(str::to_owned).to_vec()].into_iter().chain(report.arms.iter().map(row)).collect()
}

fn comparisons(report: &Report, names: &Names) -> Table {
    let ends = |c: &Comparison| [c.difference, c.interval.low, c.interval.high];
    let number = printer(report.comparisons.iter().flat_map(ends), 4);
    let coverage = (1e8 * report.confidence).round() / 1e6;
    let mut header = ["arm", "pairs", "difference"].map(str::to_owned).to_vec();
    header.extend([format!("{coverage} % from"), "to".into()]);
    header.extend(["p", "Holm p", "P(better)"].map(str::to_owned));
    header.extend(report.margin.map(|_| "TOST p".to_owned()));
    let row = |c: &Comparison| {
        let mut cells = vec![(names.plain)(&c.arm), c.pairs.to_string()];
        cells.extend(ends(c).map(&number));
        cells.extend([p_value(c.p), p_value(c.holm_p), format!("{:.3}", c.probability_of_improvement)]);
        cells.extend(c.tost_p.map(p_value));
        cells
    };
    [header].into_iter().chain(report.comparisons.iter().map(row)).collect()
}

/// Returns a formatter that gives all numbers the same number of decimals: as many as give the largest of `values`
/// `digits` significant digits.
fn printer(values: impl Iterator<Item = f64>, digits: i32) -> impl Fn(f64) -> String {
    let largest = values.filter(|value| value.is_finite()).fold(0.0f64, |most, value| most.max(value.abs()));
    let decimals = if largest > 0.0 { digits - 1 - largest.log10().floor() as i32 } else { 0 };
    move |value| match decimals {
        _ if !value.is_finite() => "–".to_owned(),
        // Tiny numbers use exponents, because 13 or more decimals would be rows of zeros or of meaningless digits.
        13.. => format!("{value:.*e}", digits as usize - 1),
        _ => format!("{value:.*}", decimals.max(0) as usize),
    }
}

fn p_value(p: f64) -> String {
    if p >= 0.001 || p == 0.0 { format!("{p:.4}") } else { format!("{p:.1e}") }
}

fn heading(report: &Report, names: &Names) -> String {
    let side = if report.higher_is_better { "higher" } else { "lower" };
    let (metric, baseline) = ((names.plain)(&report.metric), (names.apart)(&report.baseline));
    format!("{metric} ({side} is better), arm − {baseline} over paired seeds")
}

fn terminal(report: &Report) -> String {
    let tables = [arms(report, &TERMINAL), comparisons(report, &TERMINAL)].map(|table| aligned(&table));
    [heading(report, &TERMINAL) + "\n", tables.join("\n"), verdicts(report, &TERMINAL).join("\n")].join("\n")
}

fn aligned(table: &Table) -> String {
    let width = |column: usize| table.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..table[0].len()).map(width).collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths).enumerate().map(|(column, (cell, width))| match column {
            0 => format!("{cell:<width$}"),
            _ => format!("{cell:>width$}"),
        });
        cells.collect::<Vec<_>>().join("  ") + "\n"
    };
    table.iter().map(line).collect()
}

fn markdown(report: &Report) -> String {
    let list = |lines: &[String]| lines.iter().map(|line| format!("- {line}\n")).collect::<String>();
    let method = format!(
        "Interval of the mean difference: BCa bootstrap, {RESAMPLES} resamples. p: Wilcoxon signed-rank, two-sided; Holm \
         over {} comparison{}.",
        report.comparisons.len(),
        if report.comparisons.len() == 1 { "" } else { "s" }
    );
    let parts = [
        heading(report, &MARKDOWN) + "\n",
        rows(&arms(report, &MARKDOWN)),
        rows(&comparisons(report, &MARKDOWN)),
        method + "\n",
        list(&verdicts(report, &MARKDOWN)),
        list(&report.notes.iter().map(|note| text::markdown(note)).collect::<Vec<_>>()),
    ];
    parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("\n")
}

fn rows(table: &Table) -> String {
    let line = |row: &Vec<String>| format!("| {} |\n", row.join(" | "));
    let mut lines: Vec<String> = table.iter().map(line).collect();
    lines.insert(1, format!("|---|{}\n", "---:|".repeat(table[0].len() - 1)));
    lines.concat()
}

/// One sentence per comparison.
fn verdicts(report: &Report, names: &Names) -> Vec<String> {
    report.comparisons.iter().map(|comparison| verdict(report, comparison, names)).collect()
}

fn verdict(report: &Report, comparison: &Comparison, names: &Names) -> String {
    let Report { margin, .. } = report;
    let Comparison { difference, holm_p, .. } = comparison;
    let (metric, baseline) = ((names.plain)(&report.metric), (names.apart)(&report.baseline));
    let arm = (names.apart)(&comparison.arm);
    let corrected = format!("Holm p {}", p_value(*holm_p));
    let margin = margin.map_or(String::new(), |margin| format!("the margin of {margin}"));
    let outcome = match comparison.verdict {
        Verdict::NotDistinguishable => {
            return format!("{arm} is not distinguishable from {baseline} ({corrected}).");
        }
        Verdict::Equivalent => {
            let p = p_value(comparison.tost_p.unwrap_or(f64::NAN));
            return format!(
                "{arm} is equivalent to {baseline} within {margin} (TOST p {p}; of the difference, {corrected})."
            );
        }
        Verdict::Better => "better",
        Verdict::Worse => "worse",
    };
    let size = printer([*difference].into_iter(), 4)(difference.abs());
    let side = if *difference < 0.0 { "lower" } else { "higher" };
    // The test uses ranks, so a few large differences can pull the mean to the other side.
    let contrary = (*difference > 0.0) != ((outcome == "better") == report.higher_is_better);
    let mean = if contrary { "by ranks, although in the mean" } else { "in the mean" };
    let within = if comparison.equivalent == Some(true) { format!(", yet within {margin}") } else { String::new() };
    format!("{arm} is {outcome} than {baseline}: {mean}, {metric} is {size} {side}{within} ({corrected}).")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_share_their_decimals() {
        let number = printer([0.0169, 0.00043].into_iter(), 5);
        assert_eq!([0.0169, 0.00043].map(number), ["0.016900", "0.000430"]);
        let number = printer([2.3, 12.5].into_iter(), 5);
        assert_eq!([12.5, -0.25, f64::NAN].map(number), ["12.500", "-0.250", "–"]);
        assert_eq!(printer([0.0].into_iter(), 4)(0.0), "0");
        assert_eq!(printer([123_456.7].into_iter(), 4)(123_456.7), "123457");
        assert_eq!(printer([1.5e-12].into_iter(), 4)(1.5e-12), "1.500e-12");
        assert_eq!([0.0312, 1.0, 1.9e-6].map(p_value), ["0.0312", "1.0000", "1.9e-6"]);
    }

    #[test]
    fn a_name_may_have_a_comma() {
        let lists = ["a,b", "c, d=1"].map(str::to_owned);
        assert_eq!(split(&lists, &["a", "b", "c, d=1"]), ["a", "b", "c, d=1"]);
    }
}
