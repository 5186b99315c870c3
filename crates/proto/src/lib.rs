//! ZooKeeper's vocabulary: ids, paths, ACLs, codes; the records of the wire and of the files.
//!
//! Records borrow from the bytes they were decoded from, so that a request can travel from the socket to the
//! log without its data being copied. Nothing here decides anything: it names, encodes and decodes.

pub mod acl;
pub mod connect;
pub mod error;
pub mod ids;
pub mod mode;
pub mod op;
pub mod path;
pub mod properties;
pub mod quorum;
pub mod reply;
pub mod snapshot;
pub mod stat;
pub mod time;
pub mod txn;

pub use acl::{Acl, AuthId, Permissions, RequestedAcl};
pub use error::ErrorCode;
pub use ids::{Epoch, Round, ServerId, SessionId, Version, WallClock, Xid, Zxid};
pub use mode::CreateMode;
pub use op::{OpClass, OpCode, ReadOp, WriteOp};
pub use stat::Stat;
pub use time::Monotonic;
pub use txn::{Txn, TxnBody, TxnHeader};
pub use zoorum_jute::{Decode, DecodeError, Encode, Reader};
