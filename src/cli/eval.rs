//! `homeostat eval`: loss and error of a saved model on a data set.

use super::place::Place;
use super::print::{say, tell};
use super::targets::PerTarget;
use crate::config::{Activation, Clock, Config, DataSettings, Loss, Output, Precision, Task};
use crate::data::DataSet;
use crate::device;
use crate::error::{Error, Result};
use crate::files::to_json;
use crate::model::confusion::{ClassScore, Confusion};
use crate::model::file::Model;
use crate::model::{labels, regression};
use crate::text::{counted, one_line, percent, significant};
use crate::train::blocking::{Blocking, block_on};
use crate::train::engine::{DeviceInfo, Engine, Score, Wanted};
use crate::train::measure::{Measure, Told};
use crate::train::metrics::Scored;
use crate::train::population::Population;
use serde::Serialize;
use std::path::PathBuf;
use std::sync::Arc;

/// Largest number of classes for the confusion matrix, because its size is the square of this number.
const MOST_CLASSES: usize = 4096;

/// Report loss and error of a saved model.
///
/// The samples are those of training, validation and test, or other data. Settings come from the model's metadata; flags override them. The result goes to stdout.
#[derive(clap::Args)]
pub struct Eval {
    /// The model.safetensors to evaluate
    #[arg(value_name = "MODEL")]
    model: PathBuf,
    /// Data to evaluate whole, as `train --data` takes them [default: the training data, split as in training]
    #[arg(long, value_name = "DATA")]
    data: Option<String>,
    #[command(flatten)]
    place: Place,
    /// Share of the samples to use as test set if the data have none; 0 = none [default: as in training]
    #[arg(long, value_name = "F")]
    test_fraction: Option<f64>,
    /// Seed of the split [default: as in training]
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Device, as for train
    #[arg(long, value_name = "DEVICE", default_value = "auto")]
    device: String,
    /// Activation of the hidden layers, for a model without metadata
    #[arg(long, value_enum)]
    activation: Option<Activation>,
    /// Activation of the output layer, for a model without metadata
    #[arg(long, value_enum)]
    output: Option<Output>,
    /// Loss to report
    #[arg(long, value_enum)]
    loss: Option<Loss>,
    /// Add a table of classes of the test samples, or else of the validation samples, or else of the training samples
    #[arg(long)]
    per_class: bool,
    /// Print one JSON object on stdout
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Part {
    samples: usize,
    loss: f64,
    error: f64,
    #[serde(flatten)]
    regression: Option<Deviation>,
}

/// The errors of a regression.
#[derive(Clone, Copy, Serialize)]
struct Deviation {
    rmse: f64,
    mae: f64,
    r2: f64,
}

impl Part {
    fn new(samples: usize, told: Told) -> Self {
        let regression = told.rmse.zip(told.mae).zip(told.r2).map(|((rmse, mae), r2)| Deviation { rmse, mae, r2 });
        Self { samples, loss: told.loss, error: told.error, regression }
    }
}

#[derive(Serialize)]
struct Evaluation {
    model: PathBuf,
    data: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    train: Option<Part>,
    #[serde(skip_serializing_if = "Option::is_none")]
    all: Option<Part>,
    #[serde(skip_serializing_if = "Option::is_none")]
    validation: Option<Part>,
    #[serde(skip_serializing_if = "Option::is_none")]
    test: Option<Part>,
    /// Selectivity of each neuron of an unsupervised layer over the training samples, see [`Model::selectivity`].
    #[serde(skip_serializing_if = "Option::is_none")]
    selectivity: Option<Vec<f64>>,
    #[serde(flatten)]
    per_class: Option<PerClass>,
    /// The scores of each target or label, of the samples that `targets_of` names.
    #[serde(flatten)]
    targets: Option<PerTarget>,
    device: DeviceInfo,
}

/// The scores of each class and the confusion matrix.
#[derive(Serialize)]
struct PerClass {
    /// Name of the samples that were counted: `test`, `validation` or `train`.
    classes_of: &'static str,
    /// The names of the classes, in the order of their numbers.
    names: Vec<String>,
    classes: Vec<ClassScore>,
    /// Number of samples per `[label][answer]`.
    confusion: Vec<Vec<u64>>,
}

impl Eval {
    /// Evaluates the model and prints the result.
    pub fn run(&self) -> Result<()> {
        let choice: device::Device = self.device.parse()?;
        let model = Model::open(&self.model)?;
        let mut config = self.config(&model)?;
        let mut is_new = self.is_new(&model, &config)?;
        if is_new {
            config.data = of_other_data(config.data);
        }
        let mut data = model.open_data(&config.data, &self.place.search())?;
        if !data.has_targets() && !model.is_unsupervised() {
            let reason = data.mismatch.as_deref().unwrap_or("has no labels to compare with; use `homeostat predict`");
            return Err(Error::file(&data.name, reason));
        }
        data.notes().iter().for_each(|note| tell(format_args!("note: {note}")));
        if !is_new && let Err(changed) = model.check_unchanged(&data) {
            // Whoever names data means them as they are now.
            if self.data.is_none() {
                return Err(changed);
            }
            tell(format_args!("note: {changed}"));
            is_new = true;
            config.data = of_other_data(config.data);
        }
        // Losses of different data can be compared only without weights.
        data.weights = None;
        let data = Arc::new(data);
        if self.test_fraction.is_none() {
            match (data.test_rows > 0, is_new && model.data.is_some()) {
                (true, _) => config.data.test_fraction = None,
                // New data are evaluated whole.
                (false, true) => config.data.test_fraction = Some(0.0),
                (false, false) => {}
            }
        }
        config.check()?;
        if self.per_class && (config.rule.kind.is_unsupervised() || model.task() != Task::Classification) {
            return Err(Error::config("--per-class: the outputs of this network are no classes; leave it out"));
        }
        if self.per_class && model.classes() > MOST_CLASSES {
            return Err(Error::config(format!(
                "--per-class: {} classes are more than {MOST_CLASSES}; leave it out",
                model.classes()
            )));
        }
        let fixed = model.data.as_ref().map(|data| &data.preparation);
        let population = Population::prepared_by(vec![config], Arc::clone(&data), Some(model.classes()), fixed)?;
        let population = Arc::new(population);
        block_on(device::check(&choice, &population))?;
        let mut state = population.initial_state();
        model.apply_weights(&mut state[0]);
        let opened = block_on(device::open(&choice, &population, &state))?;
        if let Some(note) = &opened.note {
            tell(format_args!("note: {note}"));
        }
        let mut evaluation = self.evaluate(&population, Blocking(opened.engine))?;
        if model.is_unsupervised() {
            let rows = &population.splits[0].train;
            evaluation.selectivity = Some(model.selectivity(population.shared(), &data, rows));
        }
        if self.per_class {
            evaluation.per_class = Some(per_class(&model, &population, &data)?);
        }
        if model.task() != Task::Classification && !model.is_unsupervised() {
            evaluation.targets = Some(per_target(&model, &population, &data)?);
        }
        if is_new && data.test_rows == 0 && data.validation_rows == 0 && population.test_rows() == 0 {
            evaluation.all = evaluation.train.take();
            evaluation.targets.iter_mut().for_each(|targets| targets.targets_of = "all");
            evaluation.per_class.iter_mut().for_each(|classes| classes.classes_of = "all");
        }
        if self.json {
            return say(to_json(&evaluation)?);
        }
        tell(format_args!("device: {}", evaluation.device));
        let Evaluation { all, train, validation, test, .. } = &evaluation;
        let parts = [("all", all), ("train", train), ("validation", validation), ("test", test)];
        let parts = parts.map(|(name, part)| (name, part.as_ref()));
        let is_regression = parts.iter().any(|(_, part)| part.is_some_and(|part| part.regression.is_some()));
        let errors = if is_regression { "      RMSE         MAE        R²" } else { "   error" };
        say(format_args!("{:<10} {:>8}  {:>10}  {errors}", "split", "samples", "loss"))?;
        for (name, part) in parts {
            if let Some(Part { samples, loss, error, regression }) = part {
                let error = match regression {
                    Some(Deviation { rmse, mae, r2 }) => {
                        format!("{:>10}  {:>10}  {r2:>8.5}", significant(*rmse, 4), significant(*mae, 4))
                    }
                    // Without targets there is no error.
                    None if evaluation.selectivity.is_some() => format!("{:>8}", "–"),
                    None => format!("{:>8}", percent(*error)),
                };
                say(format_args!("{name:<10} {samples:>8}  {loss:>10.5}  {error}"))?;
            }
        }
        if let Some(table) = &evaluation.targets {
            table.print()?;
        }
        if let Some(table) = &evaluation.per_class {
            table.print()?;
        }
        if let Some(selectivity) = &evaluation.selectivity {
            say("selectivity of each neuron over the training samples (1 - mean/max response):")?;
            for (j, line) in selectivity.chunks(10).enumerate() {
                let values: Vec<String> = line.iter().map(|value| format!("{value:.3}")).collect();
                say(format_args!("{:>6}  {}", 10 * j, values.join("  ")))?;
            }
        }
        Ok(())
    }

