//! Which server to try next, and who moves when the list changes.
//!
//! The list is shuffled once, and walked round and round. When it changes, just so many clients move that every
//! server has its share afterwards, although none of them knows of the others.

use std::collections::VecDeque;

use super::{Chance, Host};

/// The servers, and where the walk is.
#[derive(Clone, Debug)]
pub struct HostList {
    hosts: Vec<Host>,
    /// The server that was given out last.
    current: Option<usize>,
    /// Where the walk is to pause: the last success, or the start as long as there was none.
    pause_at: Option<usize>,
    migration: Option<Migration>,
    /// The next to be asked whether it is read-write.
    probe: usize,
}

/// A client on its way from one list to the next.
#[derive(Clone, Debug)]
struct Migration {
    added: VecDeque<Host>,
    kept: VecDeque<Host>,
    to_added: f64,
}

impl Migration {
    fn next(&mut self, chance: &mut Chance) -> Option<Host> {
        let drawn = chance.fraction();
        let added_first = !self.added.is_empty() && (drawn <= self.to_added || self.kept.is_empty());
        if added_first { self.added.pop_front() } else { self.kept.pop_front() }
    }
}

impl HostList {
    /// Shuffles the servers, which must be some.
    pub fn new(mut hosts: Vec<Host>, chance: &mut Chance) -> Self {
        assert!(!hosts.is_empty(), "a client without servers is refused before");
        chance.shuffle(&mut hosts);
        Self { hosts, current: None, pause_at: None, migration: None, probe: 0 }
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.hosts.len()
    }

    /// The server to try now, and whether all were tried in vain, so that a pause is due before.
    pub fn next(&mut self, chance: &mut Chance) -> (Host, bool) {
        if let Some(host) = self.migration.as_mut().and_then(|migration| migration.next(chance)) {
            self.current = self.position(&host);
            return (host, false);
        }
        self.migration = None;
        let next = self.current.map_or(0, |current| (current + 1) % self.hosts.len());
        self.current = Some(next);
        let pause = self.pause_at == Some(next);
        self.pause_at.get_or_insert(0);
        (self.hosts[next].clone(), pause)
    }

    /// The server that was given out last took the session.
    pub fn on_connected(&mut self) {
        self.pause_at = self.current;
        self.migration = None;
    }

    /// A server to ask whether it is read-write: each in its turn, but not the one that serves us.
    pub fn next_probe(&mut self) -> Option<Host> {
        if self.hosts.len() < 2 {
            return None;
        }
        self.probe = (self.probe + 1) % self.hosts.len();
        if Some(self.probe) == self.current {
            self.probe = (self.probe + 1) % self.hosts.len();
        }
        Some(self.hosts[self.probe].clone())
    }

    /// Makes `host` the one that [`Self::next`] gives out, without a pause.
    pub fn prefer(&mut self, host: &Host) {
        if let Some(at) = self.position(host) {
            self.current = Some((at + self.hosts.len() - 1) % self.hosts.len());
            self.pause_at = None;
            self.migration = None;
        }
    }

    /// Exchanges the list, and tells whether this client has to leave its server.
    pub fn update(&mut self, mut hosts: Vec<Host>, chance: &mut Chance) -> bool {
        assert!(!hosts.is_empty(), "a list without servers is refused before");
        chance.shuffle(&mut hosts);
        let server = self.server_now(chance);
        let (kept, added): (VecDeque<Host>, VecDeque<Host>) =
            hosts.iter().cloned().partition(|host| self.hosts.contains(host));
        let stays_listed = hosts.contains(&server);
        let (before, after, both) = (self.hosts.len() as f64, hosts.len() as f64, kept.len() as f64);
        let (moves, to_added) = if after > before {
            (!stays_listed || chance.fraction() < 1.0 - before / after, 1.0)
        } else if stays_listed {
            (false, 0.0)
        } else {
            let gone = before - both;
            let to_kept = if gone > 0.0 { both * (before - after) / (after * gone) } else { 1.0 };
            (true, 1.0 - to_kept)
        };
        let connected_before = self.pause_at.is_some();
        self.hosts = hosts;
        self.probe = 0;
        self.current = self.position(&server);
        self.pause_at = if connected_before { self.current } else { None };
        // To the others: whoever leaves a server that stays does not come back to it.
        let kept = kept.into_iter().filter(|host| *host != server).collect();
        self.migration = moves.then_some(Migration { added, kept, to_added });
        moves
    }

