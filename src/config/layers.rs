//! How settings are laid over each other: defaults, preset, file, flags.

use super::{Config, Preset};
use crate::error::{Error, Result};
use std::path::Path;

impl Config {
    /// What a preset sets.
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
        };
        author.insert("decay-ticks".into(), toml::Value::Float(0.4 / 0.0075));
        match preset {
            Preset::Paper2025 => paper,
            Preset::Author2026 => author,
        }
    }

    /// Defaults overlaid with `layers`, later ones winning; a layer that sets θ in one form unsets the others.
    ///
    /// # Errors
    /// Names the unknown key or the bad value, or what makes no sense together.
    pub fn overlay<'a>(layers: impl IntoIterator<Item = &'a toml::Table>) -> Result<Self> {
        let config = Self::merge(layers)?;
        config.check()?;
        Ok(config)
    }

    fn merge<'a>(layers: impl IntoIterator<Item = &'a toml::Table>) -> Result<Self> {
        let mut all = Self::default().to_table();
        for layer in layers {
            if layer.keys().any(|key| Self::THRESHOLD_KEYS.contains(&key.as_str())) {
                Self::THRESHOLD_KEYS.iter().for_each(|key| drop(all.remove(*key)));
            }
            all.extend(layer.iter().map(|(k, v)| (k.clone(), v.clone())));
        }
        let read = |table: toml::Table| table.try_into::<Self>().map_err(|e| e.message().to_owned());
        read(all.clone()).map_err(|message| {
            // The parser does not say which key it choked on, so each is tried alone on top of the defaults.
            let alone = |(key, value): (&String, &toml::Value)| {
                let mut table = Self::default().to_table();
                table.insert(key.clone(), value.clone());
                read(table).err().map(|message| Error::config(format!("{key}: {message}")))
            };
            all.iter().find_map(alone).unwrap_or(Error::Config(message))
        })
    }

    /// A complete record of settings, as runs and models keep it; settings that are newer than the record keep their
    /// defaults.
    ///
    /// # Errors
    /// As [`Self::overlay`].
    pub fn from_json(text: &str) -> Result<Self> {
        let table: toml::Table = serde_json::from_str(text).map_err(|e| Error::Config(e.to_string()))?;
        Self::overlay([&table])
    }

    /// Of the settings as parsed from a command line, those that the user really typed.
    ///
    /// # Errors
    /// If a number is too large for a record, or a path is not UTF-8.
    pub fn typed(&self, matches: &clap::ArgMatches) -> Result<toml::Table> {
        self.check_integers()?;
        let mut table = toml::Table::try_from(self)
            .map_err(|e| Error::config(format!("a number is too large, or a path not UTF-8: {e}")))?;
        let source = |key: &str| matches.value_source(&key.replace('-', "_"));
        table.retain(|key, _| source(key) == Some(clap::parser::ValueSource::CommandLine));
        Ok(table)
    }

    const THRESHOLD_KEYS: [&str; 3] = ["theta", "theta-quantile", "theta-sliding"];

    /// The settings as a TOML table, keys as on the command line.
    ///
    /// # Panics
    /// If a number is above `i64::MAX` or a path is not UTF-8, which TOML cannot say; [`Self::overlay`] and the command line
    /// let neither through.
    #[must_use]
    pub fn to_table(&self) -> toml::Table {
        toml::Table::try_from(self).expect("a configuration is a flat table")
    }

    /// Reads a file of settings, any subset of the keys: TOML, or for a name ending in `.json` a JSON object of them or
    /// a `result.json`. Whether they make sense together is asked once all layers are known.
    ///
    /// # Errors
    /// If the file cannot be read or parsed, or has a key that is not a setting or a value of the wrong kind.
    pub fn read_table(path: &Path) -> Result<toml::Table> {
        Self::parse_table(path, &std::fs::read_to_string(path).map_err(|e| Error::file(path, e))?)
    }

    /// The same from the text of the file at `path`.
    ///
    /// # Errors
    /// As [`Self::read_table`].
    pub fn parse_table(path: &Path, text: &str) -> Result<toml::Table> {
        let table: toml::Table = if path.extension().is_some_and(|extension| extension == "json") {
            let mut record: serde_json::Value = serde_json::from_str(text).map_err(|e| Error::file(path, e))?;
            let settings = record.get_mut("config").map(serde_json::Value::take).unwrap_or(record);
            serde_json::from_value(settings).map_err(|e| Error::file(path, e))?
        } else {
            text.parse().map_err(|e: toml::de::Error| Error::file(path, e.to_string().trim_end()))?
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
