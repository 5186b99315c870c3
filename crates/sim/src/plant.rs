//! Errors planted in what the disks hold.

use zoorum_proto::{Decode, Reader, TxnHeader, Zxid};
use zoorum_storage::log::scan::{LogScanner, Step};
use zoorum_storage::memory::MemoryDisk;
use zoorum_storage::{Disk, name};

use crate::chance::Chance;
use crate::host::Place;

/// The records of a log: where each begins, and its zxid.
fn records(logs: &MemoryDisk, name: &str) -> Vec<(u64, Zxid)> {
    let Ok(Some(mut scanner)) = LogScanner::open(logs, name) else { return Vec::new() };
    let mut records = Vec::new();
    while let Ok(Step::Record { offset, payload }) = scanner.step() {
        let header = TxnHeader::decode(&mut Reader::new(payload));
        records.extend(header.map(|header| (offset, header.zxid)));
    }
    records
}

/// Cuts the newest record off the newest log.
pub(crate) fn drop_last_record(logs: &MemoryDisk) {
    let Ok(entries) = logs.list() else { return };
    let Some(newest) = name::logs(&entries).pop() else { return };
    let last = records(logs, &newest.name).pop();
    if let (Some((offset, _)), Some(mut content)) = (last, logs.content(&newest.name)) {
        content.truncate(offset as usize);
        logs.place(&newest.name, content);
    }
}

/// Flips a bit of a log or a snapshot; tells which. Of the last durable record and what comes behind it none is
/// flipped: nobody could tell that from what a power cut leaves.
pub(crate) fn decay(chance: &mut Chance, place: &mut Place, durable: Zxid) -> Option<String> {
    let of_log = chance.one_in(2);
    let disk = if of_log { &place.logs } else { &place.snapshots };
    let entries = disk.list().ok()?;
    let names: Vec<String> = match of_log {
        true => name::logs(&entries).into_iter().map(|log| log.name).collect(),
        false => name::snapshots(&entries).into_iter().map(|snapshot| snapshot.name).collect(),
    };
    if names.is_empty() {
        return None;
    }
    let name = chance.pick(&names).clone();
    let end = match of_log {
        true => {
            let mut kept = records(disk, &name).into_iter().filter(|(_, zxid)| *zxid <= durable);
            kept.next_back().map_or(0, |(offset, _)| offset as usize)
        }
        false => disk.content(&name)?.len(),
    };
    if end == 0 {
        return None;
    }
    let offset = chance.below(end);
    disk.flip_bit(&name, offset, chance.below(8) as u8);
    Some(format!("byte {offset} of {name}"))
}
