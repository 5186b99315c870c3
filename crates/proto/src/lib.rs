//! ZooKeeper's vocabulary: ids, paths, ACLs, codes, requests, replies, transactions.
