//! `homeostat eval`: loss and error of a saved model on a data set.

use super::place::Place;
use super::print::{say, tell};
use crate::config::{Activation, Clock, Config, Loss, Output, Precision};
use crate::data::DataSet;
use crate::device;
use crate::error::{Error, Result};
use crate::files::to_json;
use crate::model::confusion::{ClassScore, Confusion};
use crate::model::file::Model;
use crate::text::percent;
use crate::train::blocking::{Blocking, block_on};
use crate::train::engine::{DeviceInfo, Engine, Score, Wanted};
use crate::train::population::Population;
use serde::Serialize;
use std::path::PathBuf;
use std::sync::Arc;

/// Largest number of classes for the confusion matrix, because its size is the square of this number.
const MOST_CLASSES: usize = 4096;

/// Report loss and error of a saved model on its training and test samples.
///
/// Settings come from the model's metadata; flags override them. The result goes to stdout.
#[derive(clap::Args)]
pub struct Eval {
    /// The model.safetensors to evaluate
    #[arg(value_name = "MODEL")]
    model: PathBuf,
    /// Data set: a name of `homeostat data list`, idx:DIR, csv:FILE or npz:FILE [default: the training data]
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
}

#[derive(Serialize)]
struct Evaluation {
    model: PathBuf,
    data: String,
    train: Part,
    #[serde(skip_serializing_if = "Option::is_none")]
    validation: Option<Part>,
    #[serde(skip_serializing_if = "Option::is_none")]
    test: Option<Part>,
    /// Selectivity of each neuron of an unsupervised layer over the training samples, see [`Model::selectivity`].
    #[serde(skip_serializing_if = "Option::is_none")]
    selectivity: Option<Vec<f64>>,
    #[serde(flatten)]
    per_class: Option<PerClass>,
    device: DeviceInfo,
}

/// The scores of each class and the confusion matrix.
#[derive(Serialize)]
struct PerClass {
    /// Name of the samples that were counted: `test`, `validation` or `train`.
    classes_of: &'static str,
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
        let data = Arc::new(DataSet::open_in(&config.data.source, &self.place.search())?);
        model.check_data(&data)?;
        if data.test_rows > 0 && self.test_fraction.is_none() {
            config.data.test_fraction = None;
        }
        config.check()?;
        if self.per_class && config.rule.kind.is_unsupervised() {
            return Err(Error::config(format!(
                "--per-class: the neurons of --rule {} are no classes; leave it out",
                config.rule.kind
            )));
        }
        if self.per_class && model.classes() > MOST_CLASSES {
            return Err(Error::config(format!(
                "--per-class: {} classes are more than {MOST_CLASSES}; leave it out",
                model.classes()
            )));
        }
        let population = Arc::new(Population::new(vec![config], data, Some(model.classes()))?);
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
            evaluation.selectivity = Some(model.selectivity(population.shared(), &population.data, rows));
        }
        if self.per_class {
            evaluation.per_class = Some(per_class(&model, &population)?);
        }
        if self.json {
            return say(to_json(&evaluation)?);
        }
        tell(format_args!("device: {}", evaluation.device));
        say(format_args!("{:<10} {:>8}  {:>10}  {:>8}", "split", "samples", "loss", "error"))?;
        let Evaluation { train, validation, test, .. } = &evaluation;
        for (name, part) in [("train", Some(train)), ("validation", validation.as_ref()), ("test", test.as_ref())] {
            if let Some(Part { samples, loss, error }) = part {
                // Without targets there is no error.
                let error = if evaluation.selectivity.is_some() { "–".into() } else { percent(*error) };
                say(format_args!("{name:<10} {samples:>8}  {loss:>10.5}  {error:>8}"))?;
            }
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
        let part = |samples, score: Score| Part { samples, loss: score.loss, error: score.error };
        Ok(Evaluation {
            model: self.model.clone(),
            data: population.data.name.clone(),
            train: part(rows.len(), member.train.ok_or_else(missing)?),
            validation: member.validation.map(|score| part(population.validation_rows(), score)),
            test: member.test.map(|score| part(population.test_rows(), score)),
            selectivity: None,
            per_class: None,
            device: engine.device().clone(),
        })
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

/// Counts answers of the forward pass on the host, because engines report only sums.
fn per_class(model: &Model, population: &Population) -> Result<PerClass> {
    let split = &population.splits[0];
    let parts = [("test", &split.test), ("validation", &split.validation), ("train", &split.train)];
    let (classes_of, rows) = parts.into_iter().find(|(_, rows)| !rows.is_empty()).unwrap_or(parts[2]);
    let data = &population.data;
    let answers =
        model.predict_with(population.shared(), rows.len(), |i, x| data.copy_row(rows[i] as usize, x))?.classes;
    let labels = rows.iter().map(|&row| data.labels[row as usize]);
    let confusion = Confusion::new(model.classes(), labels.zip(answers));
    let counts = confusion.rows().into_iter().map(<[u64]>::to_vec).collect();
    Ok(PerClass { classes_of, classes: confusion.classes(), confusion: counts })
}

impl PerClass {
    fn print(&self) -> Result<()> {
        let share = |share: Option<f64>| share.map_or("–".to_owned(), percent);
        say(format_args!("classes of the {} samples:", self.classes_of))?;
        say(format_args!(
            "{:>5} {:>8} {:>8}  {:>9} {:>9}  most often taken for",
            "class", "samples", "correct", "recall", "precision"
        ))?;
        for class in &self.classes {
            let confused =
                class.confused_with.map_or("–".to_owned(), |other| format!("{other} ({} times)", class.confused));
            let (recall, precision) = (share(class.recall), share(class.precision));
            say(format_args!(
                "{:>5} {:>8} {:>8}  {recall:>9} {precision:>9}  {confused}",
                class.class, class.samples, class.correct
            ))?;
        }
        Ok(())
    }
}
