//! A population: P networks of one topology, trained together on one data set. A plain run is a population of one.
//!
//! Members share topology, data, batch size and everything that is compiled into the kernels. Each has its own seed, α0, θ,
//! decay and the like. Sizes, splits, ticks and the initial state follow from configurations and data here.

use super::state::MemberState;
use crate::config::{Clock, Config, Distort, Rule, Scope, Theta};
use crate::data::distort;
use crate::data::preparation::{Preparation, prepare};
use crate::data::{DataSet, Split};
use crate::error::{Error, Result};
use crate::memory::{self, Array};
use crate::network::topology::{MOST_VALUES, Topology};
use crate::rule;
use crate::rule::member::{Member, calibration_tick};
use crate::rule::psi::Slot;
use crate::rule::schedule;
use crate::rule::trace::Trace;
use std::sync::Arc;

/// Largest number of members, because their settings are one uniform array of 64 KiB.
pub const MAX_MEMBERS: usize = 512;

/// Everything an engine needs to train.
#[derive(Clone, Debug)]
pub struct Population {
    /// One configuration per member; all have the same [`Config::shared`].
    pub configs: Vec<Config>,
    /// The settings of each member as kernels read them.
    pub members: Vec<Member>,
    /// Widths.
    pub topology: Topology,
    /// The rows as engines read them, see [`Preparation`].
    pub data: Arc<DataSet>,
    /// What each member does to features and targets.
    pub preparations: Vec<Arc<Preparation>>,
    /// CRC-32 of the data set before its preparation.
    pub data_checksum: u32,
    /// The rows on which each member trains, is validated and is tested; of equal sizes in all members.
    pub splits: Vec<Split>,
    /// The trace that each member replays, if it replays one.
    pub traces: Vec<Option<Arc<Trace>>>,
}

impl Population {
    /// Checks `configs` against each other and against `data`. `classes` widens the output layer beyond the labels
    /// seen in the data (a model file may know more classes).
    ///
    /// # Errors
    /// If there is no member or too many, if members differ in a shared setting, or if there is nothing to train on.
    /// [`Error::Device`] if no machine could hold the population.
    pub fn new(configs: Vec<Config>, data: Arc<DataSet>, classes: Option<usize>) -> Result<Self> {
        Self::prepared_by(configs, data, classes, None)
    }

