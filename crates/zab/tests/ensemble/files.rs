//! What a server finds in its files for those that lag behind, some time after it is asked.

use std::time::Duration;

use bytes::Bytes;
use zoorum_proto::Zxid;
use zoorum_zab::{Entry, LinkId, Seek, Sought, encode_committed};

use super::{World, encode};

/// A search, and when it comes to an end.
pub struct Search {
    due: Duration,
    seek: Seek,
}

impl World {
    pub fn seek(&mut self, at: usize, seek: Seek) {
        let slow = if self.faults && self.below(20) == 0 { 1_500 } else { 10 };
        let due = self.now + Duration::from_millis(self.below(slow));
        self.servers[at].searches.push(Search { due, seek });
    }

    pub fn next_search(&self) -> Option<Duration> {
        self.servers.iter().flat_map(|server| &server.searches).map(|search| search.due).min()
    }

    pub fn end_searches(&mut self) {
        let now = self.now;
        for at in 0..self.servers.len() {
            let due: Vec<Search> =
                self.servers[at].searches.extract_if(.., |search| search.due <= now).collect();
            for Search { seek, .. } in due {
                let sought = self.find(at, seek);
                let now = self.monotonic();
                if let Some(peer) = &mut self.servers[at].peer {
                    peer.on_sought(now, seek.link, sought);
                    self.perform(at);
                }
                self.servers[at].found.clear();
            }
        }
    }

    /// Looks for what helps, and keeps it until it is sent.
    fn find(&mut self, at: usize, seek: Seek) -> Sought {
        let any = self.below(1 << 20) as usize;
        let server = &mut self.servers[at];
        let log = &server.disk.log;
        let has = |zxid| zxid == Zxid::ZERO || log.iter().any(|entry| entry.zxid == zxid);
        let (mut out, mut sought) = (Vec::new(), Sought::Tree);
        let mut behind = None;
        if let Some(after) = seek.after.filter(|after| has(*after) && !any.is_multiple_of(4)) {
            (behind, sought) = (Some(after), Sought::Changes);
        } else if let Some(from) = seek.file_from.filter(|_| !any.is_multiple_of(3)) {
            let fit: Vec<usize> =
                (0..server.delivered.len()).filter(|place| server.delivered[*place].zxid >= from).collect();
            if let Some(place) = fit.get(any % fit.len().max(1)) {
                let tree = &server.delivered[..=*place];
                let zxid = server.delivered[*place].zxid;
                out.extend_from_slice(&encode(tree));
                (behind, sought) = (Some(zxid), Sought::File(zxid));
            }
        }
        let is_meant =
            |entry: &&Entry| behind.is_some_and(|after| entry.zxid > after && entry.zxid <= seek.through);
        log.iter().filter(is_meant).for_each(|entry| encode_committed(entry.zxid, &entry.payload, &mut out));
        server.found = vec![(seek.link, out.into())];
        sought
    }

    pub fn write_sought(&mut self, at: usize, link: LinkId) {
        let found: Option<(LinkId, Bytes)> = self.servers[at].found.pop().filter(|(of, _)| *of == link);
        let (_, bytes) = found.expect("what was found is sent, and nothing else");
        self.write((at, link), bytes);
    }
}
