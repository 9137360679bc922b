//! What the training of a population begins with: its members, the model file that they start from, and a device that holds
//! their state. Sweeps and single runs begin alike.

use crate::config::{Config, Monitor, Task};
use crate::data::DataSet;
use crate::device::{self, Device, Opened};
use crate::error::{Error, Result};
use crate::files::Entry;
use crate::model::file::Model;
use crate::rule::trace::Trace;
use crate::train::population::Population;
use crate::train::state::MemberState;
use std::sync::Arc;

/// A population before its first step.
pub struct Start {
    /// The members.
    pub population: Arc<Population>,
    /// The file that weights and learning rates are taken from, if any.
    pub model: Option<Model>,
}

impl Start {
    /// Reads the model that the first of `configs` names, and checks configurations and model against the data. Networks take
    /// the hidden widths of the model. If the user has `given` widths, those must be the same.
    ///
    /// # Errors
    /// If the model cannot be read or does not fit, or as [`Population::new`].
    pub fn new(mut configs: Vec<Config>, data: Arc<DataSet>, given: bool) -> Result<Self> {
        let init = configs.first().and_then(|config| config.network.init.as_deref());
        let model = init.map(Model::open).transpose()?;
        let is_layer = |model: &Model| configs.first().is_some_and(|config| model.may_be_unsupervised(config));
        if let Some(model) = model.as_ref().filter(|model| !is_layer(model)) {
            model.check_data(&data)?;
        }
        let is_layer = model.as_ref().is_some_and(is_layer);
        for config in &mut configs {
            match &model {
                Some(model) => model.adopt_hidden(config, given)?,
                None => config.network.init_scheme = Some(config.resolved_init_scheme()),
            }
        }
        let classes = model.as_ref().filter(|_| !is_layer).and_then(Model::least_outputs);
        // The model's weights fit only features and targets on the scale of its own training.
        let fixed = model.as_ref().and_then(|model| model.data.as_ref()).map(|data| &data.preparation);
        let population = Population::prepared_by(configs, data, classes, fixed)?;
        check_classes(&population)?;
        check_monitor(&population)?;
        Ok(Self { population: Arc::new(population), model })
    }

    /// The state before the first step, with the weights and rates of the model.
    ///
    /// # Errors
    /// If the model has rates that the settings cannot take.
    pub fn initial_state(&self) -> Result<Vec<MemberState>> {
        let mut states = self.population.initial_state();
        if let Some(model) = &self.model {
            for (state, config) in states.iter_mut().zip(&self.population.configs) {
                model.apply_weights(state);
                model.apply_rates(config, state)?;
            }
        }
        Ok(states)
    }

    /// Puts the population in `state` on the device.
    ///
    /// # Errors
    /// As [`device::open`].
    pub async fn open(&self, device: &Device, state: &[MemberState]) -> Result<Opened> {
        device::open(device, &self.population, state).await
    }
}

/// Refuses training samples of a single class, because they can teach nothing.
fn check_classes(population: &Population) -> Result<()> {
    let data = &population.data;
    if population.shared().rule.kind.is_unsupervised() {
        return Ok(());
    }
    let train = || population.splits.iter().flat_map(|split| &split.train);
    if data.weights.as_ref().is_some_and(|weights| train().all(|&row| weights[row as usize] == 0.0)) {
        return Err(Error::config("all training samples have the weight 0, so there is nothing to learn"));
    }
    if data.task == Task::Regression {
        let first = |k: usize| data.values[population.splits[0].train[0] as usize * data.classes + k];
        let is_constant = |k: usize| train().all(|&row| data.values[row as usize * data.classes + k] == first(k));
        return match (0..data.classes).find(|&k| !population.splits[0].train.is_empty() && is_constant(k)) {
            None => Ok(()),
            Some(k) => Err(Error::config(format!(
                "the target {} of {} is the same in all training samples, so there is nothing to learn; is `label` the right \
                 column?",
                data.about.output(k),
                data.name
            ))),
        };
    }
    if data.task != Task::Classification {
        return Ok(());
    }
    for split in &population.splits {
        let class = |row: &u32| data.labels[*row as usize];
        let Some(first) = split.train.first().map(class) else { continue };
        if split.train.iter().all(|row| class(row) == first) {
            return Err(Error::config(format!(
                "all {} training samples of {} have the class {}, so there is nothing to learn; is `label` the right column?",
                split.train.len(),
                data.name,
                data.about.output(first as usize)
            )));
        }
    }
    Ok(())
}

/// Refuses early stopping without validation samples, and metrics that the task does not have.
fn check_monitor(population: &Population) -> Result<()> {
    let run = &population.shared().run;
    if let Some(patience) = run.early_stopping.filter(|_| population.validation_rows() == 0) {
        return Err(Error::config(format!(
            "`early-stopping = {patience}`: needs a validation set to go by: give `val-fraction`, for example 0.1, or `val-data`"
        )));
    }
    let monitor = run.monitor;
    let regression = matches!(monitor, Monitor::ValRmse | Monitor::ValMae | Monitor::ValR2);
    match regression && population.data.task != Task::Regression {
        false => Ok(()),
        true => Err(Error::config(format!(
            "`monitor = {monitor}`: only `task = regression` has this metric; use `monitor = val_error` or val_loss"
        ))),
    }
}

/// Writes the network of `member`, whose settings were `config`.
///
/// # Errors
/// If the file cannot be written.
pub(crate) fn save_model(
    population: &Population,
    member: usize,
    config: &Config,
    state: &MemberState,
    entry: &Entry,
) -> Result<()> {
    let model = Model::of_member(population, member, config, state)?;
    entry.write(&model.encode(&entry.path())?)
}

/// Writes the trigger times of one member, whose settings were `config`.
///
/// # Errors
/// If the file cannot be written.
pub(crate) fn save_trace(population: &Population, config: &Config, state: &MemberState, entry: &Entry) -> Result<()> {
    let trace = Trace::new(config.clone(), &population.topology, state.onsets(), population.ticks());
    entry.write(&trace.encode(&population.topology, &entry.path())?)
}
