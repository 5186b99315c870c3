//! `zoorum snapshot compare`: where two snapshots differ in size, depth by depth.

mod tree;

use std::io::{BufRead, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use super::loaded::Snapshot;
use crate::failure::{Failure, INVALID_INVOCATION};
use crate::java::{Opt, Parsed, parse};
use tree::{Below, Sizes};

const OPTIONS: [Opt; 6] = [
    Opt::required('l', "left"),
    Opt::required('r', "right"),
    Opt::required('b', "bytes"),
    Opt::required('n', "nodes"),
    Opt::flag('d', "debug"),
    Opt::flag('i', "interactive"),
];

const USAGE: &str = "\
usage: java -cp <classPath> org.apache.zookeeper.server.SnapshotComparer
 -b,--bytes <BYTETHRESHOLD>   (Required) The node data delta size threshold, in bytes, for printing the node.
 -d,--debug                   Use debug output.
 -i,--interactive             Enter interactive mode.
 -l,--left <LEFT>             (Required) The left snapshot file.
 -n,--nodes <NODETHRESHOLD>   (Required) The descendant node delta size threshold, in nodes, for printing the node.
 -r,--right <RIGHT>           (Required) The right snapshot file.
";

const PROMPT: &str = "\
- Press enter to move to print current depth layer;
- Type a number to jump to and print all nodes at a given depth;
- Enter an ABSOLUTE path to print the immediate subtree of a node. Path must start with '/'.";

/// Runs the tool.
pub(crate) fn run(arguments: &[String], input: &mut dyn BufRead, out: &mut dyn Write) -> Result<(), Failure> {
    let parsed = match parse(&OPTIONS, arguments) {
        Ok(parsed) => parsed,
        Err(complaint) => {
            out.write_all(USAGE.as_bytes())?;
            return Err(Failure::new(INVALID_INVOCATION, complaint));
        }
    };
    let limits = Limits { bytes: threshold(&parsed, 'b')?, nodes: threshold(&parsed, 'n')? };
    let (debug, interactive) = (parsed.has('d'), parsed.has('i'));
    writeln!(out, "Successfully parsed options!")?;
    let left = read(parsed.value('l').unwrap_or_default(), out)?;
    let right = read(parsed.value('r').unwrap_or_default(), out)?;
    writeln!(out, "{left}\n{right}")?;
    let mut comparison = Comparison { left, right, limits, debug, tells_filtered: debug || interactive, out };
    if interactive {
        comparison.ask(input)?
    } else {
        comparison.all()?
    }
    let Comparison { left, right, .. } = comparison;
    left.snapshot.end().and(right.snapshot.end())
}

fn threshold(parsed: &Parsed, short: char) -> Result<i64, Failure> {
    let text = parsed.value(short).unwrap_or_default();
    let number = text.parse::<i32>().map(i64::from);
    number.map_err(|_| Failure::unexpected(format!("-{short} {text}: a whole number is needed")))
}

fn read(file: &str, out: &mut dyn Write) -> Result<Sizes, Failure> {
    let path = Path::new(file);
    let seconds = |length: Duration| format!("{:.6}", length.as_secs_f64());
    let begun = Instant::now();
    let snapshot = Snapshot::load(path, false)?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    writeln!(out, "Deserialized snapshot in {name} in {} seconds", seconds(begun.elapsed()))?;
    let begun = Instant::now();
    let sizes = Sizes::of(snapshot)?;
    writeln!(out, "Processed data tree in {} seconds", seconds(begun.elapsed()))?;
    Ok(sizes)
}

/// Differences up to these are not shown.
#[derive(Clone, Copy)]
struct Limits {
    bytes: i64,
    nodes: i64,
}

impl Limits {
    fn are_exceeded(self, bytes: i64, nodes: i64) -> bool {
        bytes > self.bytes || nodes > self.nodes
    }
}

/// The work.
struct Comparison<'a> {
    left: Sizes,
    right: Sizes,
    limits: Limits,
    debug: bool,
    /// Whether what is not shown is at least named.
    tells_filtered: bool,
    out: &'a mut dyn Write,
}

