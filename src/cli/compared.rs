//! Prints a comparison: the verdict in words first, then the tables, on the terminal or as Markdown.

use crate::stats::compare::RESAMPLES;
use crate::stats::outcome::{Arm, Comparison, Report, Verdict};
use crate::stats::verdict::{self, p_value};
use crate::text::{self, counted, named};

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
    let coverage = verdict::coverage(report.confidence);
    let mut header = ["arm", "pairs", "difference"].map(str::to_owned).to_vec();
    header.extend([format!("{coverage} % from"), "to".into()]);
    header.extend(["p", "Holm p", "P(better)"].map(str::to_owned));
    header.extend(report.margin.map(|_| "TOST p".to_owned()));
    header.push("verdict".to_owned());
    let row = |c: &Comparison| {
        let mut cells = vec![(names.plain)(&c.arm), c.pairs.to_string()];
        cells.extend(ends(c).map(&number));
        cells.extend([p_value(c.p), p_value(c.holm_p), format!("{:.3}", c.probability_of_improvement)]);
        cells.extend(c.tost_p.map(p_value));
        cells.push(word(c.verdict).to_owned());
        cells
    };
    [header].into_iter().chain(report.comparisons.iter().map(row)).collect()
}

/// The verdict on an arm in a table.
const fn word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Better => "better",
        Verdict::Worse => "worse",
        Verdict::Equivalent => "equivalent",
        Verdict::Identical => "identical",
        Verdict::OneSeed => "one seed",
        Verdict::NotDistinguishable => "n.s.",
    }
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

fn heading(report: &Report, names: &Names) -> String {
    let side = if report.higher_is_better { "higher" } else { "lower" };
    let (metric, baseline) = ((names.plain)(&report.metric), (names.apart)(&report.baseline));
    format!("{metric} ({side} is better), arm − {baseline} over paired seeds")
}

/// The verdict in words, then the tables, as they stand on a terminal.
pub(super) fn terminal(report: &Report) -> String {
    let tables = [arms(report, &TERMINAL), comparisons(report, &TERMINAL)].map(|table| aligned(&table));
    let tables = tables.join("\n");
    [&report.verdict, "", &heading(report, &TERMINAL), "", tables.trim_end()].join("\n")
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

/// The same as a page of Markdown, with the method and all notes.
pub(super) fn markdown(report: &Report) -> String {
    let method = format!(
        "Interval of the mean difference: BCa bootstrap, {RESAMPLES} resamples. p: Wilcoxon signed-rank, two-sided; Holm \
         over {}. n.s.: not distinguishable at the 5 % level.",
        counted(report.comparisons.iter().filter(|comparison| comparison.is_tested()).count(), "comparison"),
    );
    let quote = |name: &str| if verdict::is_word(name) { (MARKDOWN.plain)(name) } else { (MARKDOWN.apart)(name) };
    let notes = report.notes.iter().map(|note| format!("- {}\n", text::markdown(note)));
    let parts = [
        verdict::sentence(report, &quote) + ".\n",
        heading(report, &MARKDOWN) + "\n",
        rows(&arms(report, &MARKDOWN)),
        rows(&comparisons(report, &MARKDOWN)),
        method + "\n",
        notes.collect(),
    ];
    parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("\n")
}

fn rows(table: &Table) -> String {
    let line = |row: &Vec<String>| format!("| {} |\n", row.join(" | "));
    let mut lines: Vec<String> = table.iter().map(line).collect();
    lines.insert(1, format!("|---|{}\n", "---:|".repeat(table[0].len() - 1)));
    lines.concat()
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
}
