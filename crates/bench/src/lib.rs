//! A load generator for any ZooKeeper-compatible server.
