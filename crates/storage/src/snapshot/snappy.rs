//! The stream of snappy-java: Snappy blocks behind their lengths, without checksums.
//!
//! ```text
//! header   82 "SNAPPY" 00 · version i32 = 1 · oldest reader's version i32 = 1
//! chunk    length i32 · a raw Snappy block, of at most 32 KiB when unpacked
//! ```
//!
//! It ends where the file ends. This is neither the official framing format nor Hadoop's.

use std::io::{self, Read};

use crate::window::Window;

/// What a packed file begins with.
pub(super) const MAGIC: [u8; 8] = *b"\x82SNAPPY\0";
const HEADER: [u8; 16] = *b"\x82SNAPPY\0\0\0\0\x01\0\0\0\x01";
/// Bytes that one block packs.
pub(super) const BLOCK: usize = 32 << 10;
/// No block unpacks to more than this many times its length: a copy takes 3 bytes and yields 64 at most.
const RATIO_MAX: usize = 32;

/// Packs.
pub(super) struct Packer {
    unpacked: Vec<u8>,
    encoder: snap::raw::Encoder,
}

impl Packer {
    /// Begins a stream in `out`.
    pub(super) fn new(out: &mut Vec<u8>) -> Self {
        out.extend_from_slice(&HEADER);
        Self { unpacked: Vec::with_capacity(BLOCK), encoder: snap::raw::Encoder::new() }
    }

    /// Packs `bytes`, into `out` as far as blocks are full.
    pub(super) fn put(&mut self, mut bytes: &[u8], out: &mut Vec<u8>) -> io::Result<()> {
        while !bytes.is_empty() {
            let (now, later) = bytes.split_at(bytes.len().min(BLOCK - self.unpacked.len()));
            self.unpacked.extend_from_slice(now);
            bytes = later;
            if self.unpacked.len() == BLOCK {
                self.end_block(out)?;
            }
        }
        Ok(())
    }

    /// Packs what is left into a last block.
    pub(super) fn finish(&mut self, out: &mut Vec<u8>) -> io::Result<()> {
        if self.unpacked.is_empty() { Ok(()) } else { self.end_block(out) }
    }

    fn end_block(&mut self, out: &mut Vec<u8>) -> io::Result<()> {
        let start = out.len();
        out.resize(start + 4 + snap::raw::max_compress_len(self.unpacked.len()), 0);
        let length = self.encoder.compress(&self.unpacked, &mut out[start + 4..])?;
        out.truncate(start + 4 + length);
        out[start..start + 4].copy_from_slice(&(length as u32).to_be_bytes());
        self.unpacked.clear();
        Ok(())
    }
}

/// Unpacks.
pub(super) struct Unpacker<R> {
    source: Window<R>,
    header_is_read: bool,
    block: Vec<u8>,
    given: usize,
    decoder: snap::raw::Decoder,
}

impl<R: Read> Unpacker<R> {
    pub(super) fn new(source: R) -> Self {
        Self {
            source: Window::new(source),
            header_is_read: false,
            block: Vec::new(),
            given: 0,
            decoder: snap::raw::Decoder::new(),
        }
    }

    fn next_block(&mut self) -> io::Result<()> {
        if !self.header_is_read {
            if !self.source.require(HEADER.len())? || self.source.bytes()[..MAGIC.len()] != MAGIC {
                return Err(invalid("no snappy-java stream"));
            }
            self.source.advance(HEADER.len());
            self.header_is_read = true;
        }
        self.given = 0;
        self.block.clear();
        if !self.source.require(1)? {
            return Ok(());
        }
        if !self.source.require(4)? {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let Some(&length) = self.source.bytes().first_chunk() else { return Err(invalid("no chunk length")) };
        let length =
            usize::try_from(i32::from_be_bytes(length)).map_err(|_| invalid("negative chunk length"))?;
        self.source.advance(4);
        if !self.source.require(length)? {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let packed = &self.source.bytes()[..length];
        let unpacked = snap::raw::decompress_len(packed)?;
        if unpacked > length.saturating_mul(RATIO_MAX) {
            return Err(invalid("a block that says it is larger than it can be"));
        }
        self.block.resize(unpacked, 0);
        self.decoder.decompress(packed, &mut self.block)?;
        self.source.advance(length);
        Ok(())
    }
}

impl<R: Read> Read for Unpacker<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut filled = 0;
        while filled < buffer.len() {
            if self.given == self.block.len() {
                self.next_block()?;
                if self.block.is_empty() {
                    break;
                }
            }
            let rest = &self.block[self.given..];
            let count = rest.len().min(buffer.len() - filled);
            buffer[filled..filled + count].copy_from_slice(&rest[..count]);
            self.given += count;
            filled += count;
        }
        Ok(filled)
    }
}

fn invalid(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}
