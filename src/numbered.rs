//! Enums whose numbers shaders use. Each is declared once in Rust; the templates in `shaders/` declare constants from
//! [`Number`]s, so a number stands nowhere else.

use serde::Serialize;

/// A constant that a shader declares for a variant.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct Number {
    /// Its name there.
    pub name: String,
    /// Its value.
    pub number: u32,
    /// What it means.
    pub doc: String,
}

impl Number {
    /// The constant for a word of the command line: `scaled-tanh` is `SCALED_TANH`.
    #[must_use]
    pub fn of_word(word: impl std::fmt::Display, number: u32) -> Self {
        let doc = word.to_string();
        Self { name: doc.to_uppercase().replace('-', "_"), number, doc }
    }
}

/// Declares an enum that counts from 0 and its [`Number`]s, each variant with its name in the shaders.
macro_rules! numbered {
    ($(#[$attribute:meta])* $name:ident { $(#[doc = $doc:literal] $variant:ident = $wgsl:literal,)+ }) => {
        $(#[$attribute])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(u32)]
        pub enum $name { $(#[doc = $doc] $variant,)+ }

        impl $name {
            /// All of them, in the order of their numbers.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];
            /// How many there are.
            pub const COUNT: usize = Self::ALL.len();

            /// The constants that shaders declare for the variants.
            #[must_use]
            pub fn numbers() -> Vec<$crate::numbered::Number> {
                let all = [$((Self::$variant, $wgsl, $doc)),+];
                let number = |(variant, name, doc): (Self, &str, &str)| $crate::numbered::Number {
                    name: name.into(),
                    number: variant as u32,
                    doc: doc.trim().into(),
                };
                all.map(number).to_vec()
            }
        }
    };
}
pub(crate) use numbered;

#[cfg(test)]
mod tests {
    use super::*;

    numbered! {
        /// For the test.
        Letter {
            /// first
            A = "FIRST",
            /// second
            B = "SECOND",
        }
    }

    #[test]
    fn variants_are_numbered_in_order() {
        let number = |name: &str, number, doc: &str| Number { name: name.into(), number, doc: doc.into() };
        assert_eq!(Letter::numbers(), [number("FIRST", 0, "first"), number("SECOND", 1, "second")]);
        assert_eq!((Letter::COUNT, Letter::B as u32), (2, 1));
        assert_eq!(Number::of_word("scaled-tanh", 7), number("SCALED_TANH", 7, "scaled-tanh"));
    }
}
