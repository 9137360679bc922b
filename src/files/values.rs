//! Counts the values in JSON from anywhere and keeps nothing, because a list of any values takes many times its text.

use serde::de::{Deserialize, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use std::fmt::{Formatter, Result as Written};

/// Most values in the settings and results of a run. Weights of all classes are the longest list, 65 536 numbers.
pub const MOST_VALUES: usize = 1 << 18;

/// Number of values in JSON. An object counts eightfold, because even a small one takes some 600 bytes.
#[derive(Clone, Copy, Default)]
pub struct Values(pub usize);

impl<'de> Deserialize<'de> for Values {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visit;
        impl<'de> Visitor<'de> for Visit {
            type Value = Values;

            fn expecting(&self, f: &mut Formatter) -> Written {
                f.write_str("any value")
            }

            fn visit_unit<E: Error>(self) -> Result<Values, E> {
                Ok(Values(1))
            }

            fn visit_bool<E: Error>(self, _: bool) -> Result<Values, E> {
                Ok(Values(1))
            }

            fn visit_i64<E: Error>(self, _: i64) -> Result<Values, E> {
                Ok(Values(1))
            }

            fn visit_u64<E: Error>(self, _: u64) -> Result<Values, E> {
                Ok(Values(1))
            }

            fn visit_f64<E: Error>(self, _: f64) -> Result<Values, E> {
                Ok(Values(1))
            }

            fn visit_str<E: Error>(self, _: &str) -> Result<Values, E> {
                Ok(Values(1))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Values, A::Error> {
                let mut count = 1;
                while let Some(Values(more)) = list.next_element()? {
                    count += more;
                }
                Ok(Values(count))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Values, A::Error> {
                let mut count = 8;
                while let Some((IgnoredAny, Values(more))) = map.next_entry()? {
                    count += more;
                }
                Ok(Values(count))
            }
        }
        deserializer.deserialize_any(Visit)
    }
}
