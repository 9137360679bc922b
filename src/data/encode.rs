//! Makes a [`DataSet`] of what a reader delivers: infers the task from the labels, numbers the classes, and turns text into
//! one feature per distinct value.

use super::about::{About, Column};
use super::numbers::{LEAST_PIXELS, Numbers};
use super::raw::{Feature, Label, LabelValues, MISSING, Raw, Text};
use super::read::{MAX_LABEL, joined, row_count};
use super::set::{BYTE_SCALE, DataSet, Samples};
use crate::config::{Missing, Task};
use crate::error::Result;
use crate::memory;
use crate::text::{one_line, quoted};
use std::borrow::Cow;
use std::collections::HashMap;
use std::path::Path;

type Outcome<T> = std::result::Result<T, String>;

/// More distinct whole numbers than this may be amounts instead of classes.
const MANY_CLASSES: usize = 20;
/// Fewer samples per distinct whole number than this suggest amounts instead of classes.
const FEW_SAMPLES: usize = 10;
/// Why features are not widened.
const NO_MEMORY: &str = "does not fit into memory; use fewer samples or features";

/// Refuses data whose features would not fit into memory once text and whole numbers are features of four bytes.
///
/// # Errors
/// [`Error::Device`](crate::error::Error::Device) with the bytes.
pub fn check_memory(path: &Path, raw: &Raw, known: Option<&About>) -> Result<()> {
    let levels = |(place, feature): (usize, &Feature)| {
        let text = feature.text.as_ref()?;
        Some(known.and_then(|known| known.columns.get(place)?.levels.as_ref()).unwrap_or(&text.levels).len())
    };
    let rows = raw.parts.iter().sum::<usize>();
    let levels: Vec<usize> = raw.features.iter().enumerate().filter_map(levels).collect();
    if levels.is_empty() && !matches!(raw.samples, Numbers::Whole(_)) {
        return Ok(());
    }
    let width = levels.iter().fold(raw.width, |all, &levels| all.saturating_add(levels));
    let features = memory::Array::new("features", size_of::<f32>(), &[("rows", rows), ("features", width)]);
    let remedy = "use fewer samples, or leave out text columns with many values (`drop`)";
    memory::check_machine(&path.display().to_string(), &[raw.samples.array(rows, raw.width), features], remedy)
}

/// How to encode.
#[derive(Clone, Debug, Default)]
pub struct Encoding<'a> {
    /// The task; `None` = inferred from the labels.
    pub task: Option<Task>,
    /// What becomes of missing features.
    pub missing: Option<Missing>,
    /// The data that a model was trained on, and its task. Features and classes get the same numbers.
    pub known: Option<(&'a About, Task)>,
}

/// Encodes `raw`.
///
/// # Errors
/// A text that names the column and the fix.
pub fn encode(raw: Raw, encoding: &Encoding<'_>) -> Outcome<DataSet> {
    let rows = raw.parts.iter().sum::<usize>();
    if rows == 0 {
        return Err("holds no samples".into());
    }
    row_count(rows)?;
    let known = encoding.known.map(|(about, _)| about);
    let mut notes = raw.notes;
    let (samples, features, columns) = features(raw.samples, raw.width, raw.features, (rows, known), &mut notes)?;
    let samples = as_bytes(samples, features, known, &mut notes)?;
    if features == 0 {
        return Err("has no feature columns beside the labels".into());
    }
    let remedy = match (known.is_some(), encoding.missing) {
        (_, Some(Missing::Impute)) => None,
        (true, _) => Some("the network was trained without missing values, so fill them in"),
        (false, _) => Some("give `missing = impute`, or leave the columns out"),
    };
    check_missing(&samples, features, &columns, remedy)?;
    let (targets, mismatch) = match encoding.known {
        Some((about, task)) => known_targets(&raw.labels, raw.may_be_one_hot, about, task),
        None => (targets(&raw.labels, raw.may_be_one_hot, encoding, &mut notes)?, None),
    };
    if let Some(reason) = &mismatch {
        notes.push(format!("the samples count as unlabelled: {reason}"));
    }
    let mut data = DataSet::of_samples(targets.task, features, samples);
    data.about.columns = columns;
    data.about.outputs = targets.names;
    // A table without a header has label columns all the same.
    let name = |(k, label): (usize, &Label)| label.name.clone().unwrap_or_else(|| format!("label {}", k + 1));
    data.about.labels = match data.about.columns.is_empty() {
        true => vec![],
        false => raw.labels.iter().enumerate().map(name).collect(),
    };
    data.about.image = raw.image;
    if let Some(known) = known {
        data.about = About { bytes: data.about.bytes, ..known.clone() };
    }
    (data.classes, data.labels, data.values) = (targets.outputs, targets.labels, targets.values);
    [_, data.validation_rows, data.test_rows] = raw.parts;
    data.weights = raw.weights.map(weights).transpose()?;
    data.groups = raw.groups.map(groups).transpose()?;
    data.ids = raw.ids;
    data.notes = notes;
    data.mismatch = mismatch;
    Ok(data)
}

