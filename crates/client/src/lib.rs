//! An async client for ZooKeeper ensembles, with recipes.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use zoorum_client::{Client, CreateMode, Version};
//!
//! let client = Client::connect("host1:2181,host2:2181,host3:2181/app").await?;
//! client.create("/greeting", b"hello", CreateMode::Persistent).await?;
//! let node = client.get("/greeting").await?;
//! client.set("/greeting", b"good bye", node.stat.version).await?;
//! client.delete("/greeting", Version::ANY).await?;
//! client.close().await;
//! # Ok(())
//! # }
//! ```
//!
//! - [`Client`] is a session. Each request is made when its method is called, and answered by a future.
//! - [`Error`] tells what is known of a failed request's effect.
//! - [`OneWatch`] is a watch as a future, [`Watch`] one as a stream.
//! - [`recipes`] are locks, elections, barriers, queues, counters, groups and caches, compatible with Curator's.
//! - [`session`] is the session as a value without I/O, for those who bring their own; [`driver`] has it together
//!   with this client, and leaves sockets, time and chance to the [`World`] around.
//!
//! The crate's own feature `tokio`, on by default, has everything but `session`.

pub mod session;

#[cfg(feature = "tokio")]
mod builder;
#[cfg(feature = "tokio")]
mod chroot;
#[cfg(feature = "tokio")]
mod client;
#[cfg(feature = "tokio")]
mod create;
#[cfg(feature = "tokio")]
#[expect(clippy::disallowed_types, reason = "nobody observes the order of the driver's maps")]
pub mod driver;
#[cfg(feature = "tokio")]
mod error;
#[cfg(feature = "tokio")]
mod handle;
#[cfg(feature = "tokio")]
mod multi;
#[cfg(feature = "tokio")]
mod quota;
#[cfg(feature = "tokio")]
mod reads;
#[cfg(feature = "tokio")]
pub mod recipes;
#[cfg(feature = "tokio")]
mod reply;
#[cfg(feature = "tokio")]
mod watch;
#[cfg(feature = "tokio")]
mod world;
#[cfg(feature = "tokio")]
mod writes;

#[cfg(feature = "tokio")]
pub use {
    builder::{ClientBuilder, ConnectError},
    client::{Client, States},
    create::{Create, Created, creator_acl, open_acl, read_only_acl},
    error::{Error, ErrorKind, Result},
    multi::{Multi, MultiRead, MultiReadResult, MultiResult},
    quota::{Quota, Usage},
    reads::{Children, Identity, Node},
    reply::Reply,
    watch::{CHANGES_MAX, Change, OneWatch, Watch, WatchEnded},
    world::{Task, World},
    writes::Reconfig,
};

pub use session::{Cause, SessionState, WatchKind, WatchedEvent};
pub use zoorum_proto::reply::EventType;
pub use zoorum_proto::{Acl, CreateMode, ErrorCode, OpCode, Permissions, SessionId, Stat, Version, Zxid};
