//! SWEEP.toml, the file that a person writes, and its arms with grids, random draws and traces expanded.
//!
//! ```toml
//! name = "rates"
//! seeds = 10                  # number of seeds, or a list of seeds
//! first-seed = 1
//! folds = 5                   # optional: every seed runs once per part of a cross-validation
//!
//! [base]                      # settings of every arm: long flags as keys, and preset
//! preset = "paper-2025"
//! epochs = 20
//!
//! [random]                    # ranges for the arms with random = M
//! alpha0 = { min = 0.01, max = 1.0, log = true }
//!
//! [[arm]]
//! name = "psi"
//! theta = [0.1, 0.2]          # a grid: "psi theta=0.1" and "psi theta=0.2"
//!
//! [[arm]]
//! name = "control"
//! trace-of = "psi"            # rule = "replay" with the settings of psi, theta included
//! replay = "shuffle"
//!
//! [[arm]]
//! name = "tuned"
//! rule = "constant"
//! random = 8                  # "tuned draw=1 alpha0=0.0371" …
//! ```

use super::draw::{Range, range};
use super::hash::fnv;
use crate::config::{Clock, Config, Fold, Latch, Preset, Rule, toml_reason};
use crate::error::{Error, Result};
use crate::files;
use crate::model::file::Model;
use crate::rng::{Random, Stream};
use crate::text::{self, quoted};
use serde::Deserialize;
use std::collections::{HashMap, HashSet};
use std::path::Path;
use toml::{Table, Value};

/// Largest number of runs in a plan, because the whole plan is held in memory.
pub const MAX_RUNS: usize = 1_000_000;

/// The setting of an arm that names the arm whose trigger times are replayed.
pub const TRACE_OF: &str = "trace-of";

/// Largest number of arms, because a few lines of a sweep can expand to very many.
const MAX_ARMS: usize = 10_000;

/// A sweep with every arm expanded.
#[derive(Clone, Debug)]
pub struct Sweep {
    /// Name of the sweep, for people.
    pub name: String,
    /// The seeds of every arm, in order.
    pub seeds: Vec<u64>,
    /// Parts of a cross-validation; every arm runs with every seed on each part.
    pub folds: Option<u32>,
    /// The arms in the order of the file. The variants of one arm follow the order of its keys.
    pub arms: Vec<Arm>,
}

/// One arm: a configuration that is run with every seed.
#[derive(Clone, Debug)]
pub struct Arm {
    /// Unique name in the sweep.
    pub name: String,
    /// The complete configuration. If `trace_of` is set, its `trace` is a placeholder.
    pub config: Config,
    /// Index of the arm whose triggers this arm replays.
    pub trace_of: Option<usize>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct File {
    name: Option<String>,
    seeds: Seeds,
    first_seed: Option<u64>,
    folds: Option<u32>,
    #[serde(default)]
    random_seed: u64,
    #[serde(default)]
    base: Table,
    #[serde(default)]
    random: Table,
    #[serde(default)]
    arm: Vec<Table>,
}

#[derive(Deserialize)]
#[serde(untagged, expecting = "expected how many seeds, or a list of them")]
enum Seeds {
    Count(u32),
    List(Vec<u64>),
}

/// One point of an arm's grid and draws, with only the settings of the arm itself.
struct Variant {
    suffix: String,
    settings: Table,
}

/// An arm of the file with its own variants, before traces are expanded.
struct Declared {
    name: String,
    trace_of: Option<String>,
    variants: Vec<Variant>,
}

impl Sweep {
    /// Reads a sweep.
    ///
    /// # Errors
    /// If the file cannot be read or parsed, or if an arm is invalid; the message names the arm and the key.
    pub fn read(path: &Path) -> Result<Self> {
        Self::parse(path, &files::text(path, files::SETTINGS)?)
    }

    /// Parses `text`, the contents of the file at `path`.
    ///
    /// # Errors
    /// As [`Self::read`], except reading the file.
    pub fn parse(path: &Path, text: &str) -> Result<Self> {
        let stem = path.file_stem().unwrap_or_default().to_string_lossy();
        let file: File = toml::from_str(text).map_err(|e| Error::file(path, toml_reason(text, &e)))?;
        Self::resolve(file, &stem)
    }

