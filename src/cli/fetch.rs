//! `homeostat data fetch` and `homeostat data verify`: download the files of a data set, and check them.

use super::place::Place;
use super::print::{say, tell};
use crate::data::catalogue::{CATALOGUE, Set};
use crate::data::fetch::{self, Event, Options};
use crate::data::sums;
use crate::error::{Error, Result};
use indicatif::{ProgressBar, ProgressStyle};

/// Download a data set and print its folder on stdout.
///
/// Files that are present and right are kept, and interrupted downloads are resumed. The proxy is the first that is set
/// of ALL_PROXY, HTTPS_PROXY and HTTP_PROXY; NO_PROXY lists exceptions.
#[derive(clap::Args)]
pub struct Fetch {
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
pub struct Verify {
    /// Name of the set
    name: String,
    #[command(flatten)]
    place: Place,
}

impl Fetch {
    pub fn run(&self) -> Result<()> {
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
    pub fn run(&self) -> Result<()> {
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
