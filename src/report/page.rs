//! The whole page: which sections the given runs and sweeps produce.

use super::html::Page;
use super::source::Sources;
use super::{several, single, sweep};
use crate::error::Result;
use std::path::PathBuf;

/// The report on `paths` as one HTML file. A path is a run directory, a result file, or the result directory of a
/// sweep. The arms of sweeps are compared with `baseline`, by default with the first.
///
/// # Errors
/// If a path holds neither a run nor results, or is damaged. An unreadable data set or network is no error: the page
/// notes its absence.
pub fn page(paths: &[PathBuf], baseline: Option<&str>) -> Result<String> {
    let sources = Sources::read(paths)?;
    let mut page = Page::default();
    let title = match &sources.runs[..] {
        [] => sweep::title(&sources.records, paths),
        [run] => run.name.clone(),
        runs => format!("{} runs", runs.len()),
    };
    match &sources.runs[..] {
        [] => {}
        [run] => single::write(&mut page, run),
        runs => several::write(&mut page, runs, &title),
    }
    if !sources.records.is_empty() {
        sweep::write(&mut page, &sources, baseline, sources.runs.is_empty().then_some(&title));
    }
    Ok(page.finish(&format!("{title} – homeostat")))
}