    fn evaluate(&self, population: &Population, mut engine: Blocking<dyn Engine>) -> Result<Evaluation> {
        let rows = &population.splits[0].train;
        engine.set_order(std::slice::from_ref(rows))?;
        engine.request_report(Wanted { train: true, validation: true, test: true })?;
        let report = engine.next_report()?;
        let missing = || Error::Device("the device returned no evaluation".into());
        let member = report.members.first().ok_or_else(missing)?;
        let measure = Measure::new(population, 0);
        let part = |samples, score: Score, of| Part::new(samples, measure.tell(score, of));
        Ok(Evaluation {
            model: self.model.clone(),
            data: population.data.name.clone(),
            train: Some(part(rows.len(), member.train.ok_or_else(missing)?, Scored::Training)),
            all: None,
            validation: member.validation.map(|score| part(population.validation_rows(), score, Scored::Validation)),
            test: member.test.map(|score| part(population.test_rows(), score, Scored::Test)),
            selectivity: None,
            per_class: None,
            targets: None,
            device: engine.device().clone(),
        })
    }

    /// Whether other data are evaluated than the network was trained on.
    fn is_new(&self, model: &Model, config: &Config) -> Result<bool> {
        let trained_on = model.config()?.map(|stored| stored.data.source);
        Ok(self.data.is_some() && trained_on.is_none_or(|source| source != config.data.source))
    }

