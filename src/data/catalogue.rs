//! The catalogue of data sets known by name, and the search for their folders and for local folders of IDX files.

use super::idx;
use super::set::{DataSet, Samples};
use crate::error::{Error, Result};
use std::env;
use std::path::{Path, PathBuf};

/// A data set known by name.
#[derive(Debug)]
pub struct Set {
    /// The name that `--data` takes.
    pub name: &'static str,
    /// Size of a sample: `[rows, columns]` of an image, otherwise the number of features.
    pub shape: &'static [u64],
    /// Number of classes.
    pub classes: usize,
    /// Number of training samples.
    pub train: usize,
    /// Number of samples in the canonical test set.
    pub test: usize,
    /// The licence under which the data may be used.
    pub licence: &'static str,
    /// The address of the makers' own description.
    pub source: &'static str,
    /// Whether samples are digits or letters in the format of MNIST: white ink on black, centred by mass in 28 × 28.
    pub digits: bool,
    /// A remark for the user.
    pub note: Option<&'static str>,
    /// The files of the set; `None` if the set is built into the program.
    pub files: Option<Files>,
}

/// The four files of a set of images in IDX format.
#[derive(Clone, Copy, Debug)]
pub struct Files {
    /// The prefixes of the names of training and test files.
    pub stems: [&'static str; 2],
    /// Addresses of folders that hold the gzipped files, in the order in which they are tried.
    pub mirrors: &'static [&'static str],
    /// SHA-256 of the unpacked files in the order of [`Self::names`]. `None` if no trusted copy was available when the
    /// catalogue was written; the first download is then trusted and its sums are recorded.
    pub sha256: Option<[&'static str; 4]>,
    /// Whether images are stored column by column, so that reading has to transpose them.
    pub transposed: bool,
}

/// The files of a folder that is not in the catalogue.
pub const LOCAL: Files = Files { stems: idx::STEMS, mirrors: &[], sha256: None, transposed: false };

/// All sets known by name.
pub static CATALOGUE: [Set; 5] = [
    Set {
        name: "mnist",
        shape: &[28, 28],
        classes: 10,
        train: 60_000,
        test: 10_000,
        licence: "CC BY-SA 3.0",
        source: "http://yann.lecun.com/exdb/mnist/",
        digits: true,
        note: None,
        files: None,
    },
    Set {
        name: "iris",
        shape: &[4],
        classes: 3,
        train: 150,
        test: 0,
        licence: "CC BY 4.0",
        source: "https://doi.org/10.24432/C56C76",
        digits: false,
        note: None,
        files: None,
    },
    Set {
        name: "fashion-mnist",
        shape: &[28, 28],
        classes: 10,
        train: 60_000,
        test: 10_000,
        licence: "MIT",
        source: "https://github.com/zalandoresearch/fashion-mnist",
        digits: false,
        note: Some("Debian and Ubuntu: apt install dataset-fashion-mnist"),
        files: Some(Files {
            stems: idx::STEMS,
            mirrors: &[
                "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion",
                "https://storage.googleapis.com/tensorflow/tf-keras-datasets",
                "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com",
            ],
            sha256: Some([
                "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
                "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
                "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
                "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
            ]),
            transposed: false,
        }),
    },
    Set {
        name: "kmnist",
        shape: &[28, 28],
        classes: 10,
        train: 60_000,
        test: 10_000,
        licence: "CC BY-SA 4.0",
        source: "https://codh.rois.ac.jp/kmnist/",
        digits: false,
        note: Some("not pinned: the first download is trusted and its hashes recorded"),
        files: Some(Files {
            stems: idx::STEMS,
            mirrors: &["https://codh.rois.ac.jp/kmnist/dataset/kmnist"],
            sha256: None,
            transposed: false,
        }),
    },
    Set {
        name: "emnist-balanced",
        shape: &[28, 28],
        classes: 47,
        train: 112_800,
        test: 18_800,
        licence: "none stated (made from NIST Special Database 19)",
        source: "https://www.nist.gov/itl/products-and-services/emnist-dataset",
        digits: true,
        note: Some(
            "no download: published only inside a zip of all EMNIST sets, about 540 MB; unpack its four files \
             gzip/emnist-balanced-*.gz into the folder, or fetch them from a `mirror` of your own. Images are stored \
             transposed and turned upright when read",
        ),
        files: Some(Files {
            stems: ["emnist-balanced-train", "emnist-balanced-test"],
            mirrors: &[],
            sha256: None,
            transposed: true,
        }),
    },
];

impl Set {
    /// The set called `name`.
    #[must_use]
    pub fn named(name: &str) -> Option<&'static Self> {
        CATALOGUE.iter().find(|set| set.name == name)
    }
}

