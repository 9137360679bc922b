//! `homeostat predict`: prints the answers of a saved model to samples or images, one by one.

use super::functions::Functions;
use super::place::Place;
use super::print::{say, tell};
use crate::config::Config;
use crate::data::catalogue::Set;
use crate::data::{DataSet, Image, Split};
use crate::device::Device;
use crate::error::{Error, Result};
use crate::files::to_json;
use crate::model::file::Model;
use crate::model::predict::Predictions;
use crate::text::percent;
use clap::ValueEnum;
use serde::Serialize;
use std::path::{Path, PathBuf};

/// Print the answers of a saved model to the samples of a data set, or to images.
///
/// Images are PNG files, in the order of their names. For a network of 784 inputs, each image is converted to MNIST's
/// format: white ink on black, scaled to fit 20 × 20 and centred by mass in 28 × 28. The answer is the class with the
/// largest output. Answers go to stdout; if labels are known, the error goes to stderr. Predictions are computed on the
/// processor.
#[derive(clap::Args)]
pub struct Predict {
    /// The model.safetensors to use
    #[arg(value_name = "MODEL")]
    model: PathBuf,
    /// Data set: a name of `homeostat data list`, idx:DIR, csv:FILE or npz:FILE; or a PNG file or a directory of PNG
    /// files [default: the training data]
    #[arg(long, value_name = "DATA")]
    data: Option<String>,
    #[command(flatten)]
    place: Place,
    /// Samples of the data set [default: the test samples; all samples if there are none, or if other data than in
    /// training have no test set of their own]
    #[arg(long, value_enum)]
    split: Option<Part>,
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

/// The samples to predict.
enum Source {
    /// A data set, and the numbers of the rows to predict.
    Rows(DataSet, Vec<u32>),
    /// The paths of images, and the features of each.
    Images(Vec<PathBuf>, Vec<Vec<f32>>),
}

/// One line of output: the answer to one sample.
#[derive(Serialize)]
struct Answer<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    row: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<&'a Path>,
    class: u32,
    output: f32,
    #[serde(skip_serializing_if = "Option::is_none")]
    label: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    right: Option<bool>,
    outputs: &'a [f32],
}

