//! A stream of bytes, seen a block at a time, with whole records in view.

use std::io::{self, Read};

use crate::disk::DiskFile;

/// Bytes that are read at once.
const BLOCK: usize = 1 << 20;

/// Reads a file from its front.
pub(crate) struct FileReader<F> {
    file: F,
    offset: u64,
}

impl<F: DiskFile> FileReader<F> {
    pub(crate) fn new(file: F) -> Self {
        Self::at(file, 0)
    }

    /// The same, from a position on.
    pub(crate) fn at(file: F, offset: u64) -> Self {
        Self { file, offset }
    }
}

impl<F: DiskFile> Read for FileReader<F> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read_at(buffer, self.offset)?;
        self.offset += count as u64;
        Ok(count)
    }
}

/// The bytes of `source` from some position on, as many as are needed, and the Adler-32 of those before it.
///
/// Memory grows with the bytes that are really there, never with a length that only claims to be.
pub(crate) struct Window<R> {
    source: R,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    /// Where the checksum has got to; it is brought forward in large steps, because those are fast.
    summed: usize,
    checksum: simd_adler32::Adler32,
    /// Position of the buffer's front in the stream.
    base: u64,
    ended: bool,
}

impl<R: Read> Window<R> {
    pub(crate) fn new(source: R) -> Self {
        Self::at(source, 0)
    }

    /// A stream whose next byte has this position.
    pub(crate) fn at(source: R, base: u64) -> Self {
        Self {
            source,
            buffer: Vec::new(),
            start: 0,
            end: 0,
            summed: 0,
            checksum: simd_adler32::Adler32::new(),
            base,
            ended: false,
        }
    }

    /// Bytes that were advanced over.
    pub(crate) fn position(&self) -> u64 {
        self.base + self.start as u64
    }

    /// What is in view.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.buffer[self.start..self.end]
    }

    /// Gets at least `count` bytes into view; `false` if the stream ends before.
    pub(crate) fn require(&mut self, count: usize) -> io::Result<bool> {
        while self.end - self.start < count && !self.ended {
            self.read_on(count)?;
        }
        Ok(self.end - self.start >= count)
    }

    /// Leaves `count` bytes behind, which must be in view.
    pub(crate) fn advance(&mut self, count: usize) {
        debug_assert!(count <= self.end - self.start, "only what is in view can be left behind");
        self.start += count;
    }

    /// Adler-32 of everything before the position.
    pub(crate) fn checksum(&mut self) -> u32 {
        self.checksum.write(&self.buffer[self.summed..self.start]);
        self.summed = self.start;
        self.checksum.finish()
    }

    fn read_on(&mut self, wanted: usize) -> io::Result<()> {
        self.checksum();
        self.buffer.copy_within(self.start..self.end, 0);
        self.base += self.start as u64;
        self.end -= self.start;
        (self.start, self.summed) = (0, 0);
        // At most twice of what is there already.
        let room = wanted.min(self.end.saturating_mul(2)).max(BLOCK);
        if self.buffer.len() < room {
            let mut larger = vec![0; room];
            larger[..self.end].copy_from_slice(&self.buffer[..self.end]);
            self.buffer = larger;
        }
        match self.source.read(&mut self.buffer[self.end..]) {
            Ok(0) => self.ended = true,
            Ok(count) => self.end += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }
}
