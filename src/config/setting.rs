//! The definition of a setting: its facts ([`Setting`]), its possible types ([`Value`]), and the macro that turns the
//! table in `settings.rs` into the groups of `Config`.

use serde::{Serialize, de::DeserializeOwned};
use std::path::PathBuf;

/// The facts about one setting that do not depend on its value.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    /// The name in TOML, in records and, after `--`, on the command line.
    pub key: &'static str,
    /// Other names for flags and TOML. Records use only the key.
    pub aliases: &'static [&'static str],
    /// The title under which `--help` lists the setting.
    pub heading: &'static str,
    /// The text of `--help`.
    pub help: &'static str,
    /// The placeholder of the value in `--help`, if it differs from the placeholder of the type.
    pub value_name: Option<&'static str>,
    /// The valid range, whatever the values of other settings.
    pub range: Range,
    /// How far the members of one population may differ in the setting.
    pub members: Members,
    /// Whether only training uses the setting, so that evaluation and prediction ignore it.
    pub is_training_only: bool,
    /// Whether a record leaves the setting out while it is off.
    pub is_recorded_if_set: bool,
    /// Whether the setting only decides how results are computed, and changes no bit of them.
    pub leaves_results: bool,
    /// Whether a resumed run may have another value than it began with.
    pub may_change: bool,
}

/// A range of valid numbers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Range {
    /// Every finite number.
    Finite,
    /// Above 0, also in f32.
    Positive,
    /// At least 0.
    NotNegative,
    /// At least 0 and at most this.
    UpTo(f64),
    /// At least 0 and below 1, also in f32, because kernels divide by 1 minus the value.
    Share,
    /// At least 1.
    AtLeastOne,
    /// A base of a logarithm whose square is neither 1 nor infinite in f32.
    LogBase,
}

/// How far the members of one population may differ in a setting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Members {
    /// All have the same value.
    Share,
    /// Each has its own value.
    Differ,
    /// Each has its own amount, but either all amounts are above 0 or all are 0, because kernels are compiled with or
    /// without the feature.
    DifferInAmount,
}

impl Setting {
    /// A setting that all members share, that not only training uses, and that accepts any finite value.
    pub(super) const fn new(key: &'static str, heading: &'static str, help: &'static str) -> Self {
        Self {
            key,
            aliases: &[],
            heading,
            help: help.trim_ascii_start(),
            value_name: None,
            range: Range::Finite,
            members: Members::Share,
            is_training_only: false,
            is_recorded_if_set: false,
            leaves_results: false,
            may_change: false,
        }
    }

    pub(super) const fn aliases(self, aliases: &'static [&'static str]) -> Self {
        Self { aliases, ..self }
    }

    pub(super) const fn value(self, name: &'static str) -> Self {
        Self { value_name: Some(name), ..self }
    }

    pub(super) const fn range(self, range: Range) -> Self {
        Self { range, ..self }
    }

    pub(super) const fn per_member(self) -> Self {
        Self { members: Members::Differ, ..self }
    }

    pub(super) const fn amount_per_member(self) -> Self {
        Self { members: Members::DifferInAmount, ..self }
    }

    pub(super) const fn training_only(self) -> Self {
        Self { is_training_only: true, ..self }
    }

    pub(super) const fn recorded_if_set(self) -> Self {
        Self { is_recorded_if_set: true, ..self }
    }

    pub(super) const fn leaves_results(self) -> Self {
        Self { leaves_results: true, ..self }
    }

    pub(super) const fn may_change(self) -> Self {
        Self { may_change: true, ..self }
    }
}

/// The word for a variant in TOML, in records and on the command line.
pub(crate) fn word(variant: &impl Serialize) -> String {
    match serde_json::to_value(variant) {
        Ok(serde_json::Value::String(word)) => word,
        other => unreachable!("a variant without fields is one word, and not {other:?}"),
    }
}

/// A type of settings.
#[cfg_attr(not(feature = "cli"), allow(dead_code, reason = "the command line alone reads and spells values"))]
pub trait Value: Clone + PartialEq + Serialize + DeserializeOwned {
    /// The type that the command line reads: the type itself, or the one inside an `Option`.
    type Word: Clone + Send + Sync + 'static;
    /// The placeholder of the value in `--help`; if empty, the key in capitals.
    const VALUE_NAME: &'static str = "";
    /// Whether the flag alone means `true`.
    const IS_SWITCH: bool = false;

