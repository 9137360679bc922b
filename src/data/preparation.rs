//! The numbers that a network computes with: features scaled and imputed, targets scaled, samples weighted. All of it is
//! fitted on the training samples of a member.
//!
//! Engines see only finite features. Members with other training samples have another scale, so each distinct scale gets
//! its own copy of the rows, and row numbers of a member point into its copy.

use super::about::About;
use super::read::joined;
use super::set::{DataSet, Samples};
use super::split::Split;
use crate::config::{Config, Missing, Scale, Task};
use crate::error::{Error, Result};
use crate::files;
use crate::memory::{self, Array};
use crate::text::{one_line, quoted};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

/// Rows that one thread sums at a time.
const BLOCK: usize = 4096;

/// Features whose moments are held at a time.
const PANEL: usize = 1 << 16;

/// What to change if the scaled data do not fit into memory.
const REMEDY: &str = "use `scale = none`, or fewer members";

/// A linear map of every feature, `(x − offset) · factor`, and the values that stand for missing ones.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Scaling {
    /// What is subtracted from each feature.
    pub offset: Vec<f64>,
    /// What the difference is multiplied by; 0 for constant features.
    pub factor: Vec<f64>,
    /// The value of each feature where it is missing; absent if missing values are refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fill: Option<Vec<f64>>,
}

/// The mean and the standard deviation of each target.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TargetScaling {
    /// One per target.
    pub mean: Vec<f64>,
    /// One per target; 1 for constant targets.
    pub deviation: Vec<f64>,
}

/// What a member's network does to features before its first layer, and to its outputs after the last.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Preparation {
    /// The map of the features; `None` if they are used as they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scaling: Option<Scaling>,
    /// The map of the targets of a regression.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub targets: Option<TargetScaling>,
}

impl Scaling {
    /// Scales one sample in place.
    pub fn apply(&self, x: &mut [f32]) {
        for (k, x) in x.iter_mut().enumerate() {
            let raw = match &self.fill {
                Some(fill) if x.is_nan() => fill[k],
                _ => f64::from(*x),
            };
            *x = ((raw - self.offset[k]) * self.factor[k]) as f32;
        }
    }

    /// Number of features.
    #[must_use]
    pub fn width(&self) -> usize {
        self.offset.len()
    }

    /// The features that were constant, from 0.
    #[must_use]
    pub fn constant(&self) -> Vec<usize> {
        (0..self.width()).filter(|&k| self.factor[k] == 0.0).collect()
    }

    /// Fits the map on `rows` of `data`; `None` if it would change nothing.
    ///
    /// # Errors
    /// If so many `copies` of the rows and their maps do not fit into memory.
    fn fit(data: &DataSet, rows: &[u32], settings: (Scale, Missing), copies: usize) -> Result<Option<Self>> {
        let (scale, missing) = settings;
        let scale = match (scale, &data.samples) {
            (Scale::Auto, Samples::U8(_)) => Scale::None,
            (Scale::Auto, Samples::F32(_)) => Scale::Standard,
            (scale, _) => scale,
        };
        let fills = missing == Missing::Impute && matches!(data.samples, Samples::F32(_));
        if scale == Scale::None && !fills {
            return Ok(None);
        }
        let width = data.features;
        let numbers = if fills { 3 } else { 2 };
        let map = Array::new("scales", size_of::<f64>(), &[("P", copies), ("features", width), ("numbers", numbers)]);
        memory::check_machine("the scaled data", &[data.array(), map, scaled_array(data, copies)], REMEDY)?;
        let is_level = data.about.is_level();
        let (mut offset, mut factor) = (room(width)?, room(width)?);
        let mut fill = if fills { Some(room(width)?) } else { None };
        // Moments take 40 bytes per feature, so those of all features could exceed the memory of few wide samples.
        for first in (0..width).step_by(PANEL) {
            let moments = Moments::of(data, rows, first..width.min(first + PANEL));
            for (place, k) in (first..width.min(first + PANEL)).enumerate() {
                let (least, most) = (moments.least[place], moments.most[place]);
                let map = match scale {
                    _ if is_level.get(k).copied().unwrap_or(false) => None,
                    Scale::Standard => Some((moments.mean[place], moments.deviation[place])),
                    Scale::Minmax => Some((least, most - least)),
                    Scale::Auto | Scale::None => None,
                };
                let (subtracted, factor_of) = map.map_or((0.0, 1.0), |(subtracted, spread)| {
                    let is_constant = least >= most || !(1.0 / spread).is_finite();
                    (subtracted, if is_constant { 0.0 } else { 1.0 / spread })
                });
                offset.push(subtracted);
                factor.push(factor_of);
            }
            fill.iter_mut().for_each(|fill| fill.extend(&moments.mean));
        }
        fill.iter_mut().for_each(|fill| fill_levels(&data.about, fill));
        Ok(Some(Self { offset, factor, fill }))
    }
}