/// The features of all rows, with text as one feature per level: samples, their width, and what the columns are.
fn features(
    numbers: Numbers,
    width: usize,
    features: Vec<Feature>,
    (rows, known): (usize, Option<&About>),
    notes: &mut Vec<String>,
) -> Outcome<(Numbers, usize, Vec<Column>)> {
    if features.iter().all(|feature| feature.text.is_none()) {
        let columns = features.into_iter().map(|feature| Column { name: feature.name, levels: None }).collect();
        return Ok((numbers, width, columns));
    }
    let numbers = numbers.into_reals().map_err(|_| NO_MEMORY)?;
    let mut columns = vec![];
    // The places that the codes of a text column stand for; `None` copies the next number.
    let mut sources: Vec<Option<(Vec<u32>, usize)>> = vec![];
    for (place, Feature { name, text }) in features.into_iter().enumerate() {
        let Some(Text { levels, mut codes }) = text else {
            columns.push(Column { name, levels: None });
            sources.push(None);
            continue;
        };
        // A model from another program may know fewer columns than the table has.
        let levels = match known.and_then(|known| known.columns.get(place)?.levels.as_ref()) {
            Some(known_levels) => {
                let unknown = recode(&levels, known_levels, &mut codes);
                if !unknown.is_empty() {
                    let shown = shown_list(&unknown);
                    notes.push(format!(
                        "column {}: {shown} did not occur in training and counts as none of the known values",
                        quoted(&name)
                    ));
                }
                known_levels.clone()
            }
            None => levels,
        };
        sources.push(Some((codes, levels.len())));
        columns.push(Column { name, levels: Some(levels) });
    }
    let texts = columns
        .iter()
        .filter_map(|column| Some(format!("{} ({})", quoted(&column.name), column.levels.as_ref()?.len())));
    let texts: Vec<String> = texts.collect();
    if known.is_none() {
        notes.push(format!("text becomes one feature per value: {}", joined(texts.into_iter())));
    }
    let all: usize = sources.iter().map(|source| source.as_ref().map_or(1, |(_, levels)| *levels)).sum();
    let mut samples = Vec::new();
    samples.try_reserve_exact(rows.checked_mul(all).ok_or("has more features than memory can hold")?).map_err(
        |_| format!("{rows} samples of {all} features do not fit into memory; leave out text columns with many values"),
    )?;
    for row in 0..rows {
        let mut number = numbers[row * width..(row + 1) * width].iter();
        for source in &sources {
            match source {
                None => samples.extend(number.next()),
                Some((codes, levels)) => {
                    let missing = codes[row] == MISSING;
                    let level = |k| if missing { f32::NAN } else { f32::from(u8::from(codes[row] as usize == k)) };
                    samples.extend((0..*levels).map(level));
                }
            }
        }
    }
    Ok((Numbers::Reals(samples), all, columns))
}

/// Renumbers `codes` of `levels` as places in `known`; unknown levels get a number that no level has. Returns the unknown
/// levels that occur.
fn recode(levels: &[String], known: &[String], codes: &mut [u32]) -> Vec<String> {
    let places: HashMap<&String, u32> = known.iter().zip(0..).collect();
    let renumbered: Vec<u32> =
        levels.iter().map(|level| places.get(level).copied().unwrap_or(known.len() as u32)).collect();
    codes.iter_mut().filter(|code| **code != MISSING).for_each(|code| *code = renumbered[*code as usize]);
    levels.iter().filter(|level| !places.contains_key(level)).cloned().collect()
}

