//! The outcome of a comparison in words: one sentence about the baseline, with intervals in points or in units of the
//! metric.

use crate::stats::outcome::{Comparison, Report, Verdict};
use crate::text::counted;
use crate::train::metrics::Metric;

/// Arms of one outcome that the sentence names; the others are counted.
const NAMED: usize = 4;

/// How the differences of a metric are written.
pub(crate) struct Unit {
    /// What a value is multiplied by.
    pub factor: f64,
    /// The unit behind a value, with a blank.
    pub name: &'static str,
}

impl Unit {
    /// Percentage points for shares of wrong answers, else the unit of the metric itself.
    pub fn of(metric: &str) -> Self {
        match Metric::named(metric).is_some_and(Metric::is_error) {
            true => Self { factor: 100.0, name: " points" },
            false => Self { factor: 1.0, name: "" },
        }
    }
}

/// A name within a sentence: as it is where it is one plain word, else between backticks. `safe` makes foreign names safe.
#[must_use]
pub fn in_sentence(name: &str, safe: fn(&str) -> String) -> String {
    if is_word(name) { safe(name) } else { format!("`{}`", safe(name)) }
}

/// Whether a name can stand in a sentence without marks around it.
#[must_use]
pub fn is_word(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
}

/// p with as many digits as decide: four decimals, or an exponent below 0.001.
#[must_use]
pub fn p_value(p: f64) -> String {
    match p {
        _ if p.is_nan() => "–".to_owned(),
        _ if p >= 0.001 || p == 0.0 => format!("{p:.4}"),
        _ => format!("{p:.1e}"),
    }
}

/// What the comparison says about the baseline. `quote` writes the name of an arm or of a metric.
#[must_use]
pub fn sentence(report: &Report, quote: &dyn Fn(&str) -> String) -> String {
    let words = Words { report, unit: Unit::of(&report.metric), quote };
    let groups: [(Verdict, &str); 6] = [
        // A verdict is about the arm, and the sentence about the baseline.
        (Verdict::Worse, "better than"),
        (Verdict::Better, "worse than"),
        (Verdict::Equivalent, "equivalent to"),
        (Verdict::NotDistinguishable, "not distinguishable from"),
        (Verdict::Identical, "identical to"),
        (Verdict::OneSeed, "undecided against"),
    ];
    let groups: Vec<String> = groups.iter().filter_map(|(verdict, what)| words.group(*verdict, what)).collect();
    let metric = match Metric::named(&report.metric) {
        _ if report.metric == "test_error" => String::new(),
        Some(metric) => format!("{}: ", metric.label),
        None => format!("{}: ", quote(&report.metric)),
    };
    format!("{metric}{} is {}", quote(&report.baseline), groups.join("; "))
}

struct Words<'a> {
    report: &'a Report,
    unit: Unit,
    quote: &'a dyn Fn(&str) -> String,
}

impl Words<'_> {
    /// The arms with this outcome: `better than A by …, B by … and 3 more arms`.
    fn group(&self, verdict: Verdict, what: &str) -> Option<String> {
        let mut arms = self.report.comparisons.iter().filter(|comparison| comparison.verdict == verdict);
        let mut told: Vec<String> = arms.by_ref().take(NAMED).map(|comparison| self.arm(comparison)).collect();
        let more = arms.count();
        if more > 0 {
            told.push(counted(more, "more arm"));
        }
        let last = told.pop()?;
        let list = if told.is_empty() { last } else { format!("{} and {last}", told.join(", ")) };
        let reason = match verdict {
            Verdict::Identical => ", bit for bit",
            Verdict::OneSeed => ": one seed decides nothing",
            _ => "",
        };
        Some(format!("{what} {list}{reason}"))
    }

    /// One arm with its figures.
    fn arm(&self, comparison: &Comparison) -> String {
        let Comparison { difference, interval, .. } = comparison;
        let name = (self.quote)(&comparison.arm);
        // Of a pair of arms one is the better one. By how much is a positive number, unless ranks and mean disagree.
        let towards = match comparison.verdict {
            Verdict::Worse | Verdict::Better => {
                let baseline_wins = comparison.verdict == Verdict::Worse;
                if baseline_wins == self.report.higher_is_better { -1.0 } else { 1.0 }
            }
            _ => 1.0,
        };
        let ends = [towards * interval.low, towards * interval.high];
        let number = printer(self.unit.factor, *difference, ends);
        let size = number(towards * difference) + self.unit.name;
        let range = format!(
            "{} %: {} to {}",
            coverage(self.report.confidence),
            number(ends[0].min(ends[1])),
            number(ends[0].max(ends[1]))
        );
        let holm = format!("{} = {}", self.p_name(), p_value(comparison.holm_p));
        match comparison.verdict {
            Verdict::Worse | Verdict::Better if towards * difference > 0.0 => {
                format!("{name} by {size} ({range}), {holm}")
            }
            // The test uses ranks, so a few large differences can pull the mean to the other side.
            Verdict::Worse | Verdict::Better => {
                format!("{name} by ranks, although in the mean by {size} ({range}), {holm}")
            }
            Verdict::Equivalent => {
                // As the user gave it, without the rounding error of the factor.
                let margin = (1e9 * self.unit.factor * self.report.margin.unwrap_or(f64::NAN)).round() / 1e9;
                let tost = p_value(comparison.tost_p.unwrap_or(f64::NAN));
                format!("{name} within {margin}{} (difference {size}, {range}, TOST p = {tost})", self.unit.name)
            }
            Verdict::NotDistinguishable => format!("{name} (difference {size}, {range}, {holm})"),
            Verdict::Identical => name,
            Verdict::OneSeed => format!("{name} (difference {size})"),
        }
    }

    fn p_name(&self) -> &'static str {
        let tested = self.report.comparisons.iter().filter(|comparison| comparison.is_tested()).count();
        if tested > 1 { "corrected p" } else { "p" }
    }
}

