//! `homeostat predict`: prints the answers of a saved model to samples or images, one by one.

use super::answers::{Answers, Format, Source};
use super::eval::of_other_data;
use super::functions::Functions;
use super::place::Place;
use super::print::tell;
use crate::config::{Columns, Config, Task};
use crate::data::catalogue::Set;
use crate::data::{BYTE_SCALE, DataSet, Image, Split, images};
use crate::device::Device;
use crate::error::{Error, Result};
use crate::model::file::Model;
use clap::ValueEnum;
use std::path::{Path, PathBuf};

/// Print the answers of a saved model to samples or images.
///
/// Tables are matched to the model's columns by name, and need no labels. Images are PNG or JPEG files, in the order of their
/// names, and are scaled as in training. For a network that was trained on MNIST, each image is converted to MNIST's format:
/// white ink on black, scaled to fit 20 × 20 and centred by mass in 28 × 28. The answer is the class with the largest output, or
/// the targets in their units. Answers go to stdout; if labels are known, the error goes to stderr. Predictions are computed on
/// the processor.
#[derive(clap::Args)]
pub struct Predict {
    /// The model.safetensors to use
    #[arg(value_name = "MODEL")]
    model: PathBuf,
    /// Data as `train --data` takes them, or an image or a directory of images [default: the training data]
    #[arg(long, value_name = "DATA")]
    data: Option<String>,
    #[command(flatten)]
    place: Place,
    /// Samples of the data set [default: the test samples; all samples if there are none, or if other data than in
    /// training have no test set of their own]
    #[arg(long, value_enum)]
    split: Option<Part>,
    /// Columns of a table that name the samples in the answers [default: those of training]
    #[arg(long, value_name = "COLUMNS")]
    id: Option<Columns>,
    /// Use images unchanged, without centring; they must have as many pixels as the network has inputs
    #[arg(long, visible_alias = "no-center")]
    no_centre: bool,
    /// Show the K classes with the largest outputs
    #[arg(long, value_name = "K", default_value_t = 1)]
    top: usize,
    /// Print one JSON object per sample, with all outputs
    #[arg(long, conflicts_with = "csv")]
    json: bool,
    /// Print CSV with a header
    #[arg(long)]
    csv: bool,
    /// Device, as for train; prediction always runs on the processor, so auto and cpu are the same
    #[arg(long, value_name = "DEVICE", default_value = "auto")]
    device: String,
    #[command(flatten)]
    functions: Functions,
}

/// The part of a data set to predict.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Part {
    /// the samples that the model was trained on
    Train,
    /// the samples held out of training by --val-fraction
    Validation,
    /// the test set, the data's own or as drawn in training
    Test,
    /// all samples, in the order of the data set
    All,
}

impl Predict {
    /// Predicts the samples and prints the answers.
    pub fn run(&self) -> Result<()> {
        if !matches!(self.device.parse()?, Device::Auto | Device::Cpu) {
            return Err(Error::Device(format!(
                "--device {}: predict computes on the processor alone; leave it out",
                self.device
            )));
        }
        let model = Model::open(&self.model)?;
        if self.top != 1 && model.task() != Task::Classification {
            return Err(Error::config(format!(
                "--top {}: the outputs of this network are no classes; leave it out",
                self.top
            )));
        }
        if self.top == 0 || self.top > model.classes() {
            return Err(Error::config(format!("--top {}: must be 1 … {}, the outputs", self.top, model.classes())));
        }
        let config = self.functions.of(&model)?;
        let source = self.source(&model, &config)?;
        let predictions = match &source {
            Source::Rows(data, rows) => {
                model.predict_with(&config, rows.len(), |i, x| data.copy_row(rows[i] as usize, x))?
            }
            Source::Images(_, images) => {
                model.predict_with(&config, images.len(), |i, x| x.copy_from_slice(&images[i]))?
            }
        };
        // The neurons of an unsupervised layer are not classes, so no answer is right or wrong.
        let labelled = !config.rule.kind.is_unsupervised();
        let format = match (self.json, self.csv) {
            (true, _) => Format::Json,
            (_, true) => Format::Csv,
            _ => Format::Text,
        };
        Answers { model: &model, source: &source, predictions: &predictions, labelled, top: self.top }.print(format)
    }

    fn source(&self, model: &Model, config: &Config) -> Result<Source> {
        let name = self.data.as_deref().unwrap_or(&config.data.source);
        if self.data.is_some() && holds_images(name) {
            let path = Path::new(name);
            if let Some(split) = self.split {
                let split = split.to_possible_value().map_or(String::new(), |value| value.get_name().to_owned());
                return Err(Error::config(format!("--split {split}: images have no such parts; leave it out")));
            }
            let files = if path.is_dir() { image_files(path)? } else { vec![path.to_owned()] };
            let features = self.image_features(model)?;
            let images = files.iter().map(|file| features(file)).collect::<Result<_>>()?;
            return Ok(Source::Images(files, images));
        }
        if self.no_centre {
            return Err(Error::config(format!("--no-centre: is for images, and {name} is a data set; leave it out")));
        }
        let same = *name == config.data.source;
        let mut settings = if same { config.data.clone() } else { of_other_data(config.data.clone()) };
        name.clone_into(&mut settings.source);
        if let Some(id) = &self.id {
            settings.drop.0.retain(|column| !id.0.contains(column));
            settings.id = id.clone();
        }
        let data = model.open_data(&settings, &self.place.search())?;
        if let Some(column) = self.id.iter().flat_map(|id| &id.0).find(|_| data.ids.is_empty()) {
            return Err(Error::config(format!("--id {column}: {name} has no such column")));
        }
        let changed = model.check_unchanged(&data);
        // Whoever names data means them as they are now.
        let is_new = !same || (self.data.is_some() && changed.is_err());
        if !is_new && self.split != Some(Part::All) {
            changed?;
        }
        data.notes().iter().for_each(|note| tell(format_args!("note: {note}")));
        let rows = self.rows(&data, config, is_new)?;
        if self.data.is_some() && self.split.is_none() && rows.len() < data.len() {
            tell(format_args!(
                "note: {name} is what the network was trained on, so only its {} test samples are answered; --split all answers \
                 all",
                rows.len()
            ));
        }
        Ok(Source::Rows(Box::new(data), rows))
    }

