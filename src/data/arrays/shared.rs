//! What readers of arrays and of images share: columns of text, and the refusal of settings for tables.

use crate::data::raw::{MISSING, ReadOptions, Text};
use crate::error::{Error, Result};
use std::collections::BTreeMap;
use std::path::Path;

/// The column that holds `values`, `None` where one is missing.
pub fn text<S: AsRef<str> + Ord>(values: &[Option<S>]) -> Text {
    let mut codes: BTreeMap<&str, u32> = values.iter().flatten().map(|value| (value.as_ref(), 0)).collect();
    // Fewer than 2³² rows hold fewer than 2³² values, so that no code is `MISSING`.
    codes.values_mut().zip(0..).for_each(|(code, place)| *code = place);
    let code = |value: &Option<S>| value.as_ref().and_then(|v| codes.get(v.as_ref()).copied()).unwrap_or(MISSING);
    Text { codes: values.iter().map(code).collect(), levels: codes.keys().map(|&level| level.to_owned()).collect() }
}

/// Refuses settings that choose among the columns of a table, because arrays and images have none.
pub fn refuse_table_settings(options: &ReadOptions, path: &Path, what: &str) -> Result<()> {
    match options.table_setting() {
        Some(name) => Err(Error::file(path, format!("holds {what}; `{name}` is for tables"))),
        None => Ok(()),
    }
}
