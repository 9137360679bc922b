//! `homeostat report`: runs and sweeps as a page.

use super::outputs::{check_free, refuse_source};
use super::print::say;
use crate::error::Result;
use crate::files::write_atomic;
use crate::report;
use std::path::PathBuf;

/// Write a report on runs as one HTML file that needs no network.
///
/// Of one run: learning curves, learning rates, triggers, what ψ observes, first weights, confusions, the most wrong
/// answers, settings. Of several runs: their curves over each other and a table. Of a sweep: the outcomes of its arms with
/// 95 % intervals over the seeds, and mean curves where it was run with --keep-epochs.
#[derive(clap::Args)]
pub struct Report {
    /// Run directories, merged results *.jsonl, or directories with the results of a sweep
    #[arg(value_name = "RUN", required = true)]
    runs: Vec<PathBuf>,
    /// File to write
    #[arg(long, short, value_name = "FILE", default_value = "report.html")]
    out: PathBuf,
    /// Replace the file if it exists
    #[arg(long)]
    force: bool,
}

impl Report {
    /// Reads, draws and writes.
    pub fn run(&self) -> Result<()> {
        check_free(&self.out, self.force)?;
        refuse_source(&self.out, &self.runs)?;
        let page = report::page(&self.runs)?;
        write_atomic(&self.out, page.as_bytes())?;
        say(format_args!("{}: {} kB", self.out.display(), page.len().div_ceil(1000)))
    }
}
