//! What is below each znode of a snapshot, in numbers.

use std::fmt;

use super::super::loaded::Snapshot;
use super::super::nodes::Step;

/// What is below a znode, itself included in the bytes.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Below {
    pub bytes: i64,
    pub nodes: i64,
}

/// A snapshot with its sums.
pub(super) struct Sizes {
    pub snapshot: Snapshot,
    /// By the znode's place.
    below: Vec<Below>,
    /// The places of the znodes at each depth, by path.
    pub depths: Vec<Vec<usize>>,
}

impl Sizes {
    pub(super) fn of(snapshot: Snapshot) -> std::io::Result<Self> {
        let nodes = &snapshot.nodes;
        let mut below = vec![Below::default(); nodes.count()];
        let mut depths: Vec<Vec<usize>> = Vec::new();
        nodes.walk(nodes.root().unwrap_or_default(), |step| {
            let Step::Leave { place, node, depth } = step else { return Ok(()) };
            let mut sum = Below { bytes: node.length as i64, nodes: 0 };
            for child in nodes.children(place) {
                sum.bytes += below[child].bytes;
                sum.nodes += below[child].nodes + 1;
            }
            below[place] = sum;
            if depths.len() <= depth {
                depths.resize_with(depth + 1, Vec::new);
            }
            depths[depth].push(place);
            Ok(())
        })?;
        for places in &mut depths {
            places.sort_by_key(|&place| &nodes.at(place).path);
        }
        Ok(Self { below, depths, snapshot })
    }

    /// The path of a znode; the root's is empty.
    pub(super) fn path(&self, place: usize) -> &str {
        &self.snapshot.nodes.at(place).path
    }

    pub(super) fn below(&self, place: usize) -> Below {
        self.below[place]
    }

    /// The children of a path, by name. The root is only known by its empty path, which nobody can ask for.
    pub(super) fn children(&self, path: &str) -> Option<Vec<usize>> {
        let nodes = &self.snapshot.nodes;
        let place = nodes.find(path).filter(|_| path != "/")?;
        let mut children = nodes.children(place);
        children.sort_by_key(|&place| &nodes.at(place).path);
        Some(children)
    }
}

/// The sums of the whole, with an empty line behind them.
impl fmt::Display for Sizes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let size = self.snapshot.nodes.root().map_or(0, |root| self.below(root).bytes);
        writeln!(f, "Node count: {}", self.snapshot.nodes.count())?;
        writeln!(f, "Total size: {size}")?;
        writeln!(f, "Max depth: {}", self.depths.len())?;
        for (depth, places) in self.depths.iter().enumerate() {
            writeln!(f, "Count of nodes at depth {depth}: {}", places.len())?;
        }
        Ok(())
    }
}