/// Turns numbers into bytes where they are the pixels of 8-bit images. A network that was trained on bytes gets them scaled
/// alike, whatever their type.
fn as_bytes(numbers: Numbers, width: usize, known: Option<&About>, notes: &mut Vec<String>) -> Outcome<Samples> {
    let is_byte = |value: &f32| (0.0..=255.0).contains(value) && value.fract() == 0.0;
    let is_above = |least: u8| match &numbers {
        Numbers::Bytes(bytes) | Numbers::Whole(bytes) => bytes.iter().any(|&byte| byte > least),
        Numbers::Reals(reals) => reals.iter().any(|&value| value > f32::from(least)),
    };
    let are_pixels = match (&numbers, known) {
        (Numbers::Bytes(_), _) => false,
        (_, Some(about)) => about.bytes && is_above(1),
        (Numbers::Whole(_), None) => width >= LEAST_PIXELS && is_above(127),
        (Numbers::Reals(reals), None) => width >= LEAST_PIXELS && is_above(127) && reals.iter().all(is_byte),
    };
    let note = format!(
        "the {width} features are whole numbers 0 … 255, so they are taken as 8-bit pixels and scaled by 1/255"
    );
    match numbers {
        Numbers::Whole(bytes) if are_pixels => {
            notes.push(note);
            Ok(Samples::U8(bytes))
        }
        Numbers::Reals(reals) if are_pixels && reals.iter().all(is_byte) => {
            notes.push(note);
            Ok(Samples::U8(reals.into_iter().map(|value| value as u8).collect()))
        }
        Numbers::Reals(mut reals) if are_pixels => {
            notes.push("features above 1 are taken as pixels, and all are scaled by 1/255 as in training".into());
            reals.iter_mut().for_each(|value| *value *= BYTE_SCALE);
            Ok(Samples::F32(reals))
        }
        numbers => numbers.into_samples().map_err(|_| NO_MEMORY.into()),
    }
}

/// Refuses missing features unless they will be imputed, and columns without any value.
fn check_missing(samples: &Samples, width: usize, columns: &[Column], remedy: Option<&str>) -> Outcome<()> {
    let Samples::F32(reals) = samples else { return Ok(()) };
    if !reals.iter().any(|value| value.is_nan()) {
        return Ok(());
    }
    let mut counts = vec![0usize; width];
    for row in reals.chunks_exact(width) {
        row.iter().zip(&mut counts).for_each(|(value, count)| *count += usize::from(value.is_nan()));
    }
    let rows = reals.len() / width;
    let mut gaps = vec![];
    let mut place = 0;
    for (number, column) in columns.iter().enumerate() {
        let width = column.levels.as_ref().map_or(1, Vec::len);
        let count = counts.get(place).copied().unwrap_or(0);
        if count == rows && width > 0 {
            return Err(format!(
                "column {} holds no value at all; leave it out with `drop = {}`",
                quoted(&column.name),
                number + 1
            ));
        }
        if count > 0 {
            gaps.push(format!("{} ({count})", quoted(&column.name)));
        }
        place += width;
    }
    if columns.is_empty() {
        gaps.extend(
            counts.iter().enumerate().filter(|(_, count)| **count > 0).map(|(k, count)| format!("{} ({count})", k + 1)),
        );
    }
    match remedy {
        None => Ok(()),
        Some(remedy) => Err(format!(
            "missing values in {} {}; {remedy}",
            if gaps.len() == 1 { "column" } else { "columns" },
            joined(gaps.into_iter())
        )),
    }
}

/// The targets of all rows.
#[derive(Debug)]
struct Targets {
    task: Task,
    outputs: usize,
    labels: Vec<u32>,
    values: Vec<f32>,
    names: Vec<String>,
}

