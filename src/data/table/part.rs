//! Parses a block of whole records into columns.

use super::fields::{Cursor, Dialect, End};
use super::index::Counter;
use super::value::{NOT_UTF8, Real, Value, show, value};
use std::collections::{BTreeMap, HashMap};

/// How a column is stored. A `place` is among the numbers of a row; a `slot` is among the columns stored alike.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Column {
    /// Not at all.
    Skip,
    /// Not at all, and it must be empty, because it is what follows a delimiter at the end of a line.
    Empty,
    /// As f32. If `strict`, `true` and `false` are 1 and 0, and other text is an error at once.
    Real { place: usize, strict: bool },
    /// As f32, 1 for `true` and 0 for `false`.
    Truth { place: usize },
    /// As f64. If `strict`, anything but a number is an error at once.
    Wide { slot: usize, strict: bool },
    /// As text that repeats.
    Text { slot: usize },
    /// As it is.
    Verbatim { slot: usize },
    /// Not at all, but its values must number the rows.
    Count { slot: usize },
}

/// How a file is parsed.
pub struct Plan<'l> {
    /// How fields are marked.
    pub dialect: Dialect,
    /// One per column of the file.
    pub columns: Vec<Column>,
    /// The names of the columns.
    pub names: &'l [String],
    /// Numbers as f32 in a row.
    pub width: usize,
    /// Columns as f64, of texts, verbatim, and that count.
    pub slots: [usize; 4],
    /// Whether the names are those of a header.
    pub has_header: bool,
}

/// Values of a column that are not what the column was taken for.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Trouble {
    /// Numbers where truth values were expected.
    pub numbers: u64,
    /// Truth values where numbers were expected.
    pub truths: u64,
    /// Other text.
    pub texts: u64,
    /// Numbers that are infinite or out of range. They are stored as missing.
    pub unfit: u64,
    /// Line and value of the first truth value or text.
    pub first: Option<(u64, String)>,
    /// Line of the first unfit number, and what is wrong with it.
    pub first_unfit: Option<(u64, String)>,
}

/// The distinct texts of a column in a block.
#[derive(Debug, Default)]
pub struct Words {
    /// The number of each text.
    pub numbers: HashMap<Vec<u8>, u32>,
    /// The line in which each text is first, by number.
    pub lines: Vec<u64>,
    /// The number of the text of each row; [`crate::data::raw::MISSING`] if it is missing.
    pub codes: Vec<u32>,
}

/// From here on f32 leaves whole numbers out.
const EXACT_F32: f32 = 16_777_216.0;

/// From here on f64 leaves whole numbers out.
const EXACT_F64: f64 = 9_007_199_254_740_992.0;

/// The large whole numbers of a column that is stored as f32.
#[derive(Debug, Default)]
pub struct Merged {
    /// The number that each stored number was first; empty once two have become one.
    numbers: HashMap<u32, f64>,
    /// Whether two different numbers are stored as one.
    pub found: bool,
}

impl Merged {
    fn push(&mut self, number: f64) {
        if !self.found && *self.numbers.entry((number as f32).to_bits()).or_insert(number) != number {
            *self = Self { numbers: HashMap::new(), found: true };
        }
    }

    /// Adds the numbers of a later block.
    pub fn append(&mut self, more: Self) {
        if more.found {
            *self = more;
        } else {
            more.numbers.into_values().for_each(|number| self.push(number));
        }
    }
}

/// A parsed block. Lines are counted from 0 at its start.
#[derive(Debug, Default)]
pub struct Part {
    /// Number of records.
    pub rows: usize,
    /// Number of lines.
    pub lines: u64,
    /// Number of comment lines.
    pub comments: u64,
    /// The columns stored as f32, row-major.
    pub reals: Vec<f32>,
    /// The columns stored as f64.
    pub wide: Vec<Vec<f64>>,
    /// The columns of text.
    pub texts: Vec<Words>,
    /// The columns stored as they are.
    pub verbatim: Vec<Vec<String>>,
    /// The columns that count.
    pub counters: Vec<Counter>,
    /// By column.
    pub troubles: BTreeMap<usize, Trouble>,
    /// Large whole numbers by column.
    pub merged: BTreeMap<usize, Merged>,
    /// The line at which parsing ended, and why.
    pub fault: Option<(u64, String)>,
}

/// Parses `block`.
pub fn parse(block: &[u8], plan: &Plan) -> Part {
    let [wide, texts, verbatim, counters] = plan.slots;
    let mut part = Part {
        wide: vec![vec![]; wide],
        texts: std::iter::repeat_with(Words::default).take(texts).collect(),
        verbatim: vec![vec![]; verbatim],
        counters: vec![Counter::Empty; counters],
        ..Part::default()
    };
    let mut cursor = Cursor::new(block, plan.dialect);
    while cursor.start_record() {
        let line = cursor.line;
        if let Err(reason) = part.record(&mut cursor, plan, line) {
            part.fault = Some((line, reason));
            break;
        }
        part.rows += 1;
    }
    (part.lines, part.comments) = (cursor.line, cursor.comments);
    part
}

impl Part {
    fn record(&mut self, cursor: &mut Cursor, plan: &Plan, line: u64) -> Result<(), String> {
        let start = self.reals.len();
        self.reals.resize(start + plan.width, f32::NAN);
        let last = plan.columns.len() - 1;
        for (index, &column) in plan.columns.iter().enumerate() {
            // The common case first: most columns are numbers.
            let at = cursor.position();
            let fast = match column {
                Column::Real { place, .. } => cursor.number::<f32>().map(|number| {
                    self.reals[start + place] = number;
                    number.abs() >= EXACT_F32
                }),
                Column::Wide { slot, .. } => cursor.number::<f64>().map(|number| {
                    self.wide[slot].push(number);
                    number.abs() >= EXACT_F64
                }),
                _ => None,
            };
            if fast == Some(true) {
                self.large(cursor.since(at), (index, column), plan);
            }
            if fast.is_none() {
                let field = cursor.field()?;
                self.store(&field, (index, column), start, plan, line)?;
            }
            match cursor.end_field() {
                End::Field if index < last => {}
                End::Record if index == last => return Ok(()),
                end => return Err(ragged(index + 1, end, cursor, plan)),
            }
        }
        Ok(())
    }