    /// The numbers of the rows that were asked for, split as in training.
    fn rows(&self, data: &DataSet, config: &Config, is_new: bool) -> Result<Vec<u32>> {
        let all = || (0..data.len() as u32).collect();
        let has_parts = data.test_rows + data.validation_rows > 0;
        match self.split {
            Some(Part::All) => return Ok(all()),
            None if is_new && !has_parts => return Ok(all()),
            Some(part) if is_new && !has_parts => {
                let part = part.to_possible_value().map_or(String::new(), |value| value.get_name().to_owned());
                return Err(Error::config(format!("--split {part}: new data have no such part; leave it out")));
            }
            _ => {}
        }
        // A split made for other data does not apply.
        let mut settings = if is_new { of_other_data(config.data.clone()) } else { config.data.clone() };
        settings.test_fraction = settings.test_fraction.filter(|_| data.test_rows == 0);
        let split = Split::of(data, &settings, config.run.seed)?;
        let (rows, what, remedy) = match self.split {
            Some(Part::Train) => return Ok(split.train),
            Some(Part::Validation) => (split.validation, "validation", "--val-fraction"),
            Some(Part::Test) => (split.test, "test", "a test set"),
            Some(Part::All) | None => return Ok(if split.test.is_empty() { all() } else { split.test }),
        };
        match rows.is_empty() {
            false => Ok(rows),
            true => Err(Error::config(format!("--split {what}: it was trained without {remedy}; use all"))),
        }
    }

    /// The function from an image file to features, as in training.
    fn image_features(&self, model: &Model) -> Result<ImageReader> {
        let n_in = model.layers[0].n_in;
        let about = model.data.as_ref().map(|data| &data.about);
        // A model that does not name its data, and has as many inputs as MNIST has pixels, most probably learnt digits.
        let is_digits = about.map_or(n_in == 784, |about| about.digits);
        if is_digits && n_in == 784 && !self.no_centre {
            tell("note: each image is converted to MNIST's format, because the network was trained on such digits");
            return Ok(Box::new(|path| {
                let digit = Image::read(path)?.as_digit();
                Ok(digit.ok_or_else(|| Error::file(path, "is blank, all of one shade"))?.pixels)
            }));
        }
        let shape = about.and_then(|about| about.image);
        match shape.filter(|_| !self.no_centre) {
            Some(shape) => Ok(Box::new(move |path| {
                let bytes = images::decode_one(path, shape)?;
                Ok(bytes.into_iter().map(|byte| f32::from(byte) * BYTE_SCALE).collect())
            })),
            None => Ok(Box::new(move |path| unchanged(path, n_in, shape))),
        }
    }
}

/// Reads the features of an image file.
type ImageReader = Box<dyn Fn(&Path) -> Result<Vec<f32>>>;

/// The features of an image that has as many pixels as the network has inputs.
fn unchanged(path: &Path, n_in: usize, shape: Option<[usize; 3]>) -> Result<Vec<f32>> {
    // Before the pixels are decoded, because an image of the wrong size may be a large one.
    let (width, height) = Image::size(path)?;
    let channels = shape.map_or(1, |[.., channels]| channels.max(1));
    let count = width * height * channels;
    if count != n_in {
        let reason = format!("has {width} × {height} = {count} pixels, but the net takes {n_in} inputs");
        return Err(Error::file(path, reason));
    }
    if channels == 1 {
        return Ok(Image::read(path)?.pixels);
    }
    let bytes = images::decode_one(path, [height, width, channels])?;
    Ok(bytes.into_iter().map(|byte| f32::from(byte) * BYTE_SCALE).collect())
}

/// Whether `name` is an image, or a directory that holds images itself and not in one folder per class.
fn holds_images(name: &str) -> bool {
    let path = Path::new(name);
    let folder = || path.is_dir() && Set::named(name).is_none();
    is_image(path) || (folder() && (image_files(path).is_ok() || !holds_data(path)))
}

/// Whether a directory holds folders or files that may be a data set.
fn holds_data(directory: &Path) -> bool {
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    entries.into_iter().any(|entry| {
        let name = entry.file_name().to_string_lossy().to_lowercase();
        entry.path().is_dir() || name.contains("ubyte") || name.ends_with(".npy")
    })
}

fn is_image(path: &Path) -> bool {
    let endings = ["png", "jpg", "jpeg"];
    path.extension().is_some_and(|extension| endings.iter().any(|ending| extension.eq_ignore_ascii_case(ending)))
}

/// The images of a directory, sorted by name.
fn image_files(directory: &Path) -> Result<Vec<PathBuf>> {
    let failed = |e: std::io::Error| Error::file(directory, format!("cannot be read: {e}"));
    let mut files = vec![];
    for entry in std::fs::read_dir(directory).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if is_image(&path) && path.is_file() {
            files.push(path);
        }
    }
    if files.is_empty() {
        return Err(Error::file(directory, "holds no PNG or JPEG files"));
    }
    files.sort();
    Ok(files)
}