fn targets(
    labels: &[Label],
    may_be_one_hot: bool,
    encoding: &Encoding<'_>,
    notes: &mut Vec<String>,
) -> Outcome<Targets> {
    if labels.is_empty() {
        return Err("has no labels; a table needs a label column, and arrays need y".into());
    }
    let labels: Vec<Cow<'_, Label>> = match labels.len() > 1 || encoding.task == Some(Task::Multilabel) {
        true => labels.iter().map(truths).collect(),
        false => labels.iter().map(Cow::Borrowed).collect(),
    };
    let labels: Vec<&Label> = labels.iter().map(|label| &**label).collect();
    let labels = &labels[..];
    let Some(&first) = labels.first() else { return Err("has no labels".into()) };
    check_labels(labels)?;
    let one_hot = (labels.len() > 1 && may_be_one_hot).then(|| from_one_hot(labels)).flatten();
    let binary =
        || labels.iter().all(|label| numbers(label).is_some_and(|values| values.iter().all(|&v| v == 0.0 || v == 1.0)));
    let told = match (&one_hot, &first.values, labels.len()) {
        (Some(_), ..) | (None, LabelValues::Text(_), 1) => Task::Classification,
        (None, LabelValues::Numbers(values), 1) if values.iter().all(|value| value.fract() == 0.0) => {
            Task::Classification
        }
        (None, LabelValues::Numbers(_), 1) => Task::Regression,
        _ if binary() => Task::Multilabel,
        _ => Task::Regression,
    };
    let task = encoding.task.unwrap_or(told);
    match task {
        Task::Classification => match one_hot {
            Some(numbers) => {
                let names = labels.iter().map(|label| label.name.clone()).collect::<Option<Vec<_>>>();
                let outputs = labels.len();
                Ok(Targets { outputs, names: names.unwrap_or_default(), ..class_numbers(numbers) })
            }
            None if labels.len() > 1 => Err(format!(
                "{} label columns: a class has one; name it with `label`, or use `task = multilabel` or regression",
                labels.len()
            )),
            None => classes(first, encoding.task.is_none(), notes),
        },
        Task::Regression | Task::Multilabel => {
            if task == Task::Multilabel && !binary() {
                return Err(
                    "the label columns of several labels hold 0 or 1 only; use `task = regression` for amounts".into(),
                );
            }
            values(labels, task)
        }
    }
}

/// A label column whose text is true and false, as numbers; any other column as it is.
fn truths(label: &Label) -> Cow<'_, Label> {
    let LabelValues::Text(text) = &label.values else { return Cow::Borrowed(label) };
    let truth = |level: &String| match level.to_ascii_lowercase().as_str() {
        "true" => Some(1.0),
        "false" => Some(0.0),
        _ => None,
    };
    let Some(numbers) = text.levels.iter().map(truth).collect::<Option<Vec<f64>>>() else {
        return Cow::Borrowed(label);
    };
    let number = |&code: &u32| numbers.get(code as usize).copied().unwrap_or(f64::NAN);
    let values = LabelValues::Numbers(text.codes.iter().map(number).collect());
    Cow::Owned(Label { name: label.name.clone(), values })
}

/// Refuses missing and infinite labels.
fn check_labels(labels: &[&Label]) -> Outcome<()> {
    for label in labels {
        let name =
            label.name.as_deref().map_or("the labels".to_owned(), |name| format!("label column {}", quoted(name)));
        let mut missing: Box<dyn Iterator<Item = usize>> = match &label.values {
            LabelValues::Numbers(values) => Box::new((0..values.len()).filter(|&row| !values[row].is_finite())),
            LabelValues::Text(text) => Box::new((0..text.codes.len()).filter(|&row| text.codes[row] == MISSING)),
        };
        if let Some(first) = missing.next() {
            return Err(format!(
                "{name}: no value in {} of the samples, first in sample {}; remove these rows",
                missing.count() + 1,
                first + 1
            ));
        }
    }
    Ok(())
}

fn numbers(label: &Label) -> Option<&[f64]> {
    match &label.values {
        LabelValues::Numbers(values) => Some(values),
        LabelValues::Text(_) => None,
    }
}

/// The classes of labels written as one-hot: every row has one 1, and all else is 0.
fn from_one_hot(labels: &[&Label]) -> Option<Vec<u32>> {
    let columns = labels.iter().map(|label| numbers(label)).collect::<Option<Vec<_>>>()?;
    let class = |row: usize| {
        let mut ones = (0..columns.len()).filter(|&k| columns[k][row] == 1.0);
        let class = ones.next()?;
        let zeros = columns.iter().filter(|column| column[row] == 0.0).count();
        (ones.next().is_none() && zeros + 1 == columns.len()).then_some(class as u32)
    };
    (0..columns[0].len()).map(class).collect()
}

