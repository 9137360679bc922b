//! The progress of a run for people: a table with one line per epoch, and a progress bar if stderr is a terminal.

use super::print::{say_styled, tell_styled};
use super::table::Table;
use crate::error::Result;
use crate::text::thousands;
use crate::train::metrics::EpochMetrics;
use crate::train::population::Population;
use crate::train::trainer::Position;
use indicatif::{ProgressBar, ProgressStyle};
use std::io::IsTerminal;

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
    table: Table,
    headed: bool,
}

impl Progress {
    /// `quiet` hides table and bar. `to_stderr` keeps stdout free for JSON. A run that is `kept` in files continues
    /// after stdout is closed.
    pub fn new(population: &Population, table: Table, quiet: bool, to_stderr: bool, kept: bool) -> Self {
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
        Self { bar, quiet, to_stderr, kept, steps_per_epoch, epochs, table, headed: false }
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
            self.line(&self.table.header())?;
        }
        let row = self.table.row(metrics);
        self.line(&row)
    }

    /// Removes the progress bar.
    pub fn clear(&self) {
        self.bar.finish_and_clear();
    }

    fn line(&self, text: &str) -> Result<()> {
        self.bar.suspend(|| {
            if self.to_stderr {
                tell_styled(text);
                return Ok(());
            }
            say_styled(self.kept, text)
        })
    }
}
