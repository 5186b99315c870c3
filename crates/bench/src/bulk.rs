//! Trees made and taken down again: many requests of one kind, each znode once.

use std::collections::BTreeMap;
use std::ops::Range;
use std::time::Duration;

use anyhow::ensure;

use crate::engine::{Engine, Next, Reply, Turn, Work};
use crate::latency::Latencies;
use crate::progress::Counter;
use crate::wire::{NO_NODE, NODE_EXISTS, Operation, Target, Template, request, set_xid};

/// Preparing and clearing up end after this time at the latest.
pub const BULK_WITHIN: Duration = Duration::from_secs(900);

/// Nodes `nodes` of folder `folder`.
#[derive(Clone, Debug)]
pub struct Span {
    /// The folder's number.
    pub folder: u32,
    /// Its nodes' numbers.
    pub nodes: Range<u32>,
}

/// `count` znodes, `per_parent` to a folder, as spans.
pub fn spans(count: u32, per_parent: u32) -> Vec<Span> {
    let folders = count.div_ceil(per_parent);
    let nodes = |folder| 0..per_parent.min(count - folder * per_parent);
    (0..folders).map(|folder| Span { folder, nodes: nodes(folder) }).collect()
}

/// The folders themselves, as spans of one each.
pub fn folder_spans(folders: u32) -> Vec<Span> {
    (0..folders).map(|folder| Span { folder, nodes: 0..1 }).collect()
}

/// One pass over spans.
pub struct Bulk {
    template: Template,
    spans: std::vec::IntoIter<Span>,
    span: Span,
    tolerated: i32,
    progress: Option<Counter>,
    answered: u64,
    /// From each request to its reply.
    pub latencies: Latencies,
    /// How often each error came.
    pub errors: BTreeMap<i32, u64>,
}

impl Bulk {
    /// Creates what `spans` name below `prefix`; what is there already may stay.
    pub fn create(prefix: &str, target: Target, data: &[u8], spans: Vec<Span>) -> Self {
        Self::new(Template::new(Operation::Create, prefix, target, data, false), spans, NODE_EXISTS)
    }

    /// Deletes what `spans` name below `prefix`, if it is there.
    pub fn delete(prefix: &str, target: Target, spans: Vec<Span>) -> Self {
        Self::new(Template::new(Operation::Delete, prefix, target, b"", false), spans, NO_NODE)
    }

    fn new(template: Template, spans: Vec<Span>, tolerated: i32) -> Self {
        Self {
            template,
            spans: spans.into_iter(),
            span: Span { folder: 0, nodes: 0..0 },
            tolerated,
            progress: None,
            answered: 0,
            latencies: Latencies::new(),
            errors: BTreeMap::new(),
        }
    }

    /// Counts replies on `counter`.
    pub fn counted_on(mut self, counter: Counter) -> Self {
        self.progress = Some(counter);
        self
    }

    /// Runs the pass; errors other than the tolerated one end in an error.
    pub fn run(&mut self, engine: &mut Engine) -> anyhow::Result<()> {
        engine.run(self, BULK_WITHIN)?;
        let unexpected: Vec<_> = self.errors.iter().filter(|&(&code, _)| code != self.tolerated).collect();
        ensure!(unexpected.is_empty(), "the server answered with errors (code, count): {unexpected:?}");
        Ok(())
    }
}

impl Work for Bulk {
    fn next(&mut self, _: usize, now: u64, xid: i32, out: &mut Vec<u8>) -> Next {
        while self.span.nodes.is_empty() {
            let Some(span) = self.spans.next() else { return Next::Nothing };
            self.span = span;
        }
        let node = self.span.nodes.start;
        self.span.nodes.start += 1;
        self.template.write(out, xid, self.span.folder, node);
        Next::Request { tag: 0, at: now }
    }

    fn on_reply(&mut self, reply: Reply) -> anyhow::Result<()> {
        self.answered += 1;
        self.latencies.record(reply.now - reply.at);
        if reply.error != 0 {
            *self.errors.entry(reply.error).or_default() += 1;
        }
        Ok(())
    }

    fn on_batch(&mut self, _: u64) -> Turn {
        if let Some(counter) = &self.progress {
            counter.set(self.answered);
        }
        Turn::None
    }

    fn is_done(&self, _: u64) -> bool {
        self.span.nodes.is_empty() && self.spans.as_slice().is_empty()
    }
}

/// Single requests, one after the other, all on the first connection.
pub struct Script {
    requests: std::vec::IntoIter<(Vec<u8>, i32)>,
    under_way: Option<i32>,
}

impl Script {
    /// Creates `root` and the znodes above it, where they are missing.
    pub fn create_root(root: &str) -> Self {
        let ends =
            root.char_indices().skip(1).filter(|&(_, c)| c == '/').map(|(at, _)| at).chain([root.len()]);
        let create = |end| (request(Operation::Create, &root[..end], b"", false), NODE_EXISTS);
        Self::new(ends.map(create).collect())
    }

    /// Requests, each with the error that does not matter for it.
    pub fn new(requests: Vec<(Vec<u8>, i32)>) -> Self {
        Self { requests: requests.into_iter(), under_way: None }
    }
}

impl Work for Script {
    fn next(&mut self, connection: usize, now: u64, xid: i32, out: &mut Vec<u8>) -> Next {
        if connection != 0 || self.under_way.is_some() {
            return Next::Nothing;
        }
        let Some((mut frame, tolerated)) = self.requests.next() else { return Next::Nothing };
        set_xid(&mut frame, xid);
        out.extend_from_slice(&frame);
        self.under_way = Some(tolerated);
        Next::Request { tag: 0, at: now }
    }

    fn on_reply(&mut self, reply: Reply) -> anyhow::Result<()> {
        let tolerated = self.under_way.take().unwrap_or(0);
        ensure!(
            reply.error == 0 || reply.error == tolerated,
            "the server answered with error {}",
            reply.error
        );
        Ok(())
    }

    fn is_done(&self, _: u64) -> bool {
        self.requests.as_slice().is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_cover_each_node_once() {
        let spans = spans(25, 10);
        let rows: Vec<_> =
            spans.into_iter().map(|Span { folder, nodes }| (folder, nodes.start, nodes.end)).collect();
        assert_eq!(rows, [(0, 0, 10), (1, 0, 10), (2, 0, 5)]);
    }

    #[test]
    fn a_root_is_created_from_the_top() {
        let mut script = Script::create_root("/a/bc");
        let paths: Vec<Vec<u8>> = script.requests.by_ref().map(|(frame, _)| frame).collect();
        assert_eq!(paths[0], request(Operation::Create, "/a", b"", false));
        assert_eq!(paths[1], request(Operation::Create, "/a/bc", b"", false));
        assert_eq!(paths.len(), 2);
    }
}
