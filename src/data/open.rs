//! Opens data sets: finds out what a name stands for, reads its files, and encodes what they hold.

use super::about::About;
#[cfg(feature = "npz")]
use super::arrays::npz;
use super::arrays::{self, npy, safetensors};
use super::catalogue::{Search, Set};
use super::encode::{Encoding, check_memory, encode};
use super::raw::{Expected, Raw, ReadOptions};
use super::set::DataSet;
use super::{embedded, idx, images, table};
use crate::config::{DataSettings, Header, Task};
use crate::error::{Error, Result};
use crate::memory;
use std::path::{Path, PathBuf};

/// The formats that a name can have before a colon, and the endings of their files.
const FORMATS: [(Format, &str, &[&str]); 7] = [
    (Format::Table, "csv", &["csv", "tsv", "txt", "data", "dat", "tab"]),
    (Format::Npz, "npz", &["npz"]),
    (Format::Npy, "npy", &["npy"]),
    (Format::Safetensors, "safetensors", &["safetensors"]),
    (Format::Parquet, "parquet", &["parquet", "pq"]),
    (Format::Idx, "idx", &[]),
    (Format::Images, "images", &[]),
];

/// A format of data files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    Table,
    Npz,
    Npy,
    Safetensors,
    Parquet,
    Idx,
    Images,
}

/// What a name stands for.
#[derive(Debug)]
enum Source {
    /// A set that is built in, of the catalogue, or in a folder of its name.
    Named,
    /// Files.
    Files(Format, PathBuf),
}

impl Source {
    fn of(name: &str) -> Result<Self> {
        if let Some((prefix, path)) = name.split_once(':')
            && let Some((format, ..)) = FORMATS.iter().find(|(_, known, _)| *known == prefix)
        {
            if path.is_empty() {
                return Err(Error::config(format!("`data = {name}`: a path must follow the colon")));
            }
            return Ok(Self::Files(*format, path.into()));
        }
        let path = Path::new(name);
        if Set::named(name).is_some() {
            return Ok(Self::Named);
        }
        if path.is_dir() && (name.contains(['/', '\\']) || !Search::new(None).holds(name)) {
            return Ok(Self::Files(folder_format(path), path.to_owned()));
        }
        let unpacked = name.strip_suffix(".gz").unwrap_or(name).to_lowercase();
        let ending = unpacked.rsplit_once('.').map(|(_, ending)| ending);
        let known = FORMATS.iter().find(|(.., endings)| ending.is_some_and(|ending| endings.contains(&ending)));
        match known {
            Some((format, ..)) => Ok(Self::Files(*format, path.to_owned())),
            // The reader of tables recognises files of other programs, and names the fix.
            None if path.is_file() || name.contains(['/', '\\']) => Ok(Self::Files(Format::Table, path.to_owned())),
            None => Ok(Self::Named),
        }
    }
}

/// The format of the files in a folder: IDX or NPY files, else images.
fn folder_format(folder: &Path) -> Format {
    let names = folder.read_dir().into_iter().flatten().flatten().map(|entry| entry.file_name());
    let names: Vec<String> = names.map(|name| name.to_string_lossy().to_lowercase()).collect();
    if idx::find(folder, &idx::names(idx::STEMS)[0]).is_some() {
        Format::Idx
    } else if names.iter().any(|name| name.ends_with(".npy")) {
        Format::Npy
    } else {
        Format::Images
    }
}

impl DataSet {
    /// Opens a set by name, or a file: a path, or a format and a path such as `csv:FILE`. A name is one of the
    /// [`catalogue`](super::catalogue) or that of a folder of IDX files. Folders are searched for as [`Search::new`]
    /// describes.
    ///
    /// # Errors
    /// If the name is unknown, or if a file is missing, damaged or inconsistent; the message names the file and the
    /// place.
    pub fn open(name: &str) -> Result<Self> {
        Self::open_in(name, &Search::new(None))
    }

