//! Transactions: decoded, encoded to the same, and applied.
//!
//! ```text
//! input    (length u16 · transaction) …
//! ```

use zoorum_proto::{Decode, Encode, Txn, Zxid};
use zoorum_tree::Tree;

use crate::take_chunk;

/// Decodes each transaction and applies it to a tree, whatever it says: a log of another release, or of a
/// damaged peer, may say anything.
pub fn run(mut input: &[u8]) {
    let mut tree = Tree::new(1);
    // A path with an empty component at its front is taken for one without: only prep refuses it, and the
    // digest is then that of the path as written until the tree is loaded again. No server logs such a path.
    let is_canonical = !input.windows(2).any(|pair| pair == b"//");
    while !input.is_empty() {
        let Ok(mut txn) = Txn::from_bytes(take_chunk(&mut input)) else { continue };
        let encoded = txn.to_vec();
        let again = Txn::from_bytes(&encoded).expect("what we encode, we decode");
        assert_eq!(again.to_vec(), encoded, "encoding does not change what is meant");
        // The order of history is for the log to see to; behind it, zxids only grow.
        txn.header.zxid = Zxid(txn.header.zxid.0.max(tree.last_zxid().0.saturating_add(1)));
        tree.apply(&txn, &mut |_| {});
    }
    if is_canonical {
        crate::snapshots::check_copy(&mut tree);
    }
}
