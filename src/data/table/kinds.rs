//! Decides which columns hold numbers, truth values or text, and whether that makes sense.

use super::index::tells_apart;
use super::layout::Layout;
use super::part::{Column, Plan, Trouble};
use super::role::{Role, Roles};
use super::store::Store;
use super::value::{Value, show, value};
use std::collections::HashSet;

/// A text column with more distinct values than this is refused as a feature.
pub const MAX_LEVELS: usize = 1000;

/// Values of a column below which no share is taken of them.
const ENOUGH: usize = 10;

/// Rows from which a text column may not differ in almost every row.
const MANY_ROWS: usize = 50;

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    /// Numbers.
    Number,
    /// `true` and `false`.
    Truth,
    /// Anything else.
    Text,
}

/// A line, from 1, if the reason is about one.
pub type Fault = (Option<u64>, String);

/// The kind of a column with so many numbers, truth values and texts; `None` if it should hold numbers, but does not
/// everywhere.
fn kind(numbers: usize, truths: usize, texts: usize) -> Option<Kind> {
    let all = numbers + truths + texts;
    match (numbers, truths, texts) {
        (_, 0, 0) => Some(Kind::Number),
        (0, _, 0) => Some(Kind::Truth),
        _ if all >= ENOUGH && 10 * numbers >= 9 * all => None,
        _ => Some(Kind::Text),
    }
}

/// Guesses the kinds of all columns from the first rows.
pub fn guess(layout: &Layout) -> Vec<Kind> {
    let guess = |column: usize| {
        let (mut numbers, mut truths, mut texts) = (0, 0, 0);
        for field in layout.rows.iter().filter_map(|row| row.fields.get(column)) {
            match value::<f64>(field, layout.dialect.decimal_comma) {
                Value::Missing => {}
                Value::Truth(_) => truths += 1,
                Value::Other => texts += 1,
                _ => numbers += 1,
            }
        }
        // Whether all should be numbers is decided once all have been read.
        kind(numbers, truths, texts).unwrap_or(Kind::Number)
    };
    (0..layout.names.len()).map(guess).collect()
}

/// The plan to read columns of `roles` as `kinds`.
pub fn plan<'l>(layout: &'l Layout, roles: &Roles, kinds: &[Kind]) -> Plan<'l> {
    let mut places = vec![0; kinds.len()];
    let mut width = 0;
    for &column in &roles.features {
        places[column] = width;
        width += usize::from(!is_text(roles.roles[column], kinds[column]));
    }
    let mut slots = [0; 4];
    let mut next = |which: usize| {
        slots[which] += 1;
        slots[which] - 1
    };
    let columns = (0..kinds.len()).map(|column| match (roles.roles[column], kinds[column]) {
        (Role::Ignored, _) => Column::Skip,
        (role @ (Role::Feature(_) | Role::Label | Role::Group), kind) if is_text(role, kind) => {
            Column::Text { slot: next(1) }
        }
        (Role::Feature(None), Kind::Truth) => Column::Truth { place: places[column] },
        (Role::Feature(expected), _) => Column::Real { place: places[column], strict: expected.is_some() },
        (role @ (Role::Label | Role::Weight | Role::Group), _) => {
            Column::Wide { slot: next(0), strict: role == Role::Weight }
        }
        (Role::Id | Role::IdByName, _) => Column::Verbatim { slot: next(2) },
        (Role::Index, _) => Column::Count { slot: next(3) },
    });
    let mut columns: Vec<Column> = columns.collect();
    columns.extend(layout.trailing.then_some(Column::Empty));
    Plan { dialect: layout.dialect, columns, names: &layout.names, width, slots, has_header: layout.has_header }
}

fn is_text(role: Role, kind: Kind) -> bool {
    match role {
        Role::Feature(Some(text)) => text,
        Role::Feature(None) => kind == Kind::Text,
        // The classes `true` and `false` keep their names.
        Role::Label => kind != Kind::Number,
        Role::Group => true,
        _ => false,
    }
}

/// Refuses features with too many distinct texts, as soon as they are known.
///
/// # Errors
/// If there is one.
pub fn check_levels(store: &Store, plan: &Plan, roles: &Roles) -> Result<(), Fault> {
    for (index, column) in plan.columns.iter().enumerate() {
        if let Column::Text { slot } = *column
            && roles.roles.get(index) == Some(&Role::Feature(None))
            && store.texts[slot].len() > MAX_LEVELS
        {
            // Numbers with a few slips have many distinct texts, too.
            check_numbers(store, plan, index, slot)?;
            let reason = format!("has more than {MAX_LEVELS} different texts");
            return Err((None, too_many(&plan.names[index], &reason)));
        }
    }
    Ok(())
}