/// Targets of classes that are numbered already.
fn class_numbers(labels: Vec<u32>) -> Targets {
    let outputs = labels.iter().max().map_or(0, |&most| most as usize + 1);
    Targets { task: Task::Classification, outputs, labels, values: vec![], names: vec![] }
}

/// The distinct numbers among `values`, sorted. −0 and 0 are one number.
fn distinct(values: &[f64]) -> Vec<f64> {
    let (mut distinct, mut known) = (vec![], 0);
    for some in values.chunks(1 << 12) {
        distinct.extend_from_slice(some);
        // A copy of all values would take twice the memory of the labels.
        if distinct.len() >= 2 * known + (1 << 14) {
            sort(&mut distinct);
            known = distinct.len();
        }
    }
    sort(&mut distinct);
    distinct
}

fn sort(values: &mut Vec<f64>) {
    values.sort_unstable_by(f64::total_cmp);
    values.dedup_by(|a, b| a == b);
}

/// Numbers the classes: the sorted labels that occur.
fn classes(label: &Label, is_guess: bool, notes: &mut Vec<String>) -> Outcome<Targets> {
    let (names, labels) = match &label.values {
        LabelValues::Text(text) => (text.levels.clone(), text.codes.clone()),
        LabelValues::Numbers(values) => {
            // Larger whole numbers would fall together.
            if let Some(value) = values.iter().find(|value| value.abs() >= 9_007_199_254_740_992.0) {
                return Err(format!("label {value:e} has more digits than can be distinguished; use shorter labels"));
            }
            let distinct = distinct(values);
            let name = label.name.as_deref().unwrap_or("y");
            let whole = distinct.iter().all(|value| value.fract() == 0.0);
            let few = distinct.len() > MANY_CLASSES && values.len() < FEW_SAMPLES * distinct.len();
            // Even few numbers are no classes if most of them occur once, unless they count up as class numbers do.
            let (first, last) = (distinct.first().copied().unwrap_or(0.0), distinct.last().copied().unwrap_or(0.0));
            let counts_up = (first == 0.0 || first == 1.0) && last - first == (distinct.len() - 1) as f64;
            let single = distinct.len() >= 5 && values.len() < 2 * distinct.len() && !counts_up;
            if is_guess && (few || single) {
                return Err(format!(
                    "label column {} holds {} different whole numbers in {} samples: amounts, or classes? Give \
                     `task = regression` or `task = classification`",
                    quoted(name),
                    distinct.len(),
                    values.len()
                ));
            }
            if !whole && distinct.len() > MANY_CLASSES {
                return Err(format!(
                    "label column {} holds {} different numbers with fractions, which are no classes; use `task = regression`",
                    quoted(name),
                    distinct.len()
                ));
            }
            let place = |value: &f64| distinct.partition_point(|other| other < value) as u32;
            (distinct.iter().map(|value| format!("{}", value + 0.0)).collect(), values.iter().map(place).collect())
        }
    };
    let outputs = names.len();
    if outputs > MAX_LABEL as usize + 1 {
        return Err(format!("{outputs} different labels are more than {} classes", u64::from(MAX_LABEL) + 1));
    }
    let numbered = names.iter().enumerate().all(|(k, name): (usize, &String)| *name == k.to_string());
    if !numbered && matches!(label.values, LabelValues::Numbers(_)) {
        notes.push(format!("the labels {} are the classes 0 … {}", shown_list(&names), outputs - 1));
    }
    Ok(Targets {
        task: Task::Classification,
        outputs,
        labels,
        values: vec![],
        names: if numbered { vec![] } else { names },
    })
}

/// Targets that are numbers.
fn values(labels: &[&Label], task: Task) -> Outcome<Targets> {
    let mut columns = vec![];
    for label in labels {
        let name = label.name.as_deref().unwrap_or("y");
        columns.push(numbers(label).ok_or_else(|| {
            format!("label column {} holds text, which is no number; use `task = classification`", quoted(name))
        })?);
    }
    let rows = columns.first().map_or(0, |column| column.len());
    let mut values = Vec::with_capacity(rows * columns.len());
    for row in 0..rows {
        for column in &columns {
            let value = column[row] as f32;
            if !value.is_finite() {
                return Err(format!("sample {}: target {} is beyond the range of f32 (3.4e38)", row + 1, column[row]));
            }
            values.push(value);
        }
    }
    let named = labels.iter().map(|label| label.name.clone()).collect::<Option<Vec<_>>>();
    Ok(Targets { task, outputs: labels.len(), labels: vec![], values, names: named.unwrap_or_default() })
}