/// Room for so many numbers.
fn room<T>(count: usize) -> Result<Vec<T>> {
    let mut numbers = Vec::new();
    numbers.try_reserve_exact(count).map_err(|_| memory::exhausted("the scaled data", REMEDY))?;
    Ok(numbers)
}

/// Replaces the means of each text column by its most frequent value. All other features are filled with their mean.
fn fill_levels(about: &About, fill: &mut [f64]) {
    let mut place = 0;
    for column in &about.columns {
        let width = column.levels.as_ref().map_or(1, Vec::len);
        if column.levels.is_some() {
            let means = &mut fill[place..place + width];
            let most = (0..width).fold(0, |most, k| if means[k] > means[most] { k } else { most });
            means.iter_mut().enumerate().for_each(|(k, mean)| *mean = f64::from(u8::from(k == most)));
        }
        place += width;
    }
}

/// What is known of the values of each feature over some rows, without the missing ones.
struct Moments {
    count: Vec<f64>,
    mean: Vec<f64>,
    deviation: Vec<f64>,
    least: Vec<f64>,
    most: Vec<f64>,
}

impl Moments {
    /// The moments of `features`. Two passes, because a sum of squares loses the digits of a feature whose mean is much
    /// larger than its deviation. Blocks of rows are added in order, so that the result does not depend on the number of
    /// threads.
    fn of(data: &DataSet, rows: &[u32], features: Range<usize>) -> Self {
        let width = features.len();
        let start = || Self {
            count: vec![0.0; width],
            mean: vec![0.0; width],
            deviation: vec![0.0; width],
            least: vec![f64::INFINITY; width],
            most: vec![f64::NEG_INFINITY; width],
        };
        let mut sums = start();
        for part in over_blocks(rows, width, |values, rows| {
            let mut part = start();
            for row in rows {
                data.copy_part(*row as usize, features.start, values);
                for (k, &value) in values.iter().enumerate().filter(|(_, value)| !value.is_nan()) {
                    let value = f64::from(value);
                    part.count[k] += 1.0;
                    part.mean[k] += value;
                    (part.least[k], part.most[k]) = (part.least[k].min(value), part.most[k].max(value));
                }
            }
            part
        }) {
            for k in 0..width {
                sums.count[k] += part.count[k];
                sums.mean[k] += part.mean[k];
                (sums.least[k], sums.most[k]) = (sums.least[k].min(part.least[k]), sums.most[k].max(part.most[k]));
            }
        }
        // A feature that is missing in all training samples counts as 0.
        let Self { count, mean, mut deviation, least, most } = sums;
        let mean: Vec<f64> = mean.iter().zip(&count).map(|(sum, count)| sum / count.max(1.0)).collect();
        for part in over_blocks(rows, width, |values, rows| {
            let mut squares = vec![0.0; width];
            for row in rows {
                data.copy_part(*row as usize, features.start, values);
                for (k, &value) in values.iter().enumerate().filter(|(_, value)| !value.is_nan()) {
                    squares[k] += (f64::from(value) - mean[k]).powi(2);
                }
            }
            squares
        }) {
            deviation.iter_mut().zip(part).for_each(|(sum, part)| *sum += part);
        }
        let deviation = deviation.iter().zip(&count).map(|(sum, count)| (sum / count.max(1.0)).sqrt()).collect();
        Self { count, mean, deviation, least, most }
    }
}

