//! What readers of arrays and of images share: columns of text, and the refusal of settings for tables.

use crate::data::numbers::room;
use crate::data::raw::{MISSING, ReadOptions, Text};
use crate::error::{self, Error};
use std::collections::{HashMap, TryReserveError};
use std::path::Path;

/// A column of text while its values are read. Each distinct value is kept once.
#[derive(Debug, Default)]
pub struct Interner {
    numbers: HashMap<String, u32>,
    codes: Vec<u32>,
}

impl Interner {
    /// Appends a value; `None` is a missing one.
    ///
    /// # Errors
    /// If there is no memory.
    pub fn push(&mut self, text: Option<&str>) -> Result<(), TryReserveError> {
        // Fewer than 2³² rows hold fewer than 2³² values, so that no code is `MISSING`.
        let next = self.numbers.len() as u32;
        let code = match text.map(|text| (text, self.numbers.get(text))) {
            None => MISSING,
            Some((_, Some(&code))) => code,
            Some((text, None)) => {
                self.numbers.try_reserve(1)?;
                self.numbers.insert(text.to_owned(), next);
                next
            }
        };
        room(&mut self.codes, 1)?;
        self.codes.push(code);
        Ok(())
    }

    /// Number of values.
    #[cfg(feature = "parquet")]
    pub fn rows(&self) -> usize {
        self.codes.len()
    }

    /// The column, its values sorted.
    pub fn finish(self) -> Text {
        let mut sorted: Vec<(String, u32)> = self.numbers.into_iter().collect();
        sorted.sort_unstable();
        let mut places = vec![MISSING; sorted.len()];
        (0..).zip(&sorted).for_each(|(place, (_, number))| places[*number as usize] = place);
        let mut codes = self.codes;
        codes.iter_mut().for_each(|code| *code = places.get(*code as usize).copied().unwrap_or(MISSING));
        Text { levels: sorted.into_iter().map(|(text, _)| text).collect(), codes }
    }
}

/// The column that holds `values`, `None` where one is missing.
///
/// # Errors
/// If there is no memory.
pub fn text<S: AsRef<str>>(values: impl IntoIterator<Item = Option<S>>) -> Result<Text, TryReserveError> {
    let mut column = Interner::default();
    for value in values {
        column.push(value.as_ref().map(AsRef::as_ref))?;
    }
    Ok(column.finish())
}

/// Refuses settings that choose among the columns of a table, because arrays and images have none.
pub fn refuse_table_settings(options: &ReadOptions, path: &Path, what: &str) -> error::Result<()> {
    match options.table_setting() {
        Some(name) => Err(Error::file(path, format!("holds {what}; `{name}` is for tables"))),
        None => Ok(()),
    }
}
