//! Jute's binary encoding, as far as the client protocol uses it: big-endian numbers, and strings, buffers
//! and vectors that begin with an `int` length where −1 means null.

use super::{Acl, Stat};

/// Builds the body of a record, field by field in order.
#[derive(Clone, Debug, Default)]
pub struct Writer(Vec<u8>);

impl Writer {
    /// An empty record.
    pub fn new() -> Writer {
        Writer::default()
    }

    /// Appends an `int`.
    pub fn int(mut self, value: i32) -> Writer {
        self.0.extend(value.to_be_bytes());
        self
    }

    /// Appends a `long`.
    pub fn long(mut self, value: i64) -> Writer {
        self.0.extend(value.to_be_bytes());
        self
    }

    /// Appends a `boolean`.
    pub fn bool(mut self, value: bool) -> Writer {
        self.0.push(value.into());
        self
    }

    /// Appends a `ustring`.
    pub fn string<'a>(self, value: impl Into<Option<&'a str>>) -> Writer {
        self.buffer(value.into().map(str::as_bytes))
    }

    /// Appends a `buffer`.
    pub fn buffer<'a>(self, value: impl Into<Option<&'a [u8]>>) -> Writer {
        match value.into() {
            None => self.int(-1),
            Some(bytes) => self.int(bytes.len() as i32).raw(bytes),
        }
    }

    /// Appends a vector of `ustring`.
    pub fn strings(self, values: &[&str]) -> Writer {
        values.iter().fold(self.int(values.len() as i32), |writer, value| writer.string(*value))
    }

    /// Appends a vector of ACL entries.
    pub fn acls(self, acls: &[Acl]) -> Writer {
        acls.iter().fold(self.int(acls.len() as i32), |writer, acl| {
            writer.int(acl.perms).string(acl.scheme.as_str()).string(acl.id.as_str())
        })
    }

    /// Appends bytes as they are.
    pub fn raw(mut self, bytes: &[u8]) -> Writer {
        self.0.extend(bytes);
        self
    }

    /// The record's bytes.
    pub fn done(self) -> Vec<u8> {
        self.0
    }
}

/// Takes a record apart, field by field in order.
///
/// # Panics
///
/// Every method panics when the bytes do not hold the field: in a test that is the finding.
#[derive(Clone, Debug)]
pub struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    /// Reads from the first of `bytes`.
    pub fn new(bytes: &'a [u8]) -> Reader<'a> {
        Reader(bytes)
    }

    /// Reads an `int`.
    pub fn int(&mut self) -> i32 {
        i32::from_be_bytes(self.take(4).try_into().expect("four bytes"))
    }

    /// Reads a `long`.
    pub fn long(&mut self) -> i64 {
        i64::from_be_bytes(self.take(8).try_into().expect("eight bytes"))
    }

    /// Reads a `boolean`; a server writes nothing but 0 and 1.
    pub fn bool(&mut self) -> bool {
        match self.take(1)[0] {
            0 => false,
            1 => true,
            other => panic!("a boolean is {other}, neither 0 nor 1"),
        }
    }

    /// Reads a `buffer`.
    pub fn buffer(&mut self) -> Option<Vec<u8>> {
        let length = self.int();
        assert!(length >= -1, "a buffer's length is {length}");
        (length >= 0).then(|| self.take(length as usize).to_vec())
    }

    /// Reads a `ustring`.
    pub fn string(&mut self) -> Option<String> {
        self.buffer().map(|bytes| String::from_utf8(bytes).expect("strings are UTF-8"))
    }

    /// Reads a `ustring` that must not be null.
    pub fn text(&mut self) -> String {
        self.string().expect("this string is never null")
    }

    /// Reads a vector whose elements `element` reads.
    pub fn vector<T>(&mut self, mut element: impl FnMut(&mut Reader<'a>) -> T) -> Option<Vec<T>> {
        let count = self.int();
        assert!(count >= -1, "a vector's length is {count}");
        (count >= 0).then(|| (0..count).map(|_| element(self)).collect())
    }

    /// Reads a vector of `ustring` that must not be null, and sorts it: the protocol promises no order.
    pub fn names(&mut self) -> Vec<String> {
        let mut names = self.vector(Reader::text).expect("this vector is never null");
        names.sort();
        names
    }

    /// Reads a vector of ACL entries.
    pub fn acls(&mut self) -> Vec<Acl> {
        self.vector(|r| Acl { perms: r.int(), scheme: r.text(), id: r.text() })
            .expect("a server never sends a null ACL")
    }

    /// Reads the 68 bytes of a `Stat`.
    pub fn stat(&mut self) -> Stat {
        Stat {
            czxid: self.long(),
            mzxid: self.long(),
            ctime: self.long(),
            mtime: self.long(),
            version: self.int(),
            cversion: self.int(),
            aversion: self.int(),
            ephemeral_owner: self.long(),
            data_length: self.int(),
            num_children: self.int(),
            pzxid: self.long(),
        }
    }

    /// How many bytes are left.
    pub fn left(&self) -> usize {
        self.0.len()
    }

    /// Checks that the record ends here.
    pub fn end(&self) {
        assert_eq!(self.0, b"", "bytes follow the last field");
    }

    fn take(&mut self, count: usize) -> &'a [u8] {
        assert!(count <= self.0.len(), "{count} bytes wanted where {} are left", self.0.len());
        let (head, tail) = self.0.split_at(count);
        self.0 = tail;
        head
    }
}