    /// The parser of the command line for this type.
    #[cfg(feature = "cli")]
    fn parser() -> clap::builder::ValueParser;

    /// The value for a parsed word of the command line.
    fn from_word(word: Self::Word) -> Self;

    /// The default as the command line spells it; `None` without a default.
    fn spelled(&self) -> Option<String>;

    /// Whether the value is absent, so that records omit the setting.
    fn is_absent(&self) -> bool {
        false
    }

    /// Whether the value is `false`, or the usual one of a setting that is recorded only if set.
    fn is_off(&self) -> bool {
        false
    }

    /// The number to check against the range.
    fn number(&self) -> Option<f64> {
        None
    }

    /// The value with every amount above zero replaced by the same amount, so that settings that need the same kernels
    /// compare equal.
    #[must_use]
    fn without_amount(&self) -> Self {
        self.clone()
    }
}

impl<T: Value<Word = T> + Send + Sync + 'static> Value for Option<T> {
    type Word = T;
    const VALUE_NAME: &'static str = T::VALUE_NAME;

    #[cfg(feature = "cli")]
    fn parser() -> clap::builder::ValueParser {
        T::parser()
    }

    fn from_word(word: T) -> Self {
        Some(word)
    }

    fn spelled(&self) -> Option<String> {
        self.as_ref().and_then(T::spelled)
    }

    fn is_absent(&self) -> bool {
        self.is_none()
    }

    fn number(&self) -> Option<f64> {
        self.as_ref().and_then(T::number)
    }

    fn without_amount(&self) -> Self {
        self.as_ref().map(T::without_amount)
    }
}

/// Implements [`Value`] for types that the command line can parse and print.
macro_rules! values {
    ($($type:ty { $($more:tt)* })+) => {$(
        impl $crate::config::setting::Value for $type {
            type Word = Self;
            $($more)*

            #[cfg(feature = "cli")]
            fn parser() -> clap::builder::ValueParser {
                clap::value_parser!($type).into()
            }

            fn from_word(word: Self) -> Self {
                word
            }

            fn spelled(&self) -> Option<String> {
                Some(self.to_string())
            }
        }
    )+};
}
pub(crate) use values;