    fn resolve(mut file: File, stem: &str) -> Result<Self> {
        let seeds = seeds(&file)?;
        // The checks below look for keys, so aliases are replaced first.
        for (place, table) in [("[base]", &mut file.base), ("[random]", &mut file.random)] {
            *table = Config::canonical(table).map_err(|e| Error::config(format!("{place}: {e}")))?;
        }
        if file.arm.is_empty() {
            return Err(Error::config("a sweep needs at least one [[arm]] with a name"));
        }
        forbid("[base]", &file.base, &["seed", "trace", "early-stopping"])?;
        let mut declared: Vec<Declared> = vec![];
        let mut own_names = HashSet::new();
        let mut variants = 0;
        for (place, table) in file.arm.into_iter().enumerate() {
            let arm = Declared::new(table, place, &file.random, file.random_seed)?;
            if !own_names.insert(arm.name.clone()) {
                return Err(Error::config(format!("arm {}: another arm has that name", quoted(&arm.name))));
            }
            // Counted here already, because a short file can declare more variants than memory holds.
            variants += arm.variants.len();
            if variants > MAX_ARMS {
                return Err(Error::config(format!("arm {}: {}", quoted(&arm.name), too_many())));
            }
            declared.push(arm);
        }
        let places = Places::of(&declared);
        let mut arms: Vec<Arm> = vec![];
        let mut wanted: Vec<Option<String>> = vec![];
        let mut names: HashMap<String, usize> = HashMap::new();
        for arm in &declared {
            for (name, layers, target) in arm.expand(&declared, &places)? {
                if arms.len() == MAX_ARMS {
                    return Err(Error::config(format!("arm {}: {}", quoted(&name), too_many())));
                }
                if names.insert(name.clone(), arms.len()).is_some() {
                    return Err(Error::config(format!(
                        "arm {}: comes about twice; give every value once",
                        quoted(&name)
                    )));
                }
                let config = resolve(&file.base, &layers, target.is_some())
                    .map_err(|e| Error::config(format!("arm {}: {e}", quoted(&name))))?;
                arms.push(Arm { name, config, trace_of: None });
                wanted.push(target);
            }
        }
        for (place, target) in wanted.into_iter().enumerate() {
            let Some(target) = target else { continue };
            let source = names[&target];
            if arms[source].config.rule.kind != Rule::Psi {
                return Err(Error::config(format!(
                    "arm {}: trace-of: arm {} is not of rule psi and leaves no trace",
                    quoted(&arms[place].name),
                    quoted(&target)
                )));
            }
            let (run, of) = (&arms[place].config, &arms[source].config);
            let refuse =
                |why: String| Err(Error::config(format!("arm {}: trace-of: {why}", quoted(&arms[place].name))));
            if of.rule.latch == Latch::Gated {
                return refuse(format!(
                    "arm {} has latch = \"gated\", whose α stops and falls again, which a trace cannot hold; give it \
                     latch = \"latched\"",
                    quoted(&target)
                ));
            }
            if run.rule.clock == Clock::Epoch && of.rule.clock == Clock::Epoch && run.run.epochs != of.run.epochs {
                return refuse(format!(
                    "arm {} has {} epochs, this one {}; a trace is repeated tick by tick, so give both the same",
                    quoted(&target),
                    of.run.epochs,
                    run.run.epochs
                ));
            }
            arms[place].trace_of = Some(source);
        }
        Self { name: file.name.unwrap_or_else(|| stem.to_owned()), seeds, folds: None, arms }.with_folds(file.folds)
    }

