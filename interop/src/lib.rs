//! Zoorum against Apache ZooKeeper and its clients: same scenario, same outcome.
//!
//! Nothing here leans on the production crates: [`wire`] has an encoder and a decoder of its own, so that a
//! misreading of the protocol cannot be shared by the server and by what judges it. [`server`] starts either
//! server with the same configuration, and [`tree`] reads a whole tree. Test code calls this crate, so failures are panics with a message.

pub mod server;
pub mod tree;
pub mod wire;
