//! Assigns a role to every column: by the user's settings, by the columns that a model expects, or by name.

use super::header::is_label_name;
use super::index::{is_id_candidate, is_index_candidate};
use super::layout::Layout;
use super::matching::match_to;
use super::names::{find, list};
use super::role::{Role, Roles, filled, free};
use crate::data::raw::{Expected, ReadOptions};
use crate::text::{named, quoted};
use std::collections::HashSet;

/// The roles of the columns of `layout`. Columns in `refuted` are no [`Role::IdByName`] and no [`Role::Index`].
///
/// # Errors
/// If a setting names no column, or if two name the same; if the model's columns are not there.
pub fn assign(layout: &Layout, options: &ReadOptions, refuted: &HashSet<usize>) -> Result<Roles, String> {
    let mut given = vec![None; layout.names.len()];
    let mut labels = vec![];
    let ones = |name: &Option<String>| name.iter().cloned().collect::<Vec<_>>();
    // The labels of further data are those of the model.
    let label = if options.expected.is_some() { &[][..] } else { &options.label };
    for (setting, names, role) in [
        ("label", label, Role::Label),
        ("drop", &options.drop, Role::Ignored),
        ("id", &options.id, Role::Id),
        ("weight", &ones(&options.weight), Role::Weight),
        ("group", &ones(&options.group), Role::Group),
    ] {
        for name in names {
            if let Some(expected) = &options.expected
                && !is_left(expected, layout, setting, name)?
            {
                continue;
            }
            let column = give(&mut given, layout, setting, name, role)?;
            labels.extend((role == Role::Label).then_some(column));
        }
    }
    let mut roles: Vec<Option<Role>> = given.into_iter().map(|role| role.map(|(_, role)| role)).collect();
    let mut notes = vec![];
    if layout.row_names && roles[0].is_none() {
        roles[0] = Some(Role::Ignored);
        notes.push(
            "the header does not name the first column, so it holds the names of the rows and is no feature".to_owned(),
        );
    }
    let mut roles = match &options.expected {
        Some(_) => match_to(options, layout, roles, refuted),
        None => by_name(layout, roles, labels, refuted),
    }?;
    roles.notes.splice(0..0, notes);
    Ok(roles)
}

/// Whether data for a model have the column that a setting names. They need not have the columns that training left out
/// or passed through.
///
/// # Errors
/// If the column is a feature of the model.
fn is_left(expected: &Expected, layout: &Layout, setting: &str, wanted: &str) -> Result<bool, String> {
    let Ok(column) = find(&layout.names, wanted) else { return Ok(false) };
    let name = &layout.names[column];
    let shown = named(wanted);
    if !expected.features.iter().any(|(feature, _)| feature == name) {
        return Ok(true);
    }
    match () {
        () if name == wanted && layout.has_header => Err(format!("`{setting} = {shown}`: is a feature of the model")),
        () if setting == "id" => {
            Err(format!("`{setting} = {shown}`: column {} is a feature of the model", quoted(name)))
        }
        // The columns may be in another order than in training.
        () => Ok(false),
    }
}

type Given = Option<(&'static str, Role)>;

fn give(given: &mut [Given], layout: &Layout, setting: &'static str, name: &str, role: Role) -> Result<usize, String> {
    if let Some(columns) = layout.repeated.get(name) {
        let positions: Vec<String> = columns.iter().map(|column| (column + 1).to_string()).collect();
        let positions = positions.join(" or ");
        return Err(format!(
            "`{setting} = {}`: names {} columns; use positions {positions}",
            named(name),
            columns.len()
        ));
    }
    let column = find(&layout.names, name).map_err(|reason| format!("`{setting} = {}`: {reason}", named(name)))?;
    match given[column].replace((setting, role)) {
        None => Ok(column),
        Some((other, _)) if other == setting => Err(format!("`{setting}` names column {} twice", quoted(name))),
        Some((other, _)) => Err(format!("column {} is named by both `{other}` and `{setting}`", quoted(name))),
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
        if role.is_some() || refuted.contains(&column) {
            continue;
        }
        let name = || quoted(&layout.names[column]);
        if is_index_candidate(layout, column) {
            *role = Some(Role::Index);
            notes.push(format!("column {} numbers the rows, so it is an index and no feature", name()));
        } else if is_id_candidate(layout, column) {
            *role = Some(Role::IdByName);
            notes.push(format!(
                "column {} has another value in every row, so it is passed through as `id` and is no feature",
                name()
            ));
        }
    }
    if labels.is_empty() {
        let free = || (0..roles.len()).filter(|&column| roles[column].is_none());
        let named: Vec<usize> = free().filter(|&column| is_label_name(layout.names[column].as_bytes())).collect();
        let last = free().next_back().ok_or("no column is left for the label")?;
        let label = if let [only] = named[..] { only } else { last };
        if label != last {
            notes.push(format!("the label is column {}, because of its name", quoted(&layout.names[label])));
        } else if named.len() > 1 {
            notes.push(format!(
                "the label is the last column, {}, because {} could be labels by their names",
                quoted(&layout.names[last]),
                list(named.iter().map(|&column| &layout.names[column][..]))
            ));
        }
        labels.push(label);
        roles[label] = Some(Role::Label);
    }
    let features = free(&roles);
    Ok(Roles { roles: filled(roles, Role::Feature(None)), features, labels, notes })
}
