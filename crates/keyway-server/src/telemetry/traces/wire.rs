//! Messages of protobuf, as OTLP has them, written in one pass: a span is never a tree.

/// How a field's value is written.
const VARINT: u64 = 0;
const FIXED_64: u64 = 1;
const BYTES: u64 = 2;
const FIXED_32: u64 = 5;
/// Bits of a number that a byte carries, beside the one that says whether more follow.
const VARINT_BITS: usize = 7;
const MORE: u64 = 1 << VARINT_BITS;
const CONTINUED: u8 = 0x80;
/// What a length takes that is written before it is known: as many digits as any has, zeros in front.
const LATER_BYTES: usize = 5;

/// Fields of `KeyValue`, of `AnyValue` and of `ArrayValue`.
const KEY: u64 = 1;
const VALUE: u64 = 2;
const TEXT: u64 = 1;
const FLAG: u64 = 2;
const COUNT: u64 = 3;
const FRACTION: u64 = 4;
const ARRAY: u64 = 5;
const ARRAY_VALUES: u64 = 1;

/// A message, as far as it is written.
#[derive(Clone, Debug, Default)]
pub(super) struct Message(Vec<u8>);

/// A field whose length is not written yet.
#[derive(Clone, Copy, Debug)]
pub(super) struct Open {
    at: usize,
}

/// What an attribute says.
#[derive(Clone, Copy, Debug)]
pub(super) enum Value<'a> {
    Text(&'a str),
    /// An array with nothing but this in it.
    OneText(&'a str),
    Flag(bool),
    Count(u64),
    Fraction(f64),
}

impl Message {
    pub(super) fn with_capacity(bytes: usize) -> Self {
        Self(Vec::with_capacity(bytes))
    }

    /// One that goes on behind what is in `written`.
    pub(super) fn within(written: Vec<u8>) -> Self {
        Self(written)
    }

    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.0
    }

    pub(super) fn as_slice(&self) -> &[u8] {
        &self.0
    }

    /// What is behind the first `bytes` is not written any more; its room stays.
    pub(super) fn truncate(&mut self, bytes: usize) {
        self.0.truncate(bytes);
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn number(&mut self, field: u64, number: u64) {
        self.tag(field, VARINT);
        self.varint(number);
    }

    pub(super) fn fixed_64(&mut self, field: u64, number: u64) {
        self.tag(field, FIXED_64);
        self.0.extend_from_slice(&number.to_le_bytes());
    }

    pub(super) fn fixed_32(&mut self, field: u64, number: u32) {
        self.tag(field, FIXED_32);
        self.0.extend_from_slice(&number.to_le_bytes());
    }

    pub(super) fn bytes(&mut self, field: u64, bytes: &[u8]) {
        self.open(field, bytes.len());
        self.0.extend_from_slice(bytes);
    }

    /// A field of so many bytes, which are appended next.
    pub(super) fn open(&mut self, field: u64, bytes: usize) {
        self.tag(field, BYTES);
        self.varint(bytes as u64);
    }

    /// A field that goes to the message's end, wherever that will be; to be [closed](Self::close) then.
    pub(super) fn open_to_end(&mut self, field: u64) -> Open {
        self.tag(field, BYTES);
        let at = self.len();
        self.0.extend_from_slice(&[0; LATER_BYTES]);
        Open { at }
    }

    /// Says how long a field is that ends where the message does.
    pub(super) fn close(&mut self, field: Open) {
        let begins = field.at + LATER_BYTES;
        let mut rest = (self.len() - begins) as u64;
        let (last, others) = self.0[field.at..begins].split_last_mut().expect("a length has bytes");
        for byte in others {
            *byte = low_bits(rest) | CONTINUED;
            rest >>= VARINT_BITS;
        }
        *last = low_bits(rest);
    }

    /// What is written already.
    pub(super) fn append(&mut self, written: &[u8]) {
        self.0.extend_from_slice(written);
    }

    /// An attribute, in the `field` that is for them.
    pub(super) fn attribute(&mut self, field: u64, key: &str, value: Value<'_>) {
        let said = value.bytes();
        self.open(field, field_bytes(key.len()) + field_bytes(said));
        self.bytes(KEY, key.as_bytes());
        self.open(VALUE, said);
        match value {
            Value::Text(text) => self.bytes(TEXT, text.as_bytes()),
            Value::OneText(text) => {
                let one = field_bytes(text.len());
                self.open(ARRAY, field_bytes(one));
                self.open(ARRAY_VALUES, one);
                self.bytes(TEXT, text.as_bytes());
            }
            Value::Flag(flag) => self.number(FLAG, u64::from(flag)),
            Value::Count(count) => self.number(COUNT, count),
            Value::Fraction(fraction) => self.fixed_64(FRACTION, fraction.to_bits()),
        }
    }

    fn tag(&mut self, field: u64, kind: u64) {
        self.varint((field << 3) | kind);
    }

    fn varint(&mut self, mut number: u64) {
        while number >= MORE {
            self.0.push(low_bits(number) | CONTINUED);
            number >>= VARINT_BITS;
        }
        self.0.push(low_bits(number));
    }
}

impl Value<'_> {
    /// What an `AnyValue` of it takes.
    fn bytes(self) -> usize {
        match self {
            Self::Text(text) => field_bytes(text.len()),
            Self::OneText(text) => field_bytes(field_bytes(field_bytes(text.len()))),
            Self::Flag(_) => 2,
            Self::Count(count) => 1 + varint_bytes(count),
            Self::Fraction(_) => 1 + size_of::<f64>(),
        }
    }
}

