//! The ranges of SWEEP.toml, from which the settings of `random = M` arms are drawn.

use crate::rng::Random;
use serde::Deserialize;
use toml::Value;

/// The values that a setting of an arm is drawn from.
#[derive(Deserialize)]
#[serde(untagged, expecting = "expected { min = A, max = B, log = true } or { choice = [A, B] }")]
pub enum Range {
    Whole(Bounds<i64>),
    Real(Bounds<f64>),
    Choice(Choice),
}

/// A closed interval. With `log`, the logarithm of the value is uniform.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bounds<T> {
    min: T,
    max: T,
    #[serde(default)]
    log: bool,
}

/// Values that are drawn with equal chances.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Choice {
    choice: Vec<Value>,
}

/// Reads a range of SWEEP.toml.
///
/// # Errors
/// The reason, for people, if the value is no range or holds nothing to draw.
pub fn range(value: &Value) -> std::result::Result<Range, String> {
    let range: Range = value.clone().try_into().map_err(|e: toml::de::Error| e.message().to_owned())?;
    let wrong = match &range {
        Range::Whole(Bounds { min, max, log }) => *min > *max || (*log && *min < 1),
        Range::Real(Bounds { min, max, log }) => {
            !(min.is_finite() && max.is_finite() && min <= max) || (*log && *min <= 0.0)
        }
        Range::Choice(Choice { choice }) => choice.is_empty(),
    };
    if wrong {
        Err("needs min ≤ max, min above 0 with log, and a choice something to choose".into())
    } else {
        Ok(range)
    }
}

impl Range {
    /// Draws one value.
    pub fn draw(&self, random: &mut Random) -> Value {
        let between = |min: f64, max: f64, log: bool, share: f64| match log {
            true => (min.ln() + share * (max.ln() - min.ln())).exp(),
            false => min + share * (max - min),
        };
        match self {
            // Each integer owns the interval of length 1 that begins at it, hence max + 1.
            Self::Whole(Bounds { min, max, log }) => {
                let value = between(*min as f64, *max as f64 + 1.0, *log, random.uniform());
                Value::Integer((value.floor() as i64).clamp(*min, *max))
            }
            // Rounded to four digits: a search cannot distinguish more, and people can read the names.
            Self::Real(Bounds { min, max, log }) => {
                let value = between(*min, *max, *log, random.uniform());
                let rounded: f64 = format!("{value:.3e}").parse().unwrap_or(value);
                Value::Float(rounded.clamp(*min, *max))
            }
            Self::Choice(Choice { choice }) => choice[random.below(choice.len() as u32) as usize].clone(),
        }
    }
}
