//! What the commands do, in groups. Each takes the shell and its words, told apart, and answers through the shell.

pub(crate) mod ensemble;
pub(crate) mod follow;
pub(crate) mod quota;
pub(crate) mod read;
pub(crate) mod session;
pub(crate) mod transfer;
pub(crate) mod tree;
pub(crate) mod watches;
pub(crate) mod write;
