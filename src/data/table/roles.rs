//! Assigns a role to every column: by the user's settings, by the columns that a model expects, or by name.

use super::layout::{LABEL_NAMES, Layout};
use super::names::{find, is_id_name, list};
use super::value::{Value, count, value};
use crate::data::raw::{Expected, ReadOptions};
use std::collections::HashSet;

/// What a column is for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Role {
    /// A feature; with `Some`, whether the model expects text.
    Feature(Option<bool>),
    /// A label.
    Label,
    /// Passed through.
    Id,
    /// Passed through because of its name, if its values tell all rows apart.
    IdByName,
    /// The index that pandas writes, if it counts the rows.
    Index,
    /// The weight of the sample.
    Weight,
    /// The group of the sample.
    Group,
    /// Of no use.
    Ignored,
}

/// The roles of all columns.
pub struct Roles {
    /// One per column.
    pub roles: Vec<Role>,
    /// The features, in the order in which they are delivered.
    pub features: Vec<usize>,
    /// The labels, likewise.
    pub labels: Vec<usize>,
    /// What was taken for what.
    pub notes: Vec<String>,
}

/// Columns that [`Role::IdByName`] and [`Role::Index`] do not fit, as far as the first rows show.
pub fn refuted_by_head(layout: &Layout) -> HashSet<usize> {
    let columns = 0..layout.names.len();
    columns.filter(|&column| is_candidate(layout, column) && !tells_apart(layout, column)).collect()
}

fn is_index_name(layout: &Layout, column: usize) -> bool {
    let name = &layout.names[column];
    column == 0 && layout.has_header && (name == "Unnamed: 0" || name.eq_ignore_ascii_case("index"))
}

fn is_candidate(layout: &Layout, column: usize) -> bool {
    layout.has_header && (is_index_name(layout, column) || is_id_name(&layout.names[column]))
}

fn tells_apart(layout: &Layout, column: usize) -> bool {
    let values = || layout.rows.iter().filter_map(|row| row.fields.get(column)).map(|field| &**field);
    let counted: Option<Vec<u64>> = values().map(count).collect();
    let counts_up = counted.is_some_and(|counted| {
        let first = counted.first().copied().unwrap_or(2);
        counted.windows(2).all(|pair| pair[0].checked_add(1) == Some(pair[1]))
            && (first <= 1 || !is_index_name(layout, column))
    });
    if is_index_name(layout, column) {
        return counts_up;
    }
    counts_up || are_distinct_texts(values(), layout.dialect.decimal_comma)
}

/// Whether `values` all differ, none is missing, and not all are numbers.
pub fn are_distinct_texts<'a>(values: impl Iterator<Item = &'a [u8]>, decimal_comma: bool) -> bool {
    let (mut seen, mut text) = (HashSet::new(), false);
    for field in values {
        match value::<f64>(field, decimal_comma) {
            Value::Missing => return false,
            Value::Other => text = true,
            _ => {}
        }
        if !seen.insert(field) {
            return false;
        }
    }
    text
}

/// The roles of the columns of `layout`. Columns in `refuted` are no [`Role::IdByName`] and no [`Role::Index`].
///
/// # Errors
/// If a setting names no column, or if two name the same; if the model's columns are not there.
pub fn assign(layout: &Layout, options: &ReadOptions, refuted: &HashSet<usize>) -> Result<Roles, String> {
    let mut given = vec![None; layout.names.len()];
    let mut labels = vec![];
    let lists = [("label", &options.label, Role::Label), ("drop", &options.drop, Role::Ignored)];
    let ids = [("id", &options.id, Role::Id)];
    for (setting, names, role) in lists.into_iter().chain(ids) {
        for name in names {
            // Data for prediction need not have the columns that training left out or passed through.
            if options.expected.is_some() && setting != "label" && find(&layout.names, name).is_err() {
                continue;
            }
            let column = give(&mut given, layout, setting, name, role)?;
            labels.extend((role == Role::Label).then_some(column));
        }
    }
    for (setting, name, role) in [("weight", &options.weight, Role::Weight), ("group", &options.group, Role::Group)] {
        if let Some(name) = name {
            give(&mut given, layout, setting, name, role)?;
        }
    }
    let roles = given.into_iter().map(|role| role.map(|(_, role)| role)).collect();
    match &options.expected {
        Some(expected) => match_to(expected, layout, roles, labels),
        None => by_name(layout, roles, labels, refuted),
    }
}

