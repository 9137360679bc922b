//! Figures of a sweep as SVG files of their own.

use super::arms::{Arm, arms};
use super::outcome::{self, decimals};
use super::paired;
use super::pareto::{self, SIZE};
use super::svg::{open, standalone};
use super::sweep;
use crate::error::{Error, Result};
use crate::run::Record;
use crate::stats::compare::no_such_arm;
use crate::text::quoted;
use crate::train::metrics::Metric;
use std::fmt::Write;

/// What a figure of a sweep shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Figure {
    /// The outcome of every run, arm by arm, with the mean and its interval.
    Outcomes,
    /// The mean outcome of every arm against the arithmetic that it took.
    Pareto,
}

/// The figure of the arms with these names, all if none is named, in the order of the records. The metric is that of a page, if
/// none is named.
///
/// # Errors
/// If an arm has no record, no run has the metric, or the records do not say what runs cost.
pub fn figure(figure: Figure, records: &[Record], names: &[String], metric: Option<&str>) -> Result<String> {
    let all = arms(records);
    if let Some(unknown) = names.iter().find(|name| !all.iter().any(|arm| arm.name == **name)) {
        let known: Vec<&str> = all.iter().map(|arm| arm.name).collect();
        return Err(no_such_arm("arms", unknown, &known));
    }
    let chosen: Vec<&Arm<'_>> =
        all.iter().filter(|arm| names.is_empty() || names.iter().any(|name| name == arm.name)).collect();
    let metric = match metric {
        Some(name) => Metric::named(name)
            .ok_or_else(|| Error::config(format!("`metric` {}: runs have no metric of that name", quoted(name))))?,
        None => paired::deciding(records, &sweep::shown(records))?,
    };
    match figure {
        Figure::Outcomes => {
            let drawing = outcome::drawing(&chosen, metric, decimals(&chosen, metric))
                .ok_or_else(|| Error::config(format!("no run of these arms has a {}", metric.label)))?;
            Ok(standalone(&drawing, 640.0))
        }
        Figure::Pareto => {
            let panels = pareto::panels(&chosen, metric);
            if panels.is_empty() {
                return Err(Error::config(format!(
                    "the records do not say what two arms of a network cost, or have no {}; results of a sweep that was run with \
                     `keep-epochs` do",
                    metric.label
                )));
            }
            let (width, height) = SIZE;
            let mut drawing = open(width, (height + 16.0) * panels.len() as f64 - 16.0, "error against arithmetic");
            for (place, panel) in panels.iter().enumerate() {
                let _ = write!(
                    drawing,
                    "<g transform=\"translate(0 {:.0})\">{}</g>",
                    (height + 16.0) * place as f64,
                    panel.inside()
                );
            }
            Ok(standalone(&(drawing + "</svg>"), 640.0))
        }
    }
}
