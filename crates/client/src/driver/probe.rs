//! Asking a server whether it is read-write.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::link::connect;
use crate::session::Host;

/// How long a server may take to answer.
const PATIENCE: Duration = Duration::from_secs(1);
/// The answer of a server that takes writes.
const READ_WRITE: &[u8] = b"rw";

/// A question under way. Dropped, it is taken back.
pub(super) struct Probe {
    pub(super) host: Host,
    asking: JoinHandle<bool>,
}

impl Probe {
    pub(super) fn start(host: Host, salt: u64) -> Self {
        let asked = host.clone();
        let asking = tokio::spawn(async move {
            matches!(timeout(PATIENCE, ask(&asked, salt)).await, Ok(Ok(answer)) if answer == READ_WRITE)
        });
        Self { host, asking }
    }

    /// Whether it is; once.
    pub(super) async fn answer(&mut self) -> bool {
        (&mut self.asking).await.unwrap_or(false)
    }
}

impl Drop for Probe {
    fn drop(&mut self) {
        self.asking.abort();
    }
}

async fn ask(host: &Host, salt: u64) -> io::Result<Vec<u8>> {
    let mut stream = connect(host, salt).await?;
    stream.write_all(b"isro").await?;
    let mut answer = Vec::new();
    stream.take(READ_WRITE.len() as u64).read_to_end(&mut answer).await?;
    Ok(answer)
}