impl Comparison<'_> {
    fn depths(&self) -> usize {
        self.left.depths.len().max(self.right.depths.len())
    }

    fn all(&mut self) -> Result<(), Failure> {
        self.announce()?;
        for depth in 0..self.depths() {
            self.depth(depth)?;
        }
        Ok(writeln!(self.out, "All layers compared.")?)
    }

    /// Compares what lines of the input ask for, until every depth was shown.
    fn ask(&mut self, input: &mut dyn BufRead) -> Result<(), Failure> {
        let mut depth = 0;
        while depth < self.depths() {
            writeln!(self.out, "Current depth is {depth}\n{PROMPT}")?;
            self.out.flush()?;
            let line = next_line(input)?;
            self.announce()?;
            let last = self.depths() - 1;
            if line.is_empty() {
                self.depth(depth)?;
                depth += 1;
            } else if line.starts_with('/') {
                writeln!(self.out, "Analysis for node {line}")?;
                self.subtree(&line)?;
            } else if let Ok(number) = line.parse::<i32>() {
                let Some(asked) = usize::try_from(number).ok().filter(|asked| *asked <= last) else {
                    writeln!(self.out, "Depth must be in range [0, {last}]")?;
                    continue;
                };
                depth = asked;
                self.depth(depth)?;
            } else {
                writeln!(
                    self.out,
                    "Input {line} is not valid. Depth must be in range [0, {last}]. Path must be an absolute path which \
                     starts with '/'."
                )?;
            }
            writeln!(self.out)?;
        }
        Ok(writeln!(self.out, "All layers compared.")?)
    }

    fn announce(&mut self) -> Result<(), Failure> {
        let Limits { bytes, nodes } = self.limits;
        Ok(writeln!(
            self.out,
            "Printing analysis for nodes difference larger than {bytes} bytes or node count difference larger than \
             {nodes}."
        )?)
    }

    fn depth(&mut self, depth: usize) -> Result<(), Failure> {
        writeln!(self.out, "Analysis for depth {depth}")?;
        let of = |sizes: &Sizes| sizes.depths.get(depth).cloned().unwrap_or_default();
        let (left, right) = (of(&self.left), of(&self.right));
        self.rows(&left, &right)
    }

    fn subtree(&mut self, path: &str) -> Result<(), Failure> {
        match (self.left.children(path), self.right.children(path)) {
            (None, None) => {
                Ok(writeln!(self.out, "Path {path} is neither found in left tree nor right tree.")?)
            }
            (left, right) => self.rows(&left.unwrap_or_default(), &right.unwrap_or_default()),
        }
    }

    /// Goes through two lists of znodes, both in the order of their paths.
    fn rows(&mut self, mut left: &[usize], mut right: &[usize]) -> Result<(), Failure> {
        loop {
            let pair = (left.first(), right.first());
            let order = match pair {
                (None, None) => return Ok(()),
                (Some(_), None) => std::cmp::Ordering::Less,
                (None, Some(_)) => std::cmp::Ordering::Greater,
                (Some(&l), Some(&r)) => {
                    let (l, r) = (self.left.path(l), self.right.path(r));
                    let order = l.cmp(r);
                    if self.debug {
                        let word = match order {
                            std::cmp::Ordering::Less => "left is less",
                            std::cmp::Ordering::Equal => "same",
                            std::cmp::Ordering::Greater => "right is less",
                        };
                        writeln!(self.out, "Comparing {l} to {r}\n{word}")?;
                    }
                    order
                }
            };
            match (order, pair) {
                (std::cmp::Ordering::Equal, (Some(&l), Some(&r))) => self.both(l, r)?,
                (_, (Some(&l), _)) if order.is_lt() => self.one("left", l)?,
                (_, (_, Some(&r))) => self.one("right", r)?,
                _ => {}
            }
            left = &left[usize::from(order.is_le())..];
            right = &right[usize::from(order.is_ge())..];
        }
    }

    fn one(&mut self, side: &str, place: usize) -> Result<(), Failure> {
        let sizes = if side == "left" { &self.left } else { &self.right };
        let (path, Below { bytes, nodes }) = (sizes.path(place), sizes.below(place));
        if self.limits.are_exceeded(bytes, nodes) {
            writeln!(
                self.out,
                "Node {path} found only in {side} tree. Descendant size: {bytes}. Descendant count: {nodes}"
            )?;
        } else if self.tells_filtered {
            writeln!(self.out, "Filtered {side} node {path} of size {bytes}")?;
        }
        Ok(())
    }

    fn both(&mut self, left: usize, right: usize) -> Result<(), Failure> {
        let path = self.left.path(left);
        let (left, right) = (self.left.below(left), self.right.below(right));
        let (bytes, nodes) = (right.bytes - left.bytes, right.nodes - left.nodes);
        if self.limits.are_exceeded(bytes.abs(), nodes.abs()) {
            writeln!(self.out, "Node {path} found in both trees. Delta: {bytes} bytes, {nodes} descendants")?;
        } else if self.tells_filtered {
            let (left, right) = (left.bytes, right.bytes);
            writeln!(self.out, "Filtered node {path} of left size {left}, right size {right}")?;
        }
        Ok(())
    }
}

fn next_line(input: &mut dyn BufRead) -> Result<String, Failure> {
    let mut line = String::new();
    match input.read_line(&mut line) {
        Ok(0) => Err(Failure::unexpected("The input ended before everything was compared.")),
        Ok(_) => Ok(line.trim_end_matches(['\n', '\r']).to_owned()),
        Err(error) => Err(Failure::unexpected(format!("cannot read the input: {error}"))),
    }
}
