//! The `zoorum` binary.

fn main() {}