    /// Runs every arm and seed once per part of a cross-validation with so many parts, if a number is given.
    ///
    /// # Errors
    /// If there is only one part, or if an arm sets its own.
    pub fn with_folds(self, folds: Option<u32>) -> Result<Self> {
        let Some(folds) = folds else { return Ok(self) };
        if folds < 2 {
            return Err(Error::config(format!("`folds = {folds}`: a cross-validation has at least 2 parts")));
        }
        if let Some(arm) = self.arms.iter().find(|arm| arm.config.data.fold.is_some()) {
            return Err(Error::config(format!(
                "arm {}: fold: is set by folds of the sweep; leave it out",
                quoted(&arm.name)
            )));
        }
        Ok(Self { folds: Some(folds), ..self })
    }

    /// The seeds, each with every part of the cross-validation.
    pub fn repetitions(&self) -> impl Iterator<Item = (u64, Option<Fold>)> {
        let folds: Vec<Option<Fold>> = match self.folds {
            None => vec![None],
            Some(parts) => (1..=parts).map(|part| Some(Fold { part, parts })).collect(),
        };
        self.seeds.iter().flat_map(move |&seed| folds.clone().into_iter().map(move |fold| (seed, fold)))
    }
}

fn seeds(file: &File) -> Result<Vec<u64>> {
    let seeds: Vec<u64> = match (&file.seeds, file.first_seed) {
        (Seeds::Count(count), _) if *count as usize > MAX_RUNS => {
            return Err(Error::config(format!("seeds = {count}: a plan has at most {MAX_RUNS} runs")));
        }
        (Seeds::Count(count), first) => (first.unwrap_or(1)..).take(*count as usize).collect(),
        (Seeds::List(list), None) => list.clone(),
        (Seeds::List(_), Some(_)) => return Err(Error::config("first-seed: means nothing beside a list of seeds")),
    };
    let mut sorted = seeds.clone();
    sorted.sort_unstable();
    sorted.dedup();
    match seeds.is_empty() {
        true => Err(Error::config("seeds: give at least one")),
        false if sorted.len() < seeds.len() => Err(Error::config("seeds: the list has one of them twice")),
        false => Ok(seeds),
    }
}

fn too_many() -> String {
    format!("a sweep has at most {MAX_ARMS} arms, each point of a grid and each draw counting as one")
}

fn forbid(place: &str, table: &Table, keys: &[&str]) -> Result<()> {
    match keys.iter().find(|key| table.contains_key(**key)) {
        Some(&"early-stopping") => Err(Error::config(format!(
            "{place}: early-stopping: the runs of a sweep train side by side to their last epoch; leave it out"
        ))),
        Some(&"seed") => Err(Error::config(format!("{place}: seed: seeds belong to the sweep; use seeds = N"))),
        Some(key) => {
            Err(Error::config(format!("{place}: {key}: is set by the sweep; use trace-of = \"ARM\" in an arm")))
        }
        None => Ok(()),
    }
}

/// Where the arms stand in the file, by name.
struct Places {
    /// The place of each arm.
    arms: HashMap<String, usize>,
    /// The places of each variant by its whole name: its arm, and its place among the variants of the arm.
    variants: HashMap<String, Vec<(usize, usize)>>,
}

impl Places {
    fn of(declared: &[Declared]) -> Self {
        let arms = declared.iter().enumerate().map(|(place, arm)| (arm.name.clone(), place)).collect();
        let mut variants: HashMap<String, Vec<(usize, usize)>> = HashMap::new();
        for (arm, of) in declared.iter().enumerate() {
            for (variant, Variant { suffix, .. }) in of.variants.iter().enumerate() {
                variants.entry(format!("{}{suffix}", of.name)).or_default().push((arm, variant));
            }
        }
        Self { arms, variants }
    }

