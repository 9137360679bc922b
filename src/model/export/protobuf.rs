//! The part of the Protocol Buffers wire format that an ONNX file needs: integer, byte and message fields.
//!
//! A model file has a dozen kinds of messages with a few fields each, all known beforehand. Writing them by hand takes
//! fewer lines than declaring structs for a protobuf library, and no dependency.

/// A message under construction; each method appends one field.
#[derive(Clone, Debug, Default)]
pub struct Message(Vec<u8>);

const VARINT: u64 = 0;
const DELIMITED: u64 = 2;

impl Message {
    /// The encoded message.
    pub fn into_bytes(self) -> Vec<u8> {
        self.0
    }

    /// Appends a non-negative integer or an enumeration.
    #[must_use]
    pub fn int(mut self, field: u64, value: u64) -> Self {
        self.varint(field << 3 | VARINT);
        self.varint(value);
        self
    }

    /// Appends a string or bytes.
    #[must_use]
    pub fn bytes(mut self, field: u64, value: impl AsRef<[u8]>) -> Self {
        let value = value.as_ref();
        self.varint(field << 3 | DELIMITED);
        self.varint(value.len() as u64);
        self.0.extend_from_slice(value);
        self
    }

    /// Appends a nested message.
    #[must_use]
    pub fn message(self, field: u64, value: Self) -> Self {
        self.bytes(field, value.0)
    }

    /// Appends nested messages, in order.
    #[must_use]
    pub fn messages(self, field: u64, values: impl IntoIterator<Item = Self>) -> Self {
        values.into_iter().fold(self, |message, value| message.message(field, value))
    }

    /// Appends a varint: seven bits a byte, lowest first; the eighth bit marks that more bytes follow.
    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_those_of_the_specification() {
        assert_eq!(Message::default().int(1, 150).into_bytes(), [0x08, 0x96, 0x01]);
        assert_eq!(Message::default().bytes(2, "testing").into_bytes(), *b"\x12\x07testing");
        let inner = Message::default().int(1, 150);
        assert_eq!(Message::default().message(3, inner).into_bytes(), [0x1a, 0x03, 0x08, 0x96, 0x01]);
        assert_eq!(Message::default().int(20, 1).into_bytes(), [0xa0, 0x01, 0x01]);
    }
}
