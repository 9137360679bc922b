//! Collects the parsed blocks of a file, in order.

use super::index::Counter;
use super::numeric::is_dressed;
use super::part::{Merged, Part, Plan, Trouble, Words};
use super::value::{Value, value};
use crate::data::numbers::{Numbers, room};
use crate::data::raw::{MISSING, Text};
use crate::memory::Array;
use std::collections::{BTreeMap, HashMap, TryReserveError};

/// The columns of all blocks so far. Lines are counted from 0 at the start of the file.
#[derive(Debug)]
pub struct Store {
    /// Number of rows.
    pub rows: usize,
    /// The line after the last block.
    pub line: u64,
    /// Number of comment lines.
    pub comments: u64,
    /// The columns stored as f32, row-major.
    pub reals: Numbers,
    /// The columns stored as f64.
    pub wide: Vec<Vec<f64>>,
    /// The columns of text.
    pub texts: Vec<Dictionary>,
    /// The columns stored as they are.
    pub verbatim: Vec<Vec<String>>,
    /// The columns that count.
    pub counters: Vec<Counter>,
    /// By column.
    pub troubles: BTreeMap<usize, Trouble>,
    /// Large whole numbers by column.
    pub merged: BTreeMap<usize, Merged>,
}

/// A column of text that repeats.
#[derive(Debug, Default)]
pub struct Dictionary {
    numbers: HashMap<Vec<u8>, u32>,
    lines: Vec<u64>,
    codes: Vec<u32>,
}

/// What the values of a text column are.
#[derive(Clone, Copy, Debug, Default)]
pub struct Contents {
    /// Numbers.
    pub numbers: usize,
    /// Numbers with thousands separators, another decimal mark or a unit.
    pub dressed: usize,
    /// Values that are not missing.
    pub present: usize,
}

impl Store {
    /// No block yet; the first begins in `line`.
    pub fn new(plan: &Plan, line: u64) -> Self {
        let [wide, texts, verbatim, counters] = plan.slots;
        Self {
            rows: 0,
            line,
            comments: 0,
            reals: Numbers::new(plan.width),
            wide: vec![vec![]; wide],
            texts: std::iter::repeat_with(Dictionary::default).take(texts).collect(),
            verbatim: vec![vec![]; verbatim],
            counters: vec![Counter::Empty; counters],
            troubles: BTreeMap::new(),
            merged: BTreeMap::new(),
        }
    }

    /// The arrays that `rows` rows take, so far as is known from the rows read.
    pub fn arrays(&self, rows: usize, plan: &Plan) -> [Array; 3] {
        let [wide, texts, verbatim, counters] = plan.slots;
        // Each text has a header, and the allocator gives at least 32 bytes.
        let passed = size_of::<String>() + 32;
        let rows = ("rows", rows);
        [
            self.reals.array(rows.1, plan.width),
            Array::new("labels", 4, &[rows, ("labels", 2 * wide + texts + 2 * counters)]),
            Array::new("texts", passed, &[rows, ("columns", verbatim)]),
        ]
    }

    /// Makes room for the numbers of about `rows` rows in all, if there is memory for them.
    pub fn expect(&mut self, rows: usize, plan: &Plan) {
        // Without the room the vector grows step by step, which costs time alone.
        let more = rows.saturating_mul(plan.width).saturating_sub(self.reals.len());
        let _ = self.reals.reserve(more);
        for column in &mut self.wide {
            let _ = column.try_reserve_exact(rows.saturating_sub(column.len()));
        }
    }

    /// Appends the next block.
    ///
    /// # Errors
    /// If parsing it failed, or if memory runs out.
    pub fn append(&mut self, part: Part) -> Result<(), Stop> {
        if let Some((line, reason)) = part.fault {
            return Err(Stop::Fault((Some(self.line + line + 1), reason)));
        }
        self.reals.extend(&part.reals)?;
        for (all, more) in self.wide.iter_mut().zip(&part.wide) {
            room(all, more.len())?;
            all.extend_from_slice(more);
        }
        for (all, more) in self.texts.iter_mut().zip(part.texts) {
            all.append(more, self.line)?;
        }
        for (all, more) in self.verbatim.iter_mut().zip(part.verbatim) {
            room(all, more.len())?;
            all.extend(more);
        }
        for (all, more) in self.counters.iter_mut().zip(part.counters) {
            all.append(more);
        }
        for (column, more) in part.merged {
            self.merged.entry(column).or_default().append(more);
        }
        for (column, more) in part.troubles {
            self.troubles.entry(column).or_default().append(more, self.line);
        }
        self.rows += part.rows;
        self.line += part.lines;
        self.comments += part.comments;
        Ok(())
    }
}

