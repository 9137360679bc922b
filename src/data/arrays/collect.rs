//! Puts the arrays of a file together into a [`Raw`].

use super::array::{Array, Header};
use super::element::Element;
use super::names::{Pair, pairs, partner};
use super::shared::refuse_table_settings;
use crate::data::numbers::Numbers;
use crate::data::raw::{Feature, Label, Raw, ReadOptions};
use crate::data::read::row_count;
use crate::error::{Error, Result};
use crate::text::one_line;
use std::path::Path;

/// Names of arrays that hold the names of the features, and of the label columns.
const FEATURE_NAMES: [&str; 3] = ["feature_names", "features_names", "column_names"];
const LABEL_NAMES: [&str; 3] = ["target_names", "label_names", "labels_names"];

/// Most names that a message lists.
const LISTED: usize = 20;

/// Arrays that can be opened by name.
pub trait Store {
    /// The file or folder, for messages.
    fn path(&self) -> &Path;
    /// The names of all arrays.
    fn names(&self) -> Vec<String>;
    /// What an array is called in messages: `array x`.
    fn called(&self, name: &str) -> String;
    /// Reads the header of an array.
    fn open(&mut self, name: &str) -> Result<Array<'_>>;
}

/// Finds the arrays of samples and labels by their names, else by their shapes, and reads them.
pub fn collect(store: &mut dyn Store, options: &ReadOptions) -> Result<Raw> {
    let names = store.names();
    let path = store.path().to_owned();
    let mut found = pairs(&names).map_err(|reason| Error::file(&path, reason))?;
    let mut notes = vec![];
    let is_lone = |pair: &Pair| pair.samples.is_some() != pair.labels.is_some();
    let nothing = found.iter().all(|pair| *pair == Pair::default());
    // Samples for a model may lack labels, but no labels lack samples.
    let is_half = is_lone(&found[0]) && (options.expected.is_none() || found[0].samples.is_none());
    if (nothing || is_half)
        && let Some((pair, why)) = by_shape(store, &names, &found[0])
    {
        let (x, y) = (pair.samples.as_deref().unwrap_or(""), pair.labels.as_deref().unwrap_or(""));
        notes.push(format!("Of the two arrays, {x} was taken as samples and {y} as labels{why}."));
        found[0] = pair;
    }
    if nothing && options.expected.is_some() && names.len() == 1 {
        found[0].samples = names.first().cloned();
    }
    let mut raw = read_pairs(store, &found, options)?;
    let used: Vec<&String> = found.iter().flat_map(|pair| [&pair.samples, &pair.labels]).flatten().collect();
    let feature_names = names_in(store, &names, &FEATURE_NAMES, raw.width);
    let label_names = names_in(store, &names, &LABEL_NAMES, raw.labels.len()).filter(|names| names.len() > 1);
    if let Some(names) = feature_names {
        raw.features = names.into_iter().map(|name| Feature { name, text: None }).collect();
    }
    for (label, name) in raw.labels.iter_mut().zip(label_names.unwrap_or_default()) {
        label.name = Some(name);
    }
    let is_names = |name: &str| FEATURE_NAMES.contains(&name) || LABEL_NAMES.contains(&name);
    let unused: Vec<String> = names
        .iter()
        .filter(|name| !used.contains(name) && !is_names(&name.to_lowercase()))
        .map(|n| one_line(n))
        .collect();
    if !unused.is_empty() {
        notes.push(format!("Not used: {}.", listed(&unused)));
    }
    raw.notes.splice(0..0, notes);
    Ok(raw)
}

/// Reads the arrays of each part. Only with columns to match, labels may be missing.
pub fn read_pairs(store: &mut dyn Store, pairs: &[Pair; 3], options: &ReadOptions) -> Result<Raw> {
    let path = store.path().to_owned();
    refuse_table_settings(options, &path, "arrays")?;
    let may_lack_labels = options.expected.is_some();
    if pairs[0] == Pair::default() && (!may_lack_labels || pairs.iter().all(|pair| pair.samples.is_none())) {
        return Err(missing(store, "x_train", "; name the samples x and the labels y"));
    }
    let (mut parts, mut width, mut image) = ([0; 3], None, None);
    let mut samples: Option<(Numbers, String)> = None;
    let mut labels: Vec<Option<Vec<Label>>> = vec![];
    for (part, pair) in pairs.iter().enumerate().filter(|(_, pair)| **pair != Pair::default()) {
        let Some(x) = &pair.samples else {
            let y = pair.labels.as_deref().unwrap_or("");
            return Err(missing(store, &samples_of(y), &format!("; it belongs to {}", one_line(y))));
        };
        let called = store.called(x);
        let array = store.open(x)?;
        let (rows, features) = array.shape()?;
        if array.header.element.is_text() {
            return Err(array.error("holds text; features are numbers"));
        }
        if let Some((expected, ref first)) = width
            && expected != features
        {
            return Err(array.error(format!("samples of {features} features, but those of {first} have {expected}")));
        }
        let is_bytes = array.header.element == Element::U8;
        let empty = || if is_bytes { Numbers::Bytes(vec![]) } else { Numbers::new(features) };
        let (all, first) = samples.get_or_insert_with(|| (empty(), called.clone()));
        if matches!(all, Numbers::Bytes(_)) != is_bytes {
            // Bytes are scaled by 1/255 and reals are not, so the same number would mean two things.
            return Err(array.error(format!("only one of it and {first} holds bytes (u1); store both alike")));
        }
        let here = array.image();
        image = if width.is_none() { here } else { image.filter(|_| image == here) };
        width.get_or_insert_with(|| (features, called.clone()));
        array.samples(all)?;
        parts[part] = rows;
        labels.push(match &pair.labels {
            Some(y) => Some(store.open(y)?.labels(rows, &called)?),
            None if may_lack_labels => None,
            None => return Err(missing(store, &partner(x), &format!("; it holds the labels of {}", one_line(x)))),
        });
    }
    let rows = parts.iter().try_fold(0usize, |sum, &rows| sum.checked_add(rows)).unwrap_or(usize::MAX);
    row_count(rows).map_err(|reason| Error::file(&path, reason))?;
    let Some((samples, _)) = samples else { return Err(Error::file(&path, "holds no samples")) };
    let mut notes = vec![];
    let labels = match labels.iter().filter(|labels| labels.is_none()).count() {
        0 => join(labels.into_iter().flatten().collect()).map_err(|reason| Error::file(&path, reason))?,
        _ => vec![],
    };
    if labels.is_empty() && pairs.iter().any(|pair| pair.labels.is_some()) {
        notes.push("Not every part has labels, so none were read.".to_owned());
    }
    Ok(Raw {
        parts,
        features: vec![],
        width: width.map_or(0, |(width, _)| width),
        samples,
        may_be_one_hot: labels.len() > 1,
        labels,
        ids: vec![],
        weights: None,
        groups: None,
        image,
        notes,
    })
}

