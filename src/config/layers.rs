//! Layers of settings: defaults, preset, file and flags. Later layers override earlier ones.

use super::choices::{Preset, Rule};
use super::settings::{Config, DataSettings, SETTINGS};
use crate::error::{Error, Result};
use crate::files;
use crate::text::{one_line, unwrapped};
use std::path::Path;

impl Config {
    /// The settings of a preset.
    #[must_use]
    pub fn preset(preset: Preset) -> toml::Table {
        let paper = toml::toml! {
            activation = "logistic"
            output = "logistic"
            loss = "mse"
            rule = "psi"
            alpha0 = 0.1
            batch-size = 1
            basis = "act"
            theta = 0.6
            decay = "log"
            decay-ticks = "to-end"
            scope = "neuron"
            latch = "latched"
            clock = "epoch"
            scale = "none"
        };
        let mut author = toml::toml! {
            data = "iris"
            hidden = [9]
            activation = "logistic"
            output = "softmax"
            loss = "mse"
            rule = "psi"
            alpha0 = 0.4
            batch-size = 1
            epochs = 50
            init-scheme = "normal:0.02"
            basis = "net2"
            theta = 20.0
            decay = "linear"
            scope = "neuron"
            latch = "latched"
            clock = "epoch"
            scale = "none"
        };
        author.insert("decay-ticks".into(), toml::Value::Float(0.4 / 0.0075));
        match preset {
            Preset::Paper2025 => paper,
            Preset::Author2026 => author,
        }
    }

    /// Overlays the defaults with `layers`; later layers override earlier ones. A layer that sets θ in one form unsets
    /// the other forms.
    ///
    /// # Errors
    /// If a key is unknown, a value is invalid or settings contradict each other; the message names them.
    pub fn overlay<'a>(layers: impl IntoIterator<Item = &'a toml::Table>) -> Result<Self> {
        let (config, all) = Self::merge(layers)?;
        // Each variable has a scale of its own, so the default θ means nothing for another than the default.
        let (basis, default) = (config.rule.basis, Self::default().rule);
        if config.rule.kind == Rule::Psi
            && basis != default.basis
            && Self::THRESHOLD.iter().all(|key| !all.contains_key(*key))
        {
            return Err(Error::config(format!(
                "`basis = {basis}`: needs a threshold of its own, because the default is for `basis = {}`; give `theta`, \
                 `theta-quantile` or `theta-sliding`, for example `theta-quantile = 0.5`",
                default.basis
            )));
        }
        config.check()?;
        Ok(config)
    }

    /// These settings of a run that resumes, with `changes`.
    ///
    /// # Errors
    /// If one of the changes would make another run of it, and as [`Self::overlay`].
    pub fn resumed_with(&self, changes: &toml::Table) -> Result<Self> {
        let free: Vec<&str> = SETTINGS.iter().filter(|setting| setting.may_change).map(|setting| setting.key).collect();
        if let Some(key) = changes.keys().find(|key| !free.contains(&key.as_str())) {
            return Err(Error::config(format!(
                "`{key}`: a resumed run keeps its settings; only `epochs`, `{}` may change",
                free.join("`, `")
            )));
        }
        Self::overlay([&self.to_table(), changes])
    }

    /// The settings of the data in `layers`, whatever the others are.
    ///
    /// # Errors
    /// If a key is unknown or a value is invalid.
    pub fn data_of<'a>(layers: impl IntoIterator<Item = &'a toml::Table>) -> Result<DataSettings> {
        Self::merge(layers).map(|(config, _)| config.data)
    }

    /// Several layers as one, for [`Self::overlay`] above `lowest`.
    ///
    /// # Errors
    /// If a key is unknown or a value is invalid.
    pub fn merged(lowest: &toml::Table, layers: &[toml::Table]) -> Result<toml::Table> {
        let (_, mut all) = Self::merge(std::iter::once(lowest).chain(layers))?;
        let given = layers.iter().map(Self::canonical).collect::<Result<Vec<_>>>()?;
        all.retain(|key, _| given.iter().any(|layer| layer.contains_key(key)));
        Ok(all)
    }

    /// Merges the layers without [`Self::check`], because a later layer may resolve a contradiction. Returns the merged keys,
    /// too.
    fn merge<'a>(layers: impl IntoIterator<Item = &'a toml::Table>) -> Result<(Self, toml::Table)> {
        let usual = toml::Value::from(Self::default().rule.basis.to_string());
        let mut all = toml::Table::new();
        for layer in layers {
            let layer = Self::canonical(layer)?;
            if Self::THRESHOLD.iter().any(|key| layer.contains_key(*key)) {
                Self::THRESHOLD.iter().for_each(|key| drop(all.remove(*key)));
            } else if layer.get("basis").is_some_and(|basis| basis != all.get("basis").unwrap_or(&usual)) {
                // An absolute threshold belongs to the variable of its layer. The other forms suit every variable.
                all.remove("theta");
            }
            all.extend(layer);
        }
        Ok((Self::from_table(&all)?, all))
    }

    /// Reads a complete record of settings from JSON, as stored with runs and models. Settings added after the record
    /// was written get their defaults.
    ///
    /// # Errors
    /// As [`Self::overlay`].
    pub fn from_json(text: &str) -> Result<Self> {
        let table: toml::Table = serde_json::from_str(text).map_err(|e| Error::Config(e.to_string()))?;
        Self::overlay([&table])
    }

    /// Reads a file with some of the settings: TOML or, if the name ends in `.json`, a JSON object of settings or a
    /// `result.json`. Contradictions between settings are checked only after all layers are merged.
    ///
    /// # Errors
    /// If the file cannot be read or parsed, or has an unknown key or a value of the wrong type.
    pub fn read_table(path: &Path) -> Result<toml::Table> {
        let mut table = Self::parse_table(path, &files::text(path, files::SETTINGS)?)?;
        for key in ["data", "val-data", "test-data", "class-weight"] {
            if let Some(toml::Value::String(name)) = table.get_mut(key) {
                *name = beside(path, name);
            }
        }
        Ok(table)
    }

    /// Parses the text of the file at `path`, as [`Self::read_table`] does.
    ///
    /// # Errors
    /// As [`Self::read_table`].
    pub fn parse_table(path: &Path, text: &str) -> Result<toml::Table> {
        let table: toml::Table = if path.extension().is_some_and(|extension| extension == "json") {
            let mut record: serde_json::Value = serde_json::from_str(text).map_err(|e| Error::file(path, e))?;
            let settings = record.get_mut("config").map(serde_json::Value::take).unwrap_or(record);
            serde_json::from_value(settings).map_err(|e| Error::file(path, e))?
        } else {
            text.parse().map_err(|e: toml::de::Error| Error::file(path, toml_reason(text, &e)))?
        };
        if table.get("arm").is_some_and(toml::Value::is_array) {
            return Err(Error::file(
                path,
                "describes a sweep, not the settings of one run; give it to `homeostat sweep plan`",
            ));
        }
        Self::merge([&table]).map_err(|e| Error::file(path, e))?;
        Ok(table)
    }
}

