//! Reads that a lost connection does not end. They change nothing, so nobody minds how often they are sent.

use zoorum_client::session::Cause;
use zoorum_client::{Error, ErrorKind, Reply, Result};

/// How often a read is sent again before its failure is told.
const AGAIN: usize = 3;

/// Waits for the reply to a read, and asks again where the connection was lost before it came. The client meanwhile
/// looks for another one, for as long as it waits with any request.
pub(crate) async fn answered<T>(mut reply: Reply<T>, ask: impl Fn() -> Reply<T>) -> Result<T> {
    for _ in 0..AGAIN {
        match reply.await {
            Err(Error { kind: ErrorKind::Unknown(Cause::Disconnected), .. }) => reply = ask(),
            settled => return settled,
        }
    }
    reply.await
}
