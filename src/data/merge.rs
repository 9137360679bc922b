//! Joins what readers deliver: the files, or the arrays, of training, validation and test samples.

use super::raw::{LabelValues, MISSING, Raw, Text};
use crate::text::quoted;

impl Raw {
    /// Appends the rows of `other` as part 1, validation, or 2, test. Earlier parts must come first.
    ///
    /// # Errors
    /// A text, if the two differ in features or labels, or if that part is there already.
    pub(super) fn append(&mut self, mut other: Self, part: usize) -> Result<(), String> {
        let rows: usize = other.parts.iter().sum();
        if self.parts[part..].iter().any(|&rows| rows > 0) {
            return Err("the first file has such samples already".into());
        }
        if other.width != self.width || other.features.len() != self.features.len() {
            return Err(format!("has {} number columns, but the training data have {}", other.width, self.width));
        }
        match self.samples.append(other.samples) {
            Ok(Some(())) => {}
            // Bytes are scaled by 1/255 and reals are not, so the same number would mean two things.
            Ok(None) => return Err("either it or the training samples are bytes; give both alike".into()),
            Err(_) => return Err("does not fit into memory beside the training samples".into()),
        }
        for (mine, theirs) in self.features.iter_mut().zip(&mut other.features) {
            match (&mut mine.text, theirs.text.take()) {
                (None, None) => {}
                (Some(mine), Some(theirs)) => mine.append(theirs),
                _ => {
                    return Err(format!(
                        "column {} holds text in one file and numbers in the other",
                        quoted(&mine.name)
                    ));
                }
            }
        }
        if other.labels.len() != self.labels.len() {
            return Err("lacks the label columns of the training data".into());
        }
        for (mine, theirs) in self.labels.iter_mut().zip(other.labels) {
            let mixed = "its labels are text and those of the training data numbers, or the reverse";
            mine.values.append(theirs.values).ok_or(mixed)?;
        }
        match (&mut self.weights, other.weights) {
            (None, None) => {}
            (Some(all), Some(more)) => all.extend(more),
            _ => return Err("only one of the files has the weight column".into()),
        }
        match (&mut self.groups, other.groups) {
            (None, None) => {}
            (Some(all), Some(more)) => all.append(more),
            _ => return Err("only one of the files has the group column".into()),
        }
        // Training does not use the names of samples.
        self.ids.clear();
        self.notes.append(&mut other.notes);
        self.notes.dedup();
        self.parts[part] = rows;
        Ok(())
    }
}

impl LabelValues {
    /// Appends values; `None` if one of the two holds text and the other numbers.
    pub(super) fn append(&mut self, other: Self) -> Option<()> {
        match (self, other) {
            (Self::Numbers(mine), Self::Numbers(theirs)) => mine.extend(theirs),
            (Self::Text(mine), Self::Text(theirs)) => mine.append(theirs),
            _ => return None,
        }
        Some(())
    }
}

impl Text {
    /// Appends values, and numbers the levels of both anew.
    fn append(&mut self, other: Self) {
        let mut levels: Vec<String> = self.levels.iter().chain(&other.levels).cloned().collect();
        levels.sort_unstable();
        levels.dedup();
        let place = |level: &String| levels.binary_search(level).map_or(MISSING, |place| place as u32);
        let codes = |text: Self| {
            let places: Vec<u32> = text.levels.iter().map(place).collect();
            text.codes.into_iter().map(move |code| if code == MISSING { MISSING } else { places[code as usize] })
        };
        let mine = std::mem::take(self);
        let codes: Vec<u32> = codes(mine).chain(codes(other)).collect();
        *self = Self { levels, codes };
    }
}