/// Why a block is not appended.
#[derive(Debug)]
pub enum Stop {
    /// Its text is to blame: the line, from 1, and the reason.
    Fault((Option<u64>, String)),
    /// There is no memory.
    Memory,
}

impl From<TryReserveError> for Stop {
    fn from(_: TryReserveError) -> Self {
        Self::Memory
    }
}

impl Trouble {
    /// Appends the trouble of a later block that begins in `line`.
    fn append(&mut self, more: Self, line: u64) {
        self.numbers += more.numbers;
        self.truths += more.truths;
        self.texts += more.texts;
        self.unfit += more.unfit;
        let moved = |first: Option<(u64, String)>| first.map(|(place, text)| (line + place, text));
        self.first = self.first.take().or(moved(more.first));
        self.first_unfit = self.first_unfit.take().or(moved(more.first_unfit));
    }
}

impl Dictionary {
    /// Number of distinct texts.
    pub fn len(&self) -> usize {
        self.lines.len()
    }

    fn append(&mut self, words: Words, line: u64) -> Result<(), TryReserveError> {
        self.numbers.try_reserve(words.lines.len())?;
        room(&mut self.lines, words.lines.len())?;
        room(&mut self.codes, words.codes.len())?;
        let mut new = vec![0; words.lines.len()];
        let mut texts: Vec<(Vec<u8>, u32)> = words.numbers.into_iter().collect();
        texts.sort_unstable_by_key(|(_, number)| *number);
        for (text, number) in texts {
            let next = self.lines.len() as u32;
            let place = *self.numbers.entry(text).or_insert(next);
            if place == next {
                self.lines.push(line + words.lines[number as usize]);
            }
            new[number as usize] = place;
        }
        // `MISSING` is no place of `new`.
        self.codes.extend(words.codes.iter().map(|&code| new.get(code as usize).copied().unwrap_or(MISSING)));
        Ok(())
    }

    /// Counts numbers and values.
    pub fn contents(&self, decimal_comma: bool) -> Contents {
        let mut kinds = vec![[0; 2]; self.len()];
        for (text, &number) in &self.numbers {
            let is_number = counts_as_number(text, decimal_comma);
            kinds[number as usize] = [usize::from(is_number), usize::from(!is_number && is_dressed(text))];
        }
        let mut contents = Contents::default();
        for [number, dressed] in self.codes.iter().filter_map(|&code| kinds.get(code as usize)) {
            contents.present += 1;
            contents.numbers += number;
            contents.dressed += dressed;
        }
        contents
    }

    /// Line and text of the first value that counts as `dressed`.
    pub fn first_dressed(&self, decimal_comma: bool) -> Option<(u64, &[u8])> {
        let is = |text: &[u8]| !counts_as_number(text, decimal_comma) && is_dressed(text);
        let texts = self.numbers.iter().filter(|(text, _)| is(text));
        texts.map(|(text, &number)| (self.lines[number as usize], &text[..])).min()
    }

    /// Line and text of the first value that is no number.
    pub fn first_text(&self, decimal_comma: bool) -> Option<(u64, &[u8])> {
        let texts = self.numbers.iter().filter(|(text, _)| !counts_as_number(text, decimal_comma));
        texts.map(|(text, &number)| (self.lines[number as usize], &text[..])).min()
    }

    /// The column, its texts sorted.
    pub fn finish(self) -> Text {
        // The readers of blocks have checked that the texts are UTF-8.
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap_or_default();
        let mut sorted: Vec<(String, u32)> =
            self.numbers.into_iter().map(|(bytes, number)| (text(bytes), number)).collect();
        sorted.sort_unstable();
        let mut new = vec![MISSING; sorted.len()];
        for (place, (_, number)) in sorted.iter().enumerate() {
            new[*number as usize] = place as u32;
        }
        let mut codes = self.codes;
        codes.iter_mut().for_each(|code| *code = new.get(*code as usize).copied().unwrap_or(MISSING));
        Text { levels: sorted.into_iter().map(|(text, _)| text).collect(), codes }
    }
}

fn counts_as_number(text: &[u8], decimal_comma: bool) -> bool {
    matches!(value::<f64>(text, decimal_comma), Value::Number(_) | Value::Beyond | Value::Infinite)
}
