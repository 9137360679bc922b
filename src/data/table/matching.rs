//! Matches the columns of a table to those that a model was trained on.

use super::index::{is_id_candidate, is_index_candidate};
use super::layout::Layout;
use super::names::list;
use super::role::{Role, Roles, filled, free};
use crate::data::raw::{Expected, ReadOptions};
use crate::text::quoted_list;
use std::collections::HashSet;

/// Matches the columns of `layout` to those that a model was trained on.
///
/// # Errors
/// If a feature of the model is not there.
pub fn match_to(
    options: &ReadOptions,
    layout: &Layout,
    mut roles: Vec<Option<Role>>,
    refuted: &HashSet<usize>,
) -> Result<Roles, String> {
    let expected = options.expected.as_ref().ok_or("no model")?;
    let mut labels = vec![];
    let position = |name: &str| layout.names.iter().position(|other| other == name);
    let wanted = &expected.features;
    // Columns of a table without a header are named by their positions, which are no names to look for.
    let are_positions = wanted.iter().all(|(name, _)| name.parse::<usize>().is_ok());
    let by_name = layout.has_header && !(are_positions && wanted.iter().all(|(name, _)| position(name).is_none()));
    if layout.has_header && !expected.labels.is_empty() {
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
                quoted_list(&missing)
            ));
        }
        features.extend(wanted.iter().filter_map(|(name, _)| column(name)));
    } else {
        let found = by_position(options, expected, layout, refuted, (&mut roles, labels))?;
        (features, labels) = found;
    }
    for (place, &column) in features.iter().enumerate() {
        roles[column] = Some(Role::Feature(wanted.get(place).map(|(_, text)| *text)));
    }
    let mut ignored = vec![];
    for (column, role) in roles.iter_mut().enumerate().filter(|(_, role)| role.is_none()) {
        let name = &layout.names[column];
        let is_id = is_id_candidate(layout, column);
        *role = Some(if is_id { Role::Id } else { Role::Ignored });
        if !is_id && !is_index_candidate(layout, column) {
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

/// Features and labels of a table whose columns have no names that the model knows.
fn by_position(
    options: &ReadOptions,
    expected: &Expected,
    layout: &Layout,
    refuted: &HashSet<usize>,
    (roles, labels): (&mut [Option<Role>], Vec<usize>),
) -> Result<(Vec<usize>, Vec<usize>), String> {
    let wanted = &expected.features;
    let mut columns = free(roles);
    if wanted.is_empty() {
        return Ok((columns, labels));
    }
    let position = |name: &str| name.parse::<usize>().ok()?.checked_sub(1);
    // Where the features were in a table without a header.
    let mut stated: Option<Vec<usize>> = wanted.iter().map(|(name, _)| position(name)).collect();
    let with_labels = wanted.len() + if labels.is_empty() { expected.labels.len() } else { 0 };
    let fits = |count: usize| count == wanted.len() || count == with_labels;
    let had_index = stated.as_ref().is_some_and(|stated| !stated.contains(&0));
    let has_index = is_index_candidate(layout, 0) && !refuted.contains(&0);
    // A few rows do not show whether they are counted.
    let is_index = had_index && !fits(columns.len());
    // A table of features and labels is whole; its first column may count by chance.
    let is_index = is_index || (has_index && (had_index || !fits(columns.len())));
    if is_index && columns.first() == Some(&0) && fits(columns.len() - 1) {
        roles[0] = Some(if has_index { Role::Index } else { Role::Ignored });
        columns.remove(0);
    }
    let unknown = expected.labels.iter().all(|name| position(name).is_none());
    let is_plain = unknown && options.label.is_empty() && options.drop.is_empty() && options.id.is_empty();
    let is_plain = is_plain && options.weight.is_none() && options.group.is_none();
    if is_plain && had_index && roles[0].is_none() {
        // Only an index can have been in front of the features, and this table has none.
        stated.iter_mut().flatten().for_each(|column| *column = column.saturating_sub(1));
    }
    if columns.len() == wanted.len() {
        return Ok((columns, labels));
    }
    if columns.len() != with_labels {
        return Err(format!(
            "has {} columns, but the model was trained on {} features and {} labels",
            columns.len(),
            wanted.len(),
            expected.labels.len()
        ));
    }
    let stated = stated.filter(|stated| stated.iter().all(|column| columns.contains(column)));
    let features = stated.unwrap_or_else(|| columns[..wanted.len()].to_vec());
    let mut labels: Vec<usize> = columns.into_iter().filter(|column| !features.contains(column)).collect();
    // Several labels have the order that training gave them.
    let order: Option<Vec<usize>> = options.label.iter().map(|name| position(name)).collect();
    if let Some(order) = order.filter(|order| order.iter().collect::<HashSet<_>>() == labels.iter().collect()) {
        labels = order;
    }
    labels.iter().for_each(|&column| roles[column] = Some(Role::Label));
    Ok((features, labels))
}