type Given = Option<(&'static str, Role)>;

fn give(given: &mut [Given], layout: &Layout, setting: &'static str, name: &str, role: Role) -> Result<usize, String> {
    let column = find(&layout.names, name).map_err(|reason| format!("`{setting} = {name}`: {reason}"))?;
    match given[column].replace((setting, role)) {
        None => Ok(column),
        Some((other, _)) if other == setting => Err(format!("`{setting}` names column ‘{name}’ twice")),
        Some((other, _)) => Err(format!("column ‘{name}’ is named by both `{other}` and `{setting}`")),
    }
}

fn by_name(
    layout: &Layout,
    mut roles: Vec<Option<Role>>,
    mut labels: Vec<usize>,
    refuted: &HashSet<usize>,
) -> Result<Roles, String> {
    let mut notes = vec![];
    for (column, role) in roles.iter_mut().enumerate() {
        if role.is_some() || refuted.contains(&column) || !is_candidate(layout, column) {
            continue;
        }
        *role = Some(if is_index_name(layout, column) { Role::Index } else { Role::IdByName });
        notes.push(if is_index_name(layout, column) {
            "the first column counts the rows, so it is no feature".to_owned()
        } else {
            format!(
                "column ‘{}’ tells all rows apart, so it is passed through as `id` and is no feature",
                layout.names[column]
            )
        });
    }
    if labels.is_empty() {
        let free = || (0..roles.len()).filter(|&column| roles[column].is_none());
        let named: Vec<usize> = free()
            .filter(|&column| LABEL_NAMES.iter().any(|name| layout.names[column].eq_ignore_ascii_case(name)))
            .collect();
        let last = free().next_back().ok_or("no column is left for the label")?;
        let label = if let [only] = named[..] { only } else { last };
        if label != last {
            notes.push(format!("the label is column ‘{}’, because of its name", layout.names[label]));
        } else if named.len() > 1 {
            notes.push(format!(
                "the label is the last column, ‘{}’, because {} could be labels by their names",
                layout.names[last],
                list(named.iter().map(|&column| &layout.names[column][..]))
            ));
        }
        labels.push(label);
        roles[label] = Some(Role::Label);
    }
    let features = free(&roles);
    Ok(Roles { roles: filled(roles, Role::Feature(None)), features, labels, notes })
}

fn free(roles: &[Option<Role>]) -> Vec<usize> {
    (0..roles.len()).filter(|&column| roles[column].is_none()).collect()
}

fn filled(roles: Vec<Option<Role>>, role: Role) -> Vec<Role> {
    roles.into_iter().map(|given| given.unwrap_or(role)).collect()
}

fn match_to(
    expected: &Expected,
    layout: &Layout,
    mut roles: Vec<Option<Role>>,
    mut labels: Vec<usize>,
) -> Result<Roles, String> {
    let position = |name: &str| layout.names.iter().position(|other| other == name);
    let wanted = &expected.features;
    // Columns of a table without a header are named by their positions, which are no names to look for.
    let are_positions = wanted.iter().all(|(name, _)| name.parse::<usize>().is_ok());
    let by_name = layout.has_header && !(are_positions && wanted.iter().all(|(name, _)| position(name).is_none()));
    if labels.is_empty() && layout.has_header && !expected.labels.is_empty() {
        let found: Option<Vec<usize>> = expected.labels.iter().map(|name| position(name)).collect();
        labels = found.unwrap_or_default();
        labels.retain(|&column| roles[column].is_none());
        labels.iter().for_each(|&column| roles[column] = Some(Role::Label));
    }
    let mut features = vec![];
    if by_name && !wanted.is_empty() {
        let columns: std::collections::HashMap<&str, usize> =
            layout.names.iter().enumerate().map(|(column, name)| (&name[..], column)).collect();
        let column = |name: &str| columns.get(name).copied().filter(|&column| roles[column].is_none());
        let missing: Vec<&str> =
            wanted.iter().map(|(name, _)| &name[..]).filter(|name| column(name).is_none()).collect();
        if !missing.is_empty() {
            let columns = list(layout.names.iter().map(String::as_str));
            return Err(format!(
                "lacks columns that the model was trained on: {}; the columns are {columns}",
                all(&missing)
            ));
        }
        features.extend(wanted.iter().filter_map(|(name, _)| column(name)));
    } else {
        let columns = free(&roles);
        let with_labels = labels.is_empty() && columns.len() == wanted.len() + expected.labels.len();
        features = if wanted.is_empty() || columns.len() == wanted.len() {
            columns
        } else if with_labels {
            let stated: Option<Vec<usize>> =
                wanted.iter().map(|(name, _)| name.parse::<usize>().ok()?.checked_sub(1)).collect();
            let stated = stated.filter(|stated| stated.iter().all(|column| columns.contains(column)));
            let features = stated.unwrap_or_else(|| columns[..wanted.len()].to_vec());
            labels = columns.into_iter().filter(|column| !features.contains(column)).collect();
            labels.iter().for_each(|&column| roles[column] = Some(Role::Label));
            features
        } else {
            return Err(format!(
                "has {} columns, but the model was trained on {} features and {} labels",
                columns.len(),
                wanted.len(),
                expected.labels.len()
            ));
        };
    }
    for (place, &column) in features.iter().enumerate() {
        roles[column] = Some(Role::Feature(wanted.get(place).map(|(_, text)| *text)));
    }
    let mut ignored = vec![];
    for (column, role) in roles.iter_mut().enumerate().filter(|(_, role)| role.is_none()) {
        let name = &layout.names[column];
        let is_id = layout.has_header && is_id_name(name);
        *role = Some(if is_id { Role::Id } else { Role::Ignored });
        if !is_id && !is_index_name(layout, column) {
            ignored.push(&name[..]);
        }
    }
    let is_are = if ignored.len() == 1 {
        "is no feature of the model, so it is"
    } else {
        "are no features of the model, so they are"
    };
    let notes =
        if ignored.is_empty() { vec![] } else { vec![format!("{} {is_are} ignored", list(ignored.into_iter()))] };
    Ok(Roles { roles: filled(roles, Role::Ignored), features, labels, notes })
}

/// All `names` in quotes.
fn all(names: &[&str]) -> String {
    names.iter().map(|name| format!("‘{name}’")).collect::<Vec<_>>().join(", ")
}
