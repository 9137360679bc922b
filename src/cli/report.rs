//! `homeostat report`: writes an HTML page about runs and sweeps.

use super::browser;
use super::outputs::{check_free, refuse_source, refuse_special};
use super::print::{say, tell};
use crate::error::Result;
use crate::files::write_atomic;
use crate::report;
use std::path::{Path, PathBuf};

/// Write a report on runs as one HTML file.
///
/// The file needs no network. For one run: learning curves, learning rates, triggers, ψ's observations, first weights,
/// confusion matrix, the most wrong answers, settings. For several runs: their curves in one plot and a table. For a
/// sweep: the results of its arms with 95 % intervals over the seeds, and mean curves if it ran with --keep-epochs.
#[derive(clap::Args)]
pub struct Report {
    /// Run directories, merged results *.jsonl, or results directories of sweeps
    #[arg(value_name = "RUN", required = true)]
    runs: Vec<PathBuf>,
    /// File to write [default: report.html]
    #[arg(long, short, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Overwrite an existing file
    #[arg(long)]
    force: bool,
    /// Open the report in the browser, which the environment variable BROWSER may name
    #[arg(long)]
    open: bool,
}

impl Report {
    /// Reads the runs, draws the page and writes it.
    pub fn run(&self) -> Result<()> {
        let out = self.out.as_deref().unwrap_or(Path::new("report.html"));
        check_free(out, self.force)?;
        if self.out.is_none() {
            refuse_special(out)?;
        }
        refuse_source(out, &self.runs)?;
        let page = report::page(&self.runs, None)?;
        write_atomic(out, page.as_bytes())?;
        say(format_args!("{}: {} kB", out.display(), page.len().div_ceil(1000)))?;
        if self.open
            && let Err(reason) = browser::open(out)
        {
            tell(format_args!("note: no browser was opened ({reason}); open {} in one", out.display()));
        }
        Ok(())
    }
}