values! {
    bool {
        const IS_SWITCH: bool = true;

        fn is_off(&self) -> bool {
            !self
        }
    }
    f64 {
        const VALUE_NAME: &'static str = "F";

        fn number(&self) -> Option<f64> {
            Some(*self)
        }

        fn without_amount(&self) -> Self {
            if *self > 0.0 { 0.5 } else { 0.0 }
        }
    }
    u32 {
        const VALUE_NAME: &'static str = "N";

        fn number(&self) -> Option<f64> {
            Some(f64::from(*self))
        }
    }
    u64 { const VALUE_NAME: &'static str = "N"; }
    usize {
        const VALUE_NAME: &'static str = "N";

        fn number(&self) -> Option<f64> {
            Some(*self as f64)
        }
    }
    String {}
}

impl Value for PathBuf {
    type Word = Self;
    const VALUE_NAME: &'static str = "FILE";

    #[cfg(feature = "cli")]
    fn parser() -> clap::builder::ValueParser {
        clap::value_parser!(PathBuf)
    }

    fn from_word(word: Self) -> Self {
        word
    }

    fn spelled(&self) -> Option<String> {
        Some(self.display().to_string())
    }
}

/// A visitor of every setting of a configuration, in order.
pub(super) trait Visit {
    /// Visits one setting and its value.
    fn setting<T: Value>(&mut self, setting: &'static Setting, value: &T);
}

/// An editor of every setting of a configuration, in order.
pub(super) trait Edit {
    /// Edits one setting, given its value and its default.
    fn setting<T: Value>(&mut self, setting: &'static Setting, value: &mut T, default: T);
}

/// Turns `snake_case` into `kebab-case` at compile time.
pub(super) const fn kebab<const LENGTH: usize>(snake: &str) -> [u8; LENGTH] {
    let mut bytes = [b'-'; LENGTH];
    let mut place = 0;
    while place < LENGTH {
        if snake.as_bytes()[place] != b'_' {
            bytes[place] = snake.as_bytes()[place];
        }
        place += 1;
    }
    bytes
}

/// The key of a setting, from its field's name or from the name after `as`.
macro_rules! key {
    ($field:ident as $key:ident) => {
        key!($key)
    };
    ($key:ident) => {{
        const BYTES: [u8; stringify!($key).len()] = $crate::config::setting::kebab(stringify!($key));
        match str::from_utf8(&BYTES) {
            Ok(key) => key,
            Err(_) => unreachable!(),
        }
    }};
}

/// The setter of one setting. Setters of an `Option` also accept the bare value; setters of texts and widths accept
/// every type that converts into them.
macro_rules! setter {
    ($(#[doc = $help:literal])+ $group:ident $field:ident: $($type:tt)+) => {
        setter! { $(#[doc = $help])+ $group $field as $field: $($type)+ }
    };
    ($(#[doc = $help:literal])+ $group:ident $field:ident as $key:ident: Option<$inner:ty>) => {
        setter! { @ $(#[doc = $help])+ $group $field $key impl Into<Option<$inner>> }
    };
    ($(#[doc = $help:literal])+ $group:ident $field:ident as $key:ident: String) => {
        setter! { @ $(#[doc = $help])+ $group $field $key impl Into<String> }
    };
    ($(#[doc = $help:literal])+ $group:ident $field:ident as $key:ident: Hidden) => {
        setter! { @ $(#[doc = $help])+ $group $field $key impl Into<Hidden> }
    };
    ($(#[doc = $help:literal])+ $group:ident $field:ident as $key:ident: $type:ty) => {
        setter! { @ $(#[doc = $help])+ $group $field $key $type }
    };
    (@ $(#[doc = $help:literal])+ $group:ident $field:ident $key:ident $type:ty) => {
        $(#[doc = $help])+
        #[must_use]
        #[allow(clippy::useless_conversion, reason = "only some types need the conversion")]
        pub fn $key(mut self, $key: $type) -> Self {
            self.$group.$field = $key.into();
            self
        }
    };
}

/// Turns a table of settings into one struct per group with its defaults, the struct of all groups with its setters,
/// and the list `SETTINGS`. A line of the table is
///
/// ```text
/// /// text of --help
/// field [as key]: Type = default [=> [fact, fact(argument), …]];
/// ```
///
/// The field also names the flag, the key and the setter, unless `as key` gives another name. A fact is a method of
/// [`Setting`].
macro_rules! settings {
    (
        $(#[$config_attribute:meta])*
        $config:ident;
        $(
            $(#[doc = $about:literal])+
            $group:ident: $Group:ident = $heading:literal {
                $(
                    $(#[doc = $help:literal])+
                    $field:ident $(as $key:ident)?: $type:ident $(<$inner:ty>)? = $default:expr
                    $(=> [$($fact:ident $(($($argument:tt)*))?),+])?;
                )+
            }
        )+
    ) => {
        $(#[$config_attribute])*
        #[derive(Clone, Debug, Default, PartialEq)]
        pub struct $config {
            $($(#[doc = $about])+ pub $group: $Group,)+
        }

        $(
            $(#[doc = $about])+
            #[derive(Clone, Debug, PartialEq)]
            pub struct $Group {
                $($(#[doc = $help])+ pub $field: $type $(<$inner>)?,)+
            }

            impl Default for $Group {
                fn default() -> Self {
                    Self { $($field: $default,)+ }
                }
            }
        )+

        /// All settings, in the order of records and of `--help`.
        pub static SETTINGS: &[Setting] = &[
            $($(
                Setting::new(key!($field $(as $key)?), $heading, concat!($($help),+))
                    $($(.$fact($($($argument)*)?))+)?,
            )+)+
        ];

        /// Setters, one per setting: `Config::default().hidden([256]).epochs(15)`.
        impl $config {
            $($( setter! { $(#[doc = $help])+ $group $field $(as $key)?: $type $(<$inner>)? } )+)+
        }

        impl $config {
            /// Passes every setting to `visitor`, in the order of [`SETTINGS`].
            pub(super) fn visit(&self, visitor: &mut impl Visit) {
                let mut settings = SETTINGS.iter();
                $($( visitor.setting(settings.next().expect("one per field"), &self.$group.$field); )+)+
            }

            /// Passes every setting to `editor`, in the order of [`SETTINGS`].
            pub(super) fn edit(&mut self, editor: &mut impl Edit) {
                let mut settings = SETTINGS.iter();
                $($( editor.setting(settings.next().expect("one per field"), &mut self.$group.$field, $default); )+)+
            }
        }
    };
}
pub(super) use {key, setter, settings};
