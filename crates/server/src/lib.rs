//! One server as a value: the replica and its workers.
