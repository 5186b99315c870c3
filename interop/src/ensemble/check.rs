//! What must be the same on every member, and what must be there at all.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use super::workload::Ledger;
use super::{Ensemble, ServerId};
use crate::tree;

/// What a member logs when a transaction did not make of the tree what the leader said it would.
const MISMATCH: &str = "Digests are not matching";
/// What a member of Zoorum logs when that has gone on. After a tree from a leader of the original it must be wrong for a
/// while: such a tree holds parts of later changes.
const LASTING: &str = "is not what the leader's digest says, and was not for";
/// Threads of the original that load and synchronize. They replay transactions over fuzzy snapshots, whose digests
/// are not those of any moment, and then the original doubts itself without cause.
const LOADING: [&str; 2] = ["[main]", "[QuorumPeer["];
/// Each member has a view of its own of the ensemble (see [`super::links`]), and it is in here.
const CONFIG: &str = "/zookeeper/config";

/// Compares the trees of all members, line by line, and with what the clients know.
///
/// # Panics
///
/// When a member lacks something, or has too much.
pub fn expect_agreement(ensemble: &Ensemble, ledgers: &[Ledger]) {
    let trees: BTreeMap<ServerId, Vec<String>> =
        ensemble.ids().into_iter().map(|id| (id, tree_of(ensemble, id))).collect();
    expect_same(&trees);
    expect_kept(trees.values().next().expect("an ensemble has members"), ledgers);
    expect_undoubted(ensemble);
}

fn expect_same(trees: &BTreeMap<ServerId, Vec<String>>) {
    let (reference, expected) = trees.first_key_value().expect("an ensemble has members");
    for (id, found) in trees {
        let difference = difference(expected, found);
        assert!(difference.is_empty(), "the trees of {reference} (-) and {id} (+) differ:\n{difference}");
    }
}

fn tree_of(ensemble: &Ensemble, id: ServerId) -> Vec<String> {
    let mut client = ensemble.client(id);
    client.sync(Some("/")).unwrap_or_else(|code| panic!("sync at {id}: {code}"));
    let mut lines = tree::dump(&mut client);
    client.close();
    lines.retain(|line| column(line, 1) != CONFIG);
    lines
}

fn difference(expected: &[String], found: &[String]) -> String {
    let (left, right): (BTreeSet<_>, BTreeSet<_>) = (expected.iter().collect(), found.iter().collect());
    let mut text = String::new();
    for (sign, lines) in [('-', left.difference(&right)), ('+', right.difference(&left))] {
        lines.for_each(|line| writeln!(text, "{sign} {line}").expect("strings accept everything"));
    }
    text
}

/// Every node that a writer got acknowledged is as it left it, and nobody's nodes are there besides; the
/// visitors' have all gone.
fn expect_kept(tree: &[String], ledgers: &[Ledger]) {
    let mut found: BTreeMap<&str, String> = BTreeMap::new();
    for line in tree.iter().filter(|line| is_a_writers(column(line, 1))) {
        let columns = [2, 7, 9, 10].map(|index| column(line, index));
        found.insert(column(line, 1), columns.join(" "));
    }
    let mut expected: BTreeMap<&str, String> = BTreeMap::new();
    for (path, known) in ledgers.iter().flat_map(|ledger| &ledger.nodes) {
        let data = tree::data_column(Some(&known.data));
        let line = format!("{data} {} {} {}", known.version, known.aversion, known.owner);
        expected.insert(path, line);
    }
    assert_eq!(
        found, expected,
        "data, version, aversion and owner of the writers' nodes, found and expected"
    );
}

/// Nodes that are not always there, and visitors' nodes, which must not be.
fn is_a_writers(path: &str) -> bool {
    ["/writer", "/sequence/", "/visits/", "/tail", "/probe"].iter().any(|prefix| path.starts_with(prefix))
}