    /// As [`Self::new`]. All members prepare features and targets as `fixed` says, if it is given.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn prepared_by(
        configs: Vec<Config>,
        data: Arc<DataSet>,
        classes: Option<usize>,
        fixed: Option<&Preparation>,
    ) -> Result<Self> {
        let configs = checked(configs, &data)?;
        let first = &configs[0];
        let split = |config: &Config| {
            Split::of(&data, &config.data, config.run.seed)?.with_label_noise(
                &data,
                config.regularisation.label_noise,
                config.run.seed,
            )
        };
        let mut splits = configs.iter().map(split).collect::<Result<Vec<_>>>()?;
        check_splits(&splits)?;
        let data_checksum = data.checksum();
        let (data, preparations) = prepare(&data, &mut splits, first, fixed)?;
        let topology = topology(first, &data, classes);
        let (members, traces) = (vec![], vec![]);
        Self { members, topology, data, preparations, data_checksum, splits, traces, configs }.complete()
    }

    /// Whether a network with this configuration, alone on the same data set, reads the rows of this population's only
    /// member.
    pub(crate) fn reads_like(&self, config: &Config) -> bool {
        let read = |config: &Config| (config.run.seed, config.regularisation.label_noise);
        self.len() == 1 && read(self.shared()) == read(config) && self.shared().data == config.data
    }

    /// The population of one other network on the same rows, see [`Self::reads_like`]. Spares scaling the rows anew.
    pub(crate) fn with_network(self, config: Config) -> Result<Self> {
        let configs = checked(vec![config], &self.data)?;
        let topology = topology(&configs[0], &self.data, None);
        Self { members: vec![], traces: vec![], topology, configs, ..self }.complete()
    }

    /// Checks the sizes, and adds what follows from configurations and sizes: members and traces.
    fn complete(mut self) -> Result<Self> {
        self.check_size()?;
        self.check_held_out()?;
        self.check_batch()?;
        let ticks = self.ticks();
        for config in &self.configs {
            check_clock(config, ticks)?;
            let trace = config.rule.trace.as_deref().map(|path| Trace::read(path, config, &self.topology, ticks));
            let trace = trace.transpose()?.map(Arc::new);
            // A replayed α falls along the curve of the run that was traced.
            let curve = trace.as_ref().map_or(config, |trace| &trace.config);
            self.members.push(Member::new(config, curve, ticks));
            self.traces.push(trace);
        }
        Ok(self)
    }

    /// CRC-32 of everything that the members learn from: the data set and the replayed traces.
    #[must_use]
    pub fn checksum(&self) -> u32 {
        let mut checksum = crc32fast::Hasher::new_with_initial(self.data_checksum);
        self.traces.iter().flatten().for_each(|trace| trace.checksum(&mut checksum));
        checksum.finalize()
    }

    /// A rule that searches needs the gradient and the error of the whole training set.
    fn check_batch(&self) -> Result<()> {
        let (shared, rows) = (self.shared(), self.train_rows());
        let rule = shared.rule.kind;
        match rule.searches() && self.steps_per_epoch() > 1 {
            true => Err(Error::config(format!(
                "`batch-size = {}`: `rule = {rule}` goes by the error of all {rows} training samples; use `batch-size = {rows}`",
                shared.run.batch_size
            ))),
            false => Ok(()),
        }
    }

    /// Refuses sizes that no machine has, so that computing the sizes of arrays cannot overflow.
    fn check_size(&self) -> Result<()> {
        self.topology.check()?;
        let units: u128 = self.topology.widths().iter().map(|&n| n as u128).sum();
        let (batch, fitting) = (self.batch_size(), MOST_VALUES / units);
        if batch as u128 > fitting {
            return Err(Error::Device(format!(
                "`batch-size = {batch}`: {units} values per sample, and no batch can have more than {MOST_VALUES}; use \
                 `batch-size = {}` or less",
                fitting.max(1)
            )));
        }
        let (epochs, per_epoch) = (self.shared().run.epochs, self.steps_per_epoch());
        if u64::from(epochs) * u64::from(per_epoch) > u64::from(u32::MAX) {
            return Err(Error::config(format!(
                "`epochs = {epochs}`: of {per_epoch} steps each, and no run can have more than {} steps; use `epochs = {}` or less",
                u32::MAX,
                u32::MAX / per_epoch.max(1)
            )));
        }
        Ok(())
    }

    /// Refuses a rule that compares outputs over validation samples where there are none.
    fn check_held_out(&self) -> Result<()> {
        match self.shared().rule.kind {
            Rule::Neq if self.validation_rows() == 0 => Err(Error::config(
                "`rule = neq`: compares the outputs of neurons over the validation samples, and there are none; give \
                 `val-fraction`, for example 0.1, or `val-data`",
            )),
            _ => Ok(()),
        }
    }

    /// Refuses an [initial state](Self::initial_state) that does not fit into this machine's memory.
    ///
    /// # Errors
    /// [`Error::Device`] with the bytes, the layer and the fix.
    pub fn check_memory(&self) -> Result<()> {
        let remedy = format!("{} has most weights: use a narrower `hidden`", self.topology.largest_layer());
        let fewer = if self.len() > 1 { ", or fewer members" } else { "" };
        let arrays: Vec<Array> = self.state_arrays().into_iter().chain([self.headers()]).collect();
        memory::check_machine("the initial state", &arrays, &format!("{remedy}{fewer}"))
    }

    /// The memory of a layer beside its arrays: their headers, its settings, and the rounding of their sizes.
    #[must_use]
    pub fn headers(&self) -> Array {
        // Measured on x86-64: 7 KiB of a layer of one neuron.
        Array::new("headers", 8 << 10, &[("P", self.len()), ("layers", self.topology.layers())])
    }

    /// The arrays of [`Self::initial_state`].
    #[must_use]
    pub fn state_arrays(&self) -> Vec<Array> {
        let shared = self.shared();
        let (weights, neurons) = (self.topology.parameters(), self.topology.widths()[1..].iter().sum());
        let rates = if shared.rule.scope == Scope::Weight { weights } else { neurons };
        let slots = if shared.slots_per_weight() { weights } else { neurons };
        let p = ("P", self.len());
        let mut arrays = vec![
            Array::new("weights", 4, &[p, ("weights", weights)]),
            Array::new("rule's memory", 4, &[p, ("planes", self.memory_per_weight()), ("weights", weights)]),
            Array::new("first rates", 4, &[p, ("rates", rates)]),
            Array::new("ψ", 4, &[p, ("slots", slots)]),
            Array::new("slots of ψ", size_of::<Slot>(), &[p, ("slots", slots)]),
            Array::new("observed sums", 8, &[p, ("slots", slots)]),
        ];
        arrays.retain(|array| array.bytes > 0);
        arrays
    }

    /// The settings that all members share. Other settings are those of the first member.
    #[must_use]
    pub fn shared(&self) -> &Config {
        &self.configs[0]
    }

    /// P.
    #[must_use]
    pub fn len(&self) -> usize {
        self.configs.len()
    }

    /// Always false, because a population has a member.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.configs.is_empty()
    }

    /// Training samples per epoch, the same for all members.
    #[must_use]
    pub fn train_rows(&self) -> usize {
        self.splits[0].train.len()
    }

    /// Validation samples, the same for all members; may be 0.
    #[must_use]
    pub fn validation_rows(&self) -> usize {
        self.splits[0].validation.len()
    }

    /// The labels of all rows with which `member` trains.
    #[must_use]
    pub fn labels(&self, member: usize) -> &[u32] {
        self.splits[member].labels.as_ref().unwrap_or(&self.data.labels)
    }

    /// Test samples, the same for all members; may be 0.
    #[must_use]
    pub fn test_rows(&self) -> usize {
        self.splits[0].test.len()
    }

    /// B, at most the size of the training set.
    #[must_use]
    pub fn batch_size(&self) -> usize {
        self.shared().run.batch_size.min(self.train_rows())
    }

    /// Steps per epoch; the last may be a short batch.
    #[must_use]
    pub fn steps_per_epoch(&self) -> u32 {
        self.train_rows().div_ceil(self.batch_size()) as u32
    }

    /// T, the number of ticks of the whole run.
    #[must_use]
    pub fn ticks(&self) -> u32 {
        let config = self.shared();
        match config.rule.clock {
            Clock::Epoch => config.run.epochs,
            Clock::Steps(k) => (u64::from(config.run.epochs) * u64::from(self.steps_per_epoch()) / u64::from(k))
                .min(u64::from(u32::MAX)) as u32,
        }
    }

    /// Whether any member's ticks read an observed variable.
    #[must_use]
    pub fn observes(&self) -> bool {
        self.configs.iter().any(Config::observes)
    }

    /// Whether training changes the inputs: distorts them, or leaves some out.
    #[must_use]
    pub fn prepares_inputs(&self) -> bool {
        let shared = self.shared();
        shared.regularisation.distort != Distort::None || shared.regularisation.dropout_input > 0.0
    }

    /// Whether members train on labels of their own.
    #[must_use]
    pub fn uses_label_noise(&self) -> bool {
        self.splits.iter().any(|split| split.labels.is_some())
    }

    /// Whether any member's α can change at ticks.
    #[must_use]
    pub fn moves_alpha(&self) -> bool {
        self.configs.iter().any(Config::moves_alpha)
    }

    /// Whether any member's α can be 0.
    #[must_use]
    pub fn can_freeze(&self) -> bool {
        self.configs.iter().any(Config::can_freeze)
    }

    /// Floats that every weight remembers between steps: a velocity, or the memory of the rule.
    #[must_use]
    pub fn memory_per_weight(&self) -> usize {
        rule::memory_per_weight(self.shared())
    }

    /// Whether any member's α follows a curve of ticks.
    #[must_use]
    pub fn is_scheduled(&self) -> bool {
        self.configs.iter().any(Config::is_scheduled)
    }

    /// The schedule's factor on ψ of each member's layers after tick `t`; 0 is the start.
    #[must_use]
    pub fn scale(&self, t: u32) -> Vec<Vec<f32>> {
        let layers = self.topology.layers();
        let member = |(config, trace): (&Config, &Option<Arc<Trace>>)| {
            (0..layers)
                .map(|l| schedule::scale(config, trace.as_deref(), (l, layers), t, self.ticks()) as f32)
                .collect()
        };
        self.configs.iter().zip(&self.traces).map(member).collect()
    }

    /// The state of each member before the first step, from the member's own seed and settings.
    #[must_use]
    pub fn initial_state(&self) -> Vec<MemberState> {
        self.configs
            .iter()
            .zip(&self.members)
            .zip(self.traces.iter().zip(self.scale(0)))
            .map(|((config, member), (trace, scale))| {
                MemberState::initial(config, member, &self.topology, trace.as_deref(), &scale)
            })
            .collect()
    }
}