    /// The server that the client is with, or would be with next.
    fn server_now(&mut self, chance: &mut Chance) -> Host {
        if let Some(host) = self.migration.as_mut().and_then(|migration| migration.next(chance)) {
            return host;
        }
        self.hosts[self.current.unwrap_or(0)].clone()
    }

    fn position(&self, host: &Host) -> Option<usize> {
        self.hosts.iter().position(|other| other == host)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn hosts(numbers: impl IntoIterator<Item = u16>) -> Vec<Host> {
        numbers.into_iter().map(|port| Host { name: "h".to_owned(), port }).collect()
    }

    /// Clients spread over `before` see `after`: how many move, and how many are where in the end.
    fn rebalance(before: &[u16], after: &[u16]) -> (f64, BTreeMap<u16, usize>) {
        const CLIENTS: u64 = 20_000;
        let mut moved = 0;
        let mut load = BTreeMap::new();
        for seed in 0..CLIENTS {
            let mut chance = Chance::new(seed);
            let mut list = HostList::new(hosts(before.iter().copied()), &mut chance);
            let (mut server, _) = list.next(&mut chance);
            list.on_connected();
            if list.update(hosts(after.iter().copied()), &mut chance) {
                moved += 1;
                server = list.next(&mut chance).0;
                list.on_connected();
            }
            *load.entry(server.port).or_insert(0) += 1;
        }
        (moved as f64 / CLIENTS as f64, load)
    }

    #[test]
    fn just_so_many_clients_move_that_every_server_has_its_share() {
        let rows: [(&[u16], &[u16], f64); 6] = [
            (&[1, 2, 3], &[1, 2, 3, 4, 5], 0.4),
            (&[1, 2, 3, 4, 5], &[1, 2, 3], 0.4),
            (&[1, 2, 3], &[1, 2, 3], 0.0),
            (&[1, 2, 3], &[4, 5, 6], 1.0),
            (&[1, 2, 3, 4], &[1, 2], 0.5),
            (&[1, 2, 3], &[2, 3, 4], 1.0 / 3.0),
        ];
        for (before, after, share) in rows {
            let (moved, load) = rebalance(before, after);
            assert!((moved - share).abs() < 0.02, "{before:?} to {after:?}: {moved} moved");
            let even = 20_000.0 / after.len() as f64;
            for (server, clients) in &load {
                assert!(
                    (*clients as f64 / even - 1.0).abs() < 0.06,
                    "{before:?} to {after:?}: {server} {load:?}"
                );
            }
            assert_eq!(load.len(), after.len());
        }
    }

    #[test]
    fn the_walk_pauses_where_it_last_succeeded() {
        let mut chance = Chance::new(1);
        let mut list = HostList::new(hosts(1..=3), &mut chance);
        let (first, pause) = list.next(&mut chance);
        assert!(!pause, "the first attempt waits for nothing");
        let pauses: Vec<bool> = (0..4).map(|_| list.next(&mut chance).1).collect();
        assert_eq!(pauses, [false, false, true, false], "round once, then a pause at {first}");
        list.on_connected();
        let pauses: Vec<bool> = (0..3).map(|_| list.next(&mut chance).1).collect();
        assert_eq!(pauses, [false, false, true]);
    }

    #[test]
    fn a_preferred_server_is_next() {
        let mut chance = Chance::new(7);
        let mut list = HostList::new(hosts(1..=5), &mut chance);
        list.next(&mut chance);
        list.on_connected();
        let probed = list.next_probe().expect("there are others");
        list.prefer(&probed);
        assert_eq!(list.next(&mut chance), (probed, false));
    }

    proptest! {
        #[test]
        fn every_listed_server_is_tried_and_no_other(
            lists in prop::collection::vec(prop::collection::btree_set(1_u16..9, 1..8), 1..5),
            connects in prop::collection::vec(any::<bool>(), 5),
            seed: u64,
        ) {
            let mut chance = Chance::new(seed);
            let mut list = HostList::new(hosts(lists[0].iter().copied()), &mut chance);
            for (at, servers) in lists.iter().enumerate() {
                if at > 0 {
                    list.update(hosts(servers.iter().copied()), &mut chance);
                }
                let mut tried: Vec<u16> = (0..2 * servers.len()).map(|_| list.next(&mut chance).0.port).collect();
                prop_assert!(tried.iter().all(|port| servers.contains(port)));
                tried.sort_unstable();
                tried.dedup();
                prop_assert_eq!(tried.len(), servers.len());
                if connects[at] {
                    list.on_connected();
                }
            }
        }
    }
}
