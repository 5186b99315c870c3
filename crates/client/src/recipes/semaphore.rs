//! A semaphore: so many holders at a time.

use super::lock::Lock;
use super::protected::Protected;
use super::{below, persist};
use crate::client::Client;
use crate::error::{Error, ErrorKind, Result};
use zoorum_proto::{ErrorCode, OpCode};

/// The lock that those who ask for a lease hold one after the other.
const LOCKS: &str = "locks";
/// What holds the leases.
const LEASES: &str = "leases";
/// Names of leases end in this and a number.
const LEASE: &str = "lease-";

/// A fair semaphore. All who use it must agree on the number of leases.
#[derive(Clone, Debug)]
pub struct Semaphore {
    client: Client,
    path: String,
    leases: usize,
}

impl Semaphore {
    /// The semaphore of this name, with so many leases. Nothing happens yet.
    pub fn new(client: &Client, path: &str, leases: usize) -> Self {
        Self { client: client.clone(), path: path.to_owned(), leases }
    }

    /// Waits for a lease. To drop the future gives the place in line up.
    ///
    /// # Errors
    ///
    /// When the session ends, or the server refuses.
    pub async fn acquire(&self) -> Result<Lease> {
        let leases = below(&self.path, LEASES);
        let lock = Lock::new(&self.client, &below(&self.path, LOCKS)).acquire().await?;
        let node = Protected::create(&self.client, &leases, LEASE, b"").await?;
        loop {
            let asked = persist(&self.client, || self.client.children_and_watch(&leases)).await?;
            let (children, watch) = asked;
            if !children.names.iter().any(|name| name == node.name()) {
                let kind = ErrorKind::Refused(ErrorCode::NoNode);
                return Err(Error::new(OpCode::GetChildren, &node.path(), kind));
            }
            if children.names.len() <= self.leases {
                lock.release().await?;
                return Ok(Lease { node });
            }
            // When the session ends, the next request says so.
            watch.await.ok();
        }
    }
}

/// One of the leases. Dropped, it is returned as soon as there is a connection.
#[derive(Debug)]
#[must_use = "the lease is returned when this is dropped"]
pub struct Lease {
    node: Protected,
}

impl Lease {
    /// Returns the lease.
    ///
    /// # Errors
    ///
    /// When the session has ended, whereby the lease is returned as well.
    pub async fn release(self) -> Result<()> {
        self.node.remove().await
    }
}