    fn store(
        &mut self,
        field: &[u8],
        (index, column): (usize, Column),
        start: usize,
        plan: &Plan,
        line: u64,
    ) -> Result<(), String> {
        let comma = plan.dialect.decimal_comma;
        let in_column = |reason: String| match plan.names.get(index) {
            Some(name) => format!("column ‘{}’: {reason}", show(name.as_bytes())),
            None => reason,
        };
        match column {
            Column::Skip => {}
            Column::Empty if field.is_empty() => {}
            Column::Empty => {
                return Err(format!("‘{}’ follows the delimiter that ends other lines; remove it", show(field)));
            }
            Column::Real { place, strict } => {
                let found = value::<f32>(field, comma);
                self.reals[start + place] = match found {
                    Value::Truth(truth) if strict => f32::from(u8::from(truth)),
                    Value::Other if strict => {
                        return Err(in_column(format!(
                            "‘{}’ is not a number; the model was trained on numbers",
                            show(field)
                        )));
                    }
                    found => self.number(found, field, index, line),
                };
                if self.reals[start + place].abs() >= EXACT_F32 {
                    self.large(field, (index, column), plan);
                }
            }
            Column::Truth { place } => {
                self.reals[start + place] = match value::<f32>(field, comma) {
                    Value::Truth(truth) => f32::from(u8::from(truth)),
                    Value::Missing => f32::NAN,
                    found => {
                        let trouble = self.troubles.entry(index).or_default();
                        let is_text = found == Value::Other;
                        *(if is_text { &mut trouble.texts } else { &mut trouble.numbers }) += 1;
                        f32::NAN
                    }
                }
            }
            Column::Wide { slot, strict } => {
                let found = value::<f64>(field, comma);
                if strict && !matches!(found, Value::Number(_) | Value::Beyond | Value::Infinite) {
                    return Err(in_column(format!("‘{}’ is not a number; every sample needs a weight", show(field))));
                }
                let number = self.number(found, field, index, line);
                self.wide[slot].push(number);
                if number.abs() >= EXACT_F64 {
                    self.large(field, (index, column), plan);
                }
            }
            Column::Text { slot } => self.texts[slot].push(field, line).map_err(in_column)?,
            Column::Verbatim { slot } => {
                let text = std::str::from_utf8(field).map_err(|_| in_column(NOT_UTF8.to_owned()))?;
                self.verbatim[slot].push(text.to_owned());
            }
            Column::Count { slot } => self.counters[slot].push(field),
        }
        Ok(())
    }

    /// Records a number so large that a float cannot distinguish the whole numbers near it.
    fn large(&mut self, field: &[u8], (index, column): (usize, Column), plan: &Plan) {
        let field = field.trim_ascii();
        if let Column::Real { .. } = column
            && let Value::Number(number) = value::<f64>(field, plan.dialect.decimal_comma)
            && number.fract() == 0.0
            && number.abs() < EXACT_F64
        {
            self.merged.entry(index).or_default().push(number);
        }
    }

    /// The number that is stored for `found`; anything else is missing and recorded.
    fn number<T: Real>(&mut self, found: Value<T>, field: &[u8], column: usize, line: u64) -> T {
        match found {
            Value::Number(number) => return number,
            Value::Missing => return T::MISSING,
            _ => {}
        }
        let trouble = self.troubles.entry(column).or_default();
        let shown = || show(field.trim_ascii());
        match found {
            Value::Infinite | Value::Beyond => {
                let reason = || match found {
                    Value::Beyond => format!("{} is beyond the range of {}", shown(), T::RANGE),
                    _ => format!("{} is not a finite number", shown()),
                };
                trouble.unfit += 1;
                trouble.first_unfit.get_or_insert_with(|| (line, reason()));
            }
            _ => {
                *(if found == Value::Other { &mut trouble.texts } else { &mut trouble.truths }) += 1;
                trouble.first.get_or_insert_with(|| (line, shown()));
            }
        }
        T::MISSING
    }
}

impl Words {
    fn push(&mut self, field: &[u8], line: u64) -> Result<(), String> {
        if value::<f32>(field, false) == Value::Missing {
            self.codes.push(crate::data::raw::MISSING);
            return Ok(());
        }
        if let Some(&number) = self.numbers.get(field) {
            self.codes.push(number);
            return Ok(());
        }
        std::str::from_utf8(field).map_err(|_| NOT_UTF8.to_owned())?;
        let number = self.lines.len() as u32;
        self.numbers.insert(field.to_vec(), number);
        self.lines.push(line);
        self.codes.push(number);
        Ok(())
    }
}

/// What is wrong with a record that has too few fields or too many.
fn ragged(mut fields: usize, end: End, cursor: &mut Cursor, plan: &Plan) -> String {
    if end == End::Field {
        loop {
            fields += 1;
            match cursor.field() {
                Ok(_) if cursor.end_field() == End::Field => {}
                Ok(_) => break,
                Err(reason) => return reason.to_owned(),
            }
        }
    }
    let model = if plan.has_header { "header" } else { "first line" };
    format!("{fields} fields, but the {model} has {}", plan.columns.len())
}
