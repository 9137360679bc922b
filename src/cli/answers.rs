//! Prints the answers of a model sample by sample: as text, as JSON or as CSV.

use super::print::{say, say_block, tell};
use crate::config::Task;
use crate::data::DataSet;
use crate::error::{Error, Result};
use crate::files::to_json;
use crate::model::file::Model;
use crate::model::predict::Predictions;
use crate::model::{labels, regression};
use crate::text::{line, named, one_line, percent, significant};
use serde::{Serialize, Serializer};
use serde_json::{Value, json};
use std::path::PathBuf;

/// The samples to predict.
pub enum Source {
    /// A data set, and the numbers of the rows to predict.
    Rows(Box<DataSet>, Vec<u32>),
    /// The paths of images, and the features of each.
    Images(Vec<PathBuf>, Vec<Vec<f32>>),
}

/// How answers are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// One line per sample for people.
    Text,
    /// One object per sample.
    Json,
    /// A table with a header.
    Csv,
}

/// The answers of a model to some samples.
pub struct Answers<'a> {
    pub model: &'a Model,
    pub source: &'a Source,
    pub predictions: &'a Predictions,
    /// Whether outputs stand for the labels of the data.
    pub labelled: bool,
    /// Number of classes to show.
    pub top: usize,
}

/// What a sample is, for people and programs.
enum Name<'a> {
    Row(u32),
    File(String),
    /// Values of the columns that name it.
    Ids(Vec<(&'a str, &'a str)>),
}

/// A JSON object whose keys keep their order.
struct Object(Vec<(String, Value)>);

impl Serialize for Object {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(key, value)| (key, value)))
    }
}