/// The configurations, fitted to the task of `data` and checked against each other.
fn checked(mut configs: Vec<Config>, data: &DataSet) -> Result<Vec<Config>> {
    for config in &mut configs {
        config.fit_task(data.task)?;
    }
    let first = configs.first().ok_or_else(|| Error::config("a population needs at least one member"))?;
    if configs.len() > MAX_MEMBERS {
        return Err(Error::config(format!("{} members: at most {MAX_MEMBERS} train together", configs.len())));
    }
    for config in &configs {
        config.check()?;
        if config.shared() != first.shared() {
            return Err(Error::config(
                "members of a population may differ only in seed, ψ and its schedule, α0, momentum, the rule's constants and the amount of regularisation",
            ));
        }
    }
    if first.regularisation.distort != Distort::None && distort::side(data.features).is_none() {
        return Err(Error::config(format!(
            "`distort = {}`: the {} features of {} are no square image; leave it out",
            first.regularisation.distort, data.features, data.name
        )));
    }
    Ok(configs)
}

fn topology(config: &Config, data: &DataSet, classes: Option<usize>) -> Topology {
    let outputs = (!config.rule.kind.is_unsupervised()).then(|| classes.unwrap_or(0).max(data.classes));
    let hidden = config.network.hidden.0.iter().copied();
    Topology::new(std::iter::once(data.features).chain(hidden).chain(outputs).collect())
}