    /// The settings of an evaluation. Settings that only training uses are reset, because they must not restrict the
    /// evaluation.
    fn config(&self, model: &Model) -> Result<Config> {
        let stored = model.config()?;
        if stored.is_none() {
            let default = Config::default().network;
            tell(format_args!(
                "note: {} does not say how it was trained; taking --activation {} --output {} --loss {}",
                self.model.display(),
                self.activation.unwrap_or(default.activation),
                self.output.unwrap_or(default.output),
                self.loss.unwrap_or(default.loss)
            ));
        }
        let stored = stored.unwrap_or_default();
        let data = self.data.clone().unwrap_or(stored.data.source.clone());
        // A validation split made for other data does not apply.
        let val_fraction = if data == stored.data.source { stored.data.val_fraction } else { 0.0 };
        Ok(stored
            .without_training()
            .data(data)
            .test_fraction(self.test_fraction.or(stored.data.test_fraction))
            .val_fraction(val_fraction)
            .seed(self.seed.unwrap_or(stored.run.seed))
            .device(self.device.clone())
            .activation(self.activation.unwrap_or(stored.network.activation))
            .output(self.output.unwrap_or(stored.network.output))
            .loss(self.loss.unwrap_or(stored.network.loss))
            .hidden(model.hidden())
            .clock(Clock::Epoch)
            .momentum(0.0)
            .coast(false)
            .nesterov(false)
            // The weights are f32, whatever precision they were trained with.
            .precision(Precision::F32))
    }
}

/// The settings for data that the network was not trained on. Parts and weights that were made for the training data do not
/// apply.
pub fn of_other_data(settings: DataSettings) -> DataSettings {
    DataSettings {
        val_data: None,
        test_data: None,
        val_fraction: 0.0,
        weight: None,
        group: None,
        fold: None,
        class_weight: None,
        ..settings
    }
}

/// The rows that tables describe: of the test samples, or else of the validation samples, or else of the training samples.
fn described(population: &Population) -> (&'static str, &[u32]) {
    let split = &population.splits[0];
    let parts = [("test", &split.test), ("validation", &split.validation), ("train", &split.train)];
    let (name, rows) = parts.into_iter().find(|(_, rows)| !rows.is_empty()).unwrap_or(parts[2]);
    (name, rows)
}

/// Counts answers of the forward pass on the host, because engines report only sums.
fn per_class(model: &Model, population: &Population, data: &DataSet) -> Result<PerClass> {
    let (classes_of, rows) = described(population);
    let answers =
        model.predict_with(population.shared(), rows.len(), |i, x| data.copy_row(rows[i] as usize, x))?.classes;
    let labels = rows.iter().map(|&row| data.labels[row as usize]);
    let confusion = Confusion::new(model.classes(), labels.zip(answers));
    let counts = confusion.rows().into_iter().map(<[u64]>::to_vec).collect();
    let names = (0..model.classes()).map(|k| model.output_name(k)).collect();
    Ok(PerClass { classes_of, names, classes: confusion.classes(), confusion: counts })
}

/// Compares outputs and targets one by one, on the host.
fn per_target(model: &Model, population: &Population, data: &DataSet) -> Result<PerTarget> {
    let (targets_of, rows) = described(population);
    let predictions = model.predict_with(population.shared(), rows.len(), |i, x| data.copy_row(rows[i] as usize, x))?;
    let width = data.classes;
    let targets: Vec<f32> = rows
        .iter()
        .flat_map(|&row| data.values[row as usize * width..(row as usize + 1) * width].iter().copied())
        .collect();
    let name = |k| model.output_name(k);
    Ok(match model.task() {
        Task::Multilabel => PerTarget::labels(targets_of, labels::scores(&predictions.outputs, &targets, width), name),
        _ => PerTarget::values(targets_of, regression::scores(&predictions.outputs, &targets, width), name),
    })
}

impl PerClass {
    fn print(&self) -> Result<()> {
        let share = |share: Option<f64>| share.map_or("–".to_owned(), percent);
        say(format_args!("classes of the {} samples:", self.classes_of))?;
        let name = |class: usize| one_line(self.names.get(class).map_or("", String::as_str));
        let width = (0..self.names.len()).map(|k| name(k).chars().count()).max().unwrap_or(0).max(5);
        say(format_args!(
            "{:>width$} {:>8} {:>8}  {:>9} {:>9}  most often taken for",
            "class", "samples", "correct", "recall", "precision"
        ))?;
        for class in &self.classes {
            let confused = class.confused_with.map_or("–".to_owned(), |other| {
                format!("{} ({})", name(other), counted(class.confused as usize, "time"))
            });
            let (recall, precision) = (share(class.recall), share(class.precision));
            say(format_args!(
                "{:>width$} {:>8} {:>8}  {recall:>9} {precision:>9}  {confused}",
                name(class.class),
                class.samples,
                class.correct
            ))?;
        }
        Ok(())
    }
}