impl Answers<'_> {
    /// Prints all answers, and the error if labels are known.
    pub fn print(&self, format: Format) -> Result<()> {
        match format {
            Format::Json => (0..self.len()).try_for_each(|i| say(to_json(&self.object(i))?)),
            Format::Csv => self.print_csv(),
            Format::Text => self.print_text(),
        }?;
        self.tell_error();
        Ok(())
    }

    fn len(&self) -> usize {
        self.predictions.classes.len()
    }

    fn task(&self) -> Task {
        self.model.task()
    }

    fn outputs(&self, i: usize) -> &[f32] {
        &self.predictions.outputs[i * self.predictions.width..(i + 1) * self.predictions.width]
    }

    fn name(&self, i: usize) -> Name<'_> {
        match self.source {
            Source::Images(files, _) => Name::File(files[i].display().to_string()),
            Source::Rows(data, rows) if data.ids.is_empty() => Name::Row(rows[i]),
            Source::Rows(data, rows) => {
                Name::Ids(data.ids.iter().map(|(column, values)| (&**column, &*values[rows[i] as usize])).collect())
            }
        }
    }

    /// The class of sample `i`, if it is known.
    fn label(&self, i: usize) -> Option<u32> {
        match self.source {
            Source::Rows(data, rows) if self.labelled => data.labels.get(rows[i] as usize).copied(),
            _ => None,
        }
    }

    /// The targets of sample `i`, if they are known.
    fn targets(&self, i: usize) -> Option<&[f32]> {
        match self.source {
            Source::Rows(data, rows) if self.labelled && !data.values.is_empty() => {
                let row = rows[i] as usize;
                Some(&data.values[row * data.classes..(row + 1) * data.classes])
            }
            _ => None,
        }
    }

    /// The `top` classes with the largest outputs, and these outputs. The answer comes first even if other classes have
    /// the same output.
    fn top(&self, i: usize) -> Vec<(u32, f32)> {
        let class = self.predictions.classes[i];
        let mut classes: Vec<(u32, f32)> = (0..).zip(self.outputs(i).iter().copied()).collect();
        classes.sort_by(|a, b| (b.0 == class).cmp(&(a.0 == class)).then(b.1.total_cmp(&a.1)));
        classes.truncate(self.top);
        classes
    }

    /// A class as programs know it: its name, or its number if it has none.
    fn class(&self, class: u32) -> Value {
        let is_named = self.model.data.as_ref().is_some_and(|data| !data.about.outputs.is_empty());
        if is_named { self.model.output_name(class as usize).into() } else { class.into() }
    }

    fn output_names(&self) -> Vec<String> {
        let name = |k| match (self.task(), self.predictions.width, self.model.output_name(k)) {
            // A single target without a name.
            (Task::Regression, 1, name) if name == "0" => "y".to_owned(),
            (_, _, name) => name,
        };
        (0..self.predictions.width).map(name).collect()
    }

    fn object(&self, i: usize) -> Object {
        let outputs = self.outputs(i);
        let mut object = vec![match self.name(i) {
            Name::Row(row) => ("row".to_owned(), json!(row)),
            Name::File(file) => ("file".to_owned(), json!(file)),
            Name::Ids(ids) => {
                let ids = ids.into_iter().map(|(column, value)| (column.to_owned(), json!(value)));
                ("id".to_owned(), Value::Object(ids.collect()))
            }
        }];
        let mut add = |key: &str, value| object.push((key.to_owned(), value));
        if self.task() == Task::Classification {
            let class = self.predictions.classes[i];
            add("class", self.class(class));
            add("output", json!(outputs[class as usize]));
            if let Some(label) = self.label(i) {
                add("label", self.class(label));
                add("right", json!(label == class));
            }
        } else {
            let is_set = |&output: &f32| u8::from(output > 0.5);
            match self.task() {
                Task::Multilabel => add("answers", json!(outputs.iter().map(is_set).collect::<Vec<_>>())),
                _ => add("answers", json!(outputs)),
            }
            add("names", json!(self.output_names()));
            if let Some(targets) = self.targets(i) {
                add("targets", json!(targets));
            }
        }
        add("outputs", json!(outputs));
        Object(object)
    }

    fn print_text(&self) -> Result<()> {
        let name = |i| match self.name(i) {
            Name::Row(row) => row.to_string(),
            Name::File(file) => line(file),
            Name::Ids(ids) => named(&ids.iter().map(|(_, value)| one_line(value)).collect::<Vec<_>>().join(" ")),
        };
        let names: Vec<String> = (0..self.len()).map(name).collect();
        let width = names.iter().map(|name| name.chars().count()).max().unwrap_or(0);
        let outputs: Vec<String> = self.output_names().iter().map(|name| one_line(name)).collect();
        let widest = outputs.iter().map(|name| name.chars().count()).max().unwrap_or(0).max(4);
        for (i, name) in names.iter().enumerate() {
            let answer = match self.task() {
                Task::Classification => {
                    let shown = |(class, y): &(u32, f32)| format!("{:>widest$} {y:.4}", outputs[*class as usize]);
                    let answer = self.top(i).iter().map(shown).collect::<Vec<_>>().join(" ");
                    let verdict = match self.label(i) {
                        Some(label) if label == self.predictions.classes[i] => "  right".to_owned(),
                        Some(label) => format!("  wrong: {}", outputs[label as usize]),
                        None => String::new(),
                    };
                    answer + &verdict
                }
                Task::Regression => {
                    let number = |y: &f32| format!("{:>10}", significant(f64::from(*y), 5));
                    let join = |values: &[f32]| values.iter().map(number).collect::<Vec<_>>().join(" ");
                    let target = self.targets(i).map_or(String::new(), |targets| format!("  target {}", join(targets)));
                    join(self.outputs(i)) + &target
                }
                Task::Multilabel => {
                    let given = outputs.iter().zip(self.outputs(i)).filter(|(_, y)| **y > 0.5);
                    let given: Vec<String> = given.map(|(name, y)| format!("{name} {y:.4}")).collect();
                    if given.is_empty() { "none".to_owned() } else { given.join("  ") }
                }
            };
            say(format_args!("{name:<width$} {answer}"))?;
        }
        Ok(())
    }

    fn print_csv(&self) -> Result<()> {
        let failed = |e: csv::Error| Error::Run(format!("cannot be written as CSV: {e}"));
        let mut lines = csv::Writer::from_writer(vec![]);
        let names = self.output_names();
        let mut header: Vec<String> = match (self.len() > 0).then(|| self.name(0)) {
            Some(Name::Ids(ids)) => ids.iter().map(|(column, _)| (*column).to_owned()).collect(),
            Some(Name::File(_)) => vec!["file".into()],
            _ => vec!["row".into()],
        };
        let is_known = self.len() > 0 && (self.label(0).is_some() || self.targets(0).is_some());
        match self.task() {
            Task::Classification => {
                for k in 1..=self.top {
                    let end = if k == 1 { String::new() } else { format!("_{k}") };
                    header.extend([format!("class{end}"), format!("output{end}")]);
                }
                if is_known {
                    header.extend(["label", "right"].map(str::to_owned));
                }
                header.extend(names.iter().map(|name| format!("p_{name}")));
            }
            Task::Regression => {
                header.extend(names.iter().cloned());
                if is_known {
                    header.extend(names.iter().map(|name| format!("target_{name}")));
                }
            }
            Task::Multilabel => {
                header.extend(names.iter().cloned());
                if is_known {
                    header.extend(names.iter().map(|name| format!("target_{name}")));
                }
                header.extend(names.iter().map(|name| format!("p_{name}")));
            }
        }
        // A sample is one line, so a name cannot forge another.
        lines.write_record(header.iter().map(line)).map_err(failed)?;
        for i in 0..self.len() {
            let mut record = match self.name(i) {
                Name::Row(row) => vec![row.to_string()],
                Name::File(file) => vec![file],
                Name::Ids(ids) => ids.iter().map(|(_, value)| (*value).to_owned()).collect(),
            };
            let outputs = || self.outputs(i).iter().map(f32::to_string);
            let targets = || self.targets(i).into_iter().flatten().map(f32::to_string);
            match self.task() {
                Task::Classification => {
                    for (class, y) in self.top(i) {
                        record.extend([names[class as usize].clone(), y.to_string()]);
                    }
                    if let Some(label) = self.label(i) {
                        record.extend([
                            names[label as usize].clone(),
                            (label == self.predictions.classes[i]).to_string(),
                        ]);
                    }
                    record.extend(outputs());
                }
                Task::Regression => record.extend(outputs().chain(targets())),
                Task::Multilabel => {
                    record.extend(self.outputs(i).iter().map(|&y| u8::from(y > 0.5).to_string()));
                    record.extend(targets().chain(outputs()));
                }
            }
            lines.write_record(record.iter().map(line)).map_err(failed)?;
        }
        let bytes = lines.into_inner().map_err(|e| Error::Run(format!("cannot be written as CSV: {e}")))?;
        say_block(String::from_utf8_lossy(&bytes).trim_end_matches('\n'))
    }

    /// Prints the error of all samples, if their labels are known.
    fn tell_error(&self) {
        let known = (0..self.len()).filter_map(|i| Some(self.label(i)? == self.predictions.classes[i]));
        let (known, wrong) = known.fold((0, 0), |(known, wrong), right| (known + 1, wrong + usize::from(!right)));
        if known > 0 && self.task() == Task::Classification {
            let error = percent(wrong as f64 / known as f64);
            tell(format_args!("{wrong} of {known} samples wrong, error {error}"));
        }
        let targets: Vec<f32> = (0..self.len()).filter_map(|i| self.targets(i)).flatten().copied().collect();
        if targets.is_empty() {
            return;
        }
        let (outputs, width) = (&self.predictions.outputs, self.predictions.width);
        if self.task() == Task::Multilabel {
            let scores = labels::scores(outputs, &targets, width);
            let f1 = scores.micro_f1.map_or("–".to_owned(), |f1| format!("{f1:.4}"));
            tell(format_args!("{} samples: exact match {}, F1 {f1} (micro)", self.len(), percent(scores.exact_match)));
            return;
        }
        for (name, score) in self.output_names().iter().zip(regression::scores(outputs, &targets, width)) {
            let r2 = score.r2.map_or("–".to_owned(), |r2| format!("{r2:.4}"));
            let (rmse, mae) = (significant(score.rmse, 4), significant(score.mae, 4));
            tell(format_args!("{} samples, {}: RMSE {rmse}, MAE {mae}, R² {r2}", self.len(), one_line(name)));
        }
    }
}