/// Appends the label columns of the parts to one another.
fn join(parts: Vec<Vec<Label>>) -> std::result::Result<Vec<Label>, String> {
    let mut parts = parts.into_iter();
    let mut all = parts.next().unwrap_or_default();
    for more in parts {
        if more.len() != all.len() {
            return Err(format!("some samples have {} label columns, others {}", all.len(), more.len()));
        }
        for (label, more) in all.iter_mut().zip(more) {
            let mixed = "labels are text in one part and numbers in another; store them alike";
            label.values.append(more.values).ok_or(mixed)?;
        }
    }
    Ok(all)
}

/// The samples and labels among two arrays of the same first size, and why; a name that is known decides.
fn by_shape(store: &mut dyn Store, names: &[String], known: &Pair) -> Option<(Pair, &'static str)> {
    let [a, b] = names else { return None };
    let mut header = |name: &str| Some(store.open(name).ok()?.header);
    let (first, second) = (header(a)?, header(b)?);
    if first.sizes.first()? != second.sizes.first()? {
        return None;
    }
    let pair = |x: &String, y: &String| Pair { samples: Some(x.clone()), labels: Some(y.clone()) };
    match (&known.samples, &known.labels) {
        (Some(x), _) => return Some((pair(x, if x == a { b } else { a }), "")),
        (_, Some(y)) => return Some((pair(if y == a { b } else { a }, y), "")),
        _ => {}
    }
    let extent = |header: &Header| (!header.element.is_text(), header.sizes.len());
    let wide = |header: &Header| header.sizes.iter().skip(1).fold(1u64, |product, &size| product.saturating_mul(size));
    match extent(&first).cmp(&extent(&second)).then(wide(&first).cmp(&wide(&second))) {
        std::cmp::Ordering::Greater => Some((pair(a, b), ", because of their shapes")),
        std::cmp::Ordering::Less => Some((pair(b, a), ", because of their shapes")),
        std::cmp::Ordering::Equal => None,
    }
}

/// The names in an array of text with `count` elements; `None` if there is no such array.
fn names_in(store: &mut dyn Store, names: &[String], wanted: &[&str], count: usize) -> Option<Vec<String>> {
    let name = names.iter().find(|name| wanted.contains(&name.to_lowercase().as_str()))?;
    let array = store.open(name).ok()?;
    let is_right = array.header.element.is_text() && array.header.sizes == [count as u64];
    // Names are no more than an aid, so that a file is read without those that are damaged.
    is_right.then(|| array.texts().ok())?.and_then(|names| names.into_iter().collect())
}

/// The usual name of the samples of the labels `y`.
fn samples_of(y: &str) -> String {
    let part = super::names::known(y).and_then(|known| known.part);
    part.map_or("x".to_owned(), |part| format!("x_{}", ["train", "val", "test"][part]))
}

/// The error that the array `name` is missing.
fn missing(store: &dyn Store, name: &str, why: &str) -> Error {
    let names: Vec<String> = store.names().iter().map(|name| one_line(name)).collect();
    let present = if names.is_empty() { "nothing".into() } else { listed(&names) };
    let wanted = "usual names are x, y; or x_train, y_train and perhaps x_val, y_val, x_test, y_test";
    Error::file(store.path(), format!("{} is missing{why}; found: {present}; {wanted}", store.called(name)))
}

/// The first names.
fn listed(names: &[String]) -> String {
    let more = if names.len() > LISTED { ", …" } else { "" };
    names.iter().take(LISTED).map(String::as_str).collect::<Vec<_>>().join(", ") + more
}
