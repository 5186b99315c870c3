//! What is yet to be sent on a link, in order.

use std::collections::VecDeque;
use std::io::{self, IoSlice, Write};

use bytes::{Buf, Bytes};

use super::feed::{Fed, FeedEnd};

/// Most bytes offered to a socket at a time: what is shorter goes in one system call, and what is longer does not
/// keep others waiting.
const WRITE_SIZE: usize = 1 << 20;
/// Bytes of a snapshot that are sent between two looks at what others want.
const SNAPSHOT_SIZE: usize = 128 << 10;
/// Most pieces that the system takes in one call.
const PIECES: usize = 1024;

/// What is yet to be sent: bytes, and snapshots that other threads still make.
#[derive(Default)]
pub(super) struct Output {
    pieces: VecDeque<Piece>,
    queued: usize,
}

enum Piece {
    Bytes(Bytes),
    Snapshot(FeedEnd),
}

/// How far a write got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Progress {
    /// Everything is sent that could be.
    Done,
    /// The socket would take more, and there is more.
    More,
    /// The socket's buffer is full; its writability is awaited.
    Full,
}

/// Why nothing more can be sent.
#[derive(Debug, thiserror::Error)]
pub(super) enum OutputError {
    #[error("cannot write: {0}")]
    Socket(#[from] io::Error),
    #[error("the snapshot that was being sent broke off")]
    Snapshot,
}

impl Output {
    pub(super) fn push(&mut self, bytes: Bytes) {
        if !bytes.is_empty() {
            self.queued += bytes.len();
            self.pieces.push_back(Piece::Bytes(bytes));
        }
    }

    pub(super) fn push_snapshot(&mut self, feed: FeedEnd) {
        self.pieces.push_back(Piece::Snapshot(feed));
    }

    /// Bytes that wait, without those that are still in a feed.
    pub(super) fn queued(&self) -> usize {
        self.queued
    }

    /// How many pieces that is.
    pub(super) fn pieces(&self) -> usize {
        self.pieces.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    /// Whether a snapshot is among what is to be sent.
    pub(super) fn has_snapshot(&self) -> bool {
        self.pieces.iter().any(|piece| matches!(piece, Piece::Snapshot(_)))
    }

    /// Sends what the socket takes, in one system call, and tells how many bytes that was.
    pub(super) fn write(&mut self, socket: &mut impl Write) -> Result<(Progress, usize), OutputError> {
        self.fetch_snapshot()?;
        let (slices, offered) = self.front();
        if offered == 0 {
            return Ok((Progress::Done, 0));
        }
        let sent = match socket.write_vectored(&slices) {
            Ok(sent) => sent,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok((Progress::Full, 0)),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok((Progress::More, 0)),
            Err(error) => return Err(error.into()),
        };
        self.on_sent(sent);
        let progress = if sent < offered {
            Progress::Full
        } else if self.pieces.is_empty() {
            Progress::Done
        } else {
            Progress::More
        };
        Ok((progress, sent))
    }

    /// Has bytes of the snapshot at the front, if there is one, put before it.
    fn fetch_snapshot(&mut self) -> Result<(), OutputError> {
        let mut chunks = Vec::new();
        while let Some(Piece::Snapshot(feed)) = self.pieces.front() {
            match feed.take(SNAPSHOT_SIZE, &mut chunks) {
                Fed::Bytes => break,
                Fed::Whole => drop(self.pieces.pop_front()),
                Fed::BrokenOff => return Err(OutputError::Snapshot),
            }
        }
        for chunk in chunks.into_iter().rev().filter(|chunk| !chunk.is_empty()) {
            self.queued += chunk.len();
            self.pieces.push_front(Piece::Bytes(chunk));
        }
        Ok(())
    }

    /// What can be sent now, and how much it is.
    fn front(&self) -> (Vec<IoSlice<'_>>, usize) {
        let mut slices = Vec::with_capacity(self.pieces.len().min(PIECES));
        let mut offered = 0;
        for piece in self.pieces.iter().take(PIECES) {
            let Piece::Bytes(bytes) = piece else { break };
            let fitting = bytes.len().min(WRITE_SIZE - offered);
            if fitting == 0 {
                break;
            }
            slices.push(IoSlice::new(&bytes[..fitting]));
            offered += fitting;
        }
        (slices, offered)
    }

    fn on_sent(&mut self, mut sent: usize) {
        self.queued -= sent;
        while sent > 0
            && let Some(Piece::Bytes(bytes)) = self.pieces.front_mut()
        {
            let part = sent.min(bytes.len());
            bytes.advance(part);
            sent -= part;
            if bytes.is_empty() {
                self.pieces.pop_front();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A socket that takes so many bytes, and counts the calls.
    struct Socket {
        room: usize,
        calls: usize,
        taken: Vec<u8>,
    }

    impl Write for Socket {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.write_vectored(&[IoSlice::new(bytes)])
        }

        fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
            self.calls += 1;
            let all: Vec<u8> = slices.iter().flat_map(|slice| slice.iter().copied()).collect();
            let count = all.len().min(self.room);
            if count == 0 {
                return Err(io::ErrorKind::WouldBlock.into());
            }
            self.room -= count;
            self.taken.extend(&all[..count]);
            Ok(count)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn many_small_pieces_leave_in_one_call() {
        let (mut output, mut socket) =
            (Output::default(), Socket { room: 1 << 20, calls: 0, taken: Vec::new() });
        for piece in 0..1000_u32 {
            output.push(Bytes::from(piece.to_be_bytes().to_vec()));
        }
        assert_eq!(output.queued(), 4000);
        assert_eq!(output.write(&mut socket).expect("a socket").0, Progress::Done);
        assert_eq!((socket.calls, output.queued()), (1, 0));
        assert!(
            socket.taken.chunks(4).map(|piece| u32::from_be_bytes(piece.try_into().expect("4"))).eq(0..1000)
        );
    }

    #[test]
    fn a_full_socket_is_gone_on_with_where_it_stopped() {
        let (mut output, mut socket) = (Output::default(), Socket { room: 5, calls: 0, taken: Vec::new() });
        for piece in ["abc", "", "def", "ghi"] {
            output.push(Bytes::from(piece));
        }
        assert_eq!(output.write(&mut socket).expect("a socket").0, Progress::Full);
        assert_eq!(output.write(&mut socket).expect("a socket").0, Progress::Full);
        socket.room = 100;
        assert_eq!(output.write(&mut socket).expect("a socket").0, Progress::Done);
        assert_eq!(socket.taken, b"abcdefghi");
        assert!(output.is_empty());
    }

    #[test]
    fn a_long_output_leaves_in_portions() {
        let (mut output, mut socket) =
            (Output::default(), Socket { room: 9 << 20, calls: 0, taken: Vec::new() });
        output.push(Bytes::from(vec![1; 3 * WRITE_SIZE / 2]));
        assert_eq!(output.write(&mut socket).expect("a socket").0, Progress::More);
        assert_eq!(socket.taken.len(), WRITE_SIZE);
        assert_eq!(output.write(&mut socket).expect("a socket").0, Progress::Done);
    }
}
