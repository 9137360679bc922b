//! The types of settings that are more than a number or a word. Each type has one spelling, used on the command line
//! and in records.

use serde::{Deserialize, Deserializer, Serialize, de::Error as _};
use std::fmt;
use std::str::FromStr;

pub(super) fn number(text: &str, what: &str) -> Result<f64, String> {
    match text.trim().parse::<f64>() {
        Ok(value) if value.is_finite() => Ok(value),
        _ => Err(format!("{what} must be a number")),
    }
}

/// Widths of the hidden layers; empty means a single layer of weights.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Hidden(pub Vec<usize>);

impl From<Vec<usize>> for Hidden {
    fn from(widths: Vec<usize>) -> Self {
        Self(widths)
    }
}

impl<const LAYERS: usize> From<[usize; LAYERS]> for Hidden {
    fn from(widths: [usize; LAYERS]) -> Self {
        Self(widths.to_vec())
    }
}

impl From<&[usize]> for Hidden {
    fn from(widths: &[usize]) -> Self {
        Self(widths.to_vec())
    }
}

impl<'de> Deserialize<'de> for Hidden {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged, expecting = "expected a list of widths such as [800, 800], or the width of a single layer")]
        enum Spelling {
            Single(usize),
            List(Vec<usize>),
            Text(String),
        }
        Ok(match Spelling::deserialize(deserializer)? {
            Spelling::Text(text) => text.parse().map_err(D::Error::custom)?,
            Spelling::Single(width) => Self(vec![width]),
            Spelling::List(widths) => Self(widths),
        })
    }
}

impl FromStr for Hidden {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        if text == "none" {
            return Ok(Self(vec![]));
        }
        text.split(',')
            .map(|width| width.trim().parse::<usize>().ok().filter(|&n| n > 0))
            .collect::<Option<_>>()
            .map(Self)
            .ok_or_else(|| "expected positive widths such as 800,800, or none".into())
    }
}

impl fmt::Display for Hidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("none");
        }
        let widths: Vec<String> = self.0.iter().map(usize::to_string).collect();
        f.write_str(&widths.join(","))
    }
}

/// Columns of a table, each by its name or by its position from 1.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Columns(pub Vec<String>);

impl<T: Into<String>, const N: usize> From<[T; N]> for Columns {
    fn from(names: [T; N]) -> Self {
        Self(names.map(Into::into).to_vec())
    }
}

impl From<Vec<String>> for Columns {
    fn from(names: Vec<String>) -> Self {
        Self(names)
    }
}

impl<'de> Deserialize<'de> for Columns {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Name {
            Number(i64),
            Text(String),
        }
        #[derive(Deserialize)]
        #[serde(untagged, expecting = "expected the name or the position of a column, or a list of them")]
        enum Spelling {
            Single(Name),
            List(Vec<Name>),
        }
        let name = |name| match name {
            Name::Number(position) => position.to_string(),
            Name::Text(name) => name,
        };
        Ok(Self(match Spelling::deserialize(deserializer)? {
            Spelling::Single(single) => vec![name(single)],
            Spelling::List(list) => list.into_iter().map(name).collect(),
        }))
    }
}

impl FromStr for Columns {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let names: Vec<String> = text.split(',').map(|name| name.trim().to_owned()).collect();
        match names.iter().any(String::is_empty) {
            true => Err("expected names or positions of columns, with commas between".into()),
            false => Ok(Self(names)),
        }
    }
}

impl fmt::Display for Columns {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join(","))
    }
}

/// The size to which images are scaled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct ImageSize {
    /// Number of rows.
    pub rows: usize,
    /// Number of columns.
    pub columns: usize,
}

impl FromStr for ImageSize {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        // A side longer than this belongs to no image that a multilayer perceptron could take.
        let side = |text: &str| text.trim().parse().ok().filter(|side| (1..=4096).contains(side));
        let (rows, columns) = text.split_once(['x', '×']).unwrap_or((text, text));
        match (side(rows), side(columns)) {
            (Some(rows), Some(columns)) => Ok(Self { rows, columns }),
            _ => Err("expected rows and columns, 1 … 4096, for example 28x28".into()),
        }
    }
}

impl fmt::Display for ImageSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x{}", self.rows, self.columns)
    }
}

/// One part of a cross-validation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Fold {
    /// The part that is tested on, from 1.
    pub part: u32,
    /// Number of parts, at least 2.
    pub parts: u32,
}