/// Writes numbers of one comparison, times `factor`, with two digits of the width of its interval, or three digits of the
/// difference itself where the interval has no width.
fn printer(factor: f64, difference: f64, [a, b]: [f64; 2]) -> impl Fn(f64) -> String {
    let width = factor * (a - b).abs();
    let (size, digits) = if width > 0.0 { (width, 2) } else { ((factor * difference).abs(), 3) };
    let decimals = if size > 0.0 { digits - 1 - size.log10().floor() as i32 } else { 0 };
    // A difference of one point is much, however wide the interval is.
    let decimals = decimals.max(i32::from(factor > 1.0));
    move |value| {
        let value = factor * value;
        let text = match decimals {
            _ if !value.is_finite() => return "–".to_owned(),
            13.. => format!("{value:.1e}"),
            _ => format!("{value:.*}", decimals.max(0) as usize),
        };
        // A rounded 0 has no sign.
        let is_zero = text.chars().all(|c| "-0.".contains(c));
        if is_zero {
            text.trim_start_matches('-').to_owned()
        } else {
            text.replacen('-', "−", usize::from(value < 0.0))
        }
    }
}

/// The coverage of the intervals in per cent.
#[must_use]
pub fn coverage(confidence: f64) -> f64 {
    (1e8 * confidence).round() / 1e6
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::outcome::Arm;
    use crate::stats::{Interval, Summary};

    fn comparison(arm: &str, verdict: Verdict, figures: [f64; 4]) -> Comparison {
        let [difference, low, high, p] = figures;
        Comparison {
            arm: arm.to_owned(),
            pairs: if verdict == Verdict::OneSeed { 1 } else { 10 },
            difference,
            interval: Interval { low, high },
            p,
            exact: true,
            holm_p: p,
            probability_of_improvement: 0.5,
            tost_p: Some(0.01),
            equivalent: None,
            verdict,
        }
    }

    fn report(metric: &str, higher_is_better: bool, comparisons: Vec<Comparison>) -> Report {
        let summary = Summary { n: 10, mean: 0.02, sd: 0.001, median: 0.02 };
        Report {
            verdict: String::new(),
            metric: metric.to_owned(),
            higher_is_better,
            baseline: "psi".into(),
            confidence: 0.95,
            resamples: 10_000,
            margin: Some(0.001),
            arms: vec![Arm { arm: "psi".into(), summary, failed: 0 }],
            comparisons,
            notes: vec![],
        }
    }

    fn told(report: &Report) -> String {
        sentence(report, &|name| in_sentence(name, str::to_owned))
    }

    /// Errors are in percentage points, and a positive number says by how much the better one is better.
    #[test]
    fn a_sentence_says_who_is_better_and_by_how_much() {
        let worse = comparison("constant", Verdict::Worse, [0.0009, 0.0004, 0.0017, 0.0078]);
        let same = comparison("my arm", Verdict::NotDistinguishable, [-0.0001, -0.0003, 0.0005, 0.6]);
        let both = report("test_error", false, vec![worse.clone(), same]);
        assert_eq!(
            told(&both),
            "psi is better than constant by 0.09 points (95 %: 0.04 to 0.17), corrected p = 0.0078; not distinguishable from \
             `my arm` (difference −0.010 points, 95 %: −0.030 to 0.050, corrected p = 0.6000)"
        );
        let better = comparison("adam", Verdict::Better, [-0.0009, -0.0017, -0.0004, 0.0078]);
        assert_eq!(
            told(&report("test_error", false, vec![better])),
            "psi is worse than adam by 0.09 points (95 %: 0.04 to 0.17), p = 0.0078"
        );
        // An accuracy that the program does not know has no points, and a higher one is better.
        let lower = comparison("adam", Verdict::Worse, [-0.09, -0.17, -0.04, 0.0078]);
        assert_eq!(
            told(&report("accuracy", true, vec![lower])),
            "accuracy: psi is better than adam by 0.09 (95 %: 0.04 to 0.17), p = 0.0078"
        );
        let ranks = Comparison { difference: -0.0002, interval: Interval { low: -0.0011, high: 0.0009 }, ..worse };
        assert_eq!(
            told(&report("test_error", false, vec![ranks])),
            "psi is better than constant by ranks, although in the mean by −0.02 points (95 %: −0.11 to 0.09), p = 0.0078"
        );
    }

    #[test]
    fn a_sentence_covers_every_outcome_and_names_few_arms() {
        let nan = f64::NAN;
        let some = vec![
            comparison("a", Verdict::Equivalent, [0.0002, -0.0001, 0.0005, 0.4]),
            comparison("b", Verdict::Identical, [0.0, 0.0, 0.0, 1.0]),
            comparison("c", Verdict::OneSeed, [0.012, nan, nan, 1.0]),
        ];
        assert_eq!(
            told(&report("val_error", false, some)),
            "validation error: psi is equivalent to a within 0.1 points (difference 0.020 points, 95 %: −0.010 to 0.050, \
             TOST p = 0.0100); identical to b, bit for bit; undecided against c (difference 1.20 points): one \
             seed decides nothing"
        );
        let arm = |k: usize| comparison(&format!("a{k}"), Verdict::Identical, [0.0, 0.0, 0.0, 1.0]);
        assert_eq!(
            told(&report("test_error", false, (0..9).map(arm).collect())),
            "psi is identical to a0, a1, a2, a3 and 5 more arms, bit for bit"
        );
    }
}
