//! The settings as flags of the command line.

use super::setting::{Edit, Setting, Value};
use super::settings::Config;
use crate::error::{Error, Result};
use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgGroup, ArgMatches, Args, Command, FromArgMatches};

impl Args for Config {
    fn augment_args(command: Command) -> Command {
        struct Add(Vec<Arg>);
        impl Edit for Add {
            fn setting<T: Value>(&mut self, setting: &'static Setting, _: &mut T, default: T) {
                self.0.push(argument(setting, &default));
            }
        }
        let mut add = Add(vec![]);
        Self::default().edit(&mut add);
        command.args(add.0).group(ArgGroup::new("threshold").args(Self::THRESHOLD))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

fn argument<T: Value>(setting: &'static Setting, default: &T) -> Arg {
    let value_name = match (setting.value_name, T::VALUE_NAME) {
        (Some(name), _) => name.to_owned(),
        (None, "") => setting.key.replace('-', "_").to_uppercase(),
        (None, name) => name.to_owned(),
    };
    let mut argument = Arg::new(setting.key)
        .long(setting.key)
        .aliases(setting.aliases)
        .help(setting.help)
        .help_heading(setting.heading)
        .value_name(value_name)
        .value_parser(T::parser())
        .action(ArgAction::Set);
    if let Some(default) = default.spelled() {
        argument = argument.default_value(default);
    }
    if T::IS_SWITCH {
        // Allows `--arm` and `--arm=false`, but not `--arm false`, because the word could be the next argument.
        argument = argument.num_args(0..=1).require_equals(true).default_missing_value("true");
        argument = argument.value_name("BOOL").hide_possible_values(true).hide_default_value(true);
    }
    argument
}

impl FromArgMatches for Config {
    fn from_arg_matches(matches: &ArgMatches) -> std::result::Result<Self, clap::Error> {
        let mut config = Self::default();
        config.update_from_arg_matches(matches)?;
        Ok(config)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> std::result::Result<(), clap::Error> {
        struct Take<'a>(&'a ArgMatches);
        impl Edit for Take<'_> {
            fn setting<T: Value>(&mut self, setting: &'static Setting, value: &mut T, none: T) {
                *value = self.0.get_one::<T::Word>(setting.key).cloned().map_or(none, T::from_word);
            }
        }
        self.edit(&mut Take(matches));
        Ok(())
    }
}

impl Config {
    /// The subset of settings that the user typed on the command line, given all parsed settings.
    ///
    /// # Errors
    /// If a number is too large for a record, or a path is not UTF-8.
    pub fn typed(&self, matches: &ArgMatches) -> Result<toml::Table> {
        self.check_integers()?;
        let mut table = toml::Table::try_from(self)
            .map_err(|e| Error::config(format!("a number is too large, or a path not UTF-8: {e}")))?;
        table.retain(|key, _| matches.value_source(key) == Some(ValueSource::CommandLine));
        Ok(table)
    }
}