/// What a field of so many `bytes` takes, where its number is less than 16.
pub(super) fn field_bytes(bytes: usize) -> usize {
    1 + varint_bytes(bytes as u64) + bytes
}

fn varint_bytes(number: u64) -> usize {
    let bits = u64::BITS - (number | 1).leading_zeros();
    (bits as usize).div_ceil(VARINT_BITS)
}

const fn low_bits(number: u64) -> u8 {
    number.to_le_bytes()[0] & !CONTINUED
}

#[cfg(test)]
mod tests {
    use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
    use opentelemetry_proto::tonic::common::v1::{AnyValue, ArrayValue};
    use opentelemetry_proto::tonic::trace::v1::Span;
    use prost::Message as _;

    use super::*;

    const ATTRIBUTES: u64 = 9;
    const START: u64 = 7;
    const FLAGS: u64 = 16;

    /// What others read of what is written here.
    fn read(message: &Message) -> Span {
        Span::decode(message.as_slice()).expect("protobuf")
    }

    #[test]
    fn others_read_what_an_attribute_says() {
        let any = |value| AnyValue { value: Some(value) };
        let text = |text: &str| Any::StringValue(text.to_owned());
        let texts =
            [0, 1, 120, 127, 128, 129, 16_383, 16_384, 100_000].map(|long| "a".repeat(long));
        let mut cases = vec![
            (Value::Flag(true), Any::BoolValue(true)),
            (Value::Flag(false), Any::BoolValue(false)),
            (Value::Fraction(0.1), Any::DoubleValue(0.1)),
        ];
        for said in &texts {
            cases.push((Value::Text(said), text(said)));
            let one = ArrayValue { values: vec![any(text(said))] };
            cases.push((Value::OneText(said), Any::ArrayValue(one)));
        }
        for count in [0, 127, 128, 16_384, u64::from(u32::MAX), i64::MAX as u64] {
            let read = i64::try_from(count).expect("no more");
            cases.push((Value::Count(count), Any::IntValue(read)));
        }
        let mut message = Message::default();
        for (value, _) in &cases {
            message.attribute(ATTRIBUTES, "a.key", *value);
        }
        let said = read(&message).attributes.into_iter();
        let said = said.map(|it| (it.key, it.value.and_then(|any| any.value).expect("a value")));
        let expected = cases.into_iter().map(|(_, value)| ("a.key".to_owned(), value));
        assert_eq!(said.collect::<Vec<_>>(), expected.collect::<Vec<_>>());
    }

    #[test]
    fn others_read_numbers() {
        let mut message = Message::default();
        message.fixed_64(START, u64::MAX - 1);
        message.fixed_32(FLAGS, 0x301);
        let span = read(&message);
        assert_eq!((span.start_time_unix_nano, span.flags), (u64::MAX - 1, 0x301));
    }
}
