//! `homeostat data`: lists the known data sets, and downloads, checks and locates their files.

use super::print::{say, tell};
use crate::data::catalogue::{CATALOGUE, LOCAL, Search, Set};
use crate::data::fetch::{self, Event, Options};
use crate::data::sums;
use crate::error::{Error, Result};
use crate::files::to_json;
use indicatif::{ProgressBar, ProgressStyle};
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
    Fetch(Fetch),
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

/// Download a data set and print its folder on stdout.
///
/// Files that are present and right are kept, and interrupted downloads are resumed. The proxy is the first that is set
/// of ALL_PROXY, HTTPS_PROXY and HTTP_PROXY; NO_PROXY lists exceptions.
#[derive(clap::Args)]
struct Fetch {
    /// Name of the set, as in `homeostat data list`
    name: String,
    /// Address of a folder with the gzipped files, which replaces the set's own; repeat it for more, tried in order
    #[arg(long = "mirror", value_name = "URL")]
    mirrors: Vec<String>,
    #[command(flatten)]
    place: Place,
    /// Download files again even if they are present and right
    #[arg(long)]
    force: bool,
}

/// Check the unpacked files of a set against their SHA-256; exit code 3 if one is wrong.
#[derive(clap::Args)]
struct Verify {
    /// Name of the set
    name: String,
    #[command(flatten)]
    place: Place,
}

/// Print the folder of a set.
#[derive(clap::Args)]
struct Path {
    /// Name of the set
    name: String,
    #[command(flatten)]
    place: Place,
}

/// The folders in which data sets are searched for.
#[derive(clap::Args)]
pub struct Place {
    /// Folder that holds data sets by name, searched before HOMEOSTAT_DATA and the default folders
    #[arg(long, value_name = "DIR", help_heading = "Data")]
    data_dir: Option<PathBuf>,
}

impl Place {
    /// The folders to search.
    pub fn search(&self) -> Search {
        Search::new(self.data_dir.as_deref())
    }
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
            Action::Fetch(fetch) => fetch.run(),
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

impl Fetch {
    fn run(&self) -> Result<()> {
        let names = || CATALOGUE.iter().filter(|set| set.files.is_some()).map(|set| set.name).collect::<Vec<_>>();
        let set = Set::named(&self.name).ok_or_else(|| {
            Error::config(format!("{}: unknown data set; those to fetch are {}", self.name, names().join(", ")))
        })?;
        let Some(files) = &set.files else {
            tell(format_args!("{} is built into the program; nothing to fetch", set.name));
            return Ok(());
        };
        let search = self.place.search();
        let root = search.target()?;
        let elsewhere = search.find(set.name).filter(|found| *found != root.join(set.name));
        if let Some(found) = elsewhere.filter(|_| !self.force && self.place.data_dir.is_none()) {
            // A set that someone put there by hand may have no sums to check.
            if files.sha256.is_some() || found.join(sums::SUMS).exists() {
                sums::verify(files, &found)?;
            }
            tell(format_args!("{} is here already; --force fetches another copy", set.name));
            return say(found.display());
        }
        let no_source = files.mirrors.is_empty() && self.mirrors.is_empty() && search.find(set.name).is_none();
        if let (true, Some(note)) = (no_source, set.note) {
            tell(format_args!("note: {}: {note}", set.name));
        }
        let bar = ProgressBar::no_length();
        bar.set_style(
            ProgressStyle::with_template("{msg} {bar:30} {bytes}/{total_bytes} {bytes_per_sec} {eta}")
                .unwrap_or_else(|_| ProgressStyle::default_bar()),
        );
        let options = Options { mirrors: self.mirrors.clone(), force: self.force, ..Options::default() };
        let outcome = fetch::fetch(set.name, files, root, &options, &mut |event| match event {
            Event::Note(line) => bar.suspend(|| tell(format_args!("note: {line}"))),
            Event::Progress { file, done, total } => {
                if bar.message() != file {
                    bar.set_message(file.to_owned());
                    bar.reset();
                }
                total.into_iter().for_each(|total| bar.set_length(total));
                bar.set_position(done);
            }
        });
        bar.finish_and_clear();
        say(outcome?.display())
    }
}

impl Verify {
    fn run(&self) -> Result<()> {
        if Set::named(&self.name).is_some_and(|set| set.files.is_none()) {
            return say(format_args!("{}: built in", self.name));
        }
        let (directory, files) = self.place.search().locate(&self.name)?;
        for (path, sum) in sums::verify(files, &directory)? {
            say(format_args!("{sum}  {}", path.display()))?;
        }
        Ok(())
    }
}