/// Refuses members whose parts differ in size, because they train together step by step.
fn check_splits(splits: &[Split]) -> Result<()> {
    let sizes = |split: &Split| [split.train.len(), split.validation.len(), split.test.len()];
    match splits.iter().all(|split| sizes(split) == sizes(&splits[0])) {
        true => Ok(()),
        false => Err(Error::config(
            "`group`: with these seeds the groups give parts of different sizes, which cannot be trained together; train one member at a time",
        )),
    }
}

/// Largest number of ticks that f32 counts exactly.
const MAX_TICKS: u32 = 1 << 24;

fn check_clock(config: &Config, ticks: u32) -> Result<()> {
    if !config.moves_alpha() {
        return Ok(());
    }
    if ticks == 0 {
        return Err(Error::config(format!(
            "`clock = {}`: the run is shorter than one tick; use a smaller K or more `epochs`",
            config.rule.clock
        )));
    }
    if ticks > MAX_TICKS {
        return Err(Error::config(format!(
            "`clock = {}`: {ticks} ticks are more than {MAX_TICKS}; use a larger K",
            config.rule.clock
        )));
    }
    if config.rule.kind == Rule::Psi && config.rule.warmup >= ticks {
        return Err(Error::config(format!(
            "`warmup = {}`: the run has only {ticks} ticks, so nothing could trigger; use fewer, or `rule = constant`",
            config.rule.warmup
        )));
    }
    if config.rule.kind == Rule::Psi
        && matches!(config.threshold(), Theta::Quantile(_) | Theta::Sliding(_))
        && calibration_tick(config) >= ticks
    {
        return Err(Error::config(format!(
            "a quantile or sliding θ compares from tick {} on, but the run has only {ticks}; use more `epochs` or a finer `clock`",
            calibration_tick(config) + 1
        )));
    }
    Ok(())
}
