//! A subtree in a file, and out of it again.
//!
//! ```text
//! {"zoorum-export":1,"root":"/app"}
//! {"path":"","data":{"text":"hello"}}                       the root; paths are relative to it
//! {"path":"/key","data":{"base64":"AAE="},"acl":[{"scheme":"digest","id":"ann:…","perms":"cdrwa"}]}
//! {"path":"/none","data":null}                              null; no acl is one that lets anybody do anything
//! {"end":true,"znodes":3}
//! ```
//!
//! One znode a line, each behind its parent. The last line tells a whole file from one that was cut off. Neither way
//! is more of it in memory than a few znodes.

mod export;
mod import;
mod record;
mod sink;

pub(crate) use export::{export, takes_stdout};
pub(crate) use import::import;