/// The results of `work` on blocks of rows, in order. `work` also gets room for `width` features of one sample.
fn over_blocks<T: Send>(rows: &[u32], width: usize, work: impl Fn(&mut [f32], &[u32]) -> T + Sync) -> Vec<T> {
    let block = |rows: &[u32]| work(&mut vec![0.0; width], rows);
    rows.par_chunks(BLOCK).map(block).collect()
}

impl TargetScaling {
    fn fit(data: &DataSet, rows: &[u32]) -> Self {
        let outputs = data.classes;
        let value = |row: u32, k: usize| f64::from(data.values[row as usize * outputs + k]);
        let count = rows.len() as f64;
        let mean: Vec<f64> = (0..outputs).map(|k| rows.iter().map(|&row| value(row, k)).sum::<f64>() / count).collect();
        let deviation = (0..outputs).map(|k| {
            let squares: f64 = rows.iter().map(|&row| (value(row, k) - mean[k]).powi(2)).sum();
            let deviation = (squares / count).sqrt();
            if deviation > 0.0 && (1.0 / deviation).is_finite() { deviation } else { 1.0 }
        });
        Self { deviation: deviation.collect(), mean }
    }

    /// A target in the scale of the network.
    #[must_use]
    pub fn scaled(&self, k: usize, value: f32) -> f32 {
        ((f64::from(value) - self.mean[k]) / self.deviation[k]) as f32
    }

    /// An output in the units of the target.
    #[must_use]
    pub fn unscaled(&self, k: usize, output: f32) -> f32 {
        (f64::from(output) * self.deviation[k] + self.mean[k]) as f32
    }
}

impl Preparation {
    /// What becomes of the features of `data`, for people.
    #[must_use]
    pub fn describe(&self, data: &DataSet, config: &Config) -> &'static str {
        match (&self.scaling, &data.samples, config.data.scale) {
            (_, Samples::U8(_), Scale::Auto | Scale::None) => "bytes scaled by 1/255",
            (Some(_), _, Scale::Auto | Scale::Standard) => "scaled to a mean of 0 and a standard deviation of 1",
            (Some(_), _, Scale::Minmax) => "scaled to 0 … 1",
            _ => "not scaled",
        }
    }

    /// Whether features and targets are used as they are.
    #[must_use]
    pub fn is_identity(&self) -> bool {
        self.scaling.is_none() && self.targets.is_none()
    }

    /// Fits the map on `rows` of `data`, for the last of so many copies of the rows.
    fn fit(data: &DataSet, rows: &[u32], config: &Config, copies: usize) -> Result<Self> {
        Ok(Self {
            scaling: Scaling::fit(data, rows, (config.data.scale, config.data.missing), copies)?,
            targets: (data.task == Task::Regression).then(|| TargetScaling::fit(data, rows)),
        })
    }

    /// Scales one sample in place.
    pub fn apply(&self, x: &mut [f32]) {
        if let Some(scaling) = &self.scaling {
            scaling.apply(x);
        }
    }

    /// Turns the outputs of the network into the units of the targets.
    pub fn restore(&self, outputs: &mut [f32]) {
        if let Some(targets) = &self.targets {
            let width = targets.mean.len();
            outputs.iter_mut().enumerate().for_each(|(i, y)| *y = targets.unscaled(i % width, *y));
        }
    }
}

