//! The jute codec: big-endian, untagged, bounded by the bytes at hand.
//!
//! ```text
//! bool         1 byte, any non-zero is true       i32, i64     two's complement, big-endian
//! buffer       i32 length · bytes; −1 is null     string       the same, UTF-8
//! vector<T>    i32 count · elements; −1 is null   record       its fields, nothing between them
//! ```
//!
//! **Promise.** Decoding never panics and never allocates more than the input could fill: a length or a
//! count that the remaining bytes cannot hold is an error before anything is reserved. Decoded strings and
//! buffers borrow from the input. Null and empty are kept apart by `Option`.
//!
//! **Source.** Apache ZooKeeper's jute, as its clients and files use it.

extern crate self as zoorum_jute;

mod text;

use std::borrow::Cow;

pub use zoorum_jute_derive::{Decode, Encode};

/// Why bytes are not the record they were taken for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// The record goes on where the bytes end.
    #[error("the record ends early: {needed} bytes needed, {left} left")]
    UnexpectedEnd {
        /// Bytes that the next field takes.
        needed: usize,
        /// Bytes that remain.
        left: usize,
    },
    /// A length or count below −1.
    #[error("a length of {0}")]
    NegativeLength(i32),
    /// Null where a value is required.
    #[error("null where a value is required")]
    Null,
    /// A number that stands for nothing, such as an unknown operation.
    #[error("{what} {value} is not known")]
    Unknown {
        /// What the number should stand for.
        what: &'static str,
        /// The number found.
        value: i64,
    },
}

/// Writes itself in jute.
pub trait Encode {
    /// Appends the encoding to `out`.
    fn encode(&self, out: &mut Vec<u8>);

    /// The encoding, alone.
    fn to_vec(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.encode(&mut out);
        out
    }
}

/// Reads itself from jute, borrowing strings and buffers from the input.
pub trait Decode<'a>: Sized {
    /// Takes one value off the front of `input`.
    fn decode(input: &mut Reader<'a>) -> Result<Self, DecodeError>;

    /// Reads one value from the front of `bytes`; what follows it is ignored, as ZooKeeper does.
    fn from_bytes(bytes: &'a [u8]) -> Result<Self, DecodeError> {
        Self::decode(&mut Reader::new(bytes))
    }
}

/// The bytes that are yet to be decoded.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Starts at the front of `bytes`.
    #[inline]
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// What has not been read.
    #[inline]
    pub fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// Takes the next `count` bytes.
    #[inline]
    pub fn take(&mut self, count: usize) -> Result<&'a [u8], DecodeError> {
        let Some((taken, rest)) = self.rest.split_at_checked(count) else {
            return Err(DecodeError::UnexpectedEnd { needed: count, left: self.rest.len() });
        };
        self.rest = rest;
        Ok(taken)
    }

    #[inline]
    fn array<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let Some((taken, rest)) = self.rest.split_first_chunk() else {
            return Err(DecodeError::UnexpectedEnd { needed: N, left: self.rest.len() });
        };
        self.rest = rest;
        Ok(*taken)
    }

    /// Reads a length or count; `None` is null.
    #[inline]
    pub fn length(&mut self) -> Result<Option<usize>, DecodeError> {
        match i32::decode(self)? {
            -1 => Ok(None),
            length => usize::try_from(length).map(Some).map_err(|_| DecodeError::NegativeLength(length)),
        }
    }
}

/// Appends a length or count. ZooKeeper's lengths are 32 bits wide; nothing that fits a frame exceeds them.
#[inline]
fn encode_length(length: usize, out: &mut Vec<u8>) {
    let length = i32::try_from(length).expect("whatever is encoded has passed through a frame or file limit");
    length.encode(out);
}

macro_rules! big_endian {
    ($($number:ty),*) => {$(
        impl Encode for $number {
            #[inline]
            fn encode(&self, out: &mut Vec<u8>) {
                out.extend_from_slice(&self.to_be_bytes());
            }
        }

        impl Decode<'_> for $number {
            #[inline]
            fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
                input.array().map(Self::from_be_bytes)
            }
        }
    )*};
}

big_endian!(u8, i32, i64);

impl Encode for bool {
    #[inline]
    fn encode(&self, out: &mut Vec<u8>) {
        out.push(u8::from(*self));
    }
}

impl Decode<'_> for bool {
    #[inline]
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(u8::decode(input)? != 0)
    }
}

impl Encode for [u8] {
    #[inline]
    fn encode(&self, out: &mut Vec<u8>) {
        encode_length(self.len(), out);
        out.extend_from_slice(self);
    }
}

impl<'a> Decode<'a> for &'a [u8] {
    #[inline]
    fn decode(input: &mut Reader<'a>) -> Result<Self, DecodeError> {
        Option::decode(input)?.ok_or(DecodeError::Null)
    }
}

impl<'a> Decode<'a> for Option<&'a [u8]> {
    #[inline]
    fn decode(input: &mut Reader<'a>) -> Result<Self, DecodeError> {
        input.length()?.map(|length| input.take(length)).transpose()
    }
}

impl Encode for str {
    #[inline]
    fn encode(&self, out: &mut Vec<u8>) {
        self.as_bytes().encode(out);
    }
}

impl Encode for String {
    fn encode(&self, out: &mut Vec<u8>) {
        self.as_str().encode(out);
    }
}

impl Encode for Cow<'_, str> {
    #[inline]
    fn encode(&self, out: &mut Vec<u8>) {
        self.as_ref().encode(out);
    }
}

impl<'a> Decode<'a> for Cow<'a, str> {
    #[inline]
    fn decode(input: &mut Reader<'a>) -> Result<Self, DecodeError> {
        <&[u8]>::decode(input).map(text::from_bytes)
    }
}

impl<'a> Decode<'a> for Option<Cow<'a, str>> {
    #[inline]
    fn decode(input: &mut Reader<'a>) -> Result<Self, DecodeError> {
        Ok(Option::<&[u8]>::decode(input)?.map(text::from_bytes))
    }
}

impl<T: Encode + ?Sized> Encode for &T {
    #[inline]
    fn encode(&self, out: &mut Vec<u8>) {
        (**self).encode(out);
    }
}

/// Null is length −1, for buffers, strings and vectors alike.
impl<T: Encode> Encode for Option<T> {
    #[inline]
    fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Some(value) => value.encode(out),
            None => (-1_i32).encode(out),
        }
    }
}

impl<T: Encode> Encode for Vec<T> {
    #[inline]
    fn encode(&self, out: &mut Vec<u8>) {
        encode_length(self.len(), out);
        self.iter().for_each(|element| element.encode(out));
    }
}

impl<'a, T: Decode<'a>> Decode<'a> for Vec<T> {
    fn decode(input: &mut Reader<'a>) -> Result<Self, DecodeError> {
        Option::decode(input)?.ok_or(DecodeError::Null)
    }
}

impl<'a, T: Decode<'a>> Decode<'a> for Option<Vec<T>> {
    fn decode(input: &mut Reader<'a>) -> Result<Self, DecodeError> {
        let Some(count) = input.length()? else { return Ok(None) };
        if count > input.rest().len() {
            // Every element takes a byte at least, so this count is a lie.
            return Err(DecodeError::UnexpectedEnd { needed: count, left: input.rest().len() });
        }
        // Grown as elements arrive: an element in memory may be far larger than on the wire.
        let mut elements = Vec::with_capacity(count.min(16));
        for _ in 0..count {
            elements.push(T::decode(input)?);
        }
        Ok(Some(elements))
    }
}

#[cfg(test)]
mod tests;