/// Targets by the numbers of a model; none if there are no labels, or if they are not those of the model. Then also why.
fn known_targets(labels: &[Label], may_be_one_hot: bool, about: &About, task: Task) -> (Targets, Option<String>) {
    let none =
        Targets { task, outputs: about.outputs.len(), labels: vec![], values: vec![], names: about.outputs.clone() };
    match matched_targets(labels, may_be_one_hot, about, task) {
        Ok(Some(targets)) => (targets, None),
        Ok(None) => (none, None),
        Err(reason) => (none, Some(reason)),
    }
}

fn matched_targets(labels: &[Label], may_be_one_hot: bool, about: &About, task: Task) -> Outcome<Option<Targets>> {
    let labels: Vec<Cow<'_, Label>> = match task == Task::Multilabel {
        true => labels.iter().map(truths).collect(),
        false => labels.iter().map(Cow::Borrowed).collect(),
    };
    let labels: Vec<&Label> = labels.iter().map(|label| &**label).collect();
    let Some(&first) = labels.first() else { return Ok(None) };
    let is_blank = |label: &&Label| match &label.values {
        LabelValues::Numbers(values) => values.iter().all(|value| value.is_nan()),
        LabelValues::Text(text) => text.levels.is_empty(),
    };
    if labels.iter().all(is_blank) {
        return Ok(None);
    }
    check_labels(&labels)?;
    if task != Task::Classification {
        return values(&labels, task).map(Some);
    }
    if labels.len() > 1 {
        let one_hot = if may_be_one_hot { from_one_hot(&labels) } else { None };
        let reason = || format!("{} label columns, but the model has classes", labels.len());
        return one_hot.map(class_numbers).ok_or_else(reason).map(Some);
    }
    let mut targets = classes(first, false, &mut vec![])?;
    if about.outputs.is_empty() {
        // The model numbers its classes as the data do.
        if let LabelValues::Numbers(values) = &first.values {
            let number = |&value: &f64| {
                (value >= 0.0 && value.fract() == 0.0 && value <= f64::from(MAX_LABEL)).then_some(value as u32)
            };
            if let Some(labels) = values.iter().map(number).collect::<Option<Vec<_>>>() {
                return Ok(Some(class_numbers(labels)));
            }
        }
        return Err(format!(
            "the labels {} are no class numbers, but those of the model are",
            shown_list(&targets.names)
        ));
    }
    let numbered = || (0..targets.outputs).map(|k| k.to_string()).collect();
    let names = if targets.names.is_empty() { numbered() } else { targets.names };
    let unknown = recode(&names, &about.outputs, &mut targets.labels);
    if !unknown.is_empty() {
        let (unknown, known) = (shown_list(&unknown), shown_list(&about.outputs));
        return Err(format!("the labels {unknown} are no classes of the model, which are {known}"));
    }
    let outputs = about.outputs.len();
    Ok(Some(Targets { task, outputs, labels: targets.labels, values: vec![], names: about.outputs.clone() }))
}

fn weights(weights: Vec<f64>) -> Outcome<Vec<f32>> {
    if let Some(row) = weights.iter().position(|weight| !(weight.is_finite() && *weight >= 0.0)) {
        return Err(format!("sample {}: weight {} is no number of at least 0", row + 1, weights[row]));
    }
    if let Some(row) = weights.iter().position(|weight| !(*weight as f32).is_finite()) {
        return Err(format!("sample {}: weight {} is beyond the range of f32 (3.4e38)", row + 1, weights[row]));
    }
    Ok(weights.into_iter().map(|weight| weight as f32).collect())
}

fn groups(text: Text) -> Outcome<Vec<u32>> {
    match text.codes.iter().position(|&code| code == MISSING) {
        Some(row) => Err(format!("sample {}: no value in the `group` column", row + 1)),
        None => Ok(text.codes),
    }
}

/// Up to eight texts with commas between.
fn shown_list(texts: &[String]) -> String {
    joined(texts.iter().map(|text| one_line(text)))
}
