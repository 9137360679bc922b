//! `homeostat data`: lists the known data sets, and locates their files. `fetch.rs` downloads and checks them.

#[cfg(feature = "fetch")]
use super::fetch::{Fetch, Verify};
use super::place::Place;
use super::print::say;
use crate::data::catalogue::{CATALOGUE, LOCAL};
use crate::error::Result;
use crate::files::to_json;
use serde::Serialize;
use std::path::PathBuf;

/// List, download, check and locate data sets.
///
/// Each set has a folder of its own name. The folders are searched for in --data-dir, in the environment variable
/// HOMEOSTAT_DATA, in /usr/share/datasets and in the user's data folder. `--data NAME` of train and eval accepts every
/// set found there, including other folders of IDX files.
#[derive(clap::Args)]
pub struct Data {
    #[command(subcommand)]
    action: Action,
}

#[derive(clap::Subcommand)]
enum Action {
    List(List),
    #[cfg(feature = "fetch")]
    Fetch(Fetch),
    #[cfg(feature = "fetch")]
    Verify(Verify),
    Path(Path),
}

/// List the data sets that --data accepts by name, and their folders.
#[derive(clap::Args)]
struct List {
    #[command(flatten)]
    place: Place,
    /// Print a JSON array on stdout
    #[arg(long)]
    json: bool,
}

/// Print the folder of a set.
#[derive(clap::Args)]
struct Path {
    /// Name of the set
    name: String,
    #[command(flatten)]
    place: Place,
}

/// One data set in the list.
#[derive(Serialize)]
struct Listed {
    name: String,
    /// Size of a sample; `None` if the file with the size is damaged.
    shape: Option<Vec<u64>>,
    classes: Option<usize>,
    train: Option<usize>,
    test: Option<usize>,
    built_in: bool,
    path: Option<PathBuf>,
    /// Whether the program knows the SHA-256 of the files.
    pinned: bool,
    licence: Option<&'static str>,
    source: Option<&'static str>,
    note: Option<&'static str>,
}

impl Data {
    /// Runs the subcommand.
    pub fn run(&self) -> Result<()> {
        match &self.action {
            Action::List(list) => list.run(),
            #[cfg(feature = "fetch")]
            Action::Fetch(fetch) => fetch.run(),
            #[cfg(feature = "fetch")]
            Action::Verify(verify) => verify.run(),
            Action::Path(path) => say(path.place.search().locate(&path.name)?.0.display()),
        }
    }
}

impl List {
    fn run(&self) -> Result<()> {
        let search = self.place.search();
        let known = CATALOGUE.iter().map(|set| Listed {
            name: set.name.into(),
            shape: Some(set.shape.to_vec()),
            classes: Some(set.classes),
            train: Some(set.train),
            test: Some(set.test),
            built_in: set.files.is_none(),
            path: set.files.and_then(|_| search.find(set.name)),
            pinned: set.files.is_none_or(|files| files.sha256.is_some()),
            licence: Some(set.licence),
            source: Some(set.source),
            note: set.note,
        });
        let local = search.local().into_iter().map(|(name, path)| Listed {
            name,
            shape: LOCAL.shape(&path).ok(),
            classes: None,
            train: None,
            test: None,
            built_in: false,
            path: Some(path),
            pinned: false,
            licence: None,
            source: None,
            note: None,
        });
        let sets: Vec<Listed> = known.chain(local).collect();
        if self.json {
            return say(to_json(&sets)?);
        }
        say(format_args!("{:<16} {:>15}  {:<8} {:>7}  where", "name", "samples", "shape", "classes"))?;
        let number = |count: Option<usize>| count.map_or_else(|| "?".to_owned(), |count| count.to_string());
        for set in &sets {
            let samples = match (set.train, set.test) {
                (Some(train), Some(test)) if test > 0 => format!("{train} + {test}"),
                (train, _) => number(train),
            };
            let shape = set.shape.as_ref().map_or_else(
                || "?".to_owned(),
                |shape| shape.iter().map(u64::to_string).collect::<Vec<_>>().join(" × "),
            );
            let place = match &set.path {
                _ if set.built_in => "built in".into(),
                Some(path) => path.display().to_string(),
                None => "not here".into(),
            };
            let classes = number(set.classes);
            say(format_args!("{:<16} {samples:>15}  {shape:<8} {classes:>7}  {place}", set.name))?;
            if let (Some(licence), Some(source)) = (set.licence, set.source) {
                say(format_args!("    {licence}; {source}"))?;
            }
            if let Some(note) = set.note {
                say(format_args!("    {note}"))?;
            }
        }
        Ok(())
    }
}