    /// Like [`Self::open`], but searches for folders with `search`.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn open_in(name: &str, search: &Search) -> Result<Self> {
        Self::open_as(&DataSettings { source: name.to_owned(), ..DataSettings::default() }, search)
    }

    /// Opens the set that `settings` name, as they say.
    ///
    /// # Errors
    /// As [`Self::open`]; if settings do not apply to the data; or if labels do not fit the task.
    pub fn open_as(settings: &DataSettings, search: &Search) -> Result<Self> {
        open(settings, search, None)
    }

    /// As [`Self::open_as`], with the features, classes and targets of a model that was trained on data `about` for `task`.
    /// Samples may lack labels.
    ///
    /// # Errors
    /// As [`Self::open_as`], and if a feature is missing or a label unknown.
    pub fn open_like(settings: &DataSettings, search: &Search, about: &About, task: Task) -> Result<Self> {
        open(settings, search, Some((about, task)))
    }

    /// Decodes an IDX file of images and one of labels, each raw or gzipped. Messages call them by the given paths. The
    /// set has no test set.
    ///
    /// # Errors
    /// If a file is damaged or the two do not match; the message names the file and the place.
    pub fn from_idx(images: (&Path, &[u8]), labels: (&Path, &[u8])) -> Result<Self> {
        fn source<'a>((path, bytes): (&Path, &'a [u8])) -> idx::Source<'a> {
            idx::Source { path: path.to_owned(), length: Some(bytes.len() as u64), bytes: Box::new(bytes) }
        }
        idx::decode(idx::Pair { images: source(images), labels: source(labels) }, None)
    }

    /// Decodes a table of text, such as CSV: one sample per line. Messages call it by `path`.
    ///
    /// # Errors
    /// If the text is damaged; the message names the file and the line.
    pub fn from_csv(path: &Path, bytes: &[u8]) -> Result<Self> {
        encoded(path, table::decode(path, bytes, &ReadOptions::default())?, &Encoding::default())
    }

    /// Decodes NPZ, NumPy's zip of arrays. Messages call it by `path`.
    ///
    /// # Errors
    /// If the file is damaged or lacks an array; the message names the file and the array.
    #[cfg(feature = "npz")]
    pub fn from_npz(path: &Path, bytes: &[u8]) -> Result<Self> {
        encoded(path, npz::decode(path, &ReadOptions::default(), std::io::Cursor::new(bytes))?, &Encoding::default())
    }
}

fn encoded(path: &Path, raw: Raw, encoding: &Encoding<'_>) -> Result<DataSet> {
    check_memory(path, &raw, encoding.known.map(|(about, _)| about))?;
    encode(raw, encoding).map_err(|reason| Error::file(path, reason))
}

fn open(settings: &DataSettings, search: &Search, known: Option<(&About, Task)>) -> Result<DataSet> {
    let name = &settings.source;
    let others = [(&settings.val_data, 1), (&settings.test_data, 2)];
    let mut options = read_options(settings, known.map(|(about, _)| about));
    let has_others = others.iter().any(|(name, _)| name.is_some());
    let mut data = match Source::of(name)? {
        Source::Named => {
            check_columns(&options, name)?;
            if has_others {
                return Err(Error::config(format!(
                    "`val-data` and `test-data`: {name} comes with its own sets; leave them out"
                )));
            }
            let mut data = named(name, search)?;
            check_task(&mut data, settings)?;
            data
        }
        Source::Files(format, path) => {
            if !matches!(format, Format::Table | Format::Parquet) {
                check_columns(&options, name)?;
            }
            let mut raw = read(format, &path, &options)?;
            let names = known.is_none().then(|| expected(&raw));
            for (other, part) in others {
                let Some(other) = other else { continue };
                let Source::Files(format, other_path) = Source::of(other)? else {
                    return Err(Error::config(format!(
                        "`{}-data = {other}`: give files, as in csv:FILE",
                        ["", "val", "test"][part]
                    )));
                };
                options.expected = options.expected.or_else(|| names.clone());
                let more = read(format, &other_path, &options)?;
                let rows = raw.parts.iter().chain(&more.parts).sum();
                let arrays = [raw.samples.array(rows, raw.width)];
                memory::check_machine(
                    &format!("{} beside {name}", other_path.display()),
                    &arrays,
                    "use fewer samples",
                )?;
                raw.append(more, part).map_err(|reason| Error::file(&other_path, reason))?;
            }
            if known.is_some() && raw.parts[0] == 0 {
                // Data for prediction may be a test set alone.
                raw.parts = [raw.parts.iter().sum(), 0, 0];
            }
            let encoding = Encoding { task: settings.task, missing: Some(settings.missing), known };
            encoded(&path, raw, &encoding)?
        }
    };
    data.about.digits |= Set::named(name).is_some_and(|set| set.digits);
    name.clone_into(&mut data.name);
    Ok(data)
}