/// Prepares `data` for members with these `splits`, whose rows then point into the returned set. Also returns the
/// preparation of each member. `fixed` is the preparation of a model that is trained further or evaluated.
///
/// # Errors
/// If the copies of the rows do not fit into memory, or if a file of class weights is invalid.
pub fn prepare(
    data: &Arc<DataSet>,
    splits: &mut [Split],
    config: &Config,
    fixed: Option<&Preparation>,
) -> Result<(Arc<DataSet>, Vec<Arc<Preparation>>)> {
    let class_weights = config.data.class_weight.as_deref().map(|text| class_weights(text, data)).transpose()?;
    let weighs = class_weights.is_some() || data.weights.is_some();
    let fitted = |split: &Split, copies: usize| match fixed {
        Some(fixed) => Ok(fixed.clone()),
        None => Preparation::fit(data, &split.train, config, copies),
    };
    // The distinct sets of training rows, the preparation of each, and the set of each member.
    let mut distinct: Vec<(usize, Arc<Preparation>)> = vec![];
    let mut owner = vec![];
    for (member, split) in splits.iter().enumerate() {
        let same = distinct.iter().position(|(other, _)| splits[*other].train == split.train);
        owner.push(match same.or((fixed.is_some() && !weighs && member > 0).then_some(0)) {
            Some(place) => place,
            None => {
                distinct.push((member, Arc::new(fitted(split, distinct.len() + 1)?)));
                distinct.len() - 1
            }
        });
    }
    let of_members: Vec<_> = owner.iter().map(|&place| Arc::clone(&distinct[place].1)).collect();
    if !weighs && distinct.iter().all(|(_, preparation)| preparation.is_identity()) {
        return Ok((Arc::clone(data), of_members));
    }
    let (rows, copies) = (data.len(), distinct.len());
    if u32::try_from(rows * copies).is_err() {
        let reason =
            format!("{copies} members with a scale of their own need {rows} rows each, more than {}", u32::MAX);
        return Err(Error::Device(format!("{reason}; train fewer members together")));
    }
    memory::check_machine("the scaled data", &[scaled_array(data, copies)], REMEDY)?;
    let scales = distinct.iter().any(|(_, preparation)| preparation.scaling.is_some());
    let samples = if scales { scaled(data, &distinct)? } else { repeated(&data.samples, copies) };
    let values = distinct.iter().flat_map(|(_, preparation)| targets(data, preparation)).collect();
    let weights = weighs.then(|| {
        let of = |&(member, _): &(usize, _)| row_weights(data, &splits[member].train, class_weights.as_deref());
        distinct.iter().flat_map(of).collect()
    });
    for (split, &place) in splits.iter_mut().zip(&owner) {
        split.move_to(place * rows, rows * copies, &data.labels);
    }
    let mut prepared = DataSet::of_samples(data.task, data.features, samples);
    prepared.name.clone_from(&data.name);
    prepared.about.clone_from(&data.about);
    prepared.classes = data.classes;
    prepared.labels = data.labels.repeat(copies);
    (prepared.values, prepared.weights) = (values, weights);
    Ok((Arc::new(prepared), of_members))
}

fn scaled_array(data: &DataSet, copies: usize) -> Array {
    let shape = [("P", copies), ("rows", data.len()), ("features", data.features)];
    Array::new("scaled samples", size_of::<f32>(), &shape)
}

fn scaled(data: &DataSet, distinct: &[(usize, Arc<Preparation>)]) -> Result<Samples> {
    let width = data.features;
    let count = data.len() * width * distinct.len();
    let mut all = room(count)?;
    all.resize(count, 0.0);
    for ((_, preparation), copy) in distinct.iter().zip(all.chunks_exact_mut(data.len() * width)) {
        copy.par_chunks_exact_mut(width).with_min_len(BLOCK).enumerate().for_each(|(row, x)| {
            data.copy_row(row, x);
            preparation.apply(x);
        });
    }
    Ok(Samples::F32(all))
}

fn repeated(samples: &Samples, copies: usize) -> Samples {
    match samples {
        Samples::U8(bytes) => Samples::U8(bytes.repeat(copies)),
        Samples::F32(reals) => Samples::F32(reals.repeat(copies)),
    }
}

