//! The progress of a run for people: a table with one line per epoch, and a progress bar if stderr is a terminal.

use super::print::{say_of, tell};
use crate::config::Task;
use crate::error::Result;
use crate::text::thousands;
use crate::train::metrics::{EpochMetrics, METRICS, Metric, Reading, Scored};
use crate::train::population::Population;
use crate::train::trainer::Position;
use indicatif::{ProgressBar, ProgressStyle};
use std::io::IsTerminal;

/// Number of layers whose α the table shows, counted from the first, because more columns would not fit.
const SHOWN_LAYERS: usize = 4;

/// The table and the progress bar of one run.
pub struct Progress {
    bar: ProgressBar,
    quiet: bool,
    /// Whether the table goes to stderr, because stdout carries JSON.
    to_stderr: bool,
    /// Whether the run is kept in files, so that it continues even if stdout is closed.
    kept: bool,
    steps_per_epoch: u32,
    epochs: u32,
    columns: Columns,
    headed: bool,
}

/// The optional columns of the table.
#[derive(Clone, Copy)]
struct Columns {
    task: Task,
    validation: bool,
    /// With test samples, only if they are read during training. The test result after the last epoch is printed below
    /// the table.
    test: bool,
}

impl Progress {
    /// `quiet` hides table and bar. `to_stderr` keeps stdout free for JSON. A run that is `kept` in files continues
    /// after stdout is closed.
    pub fn new(population: &Population, quiet: bool, to_stderr: bool, kept: bool) -> Self {
        let (steps_per_epoch, epochs) = (population.steps_per_epoch(), population.shared().run.epochs);
        let bar = if quiet || !std::io::stderr().is_terminal() {
            ProgressBar::hidden()
        } else {
            let samples = population.train_rows() as u64 * u64::from(epochs);
            let style = ProgressStyle::with_template("{msg} {wide_bar} {percent:>3} %  {per_sec}  {eta_precise} left")
                .unwrap_or_else(|_| ProgressStyle::default_bar())
                .with_key("per_sec", |state: &indicatif::ProgressState, out: &mut dyn std::fmt::Write| {
                    let _ = write!(out, "{} samples/s", thousands(state.per_sec()));
                });
            ProgressBar::new(samples).with_style(style)
        };
        let columns = Columns {
            task: population.data.task,
            validation: population.validation_rows() > 0,
            test: population.test_rows() > 0 && population.shared().run.test_every > 0,
        };
        Self { bar, quiet, to_stderr, kept, steps_per_epoch, epochs, columns, headed: false }
    }

    /// Moves the progress bar to `position`.
    pub fn steps(&self, position: Position) {
        if let Some(samples) = self.bar.length() {
            let steps = u64::from(self.steps_per_epoch);
            let done = u64::from(position.epoch - 1) * steps + u64::from(position.batch);
            let all = (steps * u64::from(self.epochs)).max(1);
            self.bar.set_position((samples as f64 * (done as f64 / all as f64)) as u64);
            self.bar.set_message(format!("epoch {}/{}", position.epoch, self.epochs));
        }
    }

    /// Prints the line of one epoch, and the header before the first line.
    pub fn epoch(&mut self, metrics: &EpochMetrics) -> Result<()> {
        if self.quiet {
            return Ok(());
        }
        if !self.headed {
            self.headed = true;
            self.line(&header(self.columns, metrics))?;
        }
        self.line(&row(self.columns, metrics))
    }

    /// Removes the progress bar.
    pub fn clear(&self) {
        self.bar.finish_and_clear();
    }

    fn line(&self, text: &str) -> Result<()> {
        self.bar.suspend(|| {
            if self.to_stderr {
                tell(text);
                return Ok(());
            }
            say_of(self.kept, text)
        })
    }
}

/// The metrics that have a column in the table.
fn shown(columns: Columns) -> impl Iterator<Item = &'static Metric> {
    METRICS.iter().filter(move |metric| {
        metric.column.is_some()
            && metric.only.is_none_or(|only| only == columns.task)
            && !(metric.is_error() && columns.task == Task::Regression)
            && match metric.scored {
                None | Some(Scored::Training) => true,
                Some(Scored::Validation) => columns.validation,
                Some(Scored::Test) => columns.test,
            }
    })
}

/// Formats one line: `first` in the column of the epoch, then one right-aligned cell per value. `cell(reading, begins)`
/// returns the text of a cell; `begins` marks the first cell of a layer.
fn line(columns: Columns, metrics: &EpochMetrics, first: &str, cell: impl Fn(&Reading, bool) -> String) -> String {
    let mut line = format!("{first:>5}");
    let mut layer = None;
    for reading in metrics.readings(shown(columns)) {
        let Some(column) = reading.metric.column.filter(|_| reading.layer.is_none_or(|layer| layer <= SHOWN_LAYERS))
        else {
            continue;
        };
        let begins = reading.layer.is_none() || reading.layer != layer;
        layer = reading.layer;
        line += &format!("{}{:>2$}", if begins { "  " } else { " " }, cell(&reading, begins), column.width);
    }
    line
}

fn header(columns: Columns, metrics: &EpochMetrics) -> String {
    line(columns, metrics, "epoch", |reading, begins| {
        let heading = reading.metric.column.map_or("", |column| column.heading);
        reading.layer.filter(|_| begins).map_or_else(|| heading.to_owned(), |layer| format!("{heading}{layer}"))
    })
}

fn row(columns: Columns, metrics: &EpochMetrics) -> String {
    line(columns, metrics, &metrics.epoch.to_string(), |reading, _| {
        reading.value.map_or_else(String::new, |value| reading.metric.format.text(value))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_set() {
        let metrics = EpochMetrics {
            epoch: 3,
            train_loss: 0.25,
            train_error: 0.5,
            val_loss: Some(0.125),
            val_error: Some(0.25),
            alpha_mean: vec![0.3; 2],
            living_fraction: Some(0.75),
            samples_per_second: 123_456.0,
            seconds: 1.5,
            ..EpochMetrics::default()
        };
        let columns = Columns { task: Task::Classification, validation: true, test: false };
        assert_eq!(
            [header(columns, &metrics), row(columns, &metrics)],
            [
                "epoch  train loss     error    val loss     error        α1        α2  living    samples/s  seconds",
                "    3     0.25000   50.00 %     0.12500   25.00 %   0.30000   0.30000    75 %      123 456     1.50",
            ]
        );
    }

    #[test]
    fn header_and_row_are_equally_wide() {
        let metrics = EpochMetrics {
            epoch: 1,
            train_loss: 0.25,
            train_error: 0.5,
            val_loss: Some(0.5),
            val_error: Some(0.25),
            alpha_mean: vec![0.3; 6],
            living_fraction: Some(1.0),
            samples_per_second: 123_456.0,
            seconds: 1.5,
            ..EpochMetrics::default()
        };
        let read = EpochMetrics { test_loss: Some(1.0), test_error: Some(1.0), ..metrics.clone() };
        for (validation, test) in [(false, false), (true, false), (false, true), (true, true)] {
            let columns = Columns { task: Task::Classification, validation, test };
            for metrics in [&metrics, &read] {
                assert_eq!(header(columns, metrics).chars().count(), row(columns, metrics).chars().count());
            }
        }
    }
}