/// The error of a TOML file as one line: the place, the line of the file, and what is wrong with the line.
pub(crate) fn toml_reason(text: &str, error: &toml::de::Error) -> String {
    let message = unwrapped(error.message());
    let Some((before, _)) = error.span().and_then(|span| text.split_at_checked(span.start)) else { return message };
    let start = before.rfind('\n').map_or(0, |end| end + 1);
    let line = text[start..].lines().next().unwrap_or("");
    let (row, column) = (before.matches('\n').count() + 1, before[start..].chars().count() + 1);
    let shown = if line.trim().is_empty() { String::new() } else { format!(" (‘{}’)", one_line(line.trim())) };
    format!("line {row}, column {column}{shown}: {message}")
}

/// The name of data in the file of settings at `path`. A relative path that does not exist is looked for beside that file.
fn beside(path: &Path, name: &str) -> String {
    let (prefix, file) = match name.split_once(':') {
        // A single letter is a drive of Windows.
        Some((prefix, file)) if prefix.len() > 1 => (format!("{prefix}:"), file),
        _ => (String::new(), name),
    };
    // Other names are those of known sets.
    if prefix.is_empty() && !file.contains(['.', '/', '\\']) {
        return name.to_owned();
    }
    let file = Path::new(file);
    let moved = path.parent().map(|folder| folder.join(file));
    match moved.filter(|moved| file.is_relative() && !file.exists() && moved.exists()) {
        Some(moved) => format!("{prefix}{}", moved.display()),
        None => name.to_owned(),
    }
}
