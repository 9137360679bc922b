//! Looks columns up by name or position, and lists them in messages.

use crate::text::quoted;

/// Names in a list; the others are counted.
const LISTED: usize = 20;

/// The column that `wanted` names, or its position from 1; −1 is the last.
///
/// # Errors
/// If there is none; the reason lists the columns.
pub fn find(names: &[String], wanted: &str) -> Result<usize, String> {
    if let Some(column) = names.iter().position(|name| name == wanted) {
        return Ok(column);
    }
    let place = match wanted.parse::<i64>() {
        Ok(position @ 1..) => usize::try_from(position - 1).ok(),
        Ok(position @ ..=-1) => names.len().checked_add_signed(position as isize),
        _ => None,
    };
    if let Some(column) = place.filter(|&column| column < names.len()) {
        return Ok(column);
    }
    if wanted.parse::<i64>().is_ok() {
        return Err(format!("there are {0} columns; give 1 … {0}", names.len()));
    }
    let near = nearest(names, wanted).map_or(String::new(), |near| format!(" (did you mean {}?)", quoted(near)));
    Err(format!("there is no such column{near}; the columns are {}", list(names.iter().map(String::as_str))))
}

/// Lists `names` in quotes, but not too many.
pub fn list<'a>(names: impl ExactSizeIterator<Item = &'a str>) -> String {
    let count = names.len();
    let shown: Vec<String> = names.take(LISTED).map(quoted).collect();
    let rest = if count > LISTED { format!(" and {} more", count - LISTED) } else { String::new() };
    shown.join(", ") + &rest
}

/// The name that differs from `wanted` by the fewest letters, if they are few.
fn nearest<'a>(names: &'a [String], wanted: &str) -> Option<&'a str> {
    let wanted: Vec<char> = wanted.to_lowercase().chars().take(100).collect();
    let most = ((wanted.len() + 1) / 3).clamp(1, 3);
    // Only so many names are compared, because a table may have a million.
    let near = names.iter().take(10_000).map(|name| {
        let letters: Vec<char> = name.to_lowercase().chars().take(100).collect();
        (distance(&letters, &wanted), &name[..])
    });
    near.filter(|(distance, _)| *distance <= most).min_by_key(|(distance, _)| *distance).map(|(_, name)| name)
}

/// The number of letters to insert, delete or replace that makes `a` of `b`.
fn distance(a: &[char], b: &[char]) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

/// Whether a column of this name holds ids: `id`, or a name that ends in the word `id`.
pub fn is_id_name(name: &str) -> bool {
    if name.eq_ignore_ascii_case("id") {
        return true;
    }
    let Some(place) = name.len().checked_sub(2).filter(|&place| name.is_char_boundary(place)) else { return false };
    let (before, end) = name.split_at(place);
    let last = before.chars().next_back();
    let separated = last.is_some_and(|last| !last.is_alphanumeric());
    // `PassengerId` and `userID`, but neither `paid` nor `GRID`.
    let camel = last.is_some_and(char::is_lowercase) && end.starts_with('I');
    end.eq_ignore_ascii_case("id") && (separated || camel)
}
