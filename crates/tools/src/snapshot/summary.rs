//! `zoorum snapshot summary`: how many znodes and bytes there are below each znode that has children.

use std::collections::HashMap;
use std::io::Write;
use std::path::Path;

use super::loaded::Snapshot;
use super::nodes::{Nodes, Step};
use crate::failure::{Failure, INVALID_INVOCATION};

const USAGE: &str = "USAGE:


SnapshotRecursiveSummary  <snapshot_file>  <starting_node>  <max_depth>


snapshot_file:    path to the zookeeper snapshot
starting_node:    the path in the zookeeper tree where the traversal should begin
max_depth:        defines the depth where the tool still writes to the output. 0 means there is no depth limit, \
every non-leaf node's stats will be displayed, 1 means it will only contain the starting node's and it's children's \
stats, 2 ads another level and so on. This ONLY affects the level of details displayed, NOT the calculation.";

/// Runs the tool.
pub(crate) fn run(arguments: &[String], out: &mut dyn Write) -> Result<(), Failure> {
    let usage = || Failure::new(INVALID_INVOCATION, USAGE);
    let [file, start, depth] = arguments else { return Err(usage()) };
    let depth_max: i32 = depth.parse().map_err(|_| usage())?;
    let snapshot = Snapshot::load(Path::new(file), false)?;
    let nodes = &snapshot.nodes;
    let Some(place) = nodes.find(start) else {
        return Err(Failure::unexpected(format!("{file}: there is no znode {start} in it")));
    };
    // Zero shows everything; what is below it shows nothing.
    let shows = |level: usize| depth_max == 0 || i32::try_from(level).is_ok_and(|level| level <= depth_max);
    let sums = sums(nodes, place)?;
    nodes.walk(place, |step| {
        let Step::Enter { place, node, depth } = step else { return Ok(()) };
        if !nodes.has_children(place) || !shows(depth) {
            return Ok(());
        }
        let (tab, (children, data)) = ("--".repeat(depth), sums[&place]);
        let path = if depth == 0 { start } else { node.full_path() };
        write!(out, "{tab} {path}\n{tab}   children: {children}\n{tab}   data: {data}\n")
    })?;
    writeln!(out)?;
    snapshot.end()
}

/// Descendants of each znode, and bytes in it and in them.
fn sums(nodes: &Nodes, start: usize) -> Result<HashMap<usize, (u64, u64)>, Failure> {
    let mut sums = HashMap::<usize, (u64, u64)>::new();
    nodes.walk(start, |step| {
        let Step::Leave { place, node, .. } = step else { return Ok(()) };
        let mut sum = (0, node.length);
        for child in nodes.children(place) {
            let (descendants, bytes) = sums[&child];
            sum = (sum.0 + descendants + 1, sum.1 + bytes);
        }
        sums.insert(place, sum);
        Ok(())
    })?;
    Ok(sums)
}