impl Files {
    /// Names of the unpacked files: training images and labels, test images and labels.
    #[must_use]
    pub fn names(&self) -> [String; 4] {
        idx::names(self.stems)
    }

    /// The paths of the files in `directory`, under any of their usual names.
    #[must_use]
    pub fn find(&self, directory: &Path) -> [Option<PathBuf>; 4] {
        self.names().map(|name| idx::find(directory, &name))
    }

    /// The size of a sample in `directory`, from the header of the training images.
    ///
    /// # Errors
    /// If the file of training images is missing or damaged.
    pub fn shape(&self, directory: &Path) -> Result<Vec<u64>> {
        let [images, ..] = self.find(directory);
        let images = images.ok_or_else(|| Error::file(directory, "holds no training images"))?;
        Ok(idx::sizes(&images)?.split_off(1))
    }

    fn open(&self, directory: &Path) -> Result<DataSet> {
        let mut data = idx::read(directory, self.stems)?;
        if self.transposed {
            transpose(directory, &mut data)?;
        }
        Ok(data)
    }
}

/// Transposes square images that are stored column by column.
fn transpose(directory: &Path, data: &mut DataSet) -> Result<()> {
    let side = data.features.isqrt();
    if side * side != data.features {
        return Err(Error::file(directory, format!("images of {} pixels are not square", data.features)));
    }
    if let Samples::U8(bytes) = &mut data.samples {
        for image in bytes.chunks_exact_mut(data.features) {
            for row in 1..side {
                for column in 0..row {
                    image.swap(row * side + column, column * side + row);
                }
            }
        }
    }
    Ok(())
}

/// The folders in which data sets are looked for. Each set has a folder of its own, named after the set.
#[derive(Clone, Debug)]
pub struct Search {
    directories: Vec<PathBuf>,
    /// The folder for new sets; `None` if the system has no folder for a user's data.
    target: Option<PathBuf>,
}

impl Search {
    /// Searches `data_dir`, the environment variable `HOMEOSTAT_DATA`, the system's folder and the user's own data folder,
    /// in this order. The system's folder is `/usr/share/datasets`, unless the environment variable
    /// `HOMEOSTAT_SYSTEM_DATA` names another. New sets go to the first of these except the system's folder.
    #[must_use]
    pub fn new(data_dir: Option<&Path>) -> Self {
        let folder = |name: &str| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let environment = folder("HOMEOSTAT_DATA");
        let chosen: Vec<PathBuf> = data_dir.map(Path::to_owned).into_iter().chain(environment).collect();
        let system = folder("HOMEOSTAT_SYSTEM_DATA").unwrap_or_else(|| PathBuf::from("/usr/share/datasets"));
        let user = dirs::data_local_dir().map(|directory| directory.join("homeostat").join("datasets"));
        let target = chosen.first().or(user.as_ref()).cloned();
        Self { directories: chosen.into_iter().chain([system]).chain(user).collect(), target }
    }

    /// Searches only these folders. New sets go to the first.
    #[must_use]
    pub fn only(directories: Vec<PathBuf>) -> Self {
        Self { target: directories.first().cloned(), directories }
    }

