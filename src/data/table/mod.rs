//! The reader of tables in text: CSV and its relatives, whatever their delimiter, header and encoding.

mod blocks;
mod dialect;
mod fields;
mod header;
mod index;
mod kinds;
mod layout;
mod matching;
mod names;
mod numeric;
mod part;
mod read;
mod role;
mod roles;
mod source;
mod store;
mod utf16;
mod value;

pub use read::{decode, decode_in_blocks, read};