    /// The places of the variants that `target` names, in the order of the file. `target` is the name of a whole arm or of
    /// one variant.
    fn named(&self, declared: &[Declared], target: &str) -> Vec<(usize, usize)> {
        let whole = self.arms.get(target);
        let mut found: Vec<_> = self.variants.get(target).cloned().unwrap_or_default();
        found.retain(|(arm, _)| Some(arm) != whole);
        found.extend(whole.iter().flat_map(|&&arm| (0..declared[arm].variants.len()).map(move |place| (arm, place))));
        found.sort_unstable();
        found
    }
}

impl Declared {
    fn new(mut table: Table, place: usize, shared: &Table, seed: u64) -> Result<Self> {
        let name = match table.remove("name") {
            Some(Value::String(name)) if !name.trim().is_empty() => name,
            _ => return Err(Error::config(format!("arm {}: needs a name", place + 1))),
        };
        let refuse = |reason: String| Err(Error::config(format!("arm {}: {reason}", quoted(&name))));
        table = Config::canonical(&table).map_err(|e| Error::config(format!("arm {}: {e}", quoted(&name))))?;
        forbid(&format!("arm {}", quoted(&name)), &table, &["seed", "early-stopping"])?;
        let trace_of = match table.remove(TRACE_OF) {
            None => None,
            Some(Value::String(target)) => Some(target),
            Some(_) => return refuse("trace-of: must be the name of an arm".into()),
        };
        let draws = match table.remove("random") {
            None => 0,
            Some(Value::Integer(draws)) if (1..=MAX_ARMS as i64).contains(&draws) => draws as u32,
            Some(_) => return refuse(format!("random: must be a number of draws, at least 1 and at most {MAX_ARMS}")),
        };
        let mut ranges: Vec<(String, Range)> = vec![];
        // A value or range of the arm itself overrides [random].
        let of_all = shared.iter().filter(|(key, _)| draws > 0 && !table.contains_key(*key));
        for (key, value) in of_all.chain(table.iter().filter(|(_, value)| value.is_table())) {
            match range(value) {
                Ok(range) => ranges.push((key.clone(), range)),
                Err(reason) => return refuse(format!("{key}: {reason}")),
            }
        }
        ranges.sort_by(|a, b| a.0.cmp(&b.0));
        table.retain(|_, value| !value.is_table());
        match (ranges.first(), draws) {
            (Some((key, _)), 0) => return refuse(format!("{key}: is a range; say random = M, how many draws")),
            (None, 1..) => return refuse("random: there is no range to draw from, here or in [random]".into()),
            _ => {}
        }
        let mut variants = vec![];
        for point in grid(&table).map_err(|e| Error::config(format!("arm {}: {e}", quoted(&name))))? {
            if variants.len() + draws as usize > MAX_ARMS {
                return refuse(too_many());
            }
            variants.extend(drawn(point, &ranges, draws, seed));
        }
        Ok(Self { name, trace_of, variants })
    }

    /// For every variant: its name, its layers of settings, and the name of the arm that it replays.
    #[allow(clippy::type_complexity)]
    fn expand<'a>(&'a self, all: &'a [Self], places: &Places) -> Result<Vec<(String, Vec<&'a Table>, Option<String>)>> {
        let own = |suffix: &str| format!("{}{suffix}", self.name);
        let Some(target) = &self.trace_of else {
            return Ok(self.variants.iter().map(|v| (own(&v.suffix), vec![&v.settings], None)).collect());
        };
        let refuse = |reason: &str| {
            Err(Error::config(format!("arm {}: trace-of = \"{}\": {reason}", quoted(&self.name), text::named(target))))
        };
        let found = places.named(all, target).into_iter().map(|(arm, place)| {
            let (source, variant) = (&all[arm], &all[arm].variants[place]);
            // If the target is one point of a grid, named in full, its suffix is left out of the new name. If the
            // target is the whole grid, each suffix distinguishes the new names.
            (source, variant, if source.name == *target { variant.suffix.as_str() } else { "" })
        });
        let found: Vec<_> = found.collect();
        if found.is_empty() {
            return refuse("there is no such arm");
        }
        if found.iter().any(|(source, ..)| source.trace_of.is_some()) {
            return refuse("that arm repeats a trace itself; name the arm of rule psi");
        }
        if self.variants.len() * found.len() > MAX_ARMS {
            return refuse(&too_many());
        }
        let mut expanded = vec![];
        for variant in &self.variants {
            for (source, theirs, suffix) in &found {
                let name = own(&format!("{}{suffix}", variant.suffix));
                let source = format!("{}{}", source.name, theirs.suffix);
                expanded.push((name, vec![&theirs.settings, &variant.settings], Some(source)));
            }
        }
        Ok(expanded)
    }
}

