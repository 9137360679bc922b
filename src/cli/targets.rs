//! The table of targets that `eval` and `train` print for networks without classes.

use super::print::say;
use crate::error::Result;
use crate::model::labels::{LabelScore, Labels};
use crate::model::regression::TargetScore;
use crate::text::{one_line, percent, significant};
use serde::Serialize;

/// The scores of each target, or of each label.
#[derive(Serialize)]
pub struct PerTarget {
    /// Name of the samples that were counted: `test`, `validation` or `train`.
    pub targets_of: &'static str,
    names: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    targets: Vec<TargetScore>,
    #[serde(skip_serializing_if = "Option::is_none")]
    labels: Option<Labels>,
}

impl PerTarget {
    /// A table of real targets.
    pub fn values(targets_of: &'static str, targets: Vec<TargetScore>, name: impl Fn(usize) -> String) -> Self {
        Self { targets_of, names: (0..targets.len()).map(name).collect(), targets, labels: None }
    }

    /// A table of labels.
    pub fn labels(targets_of: &'static str, labels: Labels, name: impl Fn(usize) -> String) -> Self {
        let names = (0..labels.labels.len()).map(name).collect();
        Self { targets_of, names, targets: vec![], labels: Some(labels) }
    }

    /// Prints the table.
    pub fn print(&self) -> Result<()> {
        let names: Vec<String> = self.names.iter().map(|name| one_line(name)).collect();
        let width = names.iter().map(|name| name.chars().count()).max().unwrap_or(0).max(6);
        if let Some(labels) = &self.labels {
            let [micro, macro_] =
                [labels.micro_f1, labels.macro_f1].map(|f1| f1.map_or("–".into(), |f1| format!("{f1:.4}")));
            say(format_args!(
                "{} samples: exact match {}, F1 {micro} (micro), {macro_} (macro)",
                self.targets_of,
                percent(labels.exact_match)
            ))?;
            say(format_args!("{:>width$} {:>8}  {:>9} {:>9} {:>7}", "label", "samples", "recall", "precision", "F1"))?;
            for (name, LabelScore { samples, recall, precision, f1 }) in names.iter().zip(&labels.labels) {
                let [recall, precision] = [recall, precision].map(|share| share.map_or("–".to_owned(), percent));
                let f1 = f1.map_or("–".to_owned(), |f1| format!("{f1:.4}"));
                say(format_args!("{name:>width$} {samples:>8}  {recall:>9} {precision:>9} {f1:>7}"))?;
            }
            return Ok(());
        }
        if self.targets.len() < 2 {
            return Ok(());
        }
        say(format_args!("targets of the {} samples, each in its own units:", self.targets_of))?;
        say(format_args!("{:>width$}  {:>10}  {:>10}  {:>8}", "target", "RMSE", "MAE", "R²"))?;
        for (name, TargetScore { rmse, mae, r2 }) in names.iter().zip(&self.targets) {
            let r2 = r2.map_or("–".to_owned(), |r2| format!("{r2:.5}"));
            say(format_args!("{name:>width$}  {:>10}  {:>10}  {r2:>8}", significant(*rmse, 4), significant(*mae, 4)))?;
        }
        Ok(())
    }
}
