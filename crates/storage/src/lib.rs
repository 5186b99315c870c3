//! Transaction log and snapshots, on whatever disk they are handed.