impl FromStr for Fold {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let number = |text: &str| text.trim().parse::<u32>().ok();
        match text.split_once('/').map(|(part, parts)| (number(part), number(parts))) {
            Some((Some(part), Some(parts))) if parts >= 2 && (1..=parts).contains(&part) => Ok(Self { part, parts }),
            _ => Err("expected K/N, part K of N, for example 1/5".into()),
        }
    }
}

impl fmt::Display for Fold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.part, self.parts)
    }
}

/// Memory that the answers of frozen neurons may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum ActivationCache {
    /// As much as they need, where the device has it.
    Auto,
    /// None: frozen neurons answer anew in every epoch.
    Off,
    /// At most this many bytes.
    Bytes(u64),
}

impl FromStr for ActivationCache {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let number = text.trim_end_matches(['K', 'M', 'G']);
        let shift = match &text[number.len()..] {
            "" => 0,
            "K" => 10,
            "M" => 20,
            "G" => 30,
            _ => return Err("expected auto, off, or bytes such as 512M".into()),
        };
        match (text, number.parse::<u64>()) {
            ("auto", _) => Ok(Self::Auto),
            ("off", _) => Ok(Self::Off),
            (_, Ok(number)) if number.leading_zeros() >= shift => Ok(Self::Bytes(number << shift)),
            _ => Err("expected auto, off, or bytes such as 512M".into()),
        }
    }
}

impl fmt::Display for ActivationCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Auto => f.write_str("auto"),
            Self::Off => f.write_str("off"),
            Self::Bytes(bytes) => {
                let unit = [(30, "G"), (20, "M"), (10, "K")];
                let whole = unit.into_iter().find(|(shift, _)| bytes > 0 && bytes.trailing_zeros() >= *shift);
                let (shift, name) = whole.unwrap_or((0, ""));
                write!(f, "{}{name}", bytes >> shift)
            }
        }
    }
}

/// A tick of ψ's clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum Clock {
    /// The end of every epoch.
    Epoch,
    /// Every K steps, counted over the whole run.
    Steps(u32),
}

impl FromStr for Clock {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        if text == "epoch" {
            return Ok(Self::Epoch);
        }
        text.strip_prefix("steps:")
            .and_then(|k| k.parse().ok())
            .filter(|&k| k > 0)
            .map(Self::Steps)
            .ok_or_else(|| "expected epoch, or steps:K with K at least 1".to_owned())
    }
}

impl fmt::Display for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Epoch => f.write_str("epoch"),
            Self::Steps(k) => write!(f, "steps:{k}"),
        }
    }
}

/// How often a run writes a checkpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CheckpointEvery {
    /// Never.
    Never,
    /// After every so many epochs.
    Epochs(u32),
    /// At the first pause of training after so many steps.
    Steps(u32),
}

impl FromStr for CheckpointEvery {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let refuse = || "expected a number of epochs, steps:K with K at least 1, or 0 for never".to_owned();
        match text.strip_prefix("steps:") {
            Some(steps) => steps.parse().ok().filter(|&k| k > 0).map(Self::Steps).ok_or_else(refuse),
            None => text.parse().map(|n| if n == 0 { Self::Never } else { Self::Epochs(n) }).map_err(|_| refuse()),
        }
    }
}

/// θ_M = λ · EMA_τ(observed).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Sliding {
    /// Proportionality constant λ, positive.
    pub lambda: f64,
    /// Time constant τ of the exponential moving average in ticks, at least 1.
    pub tau: f64,
}

impl FromStr for Sliding {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let (lambda, tau) = text.split_once(':').ok_or_else(|| "expected LAMBDA:TAU, for example 1.2:10".to_owned())?;
        let (lambda, tau) = (number(lambda, "λ")?, number(tau, "τ")?);
        if lambda <= 0.0 || tau < 1.0 {
            return Err("λ must be positive and τ at least 1 tick".to_owned());
        }
        Ok(Self { lambda, tau })
    }
}

impl fmt::Display for Sliding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.lambda, self.tau)
    }
}

/// FreezeOut (Brock, Lim, Ritchie & Weston 2017). The rate of layer l of L follows a cosine to 0, which it reaches at
/// the share t_l of the run. t_l increases evenly from t_0 for the first layer to 1 for the last.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct FreezeOut {
    /// t_0, above 0 and at most 1.
    pub first: f64,
    /// The power of t_l that replaces t_l: 1, 2 or 3.
    pub power: i32,
    /// Whether layer l starts at α0/t_l, so that every layer travels the same distance.
    pub scaled: bool,
}