fn named(name: &str, search: &Search) -> Result<DataSet> {
    match name {
        "mnist" => embedded::mnist(),
        "iris" => embedded::iris(),
        _ => search.open(name),
    }
}

/// A set with classes only serves classification.
fn check_task(data: &mut DataSet, settings: &DataSettings) -> Result<()> {
    match settings.task {
        None | Some(Task::Classification) => Ok(()),
        Some(task) => Err(Error::config(format!("`task = {task}`: {} has classes; leave it out", settings.source))),
    }?;
    data.notes.clear();
    Ok(())
}

/// Refuses settings of tables for data that have no columns.
fn check_columns(options: &ReadOptions, name: &str) -> Result<()> {
    match options.table_setting() {
        None => Ok(()),
        Some(key) => Err(Error::config(format!("`{key}`: {name} is no table and has no columns; leave it out"))),
    }
}

fn read_options(settings: &DataSettings, known: Option<&About>) -> ReadOptions {
    // Columns without names are known by their positions.
    let positions = |about: &About| (1..=about.features).map(|k| (k.to_string(), false)).collect();
    let features = |about: &About| match about.columns.is_empty() {
        true => positions(about),
        false => about.columns.iter().map(|column| (column.name.clone(), column.levels.is_some())).collect(),
    };
    ReadOptions {
        delimiter: settings.delimiter.map(|delimiter| delimiter.byte()),
        header: settings.header.map(|header| header == Header::Yes),
        label: settings.label.0.clone(),
        drop: settings.drop.0.clone(),
        id: settings.id.0.clone(),
        weight: settings.weight.clone(),
        group: settings.group.clone(),
        image_size: settings.image_size.map(|size| [size.rows, size.columns]),
        expected: known.map(|about| Expected { features: features(about), labels: about.labels.clone() }),
    }
}

/// The columns that further files of the same table must have.
fn expected(raw: &Raw) -> Expected {
    Expected {
        features: raw.features.iter().map(|feature| (feature.name.clone(), feature.text.is_some())).collect(),
        labels: raw.labels.iter().map(|label| label.name.clone().unwrap_or_default()).collect(),
    }
}

fn read(format: Format, path: &Path, options: &ReadOptions) -> Result<Raw> {
    match format {
        Format::Table => table::read(path, options),
        #[cfg(feature = "npz")]
        Format::Npz => npz::read(path, options),
        #[cfg(not(feature = "npz"))]
        Format::Npz => Err(Error::file(path, "cannot be read: this build of homeostat lacks the Cargo feature `npz`")),
        Format::Npy => npy::read(path, options),
        Format::Safetensors => safetensors::read(path, options),
        #[cfg(feature = "parquet")]
        Format::Parquet => arrays::parquet::read(path, options),
        #[cfg(not(feature = "parquet"))]
        Format::Parquet => {
            Err(Error::file(path, "cannot be read: this build of homeostat lacks the Cargo feature `parquet`"))
        }
        Format::Idx => arrays::idx::read(path, idx::STEMS, options),
        Format::Images => images::read(path, options),
    }
}
