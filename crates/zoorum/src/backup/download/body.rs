//! The body of an answer, from a server that may fall silent.

use std::io::{self, ErrorKind, Read, Write};
use std::sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

/// Bytes that are taken at once.
const PIECE: usize = 256 << 10;
/// Pieces that wait to be written.
const WAITING: usize = 4;

/// Copies everything that comes; `tell` hears after each piece how much that was.
///
/// # Errors
///
/// If nothing comes for so long, and if reading or writing fails. The thread that waits for a silent server ends with
/// the process.
pub(super) fn copy(
    from: impl Read + Send + 'static,
    into: &mut impl Write,
    silence: Duration,
    mut tell: impl FnMut(u64),
) -> io::Result<()> {
    let (sender, pieces) = sync_channel(WAITING);
    thread::spawn(move || read(from, &sender));
    let mut came = 0;
    loop {
        match pieces.recv_timeout(silence) {
            Ok(piece) => {
                let piece: Vec<u8> = piece?;
                into.write_all(&piece)?;
                came += piece.len() as u64;
                tell(came);
            }
            Err(RecvTimeoutError::Disconnected) => return Ok(()),
            Err(RecvTimeoutError::Timeout) => {
                let text = format!("nothing came for {silence:?}, after {came} bytes");
                return Err(io::Error::new(ErrorKind::TimedOut, text));
            }
        }
    }
}

/// Sends what can be read, and the failure that ends it, if one does.
fn read(mut from: impl Read, pieces: &SyncSender<io::Result<Vec<u8>>>) {
    loop {
        let mut piece = vec![0; PIECE];
        let sent = match from.read(&mut piece) {
            Ok(0) => return,
            Ok(length) => {
                piece.truncate(length);
                pieces.send(Ok(piece))
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) => {
                let _ = pieces.send(Err(error)); // nobody listens if writing failed first
                return;
            }
        };
        if sent.is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixStream;

    use super::*;

    #[test]
    fn everything_that_comes_is_copied_and_told() {
        let (mut told, mut copied) = (0, Vec::new());
        let content = vec![7; 3 * PIECE + 1];
        let from = io::Cursor::new(content.clone());
        copy(from, &mut copied, Duration::from_secs(60), |came| told = came).expect("copied");
        assert_eq!((told, copied == content), (content.len() as u64, true));
    }

    #[test]
    fn a_server_that_falls_silent_is_given_up() {
        let (mut server, from) = UnixStream::pair().expect("a pair");
        server.write_all(b"half").expect("written");
        let mut copied = Vec::new();
        let failed = copy(from, &mut copied, Duration::from_millis(100), |_| {}).expect_err("silent");
        assert_eq!(failed.to_string(), "nothing came for 100ms, after 4 bytes");
        assert_eq!(copied, b"half");
    }
}
