//! What a server finds in its files for those that lag behind: later, and while everything else goes on.

use std::collections::VecDeque;
use std::time::Duration;

use zoorum_storage::Supply;
use zoorum_zab::{LinkId, Seek, Sought, encode_committed};

use super::snapshot::Pass;
use super::{Halt, Process};
use crate::disk::ProcessDisk;
use crate::ground::{Ground, Wake};

/// So long it takes until somebody looks again whether the tree can be sent.
const AGAIN: Duration = Duration::from_millis(5);

/// What is sought, what was found.
#[derive(Default)]
pub(super) struct Supplies {
    searches: VecDeque<(Duration, Seek)>,
    found: Option<(LinkId, Supply<ProcessDisk>)>,
}

impl Supplies {
    pub(super) fn next_at(&self) -> Duration {
        self.searches.iter().map(|(at, _)| *at).min().unwrap_or(Duration::MAX)
    }
}

impl Process {
    /// Something is to be found, some time later.
    pub(super) fn seek(&mut self, ground: &mut Ground, seek: Seek) {
        let at = ground.now + ground.chance.micros(10, 30_000);
        let Some(member) = &mut self.member else { return };
        member.supplies.searches.push_back((at, seek));
        self.replica_alarm.set(ground, at, Wake::Replica(self.number));
    }

    /// Tells what there is for learners, of what was to be found by now.
    pub(super) fn supply_learners(&mut self, ground: &mut Ground) -> Result<(), Halt> {
        let Some(member) = &mut self.member else { return Ok(()) };
        let due: Vec<Seek> = {
            let searches = &mut member.supplies.searches;
            let (due, rest) = std::mem::take(searches).into_iter().partition(|(at, _)| *at <= ground.now);
            *searches = rest;
            VecDeque::into_iter(due).map(|(_, seek)| seek).collect()
        };
        for seek in due {
            let found = self.find(ground, seek);
            let sought = match &found {
                Some(supply) => supply.snapshot_zxid().map_or(Sought::Changes, Sought::File),
                None if matches!(self.pass, Pass::Idle) => Sought::Tree,
                None => {
                    if let Some(member) = &mut self.member {
                        member.supplies.searches.push_back((ground.now + AGAIN, seek));
                    }
                    continue;
                }
            };
            ground.note(format_args!("server {}: {sought:?} for {seek:?}", self.place + 1));
            if let Some(member) = &mut self.member {
                member.supplies.found = found.map(|supply| (seek.link, supply));
            }
            self.replica.on_sought(&self.tree, ground.clocks(self.place), seek.link, sought);
            self.perform(ground)?;
            if let Some(member) = &mut self.member {
                member.supplies.found = None;
            }
        }
        Ok(())
    }

    /// The changes if they can be had; else a snapshot's file, sometimes even where the tree could be sent as it is.
    fn find(&self, ground: &mut Ground, seek: Seek) -> Option<Supply<ProcessDisk>> {
        let member = self.member.as_ref()?;
        let (disks, joints) = ((&self.snapshots, &self.logs), &member.joints);
        let factor = if ground.chance.one_in(2) { 0.0 } else { 0.33 };
        let changes =
            seek.after.and_then(|after| Supply::changes(disks, joints, after, seek.through, factor).ok());
        if changes.is_some() {
            ground.supplies += 1;
            return changes;
        }
        let is_idle = matches!(self.pass, Pass::Idle);
        let from = seek.file_from.filter(|_| !is_idle || ground.chance.one_in(2))?;
        let factor = if is_idle { factor } else { 0.0 };
        let file = Supply::snapshot(disks, joints, from, seek.through, factor).ok()?;
        ground.supplies += 1;
        Some(file)
    }

    /// What was found is sent: at once, for the disk is as fast as memory.
    pub(super) fn send_supply(&mut self, ground: &mut Ground, link: LinkId) -> Result<(), Halt> {
        let found = self.member.as_mut().and_then(|member| member.supplies.found.take());
        let (_, mut supply) = found
            .filter(|(of, _)| *of == link)
            .ok_or_else(|| Halt::Wrong(format!("nothing was found for {link:?}")))?;
        let mut is_last = false;
        while !is_last {
            let mut chunk = Vec::new();
            match supply.step(encode_committed, &mut chunk) {
                Ok(last) => is_last = last,
                Err(error) => {
                    ground.note(format_args!("server {}: {error}", self.place + 1));
                    self.hang_up(ground, link, "what was being sent broke off");
                    return Ok(());
                }
            }
            if let Some(member) = &mut self.member {
                member.put_stream(link, chunk);
            }
        }
        Ok(())
    }
}
