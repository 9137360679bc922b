//! Parser of the header of an NPY array: magic, version, length, and a Python dictionary of type, order and shape.

use super::array::Header;
use super::element::Element;
use crate::text::shorten;
use std::io::Read;

/// Longest header in bytes that is read: NumPy's own limit.
const MAX_LENGTH: usize = 10_000;

/// Most characters of one text element.
const MAX_TEXT: usize = 1 << 20;

/// Reads and parses a header. Returns the header and the bytes that it takes.
pub fn read(reader: &mut impl Read) -> Result<(Header, u64), String> {
    let mut bytes = vec![0; 10];
    let truncated = |e| format!("is not an NPY array, or cut off in its header: {e}");
    reader.read_exact(&mut bytes).map_err(truncated)?;
    if bytes[6] >= 2 {
        bytes.resize(12, 0);
        reader.read_exact(&mut bytes[10..]).map_err(truncated)?;
    }
    let length = bytes[8..].iter().rev().fold(0, |length, &byte| length << 8 | usize::from(byte));
    if !bytes.starts_with(b"\x93NUMPY") || length > MAX_LENGTH {
        return Err("is not an NPY array".into());
    }
    let start = bytes.len();
    bytes.resize(start + length, 0);
    reader.read_exact(&mut bytes[start..]).map_err(truncated)?;
    let text = std::str::from_utf8(&bytes[start..]).map_err(|_| "has a header that is no text")?;
    Ok((parse(text)?, bytes.len() as u64))
}

/// Parses the dictionary.
fn parse(text: &str) -> Result<Header, String> {
    let damaged = || "has a header that describes no plain array".to_owned();
    let mut rest = text.trim().strip_prefix('{').and_then(|text| text.strip_suffix('}')).ok_or_else(damaged)?.trim();
    let (mut element, mut fortran, mut sizes) = (None, None, None);
    while !rest.is_empty() {
        let (key, after) = quoted(rest).ok_or_else(damaged)?;
        let value = after.trim_start().strip_prefix(':').ok_or_else(damaged)?.trim_start();
        rest = match key {
            "descr" if value.starts_with('[') => {
                return Err("is a structured array; save its columns as arrays of their own".into());
            }
            "descr" => {
                let (descr, rest) = quoted(value).ok_or_else(damaged)?;
                element = Some(self::element(descr)?);
                rest
            }
            "fortran_order" => {
                let (order, rest) = [("True", true), ("False", false)]
                    .into_iter()
                    .find_map(|(word, order)| Some((order, value.strip_prefix(word)?)))
                    .ok_or_else(damaged)?;
                fortran = Some(order);
                rest
            }
            "shape" => {
                let (shape, rest) =
                    value.strip_prefix('(').and_then(|value| value.split_once(')')).ok_or_else(damaged)?;
                sizes = Some(self::sizes(shape).ok_or_else(damaged)?);
                rest
            }
            _ => return Err(damaged()),
        };
        rest = rest.trim_start();
        rest = match rest.strip_prefix(',') {
            Some(rest) => rest.trim_start(),
            None if rest.is_empty() => rest,
            None => return Err(damaged()),
        };
    }
    match (element, fortran, sizes) {
        (Some((element, big_endian)), Some(fortran), Some(sizes)) => Ok(Header { element, big_endian, fortran, sizes }),
        _ => Err(damaged()),
    }
}

/// The text in quotes at the beginning, and what follows.
fn quoted(text: &str) -> Option<(&str, &str)> {
    ['\'', '"'].into_iter().find_map(|quote| text.strip_prefix(quote)?.split_once(quote))
}

/// The sizes in `3, 4` or `3,`.
fn sizes(text: &str) -> Option<Vec<u64>> {
    let text = text.trim();
    let text = text.strip_suffix(',').unwrap_or(text);
    if text.trim().is_empty() {
        return Some(vec![]);
    }
    // Python 2 wrote long integers as `3L`.
    let size = |text: &str| {
        let digits = text.trim().trim_end_matches('L');
        digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok())?
    };
    text.split(',').map(size).collect()
}

/// The type that `descr` names, such as `<f4`, and whether its bytes are in big-endian order.
fn element(descr: &str) -> Result<(Element, bool), String> {
    let unread = |hint: &str| Err(format!("elements of type '{}' are not read; {hint}", shorten(descr, 20)));
    let plain = descr.trim_start_matches(['<', '>', '|', '=']);
    let text = |count: &str| count.parse::<usize>().ok().filter(|count| (1..=MAX_TEXT).contains(count));
    let element = match plain {
        "b1" | "?" => Element::Bool,
        "i1" => Element::I8,
        "i2" => Element::I16,
        "i4" => Element::I32,
        "i8" => Element::I64,
        "u1" => Element::U8,
        "u2" => Element::U16,
        "u4" => Element::U32,
        "u8" => Element::U64,
        "f2" => Element::F16,
        "f4" => Element::F32,
        "f8" => Element::F64,
        _ => match (plain.get(..1), plain.get(1..).and_then(text)) {
            (Some("U"), Some(count)) => Element::Characters(count),
            (Some("S" | "a"), Some(count)) => Element::Utf8(count),
            (Some("O"), _) => return unread("they are pickled Python objects; save numbers, or text as astype('U')"),
            _ => return unread("save bool, i1 to i8, u1 to u8, f2, f4, f8, or text"),
        },
    };
    Ok((element, descr.starts_with('>')))
}