impl Answer<'_> {
    fn name(&self) -> String {
        match (self.row, self.file) {
            (Some(row), _) => row.to_string(),
            (None, file) => file.map_or(String::new(), |file| file.display().to_string()),
        }
    }

    /// The `k` classes with the largest outputs, and these outputs. The answer comes first even if other classes have
    /// the same output.
    fn top(&self, k: usize) -> Vec<(u32, f32)> {
        let mut classes: Vec<(u32, f32)> = (0..).zip(self.outputs.iter().copied()).collect();
        classes.sort_by(|a, b| (b.0 == self.class).cmp(&(a.0 == self.class)).then(b.1.total_cmp(&a.1)));
        classes.truncate(k);
        classes
    }
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
        self.print(&answers(&source, &predictions, labelled))
    }

    fn source(&self, model: &Model, config: &Config) -> Result<Source> {
        let name = self.data.as_deref().unwrap_or(&config.data.source);
        let path = Path::new(name);
        let is_set = matches!(name, "mnist" | "iris")
            || Set::named(name).is_some()
            || ["idx:", "csv:", "npz:"].iter().any(|kind| name.starts_with(kind));
        if !is_set && (path.is_dir() || is_png(path)) {
            if let Some(split) = self.split {
                let split = split.to_possible_value().map_or(String::new(), |value| value.get_name().to_owned());
                return Err(Error::config(format!("--split {split}: images have no such parts; leave it out")));
            }
            let files = if path.is_dir() { png_files(path)? } else { vec![path.to_owned()] };
            let n_in = model.layers[0].n_in;
            let images = files.iter().map(|file| self.features(file, n_in)).collect::<Result<_>>()?;
            return Ok(Source::Images(files, images));
        }
        if !is_set && name.contains(['/', '\\']) {
            return Err(Error::file(
                path,
                "there is no such directory, and it is no PNG file; data sets have a prefix such as csv:",
            ));
        }
        if self.no_centre {
            return Err(Error::config(format!("--no-centre: is for images, and {name} is a data set; leave it out")));
        }
        let data = DataSet::open_in(name, &self.place.search())?;
        model.check_data(&data)?;
        let rows = self.rows(&data, config)?;
        Ok(Source::Rows(data, rows))
    }

    /// The numbers of the rows that were asked for, split as in training.
    fn rows(&self, data: &DataSet, config: &Config) -> Result<Vec<u32>> {
        let all = || (0..data.len() as u32).collect();
        let is_new = self.data.as_ref().is_some_and(|name| *name != config.data.source);
        match self.split {
            Some(Part::All) => return Ok(all()),
            None if is_new && data.test_rows == 0 => return Ok(all()),
            _ => {}
        }
        let fraction = config.data.test_fraction.filter(|_| data.test_rows == 0);
        // A validation split made for other data does not apply.
        let val_fraction = if is_new { 0.0 } else { config.data.val_fraction };
        let split = Split::new(data, fraction, config.run.seed)?.hold_out(data, val_fraction, config.run.seed)?;
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

    /// The features of an image, in the format that the network takes.
    fn features(&self, path: &Path, n_in: usize) -> Result<Vec<f32>> {
        let image = Image::read(path)?;
        if n_in == 784 && !self.no_centre {
            let digit = image.as_digit().ok_or_else(|| Error::file(path, "is blank, all of one shade"))?;
            return Ok(digit.pixels);
        }
        let Image { width, height, pixels } = image;
        if pixels.len() != n_in {
            return Err(Error::file(
                path,
                format!("has {width} × {height} = {} pixels, but the net takes {n_in} inputs", pixels.len()),
            ));
        }
        Ok(pixels)
    }

    fn print(&self, answers: &[Answer<'_>]) -> Result<()> {
        if self.json {
            answers.iter().try_for_each(|answer| say(to_json(answer)?))?;
        } else if self.csv {
            self.print_csv(answers)?;
        } else {
            let names: Vec<String> = answers.iter().map(Answer::name).collect();
            let width = names.iter().map(|name| name.chars().count()).max().unwrap_or(0);
            for (answer, name) in answers.iter().zip(names) {
                let top: Vec<String> =
                    answer.top(self.top).iter().map(|(class, y)| format!("{class:>4} {y:.4}")).collect();
                let verdict = match (answer.label, answer.right) {
                    (Some(_), Some(true)) => "  right".to_owned(),
                    (Some(label), _) => format!("  wrong: {label}"),
                    _ => String::new(),
                };
                say(format_args!("{name:<width$} {}{verdict}", top.join(" ")))?;
            }
        }
        let known = answers.iter().filter_map(|answer| answer.right);
        let (known, wrong) = known.fold((0, 0), |(known, wrong), right| (known + 1, wrong + usize::from(!right)));
        if known > 0 {
            let error = percent(wrong as f64 / known as f64);
            tell(format_args!("{wrong} of {known} samples wrong, error {error}"));
        }
        Ok(())
    }

    fn print_csv(&self, answers: &[Answer<'_>]) -> Result<()> {
        let is_image = answers.first().is_some_and(|answer| answer.file.is_some());
        let mut header = vec![if is_image { "file" } else { "row" }.to_owned()];
        let labelled = answers.iter().any(|answer| answer.label.is_some());
        for k in 1..=self.top {
            let end = if k == 1 { String::new() } else { format!("_{k}") };
            header.extend([format!("class{end}"), format!("output{end}")]);
        }
        if labelled {
            header.extend(["label", "right"].map(str::to_owned));
        }
        let mut lines = csv::Writer::from_writer(vec![]);
        let failed = |e: csv::Error| Error::Run(format!("cannot be written as CSV: {e}"));
        lines.write_record(header).map_err(failed)?;
        for answer in answers {
            let mut record = vec![answer.name()];
            for (class, y) in answer.top(self.top) {
                record.extend([class.to_string(), y.to_string()]);
            }
            if let (Some(label), Some(right)) = (answer.label, answer.right) {
                record.extend([label.to_string(), right.to_string()]);
            }
            lines.write_record(record).map_err(failed)?;
        }
        let bytes = lines.into_inner().map_err(|e| Error::Run(format!("cannot be written as CSV: {e}")))?;
        say(String::from_utf8_lossy(&bytes).trim_end())
    }
}

fn answers<'a>(source: &'a Source, predictions: &'a Predictions, labelled: bool) -> Vec<Answer<'a>> {
    let answer = |(i, (outputs, &class)): (usize, (&'a [f32], &u32))| {
        let (row, file, label) = match source {
            Source::Rows(data, rows) => (Some(rows[i]), None, labelled.then(|| data.labels[rows[i] as usize])),
            Source::Images(files, _) => (None, Some(files[i].as_path()), None),
        };
        let (output, right) = (outputs[class as usize], label.map(|label| label == class));
        Answer { row, file, class, output, label, right, outputs }
    };
    predictions.rows().zip(&predictions.classes).enumerate().map(answer).collect()
}

fn is_png(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("png"))
}

/// The PNG files of a directory, sorted by name.
fn png_files(directory: &Path) -> Result<Vec<PathBuf>> {
    let failed = |e: std::io::Error| Error::file(directory, format!("cannot be read: {e}"));
    let mut files = vec![];
    for entry in std::fs::read_dir(directory).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if is_png(&path) && path.is_file() {
            files.push(path);
        }
    }
    if files.is_empty() {
        return Err(Error::file(directory, "holds no PNG files"));
    }
    files.sort();
    Ok(files)
}