    /// The folder for new sets.
    ///
    /// # Errors
    /// If there is no such folder.
    pub fn target(&self) -> Result<&Path> {
        self.target.as_deref().ok_or_else(|| {
            Error::config("this system has no folder for a user's data; give `data-dir = DIR`, or set HOMEOSTAT_DATA")
        })
    }

    /// The folder of the set `name`: the first that holds all four files. For a local folder the two training files
    /// suffice.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<PathBuf> {
        if !is_plain(name) {
            return None;
        }
        let listed = Set::named(name).and_then(|set| set.files.as_ref());
        let needed = if listed.is_some() { 4 } else { 2 };
        let files = listed.unwrap_or(&LOCAL);
        let holds = |directory: &PathBuf| files.find(directory).iter().take(needed).all(Option::is_some);
        self.directories.iter().map(|directory| directory.join(name)).find(holds)
    }

    /// Whether the name is that of a set, or of a folder of IDX files that is searched.
    #[must_use]
    pub fn holds(&self, name: &str) -> bool {
        Set::named(name).is_some() || self.find(name).is_some()
    }

    /// The names and paths of folders of IDX files that are not in the catalogue.
    #[must_use]
    pub fn local(&self) -> Vec<(String, PathBuf)> {
        let entries = self.directories.iter().filter_map(|directory| directory.read_dir().ok()).flatten().flatten();
        let mut names: Vec<String> = entries.filter_map(|entry| entry.file_name().into_string().ok()).collect();
        names.sort_unstable();
        names.dedup();
        names.retain(|name| Set::named(name).is_none());
        names.into_iter().filter_map(|name| self.find(&name).map(|directory| (name, directory))).collect()
    }

    /// The folder of the set `name`, and its files.
    ///
    /// # Errors
    /// If no folder holds the set, or if the set is built into the program. The message lists the folders that were
    /// searched.
    pub fn locate(&self, name: &str) -> Result<(PathBuf, &'static Files)> {
        let looked = || self.directories.iter().map(|d| d.display().to_string()).collect::<Vec<_>>().join(", ");
        let known = Set::named(name);
        let found = self.find(name);
        match known.map(|set| set.files.as_ref()) {
            Some(None) => Err(Error::config(format!("{name} is built into the program and has no folder"))),
            Some(Some(files)) => found.map(|directory| (directory, files)).ok_or_else(|| {
                let place = self.target.clone().unwrap_or_default().join(name);
                let advice = if files.mirrors.is_empty() { "how to get it: " } else { "get it with " };
                let places = looked();
                Error::file(
                    place,
                    format!(
                        "the data set {name} is not here, and not whole in any of {places}; \
                         {advice}`homeostat data fetch {name}`"
                    ),
                )
            }),
            None => found.map(|directory| (directory, &LOCAL)).ok_or_else(|| {
                let names = CATALOGUE.iter().map(|set| set.name).collect::<Vec<_>>().join(", ");
                Error::config(format!(
                    "{name}: unknown data set; use {names}, a folder of IDX files in one of {}, idx:DIR, csv:FILE \
                     or npz:FILE",
                    looked()
                ))
            }),
        }
    }

    /// Reads the set `name`.
    pub(super) fn open(&self, name: &str) -> Result<DataSet> {
        let (directory, files) = self.locate(name).map_err(|error| match error {
            Error::Config(reason) => Error::config(match reason.strip_prefix(name) {
                Some(rest) => format!("`data = {name}`{rest}"),
                None => format!("`data`: {reason}"),
            }),
            other => other,
        })?;
        files.open(&directory)
    }
}

/// Whether `name` is a plain folder name, because a path could lead out of the searched folders.
fn is_plain(name: &str) -> bool {
    !name.is_empty() && !name.starts_with('.') && !name.contains(['/', '\\', ':'])
}
