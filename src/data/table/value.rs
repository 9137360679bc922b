//! What the text of one field means: a number, a missing value, a truth value, or other text.

use crate::text::shorten;
use fast_float2::FastFloat;

/// A float type that a column may hold.
pub trait Real: FastFloat + PartialEq {
    /// The value that stands for a missing one.
    const MISSING: Self;
    /// The type and its largest value, for messages.
    const RANGE: &str;
    /// Whether the value is neither infinite nor NaN.
    fn is_finite(self) -> bool;
}

macro_rules! real {
    ($real:ident, $range:literal) => {
        impl Real for $real {
            const MISSING: Self = Self::NAN;
            const RANGE: &str = $range;

            fn is_finite(self) -> bool {
                $real::is_finite(self)
            }
        }
    };
}

real!(f32, "f32 (3.4e38)");
real!(f64, "f64 (1.8e308)");

/// The meaning of a field.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value<T> {
    /// A finite number.
    Number(T),
    /// No value.
    Missing,
    /// `true` or `false`, in any case.
    Truth(bool),
    /// An infinity, spelt out.
    Infinite,
    /// A number too large for the type.
    Beyond,
    /// Other text.
    Other,
}

/// What to do about text in another encoding.
pub const NOT_UTF8: &str = "the text is not UTF-8; save the file as UTF-8";

/// What pandas takes for missing, and the `?` of the UCI repository.
const MISSING: [&str; 18] = [
    "?", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "1.#IND", "1.#QNAN", "<NA>", "N/A", "NA", "NULL", "None",
    "n/a", "null", "NaN", "nan", "",
];

/// Reads `field`. With `decimal_comma`, a comma stands between units and tenths, and a point makes no number.
pub fn value<T: Real>(field: &[u8], decimal_comma: bool) -> Value<T> {
    let field = field.trim_ascii();
    let unsigned = field.strip_prefix(b"-").or(field.strip_prefix(b"+")).unwrap_or(field);
    // Words are sorted out first, because the parser of numbers accepts `inf` and `nan`.
    if unsigned.first().is_some_and(|&byte| byte.is_ascii_digit() || byte == b'.' || byte == b',') {
        let number = if decimal_comma { with_point(field) } else { fast_float2::parse(field).ok() };
        match number {
            Some(number) if T::is_finite(number) => return Value::Number(number),
            Some(_) => return Value::Beyond,
            None => {}
        }
    }
    let is = |word: &str| field.eq_ignore_ascii_case(word.as_bytes());
    let unsigned_is = |word: &str| unsigned.eq_ignore_ascii_case(word.as_bytes());
    if unsigned_is("nan") || MISSING.iter().any(|missing| missing.as_bytes() == field) {
        Value::Missing
    } else if is("true") || is("false") {
        Value::Truth(is("true"))
    } else if unsigned_is("inf") || unsigned_is("infinity") {
        Value::Infinite
    } else {
        Value::Other
    }
}

/// The number that `field` is once its comma is a point.
fn with_point<T: Real>(field: &[u8]) -> Option<T> {
    // No allocation, because every field of a file may come this way. A longer number than this is hardly one.
    let mut copy = [0; 128];
    let copy = copy.get_mut(..field.len())?;
    copy.copy_from_slice(field);
    if copy.contains(&b'.') {
        return None;
    }
    if let Some(comma) = memchr::memchr(b',', copy) {
        copy[comma] = b'.';
    }
    fast_float2::parse(&*copy).ok()
}

/// The whole number that `field` is, with digits alone.
pub fn count(field: &[u8]) -> Option<u64> {
    let field = field.trim_ascii();
    let digits = field.first().is_some_and(u8::is_ascii_digit);
    if digits { std::str::from_utf8(field).ok()?.parse().ok() } else { None }
}

/// Formats a field for a message: at most 40 characters on one line, control characters escaped.
pub fn show(field: &[u8]) -> String {
    // Four bytes a character suffice, so that a field of megabytes costs nothing.
    let text = String::from_utf8_lossy(&field[..field.len().min(164)]);
    shorten(&text, 40)
}