fn too_many(name: &str, reason: &str) -> String {
    format!("column ‘{}’ {reason}; leave it out with `drop`, or pass it through with `id`", show(name.as_bytes()))
}

fn not_a_number(name: &str, (line, shown): (u64, String)) -> Fault {
    let name = show(name.as_bytes());
    (
        Some(line + 1),
        format!("column ‘{name}’: ‘{shown}’ is not a number; correct it, or leave the column out with `drop`"),
    )
}

fn check_numbers(store: &Store, plan: &Plan, index: usize, slot: usize) -> Result<(), Fault> {
    let comma = plan.dialect.decimal_comma;
    let contents = store.texts[slot].contents(comma);
    if kind(contents.numbers, 0, contents.present - contents.numbers).is_none()
        && let Some((line, text)) = store.texts[slot].first_text(comma)
    {
        return Err(not_a_number(&plan.names[index], (line, show(text))));
    }
    let numeric = contents.numbers + contents.dressed;
    let share = if contents.present < ENOUGH { contents.present } else { (9 * contents.present).div_ceil(10) };
    match store.texts[slot].first_dressed(comma) {
        Some((line, text)) if numeric >= share => {
            let (name, text) = (show(plan.names[index].as_bytes()), show(text));
            let mark = if comma { "comma" } else { "point" };
            Err((
                Some(line + 1),
                format!(
                    "column ‘{name}’: ‘{text}’ reads like a number, but is none; remove thousands separators and \
                     units and write a decimal {mark}, or leave the column out with `drop`"
                ),
            ))
        }
        _ => Ok(()),
    }
}

/// Compares the values with the assumed column kinds, and corrects `kinds` and `refuted`. Returns whether they were right.
///
/// # Errors
/// If values do not fit their column.
pub fn revise(
    store: &Store,
    plan: &Plan,
    roles: &Roles,
    kinds: &mut [Kind],
    refuted: &mut HashSet<usize>,
) -> Result<bool, Fault> {
    let mut right = true;
    for (index, role) in roles.roles.iter().enumerate() {
        let name = &plan.names[index];
        let none = Trouble::default();
        let trouble = store.troubles.get(&index).unwrap_or(&none);
        let fits = match plan.columns[index] {
            Column::Verbatim { slot } if *role == Role::IdByName => {
                tells_apart(store.verbatim[slot].iter().map(String::as_bytes), plan.dialect.decimal_comma)
            }
            Column::Count { slot } => store.counters[slot].is_index(plan.has_header),
            _ => true,
        };
        if !fits {
            refuted.insert(index);
            right = false;
        }
        match plan.columns[index] {
            Column::Real { .. } | Column::Wide { .. } if trouble.truths + trouble.texts == 0 => {
                if let Some((line, reason)) = &trouble.first_unfit {
                    return Err((Some(line + 1), format!("column ‘{}’: {reason}", show(name.as_bytes()))));
                }
            }
            column @ (Column::Real { .. } | Column::Wide { .. }) => {
                let numbers = present(store, plan, column) + trouble.unfit as usize;
                let found = kind(numbers, trouble.truths as usize, trouble.texts as usize);
                kinds[index] = found.ok_or_else(|| not_a_number(name, trouble.first.clone().unwrap_or_default()))?;
                right = false;
            }
            column @ Column::Truth { .. } if trouble.numbers + trouble.texts > 0 => {
                let found = kind(trouble.numbers as usize, present(store, plan, column), trouble.texts as usize);
                // As numbers, the column is read once more, and then the first value that is none is known.
                kinds[index] = found.unwrap_or(Kind::Number);
                right = false;
            }
            Column::Text { slot } if matches!(role, Role::Feature(None) | Role::Label) => {
                check_numbers(store, plan, index, slot)?;
                let (levels, present) = (store.texts[slot].len(), store.texts[slot].contents(false).present);
                if *role != Role::Label && present >= MANY_ROWS && 2 * levels > present {
                    return Err((None, too_many(name, &format!("has {levels} different texts in {present} rows"))));
                }
            }
            _ => {}
        }
    }
    Ok(right)
}

/// Values of a column that are not missing.
fn present(store: &Store, plan: &Plan, column: Column) -> usize {
    match column {
        Column::Real { place, .. } | Column::Truth { place } => {
            store.reals.count((place, plan.width), |value| !value.is_nan())
        }
        Column::Wide { slot, .. } => store.wide[slot].iter().filter(|value| !value.is_nan()).count(),
        _ => 0,
    }
}