/// Who has another tree finds it with every transaction, and a transaction with a wrong digest is doubted by all.
///
/// The original also doubts without cause, one transaction that none of its peers doubts: when it has read a
/// snapshot of its own that was written while the tree changed, or writes one. One such doubt of a member is forgiven;
/// that its tree is the others' is found by comparing it.
fn expect_undoubted(ensemble: &Ensemble) {
    let logs = ensemble.ids().into_iter().map(|id| (id, ensemble.member(id).log())).collect();
    let doubts = doubts(&logs);
    assert!(doubts.values().all(|of_one| of_one.len() <= 1), "a member doubts its tree: {doubts:#?}");
    let zxids: BTreeSet<&str> = doubts.values().flatten().map(|line| zxid_of(line)).collect();
    assert_eq!(zxids.len(), doubts.values().flatten().count(), "several doubt one transaction: {doubts:#?}");
    for (id, log) in &logs {
        let doubt = log.lines().find(|line| line.contains(LASTING));
        assert!(doubt.is_none(), "{id} doubts its tree: {doubt:?}");
    }
}

/// The lines with which members of the original that serve say that their tree is other than the leader said.
fn doubts(logs: &BTreeMap<ServerId, String>) -> BTreeMap<ServerId, Vec<&str>> {
    let is_doubt =
        |line: &&str| line.contains(MISMATCH) && !LOADING.iter().any(|thread| line.contains(thread));
    logs.iter().map(|(id, log)| (*id, log.lines().filter(is_doubt).collect())).collect()
}

/// The transaction that a doubt is about, as it stands at the end of the line.
fn zxid_of(doubt: &str) -> &str {
    doubt.rsplit_once(':').map_or(doubt, |(_, zxid)| zxid)
}

/// A column of a line of [`tree::dump`].
fn column(line: &str, index: usize) -> &str {
    line.split('\t').nth(index).unwrap_or_else(|| panic!("column {index} of {line}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ensemble::workload::ledger::Known;

    /// A line of a dump, with a version and an owner.
    fn line(path: &str, version: i32, owner: i64) -> String {
        format!("node\t{path}\t61\t5\t5\t0\t0\t{version}\t0\t0\t{owner}\t1\t0\t5\t31:world:anyone")
    }

    fn ledger(path: &str, version: i32, owner: i64) -> Ledger {
        let known = Known { data: b"a".to_vec(), version, aversion: 0, owner };
        Ledger { nodes: [(path.to_owned(), known)].into() }
    }

    #[test]
    fn doubts_are_told_by_their_transactions() {
        let log = "WARN  [CommitProcWorkThread-1] Message:Digests are not matching. Value is Zxid. Value:4294967301\n\
                   WARN  [main] Message:Digests are not matching. Value is Zxid. Value:7";
        let logs = BTreeMap::from([(ServerId(1), log.to_owned())]);
        let zxids: Vec<&str> = doubts(&logs)[&ServerId(1)].iter().map(|line| zxid_of(line)).collect();
        assert_eq!(zxids, ["4294967301"], "what is doubted while files are read does not count");
    }

    #[test]
    fn a_tree_with_all_that_was_acknowledged_will_do() {
        let tree = [line("/", 0, 0), line("/writer0", 3, 0), line("/sequence", 0, 0)];
        expect_kept(&tree, &[ledger("/writer0", 3, 0)]);
    }

    #[test]
    #[should_panic(expected = "the writers' nodes")]
    fn a_lost_node_is_noticed() {
        expect_kept(&[line("/", 0, 0)], &[ledger("/writer0/plain0", 0, 0)]);
    }

    #[test]
    #[should_panic(expected = "the writers' nodes")]
    fn a_lost_change_is_noticed() {
        expect_kept(&[line("/writer0", 2, 0)], &[ledger("/writer0", 3, 0)]);
    }

    #[test]
    #[should_panic(expected = "the writers' nodes")]
    fn an_ephemeral_node_without_its_session_is_noticed() {
        expect_kept(&[line("/visits/1", 0, 7)], &[]);
    }

    #[test]
    #[should_panic(expected = "the writers' nodes")]
    fn an_ephemeral_node_of_another_session_is_noticed() {
        expect_kept(&[line("/writer0/e", 0, 7)], &[ledger("/writer0/e", 0, 8)]);
    }

    #[test]
    #[should_panic(expected = "the writers' nodes")]
    fn a_tail_that_nobody_acknowledged_is_noticed() {
        expect_kept(&[line("/tail1", 0, 0)], &[]);
    }

    #[test]
    #[should_panic(expected = "the trees of 1 (-) and 2 (+) differ")]
    fn trees_that_differ_in_a_stat_are_noticed() {
        let tree = |version| vec![line("/", 0, 0), line("/a", version, 0)];
        expect_same(&BTreeMap::from([(ServerId(1), tree(1)), (ServerId(2), tree(2))]));
    }
}
