//! Zoorum against Apache ZooKeeper and its clients: same scenario, same outcome.
