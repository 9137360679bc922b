//! Safetensors from anywhere, and the check of their header. The crate holds each value of a header in many times its text, so one visit that
//! keeps nothing refuses a header before the crate parses it.

use safetensors::{SafeTensorError, SafeTensors};
use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use std::collections::BTreeMap;
use std::fmt::{Formatter, Result as Written};

/// Longest header in bytes: the limit of the crate.
pub const MOST_HEADER: u64 = 100_000_000;
/// Most tensors. The crate takes 800 bytes for each, many times what the header takes in the file.
const MOST_TENSORS: usize = 1 << 16;
/// Most bytes of the names of all tensors, of which the crate keeps several copies.
const MOST_NAMES: usize = 16 << 20;
/// Most dimensions of a tensor, as in NumPy.
const MOST_DIMENSIONS: usize = 32;
/// Most entries of the metadata. Files of this program have up to five, and those of other programs some dozens.
const MOST_ENTRIES: usize = 1024;
/// Longest settings in the metadata. Their parser takes some 35 bytes for each byte; weights of all classes take 1.3 MB.
const MOST_CONFIG: usize = 2 << 20;

/// Refuses a safetensors file whose header would take many times its size in memory. `content` begins with the header.
///
/// # Errors
/// A text with the limit.
pub fn check_tensors(content: &[u8]) -> Result<(), String> {
    let length = content.first_chunk::<8>().map_or(0, |&bytes| u64::from_le_bytes(bytes));
    if length > MOST_HEADER {
        return Ok(());
    }
    let header = content.get(8..).unwrap_or_default();
    let header = header[..header.len().min(length as usize)].trim_ascii_start();
    // The crate refuses another value than an object at its first byte, and the readers say what is not such a file.
    if !header.starts_with(b"{") {
        return Ok(());
    }
    match serde_json::from_slice::<Header>(header) {
        Err(e) if e.is_data() => Err(format!("its safetensors header is refused: {e}")),
        // The crate finds the same damage, behind the entries that passed here.
        _ => Ok(()),
    }
}

/// The tensors and the metadata of `content`, a safetensors file; no metadata are an empty map. `other` says what content is
/// that the crate refuses.
///
/// # Errors
/// If the header passes a limit, or the content is no such file.
pub fn tensors<'a>(content: &'a [u8], other: &str) -> Result<(SafeTensors<'a>, BTreeMap<String, String>), String> {
    check_tensors(content)?;
    let refused = |e: SafeTensorError| format!("{other}: {e}");
    let tensors = SafeTensors::deserialize(content).map_err(refused)?;
    let (_, header) = SafeTensors::read_metadata(content).map_err(refused)?;
    let entries = header.metadata().iter().flatten().map(|(key, value)| (key.clone(), value.clone()));
    Ok((tensors, entries.collect()))
}

/// Implements `Deserialize` for a type that is read by a visitor of one kind of value.
macro_rules! visits {
    ($type:ident, $deserialize:ident, $expected:literal, $($visit:item)+) => {
        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Visit;
                impl<'de> Visitor<'de> for Visit {
                    type Value = $type;

                    fn expecting(&self, f: &mut Formatter) -> Written {
                        f.write_str($expected)
                    }

                    $($visit)+
                }
                deserializer.$deserialize(Visit)
            }
        }
    };
}

struct Header;

visits!(
    Header,
    deserialize_map,
    "an object of tensors",
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Header, A::Error> {
        let (mut tensors, mut names) = (0, 0);
        while let Some(key) = map.next_key::<Text>()? {
            if key.word == Word::Metadata {
                map.next_value::<Option<Metadata>>()?;
                continue;
            }
            (tensors, names) = (tensors + 1, names + key.length);
            if tensors > MOST_TENSORS {
                return Err(A::Error::custom(format!("lists more than {MOST_TENSORS} tensors")));
            }
            if names > MOST_NAMES {
                return Err(A::Error::custom(format!("has names of tensors of more than {} MiB", MOST_NAMES >> 20)));
            }
            map.next_value::<Tensor>()?;
        }
        Ok(Header)
    }
);

struct Tensor;

visits!(
    Tensor,
    deserialize_map,
    "an object with the keys dtype, shape and data_offsets",
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Tensor, A::Error> {
        let mut count = 0;
        while let Some(key) = map.next_key::<Text>()? {
            count += 1;
            match key.word {
                Word::Type if count <= 3 => {
                    map.next_value::<Text>()?;
                }
                Word::Sizes if count <= 3 => {
                    map.next_value::<Sizes>()?;
                }
                _ => return Err(A::Error::custom("has a tensor with other keys than dtype, shape and data_offsets")),
            }
        }
        Ok(Tensor)
    }
);

struct Sizes;

visits!(
    Sizes,
    deserialize_seq,
    "a list of sizes",
    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Sizes, A::Error> {
        let mut count = 0;
        while list.next_element::<u64>()?.is_some() {
            count += 1;
            if count > MOST_DIMENSIONS {
                return Err(A::Error::custom(format!("has a tensor of more than {MOST_DIMENSIONS} dimensions")));
            }
        }
        Ok(Sizes)
    }
);

struct Metadata;

visits!(
    Metadata,
    deserialize_map,
    "an object of texts",
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Metadata, A::Error> {
        let mut count = 0;
        while let Some(key) = map.next_key::<Text>()? {
            count += 1;
            if count > MOST_ENTRIES {
                return Err(A::Error::custom(format!("has more than {MOST_ENTRIES} entries of metadata")));
            }
            let value = map.next_value::<Text>()?;
            if key.word == Word::Config && value.length > MOST_CONFIG {
                let reason = format!("has settings, metadata ‘config’, of more than {} MiB", MOST_CONFIG >> 20);
                return Err(A::Error::custom(reason));
            }
        }
        Ok(Metadata)
    }
);

/// A text, of which only the length and the meaning are kept.
struct Text {
    length: usize,
    word: Word,
}

#[derive(PartialEq)]
enum Word {
    Metadata,
    Config,
    Type,
    Sizes,
    Other,
}

visits!(
    Text,
    deserialize_str,
    "a text",
    fn visit_str<E: Error>(self, text: &str) -> Result<Text, E> {
        let word = match text {
            "__metadata__" => Word::Metadata,
            "config" => Word::Config,
            "dtype" => Word::Type,
            "shape" | "data_offsets" => Word::Sizes,
            _ => Word::Other,
        };
        Ok(Text { length: text.len(), word })
    }
);
