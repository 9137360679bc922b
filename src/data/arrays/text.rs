//! Makes a [`Text`] of the values of a column.

use crate::data::raw::{MISSING, Text};
use std::collections::BTreeMap;

/// The column that holds `values`, `None` where one is missing.
pub fn text<S: AsRef<str> + Ord>(values: &[Option<S>]) -> Text {
    let mut codes: BTreeMap<&str, u32> = values.iter().flatten().map(|value| (value.as_ref(), 0)).collect();
    // Fewer than 2³² rows hold fewer than 2³² values, so that no code is `MISSING`.
    codes.values_mut().zip(0..).for_each(|(code, place)| *code = place);
    let code = |value: &Option<S>| value.as_ref().and_then(|v| codes.get(v.as_ref()).copied()).unwrap_or(MISSING);
    Text { codes: values.iter().map(code).collect(), levels: codes.keys().map(|&level| level.to_owned()).collect() }
}

/// The column with the values of both columns, those of `first` first.
pub fn joined(first: &Text, second: &Text) -> Text {
    let values = [first, second].into_iter().flat_map(|column| {
        column.codes.iter().map(|&code| column.levels.get(usize::try_from(code).unwrap_or(usize::MAX)))
    });
    text(&values.collect::<Vec<_>>())
}
