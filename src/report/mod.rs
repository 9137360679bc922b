//! `homeostat report` and `homeostat plot`: what runs came to, as a page that needs nothing but itself – no network, no
//! script, no font – and the curves of the model as drawings. [`page`] reads runs and sweeps; the files below it each own a
//! part of the page.

mod answers;
mod forward;
mod html;
mod image;
mod plots;
mod rates;
mod several;
mod single;
mod source;
mod svg;
mod sweep;
mod text;

pub use plots::{Curves, bcm, psi};
pub use text::escape;
pub(crate) use text::percent;

use crate::error::Result;
use html::Page;
use source::Sources;
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
