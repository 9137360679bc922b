//! The settings as a flat table: in TOML files, and in the JSON records of runs and models.

use super::setting::{Edit, Setting, Value, Visit};
use super::settings::{Config, SETTINGS};
use crate::error::{Error, Result};
use serde::ser::{SerializeMap, Serializer};
use serde::{Deserialize, Deserializer, Serialize, de::Error as _};

impl Serialize for Config {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        struct Write<M: SerializeMap> {
            map: M,
            outcome: std::result::Result<(), M::Error>,
        }
        impl<M: SerializeMap> Visit for Write<M> {
            fn setting<T: Value>(&mut self, setting: &'static Setting, value: &T) {
                if self.outcome.is_ok() && !value.is_absent() && !(setting.is_recorded_if_set && value.is_off()) {
                    self.outcome = self.map.serialize_entry(setting.key, value);
                }
            }
        }
        let mut write = Write { map: serializer.serialize_map(None)?, outcome: Ok(()) };
        self.visit(&mut write);
        write.outcome?;
        write.map.end()
    }
}

impl<'de> Deserialize<'de> for Config {
    /// Reads a record. Settings added after the record was written keep their defaults.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        let table = toml::Table::deserialize(deserializer)?;
        Self::from_table(&table).map_err(D::Error::custom)
    }
}

impl Config {
    /// The keys of the three forms of θ_M; a configuration has one form.
    pub(super) const THRESHOLD: [&str; 3] = ["theta", "theta-quantile", "theta-sliding"];

    /// Replaces aliases in `table` by the keys of records.
    ///
    /// # Errors
    /// If `table` has a setting under two names.
    pub(crate) fn canonical(table: &toml::Table) -> Result<toml::Table> {
        let mut canonical = toml::Table::new();
        for (name, value) in table {
            let setting = SETTINGS.iter().find(|setting| setting.aliases.contains(&name.as_str()));
            let key = setting.map_or(name.as_str(), |setting| setting.key);
            if canonical.insert(key.to_owned(), value.clone()).is_some() || (key != name && table.contains_key(key)) {
                return Err(Error::config(format!("{name}: is another name of {key}; give one of them")));
            }
        }
        Ok(canonical)
    }

    /// Overlays the defaults with `table`. If the table has some form of θ_M, that form replaces the default.
    ///
    /// # Errors
    /// If a key is unknown or a value is invalid; the message names the key.
    pub(super) fn from_table(table: &toml::Table) -> Result<Self> {
        struct Read<'a> {
            table: &'a toml::Table,
            outcome: Result<()>,
        }
        impl Edit for Read<'_> {
            fn setting<T: Value>(&mut self, setting: &'static Setting, place: &mut T, _: T) {
                let Some(value) = self.table.get(setting.key).filter(|_| self.outcome.is_ok()) else { return };
                // TOML has a word of its own for yes and no.
                let value = match value {
                    toml::Value::Boolean(yes) if !T::IS_SWITCH => (if *yes { "yes" } else { "no" }).into(),
                    value => value.clone(),
                };
                match value.try_into() {
                    Ok(value) => *place = value,
                    Err(e) => self.outcome = Err(Error::config(format!("{}: {}", setting.key, e.message()))),
                }
            }
        }
        if let Some(key) = table.keys().find(|key| SETTINGS.iter().all(|setting| setting.key != key.as_str())) {
            let kebab = key.replace('_', "-");
            let near =
                SETTINGS.iter().find(|setting| setting.key == kebab || setting.aliases.contains(&kebab.as_str()));
            let hint = near.map_or(String::new(), |setting| format!("; did you mean {}?", setting.key));
            return Err(Error::config(format!("{key}: there is no such setting{hint}")));
        }
        let mut config = Self::default();
        if Self::THRESHOLD.iter().any(|key| table.contains_key(*key)) {
            config.rule.theta = None;
        }
        let mut read = Read { table, outcome: Ok(()) };
        config.edit(&mut read);
        read.outcome.map(|()| config)
    }

    /// The settings as a TOML table with the keys of the command line.
    ///
    /// # Panics
    /// If a number is above `i64::MAX` or a path is not UTF-8, because TOML has neither. [`Self::overlay`] and the
    /// command line refuse both.
    #[must_use]
    pub fn to_table(&self) -> toml::Table {
        toml::Table::try_from(self).expect("a configuration is a flat table")
    }
}
