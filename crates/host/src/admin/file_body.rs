//! A file on its way to whoever asked for it, a piece at a time: no more of it is in memory than a few.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::thread;

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use tokio::sync::mpsc;
use zoorum_storage::DiskFile;

/// Bytes that are read at a time.
const PIECE: usize = 256 << 10;
/// Pieces that may wait to be sent.
const WAITING_PIECES: usize = 4;

/// The body of an answer.
pub(super) struct FileBody {
    pieces: mpsc::Receiver<io::Result<Bytes>>,
    left: u64,
}

impl FileBody {
    /// Begins to read. That ends with the file, or when the answer is not wanted any more.
    pub(super) fn start(file: impl DiskFile, length: u64) -> Self {
        let (sender, pieces) = mpsc::channel(WAITING_PIECES);
        let read = move || send(&file, length, &sender);
        if let Err(error) = thread::Builder::new().name("download".to_owned()).spawn(read) {
            tracing::warn!("no thread can be had that reads a snapshot: {error}");
        }
        Self { pieces, left: length }
    }
}

fn send(file: &impl DiskFile, length: u64, pieces: &mpsc::Sender<io::Result<Bytes>>) {
    let mut offset = 0;
    while offset < length {
        let mut piece = vec![0; PIECE.min((length - offset) as usize)];
        let read = match file.read_at(&mut piece, offset) {
            Ok(0) => Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(count) => {
                offset += count as u64;
                piece.truncate(count);
                Ok(piece.into())
            }
            Err(error) => Err(error),
        };
        let has_failed = read.is_err();
        if pieces.blocking_send(read).is_err() || has_failed {
            return;
        }
    }
}

impl Body for FileBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        self.pieces.poll_recv(context).map(|piece| match piece {
            Some(Ok(bytes)) => {
                self.left -= bytes.len() as u64;
                Some(Ok(Frame::data(bytes)))
            }
            Some(Err(error)) => Some(Err(error)),
            None if self.left > 0 => Some(Err(io::ErrorKind::UnexpectedEof.into())),
            None => None,
        })
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}
