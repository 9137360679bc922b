//! [`DecayTicks`]: N of ψ's fall and of schedules, the length of a curve in ticks.

use super::values::number;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use std::fmt;
use std::str::FromStr;

/// N of a curve: its length in ticks.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum DecayTicks {
    /// A positive real number of ticks.
    Ticks(f64),
    /// A share of T, the ticks of the whole run. N need not be a whole number.
    Share {
        /// The share in per cent, above 0 and at most 100. So `67%` keeps its spelling, which 0.67 · 100 would not.
        percent: f64,
    },
    /// As many ticks as remain, so that the curve ends at the last tick of training.
    ToEnd,
}

impl DecayTicks {
    /// N in a run of `ticks` ticks; `None` if N also depends on the tick at which the curve begins.
    #[must_use]
    pub fn length(self, ticks: u32) -> Option<f64> {
        match self {
            Self::Ticks(length) => Some(length),
            Self::Share { percent } => Some(percent * f64::from(ticks) / 100.0),
            Self::ToEnd => None,
        }
    }

    /// Whether N differs between runs of different lengths.
    #[must_use]
    pub const fn depends_on_run(self) -> bool {
        !matches!(self, Self::Ticks(_))
    }

    /// Whether the share of a run is in range. Its N must not be 0 in f32, because kernels read 0 as `to-end`; a run has at
    /// least 1 tick.
    pub(super) fn is_in_range(self) -> bool {
        match self {
            Self::Share { percent } => percent > 0.0 && percent <= 100.0 && ((percent / 100.0) as f32).is_normal(),
            Self::Ticks(_) | Self::ToEnd => true,
        }
    }
}

impl FromStr for DecayTicks {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        if text == "to-end" {
            return Ok(Self::ToEnd);
        }
        match text.strip_suffix('%') {
            Some(percent) => number(percent, "the share of the run").map(|percent| Self::Share { percent }),
            None => number(text, "the number of ticks").map(Self::Ticks),
        }
        .map_err(|e| format!("{e}; give ticks such as 8, a share of the run such as 50%, or to-end"))
    }
}

impl fmt::Display for DecayTicks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ticks(ticks) => ticks.fmt(f),
            Self::Share { percent } => write!(f, "{percent}%"),
            Self::ToEnd => f.write_str("to-end"),
        }
    }
}

impl Serialize for DecayTicks {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Ticks(ticks) => serializer.serialize_f64(*ticks),
            Self::Share { .. } | Self::ToEnd => serializer.collect_str(self),
        }
    }
}

impl<'de> Deserialize<'de> for DecayTicks {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged, expecting = "expected a number, a share such as \"50%\", or \"to-end\"")]
        enum Spelling {
            Number(f64),
            Word(String),
        }
        match Spelling::deserialize(deserializer)? {
            Spelling::Number(ticks) => Ok(Self::Ticks(ticks)),
            Spelling::Word(word) => word.parse().map_err(D::Error::custom),
        }
    }
}

super::setting::values! {
    DecayTicks {
        const VALUE_NAME: &'static str = "N|P%|to-end";

        fn number(&self) -> Option<f64> {
            match self {
                Self::Ticks(ticks) => Some(*ticks),
                Self::Share { .. } | Self::ToEnd => None,
            }
        }
    }
}