impl FromStr for FreezeOut {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let mut parts = text.split(':');
        let first = number(parts.next().unwrap_or_default(), "the share of the run")?;
        if !(first > 0.0 && first <= 1.0) {
            return Err("the first layer must freeze at a share of the run above 0 and at most 1".to_owned());
        }
        let mut freeze = Self { first, power: 1, scaled: false };
        for part in parts {
            match part {
                "squared" if freeze.power == 1 => freeze.power = 2,
                "cubed" if freeze.power == 1 => freeze.power = 3,
                "scaled" => freeze.scaled = true,
                _ => {
                    return Err(
                        "expected T0, with :squared or :cubed, and :scaled, such as 0.5:cubed:scaled".to_owned()
                    );
                }
            }
        }
        Ok(freeze)
    }
}

impl fmt::Display for FreezeOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.first)?;
        f.write_str(match self.power {
            2 => ":squared",
            3 => ":cubed",
            _ => "",
        })?;
        f.write_str(if self.scaled { ":scaled" } else { "" })
    }
}

/// Distribution of the initial weights.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum InitScheme {
    /// N(0, SD²), biases included.
    Normal(f64),
    /// U(−A, A), biases included.
    Uniform(f64),
    /// U(±√(6/(n_in + n_out))), biases 0 (Glorot & Bengio 2010).
    Glorot,
    /// N(0, 2/n_in), biases 0 (He et al. 2015).
    He,
}

impl FromStr for InitScheme {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let scheme = match text.split_once(':') {
            None if text == "glorot" => return Ok(Self::Glorot),
            None if text == "he" => return Ok(Self::He),
            Some(("normal", sd)) => Self::Normal(number(sd, "the standard deviation")?),
            Some(("uniform", bound)) => Self::Uniform(number(bound, "the bound")?),
            _ => return Err("expected normal:SD, uniform:A, glorot or he".to_owned()),
        };
        match scheme {
            Self::Normal(size) | Self::Uniform(size) if size < 0.0 => {
                Err("a standard deviation or bound must not be negative".to_owned())
            }
            scheme => Ok(scheme),
        }
    }
}

impl fmt::Display for InitScheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Normal(sd) => write!(f, "normal:{sd}"),
            Self::Uniform(bound) => write!(f, "uniform:{bound}"),
            Self::Glorot => f.write_str("glorot"),
            Self::He => f.write_str("he"),
        }
    }
}

macro_rules! spelled_as_string {
    ($($name:ident),+) => {$(
        impl From<$name> for String {
            fn from(value: $name) -> Self {
                value.to_string()
            }
        }
        impl TryFrom<String> for $name {
            type Error = String;
            fn try_from(text: String) -> Result<Self, String> {
                text.parse()
            }
        }
    )+};
}
spelled_as_string!(ActivationCache, Clock, Fold, FreezeOut, ImageSize, InitScheme, Sliding);

super::setting::values! {
    ActivationCache {
        const VALUE_NAME: &'static str = "auto|off|BYTES";

        fn is_off(&self) -> bool {
            *self == Self::Auto
        }
    }
    Clock { const VALUE_NAME: &'static str = "CLOCK"; }
    Fold { const VALUE_NAME: &'static str = "K/N"; }
    FreezeOut { const VALUE_NAME: &'static str = "T0"; }
    Hidden { const VALUE_NAME: &'static str = "WIDTHS"; }
    ImageSize { const VALUE_NAME: &'static str = "ROWSxCOLUMNS"; }
    InitScheme { const VALUE_NAME: &'static str = "SCHEME"; }
    Sliding { const VALUE_NAME: &'static str = "LAMBDA:TAU"; }
}

/// An empty list is absent, so that records and `--help` do not show it.
impl super::setting::Value for Columns {
    type Word = Self;
    const VALUE_NAME: &'static str = "COLUMNS";

    #[cfg(feature = "cli")]
    fn parser() -> clap::builder::ValueParser {
        clap::value_parser!(Columns).into()
    }

    fn from_word(word: Self) -> Self {
        word
    }

    fn spelled(&self) -> Option<String> {
        (!self.0.is_empty()).then(|| self.to_string())
    }

    fn is_absent(&self) -> bool {
        self.0.is_empty()
    }
}
