//! The page as a whole: which sections the runs and sweeps given to it make.

use super::html::Page;
use super::source::Sources;
use super::{several, single, sweep};
use crate::error::Result;
use std::path::PathBuf;

/// The report on these run directories, result files and result directories of sweeps, as one HTML file.
///
/// # Errors
/// If one of them holds neither a run nor results, or is damaged. Data sets and networks that cannot be read leave a note
/// on the page instead.
pub fn page(paths: &[PathBuf]) -> Result<String> {
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
        sweep::write(&mut page, &sources.records, sources.runs.is_empty().then_some(&title));
    }
    Ok(page.finish(&format!("{title} – homeostat")))
}
