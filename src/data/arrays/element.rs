//! The types that elements of an array may have, and their conversion from bytes.

use half::{bf16, f16};

/// The type of an element.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Element {
    Bool,
    I8,
    I16,
    I32,
    I64,
    U8,
    U16,
    U32,
    U64,
    F16,
    Bf16,
    F32,
    F64,
    /// Text of so many characters, each of four bytes, padded with zeros.
    Characters(usize),
    /// Text of so many bytes of UTF-8, padded with zeros.
    Utf8(usize),
}

impl Element {
    /// Number of bytes of an element.
    pub fn size(self) -> usize {
        match self {
            Self::Bool | Self::I8 | Self::U8 => 1,
            Self::I16 | Self::U16 | Self::F16 | Self::Bf16 => 2,
            Self::I32 | Self::U32 | Self::F32 => 4,
            Self::I64 | Self::U64 | Self::F64 => 8,
            Self::Characters(count) => count.saturating_mul(4),
            Self::Utf8(count) => count,
        }
    }

    /// Whether the elements are text.
    pub fn is_text(self) -> bool {
        matches!(self, Self::Characters(_) | Self::Utf8(_))
    }
}

/// Appends the elements in `bytes`, which are no text, to `out`. The first argument is the type of the result.
macro_rules! numbers {
    ($name:ident, $out:ty) => {
        pub fn $name(element: Element, big_endian: bool, bytes: &[u8], out: &mut Vec<$out>) {
            macro_rules! each {
                ($number:ty, $convert:expr) => {{
                    let (elements, _) = bytes.as_chunks::<{ size_of::<$number>() }>();
                    let convert = $convert;
                    match big_endian {
                        true => out.extend(elements.iter().map(|&bytes| convert(<$number>::from_be_bytes(bytes)))),
                        false => out.extend(elements.iter().map(|&bytes| convert(<$number>::from_le_bytes(bytes)))),
                    }
                }};
            }
            match element {
                // NumPy takes every byte but zero as true.
                Element::Bool => each!(u8, |value| if value == 0 { 0.0 } else { 1.0 }),
                Element::I8 => each!(i8, |value| value as $out),
                Element::I16 => each!(i16, |value| value as $out),
                Element::I32 => each!(i32, |value| value as $out),
                Element::I64 => each!(i64, |value| value as $out),
                Element::U8 => each!(u8, |value| value as $out),
                Element::U16 => each!(u16, |value| value as $out),
                Element::U32 => each!(u32, |value| value as $out),
                Element::U64 => each!(u64, |value| value as $out),
                Element::F16 => each!(u16, |bits| f16::from_bits(bits).to_f32() as $out),
                Element::Bf16 => each!(u16, |bits| bf16::from_bits(bits).to_f32() as $out),
                Element::F32 => each!(f32, |value| value as $out),
                Element::F64 => each!(f64, |value| value as $out),
                Element::Characters(_) | Element::Utf8(_) => {}
            }
        }
    };
}

numbers!(reals, f32);
numbers!(doubles, f64);

/// The text in `bytes`, which are one element; `None` if the text is empty.
pub fn text(element: Element, big_endian: bool, bytes: &[u8]) -> Result<Option<String>, String> {
    let text = if let Element::Characters(_) = element {
        let (characters, _) = bytes.as_chunks::<4>();
        let code = |&bytes: &[u8; 4]| if big_endian { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) };
        let end = characters.iter().rposition(|&bytes| bytes != [0; 4]).map_or(0, |last| last + 1);
        let text = characters[..end].iter().map(|bytes| char::from_u32(code(bytes))).collect::<Option<String>>();
        text.ok_or("is no Unicode text")?
    } else {
        let end = bytes.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1);
        std::str::from_utf8(&bytes[..end]).map_err(|_| "is no text in UTF-8")?.to_owned()
    };
    Ok(Some(text).filter(|text| !text.is_empty()))
}