fn targets(data: &DataSet, preparation: &Preparation) -> Vec<f32> {
    match &preparation.targets {
        Some(scaling) => {
            data.values.iter().enumerate().map(|(i, &value)| scaling.scaled(i % data.classes, value)).collect()
        }
        None => data.values.clone(),
    }
}

/// The weight of each row: that of the sample times that of its class, with a mean of 1 over the rows to train on.
fn row_weights(data: &DataSet, train: &[u32], classes: Option<&ClassWeights>) -> Vec<f32> {
    let of_class = classes.map(|weights| weights.resolve(data, train));
    let weight = |row: usize| {
        let sample = data.weights.as_ref().map_or(1.0, |weights| f64::from(weights[row]));
        sample * of_class.as_ref().map_or(1.0, |weights| weights[data.labels[row] as usize])
    };
    let mean = train.iter().map(|&row| weight(row as usize)).sum::<f64>() / train.len() as f64;
    let mean = if mean > 0.0 { mean } else { 1.0 };
    (0..data.len()).map(|row| (weight(row) / mean) as f32).collect()
}

/// The weights of classes.
enum ClassWeights {
    /// In inverse proportion to the number of training samples.
    Balanced,
    /// One per class.
    Given(Vec<f64>),
}

impl ClassWeights {
    fn resolve(&self, data: &DataSet, train: &[u32]) -> Vec<f64> {
        match self {
            Self::Given(weights) => weights.clone(),
            Self::Balanced => {
                let mut counts = vec![0.0; data.classes];
                train.iter().for_each(|&row| counts[data.labels[row as usize] as usize] += 1.0);
                counts.iter().map(|&count| if count > 0.0 { train.len() as f64 / count } else { 0.0 }).collect()
            }
        }
    }
}

fn class_weights(text: &str, data: &DataSet) -> Result<Box<ClassWeights>> {
    let refuse = |reason: String| Error::config(format!("`class-weight = {text}`: {reason}"));
    if data.task != Task::Classification {
        return Err(refuse("only `task = classification` has classes; leave it out".into()));
    }
    if text == "balanced" {
        return Ok(Box::new(ClassWeights::Balanced));
    }
    let content = files::text(Path::new(text), files::LIST)
        .map_err(|e| refuse(format!("is not `balanced`, and not a file that can be read: {e}")))?;
    let names: Vec<String> = (0..data.classes).map(|k| data.about.output(k)).collect();
    let mut weights = vec![None; data.classes];
    for (number, line) in content.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let (name, weight) = line.rsplit_once([',', ';', '\t']).unwrap_or((line, ""));
        let (name, weight) = (name.trim().trim_matches('"'), weight.trim().parse::<f64>());
        let same = |known: &String| match (known.parse::<f64>(), name.parse::<f64>()) {
            (Ok(known), Ok(name)) => known == name,
            _ => known == name,
        };
        let class = names.iter().position(same);
        if class.is_some_and(|class| weights[class].is_some()) {
            return Err(refuse(format!("line {}: the class {} comes twice", number + 1, one_line(name))));
        }
        match (class, weight) {
            (Some(class), Ok(weight)) if weight.is_finite() && weight >= 0.0 => weights[class] = Some(weight),
            (None, Err(_)) if number == 0 => {}
            (None, _) => {
                let known = joined(names.iter().map(|name| one_line(name)));
                return Err(refuse(format!("line {}: {} is no class; there are {known}", number + 1, quoted(name))));
            }
            (Some(_), _) => return Err(refuse(format!("line {}: the weight is no number of at least 0", number + 1))),
        }
    }
    if let Some(class) = weights.iter().position(Option::is_none) {
        return Err(refuse(format!("has no weight for the class {}", names[class])));
    }
    Ok(Box::new(ClassWeights::Given(weights.into_iter().flatten().collect())))
}