/// All combinations of the values of the keys with several values; the last key varies fastest.
fn grid(table: &Table) -> std::result::Result<Vec<Variant>, String> {
    let mut points = vec![Variant { suffix: String::new(), settings: Table::new() }];
    for (key, value) in table {
        let axis = match value {
            // One value of `hidden` is itself a list, so a grid over `hidden` is a list of lists.
            Value::Array(values) if key == "hidden" && !values.iter().any(Value::is_array) => None,
            Value::Array(values) if key == "hidden" && !values.iter().all(Value::is_array) => {
                return Err("hidden: is a list of widths, or a list of such lists".into());
            }
            Value::Array(values) if values.is_empty() => return Err(format!("{key}: has no value")),
            Value::Array(values) => Some(values),
            _ => None,
        };
        let Some(axis) = axis else {
            points.iter_mut().for_each(|point| drop(point.settings.insert(key.clone(), value.clone())));
            continue;
        };
        if points.len() * axis.len() > MAX_ARMS {
            return Err(too_many());
        }
        points = points.iter().flat_map(|point| axis.iter().map(|value| point.with(key, value))).collect();
    }
    Ok(points)
}

impl Variant {
    fn with(&self, key: &str, value: &Value) -> Self {
        let mut settings = self.settings.clone();
        settings.insert(key.to_owned(), value.clone());
        Self { suffix: format!("{} {key}={}", self.suffix, shown(value)), settings }
    }
}

/// The draws at one point of the grid. Draw m of a key has the same value in every arm and at every point, so that
/// rules are tuned on equal terms. Each key has its own random numbers, so that adding a key changes no other.
fn drawn(point: Variant, ranges: &[(String, Range)], draws: u32, seed: u64) -> Vec<Variant> {
    if draws == 0 {
        return vec![point];
    }
    let draw = |m: u32| {
        let named = Variant { suffix: format!("{} draw={m}", point.suffix), settings: point.settings.clone() };
        ranges.iter().fold(named, |variant, (key, range)| {
            let mut random = Random::new(seed ^ fnv(key.as_bytes()) as u64, Stream::Sweep, m);
            variant.with(key, &range.draw(&mut random))
        })
    };
    (1..=draws).map(draw).collect()
}

fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(values) => values.iter().map(shown).collect::<Vec<_>>().join(","),
        other => other.to_string(),
    }
}

/// The configuration of an arm: defaults, then preset, then base, then the arm's own layers. Later layers override
/// earlier ones.
fn resolve(base: &Table, layers: &[&Table], replays: bool) -> Result<Config> {
    let mut layers: Vec<Table> = std::iter::once(base).chain(layers.iter().copied()).cloned().collect();
    let preset = layers.iter_mut().filter_map(|layer| layer.remove("preset")).last();
    let preset = match preset {
        None => Table::new(),
        Some(Value::String(name)) => Config::preset(
            Preset::deserialize(Value::String(name.clone()))
                .map_err(|_| Error::config(format!("preset: there is no {}", quoted(&name))))?,
        ),
        Some(_) => return Err(Error::config("preset: must be a name")),
    };
    if replays && let Some(own) = layers.last_mut() {
        if own.get("rule").is_some_and(|rule| rule.as_str() != Some("replay")) {
            return Err(Error::config("trace-of: needs rule = \"replay\""));
        }
        if own.contains_key("trace") {
            return Err(Error::config("trace: is set by trace-of; give one of them"));
        }
        own.insert("rule".into(), "replay".into());
        own.insert("trace".into(), "trace".into());
    }
    let hidden_given = layers.iter().any(|layer| layer.contains_key("hidden"));
    let mut config = Config::overlay(std::iter::once(&preset).chain(&layers))?;
    // `init-scheme` is filled in here, as `train` records it.
    let Some(path) = &config.network.init else {
        config.network.init_scheme = Some(config.resolved_init_scheme());
        return Ok(config);
    };
    let model = Model::open(path)?;
    model.adopt_hidden(&mut config, hidden_given)?;
    Ok(config)
}
