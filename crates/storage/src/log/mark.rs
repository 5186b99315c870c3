//! The mark: up to where a log was synced, kept in the room ahead of its records.
//!
//! A power cut can keep the end of a batch and lose its front. By the records alone, nobody can tell that from
//! damage to changes that were acknowledged. So each batch is written together with a note of where it begins and
//! ends, in the last sectors that are preallocated, and the next note follows once it is synced. Readers stop at the
//! zeroes before, ZooKeeper's too; the note goes when the file is cut to its records.
//!
//! ```text
//! zone   three slots of one sector each, the last whole sectors of a preallocated file but for a rest
//! slot   magic "ZoorumLM" · begin u64 · end u64 · CRC-32 of these 24 bytes, u32; zeroes
//! ```
//!
//! The mark that counts is the one that ends last. Before its `begin` everything was synced before the mark was
//! written; and up to its `end`, if anything was written behind that.
//!
//! Three slots take turns: of the two that are written between one sync and the next, a power cut may tear both.

use std::io;

use crate::disk::{DiskFile, read_full_at};

/// What a disk writes whole or not at all.
const SECTOR: u64 = 512;
/// Bytes that the slots take.
pub(super) const ZONE: u64 = 3 * SECTOR;
const MAGIC: &[u8; 8] = b"ZoorumLM";
const MARK_LENGTH: usize = 28;

/// A batch of records, by the bytes that it takes in its file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mark {
    /// Where its first record begins.
    pub begin: u64,
    /// Where its last record ends. A batch without a record says that everything up to here is synced.
    pub end: u64,
}

impl Mark {
    fn encode(self) -> [u8; MARK_LENGTH] {
        let mut bytes = [0; MARK_LENGTH];
        bytes[..8].copy_from_slice(MAGIC);
        bytes[8..16].copy_from_slice(&self.begin.to_be_bytes());
        bytes[16..24].copy_from_slice(&self.end.to_be_bytes());
        let checksum = crc32fast::hash(&bytes[..24]);
        bytes[24..].copy_from_slice(&checksum.to_be_bytes());
        bytes
    }

    fn decode(slot: &[u8]) -> Option<Self> {
        let bytes: &[u8; MARK_LENGTH] = slot.first_chunk()?;
        let number = |at: usize| u64::from_be_bytes(bytes[at..at + 8].try_into().expect("eight bytes"));
        let mark = Self { begin: number(8), end: number(16) };
        (mark.encode() == *bytes && mark.begin <= mark.end).then_some(mark)
    }
}

/// Where marks are written in one file.
#[derive(Debug)]
pub(super) struct Zone {
    start: u64,
    next_slot: u64,
}

impl Zone {
    /// The zone of a file that is preallocated up to `length`.
    pub(super) fn of(length: u64) -> Option<Self> {
        let start = length.checked_sub(ZONE)? / SECTOR * SECTOR;
        (start > 0).then_some(Self { start, next_slot: 0 })
    }

    /// Where records must end.
    pub(super) fn start(&self) -> u64 {
        self.start
    }

    /// Writes a mark; the next sync makes it durable.
    pub(super) fn note(&mut self, file: &mut impl DiskFile, mark: Mark) -> io::Result<()> {
        let offset = self.start + self.next_slot * SECTOR;
        self.next_slot = (self.next_slot + 1) % (ZONE / SECTOR);
        file.write_all_at(&mark.encode(), offset)
    }

    /// Makes room for records; the next sync makes it durable.
    pub(super) fn clear(self, file: &mut impl DiskFile) -> io::Result<()> {
        file.write_all_at(&[0; ZONE as usize], self.start)
    }
}

/// What the zone of a file says.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Marks {
    /// Where the zone begins.
    pub zone: u64,
    last: Option<Mark>,
}

impl Marks {
    /// Reads the zone of a file. `None`: it has none, but room or records in its place.
    pub(super) fn read(file: &impl DiskFile, length: u64) -> io::Result<Option<Self>> {
        let Some(Zone { start: zone, .. }) = Zone::of(length) else { return Ok(None) };
        let mut bytes = [0; ZONE as usize];
        read_full_at(file, &mut bytes, zone)?;
        let slots = || bytes.chunks(SECTOR as usize);
        if !slots().all(is_ours) || slots().all(is_zero) {
            return Ok(None);
        }
        let last = slots().filter_map(Mark::decode).filter(|mark| mark.end <= zone);
        Ok(Some(Self { zone, last: last.max_by_key(|mark| (mark.end, mark.begin)) }))
    }

    /// Up to where everything was synced for certain, if there is something written up to `written_end`.
    pub(super) fn synced(&self, written_end: u64) -> Option<u64> {
        self.last.map(|mark| if written_end > mark.end { mark.end } else { mark.begin })
    }
}

/// Removes the marks of a file whose records end at `end`, if it has any; the next sync makes it durable. Where records
/// lie, there is no zone, whatever they look like.
pub(crate) fn clear(file: &mut impl DiskFile, length: u64, end: u64) -> io::Result<()> {
    match (Marks::read(file, length)?, Zone::of(length)) {
        (Some(_), Some(zone)) if zone.start() >= end => zone.clear(file),
        _ => Ok(()),
    }
}

/// Whether a slot holds a mark, what a power cut leaves of one, or nothing.
fn is_ours(slot: &[u8]) -> bool {
    let (mark, rest) = slot.split_at(MARK_LENGTH);
    mark.iter().zip(MAGIC).all(|(found, wanted)| found == wanted || *found == 0) && is_zero(rest)
}

fn is_zero(bytes: &[u8]) -> bool {
    bytes.iter().all(|&byte| byte == 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::Disk;
    use crate::memory::MemoryDisk;

    const LENGTH: u64 = 16 + 8192;

    fn zone() -> Zone {
        Zone::of(LENGTH).unwrap()
    }

    #[test]
    fn the_zone_is_the_last_whole_sectors() {
        assert_eq!(zone().start(), 8192 - 1536);
        assert_eq!(Zone::of((64 << 20) + 16).unwrap().start(), (64 << 20) - 1536);
        assert!(Zone::of(1600).is_none(), "it would lie over the header");
    }

    #[test]
    fn the_mark_that_ends_last_counts_whatever_its_slot() {
        let disk = MemoryDisk::new();
        let mut file = disk.create_new("log.1").unwrap();
        file.set_length(LENGTH).unwrap();
        assert_eq!(Marks::read(&file, LENGTH).unwrap(), None);
        let mut zone = zone();
        let marks = [(16, 100), (100, 100), (100, 200), (200, 200), (200, 300)];
        for (begin, end) in marks {
            zone.note(&mut file, Mark { begin, end }).unwrap();
            let read = Marks::read(&file, LENGTH).unwrap().unwrap();
            assert_eq!(read.synced(end), Some(begin), "nothing is written behind the last batch");
            assert_eq!(read.synced(end + 1), Some(end), "the batch behind it was begun");
        }
        zone.clear(&mut file).unwrap();
        assert_eq!(Marks::read(&file, LENGTH).unwrap(), None);
    }

    #[test]
    fn what_is_left_of_a_torn_mark_hides_none_before_it() {
        for torn in 0..MARK_LENGTH {
            let disk = MemoryDisk::new();
            let mut file = disk.create_new("log.1").unwrap();
            file.set_length(LENGTH).unwrap();
            let mut zone = zone();
            zone.note(&mut file, Mark { begin: 16, end: 100 }).unwrap();
            let bytes = Mark { begin: 100, end: 200 }.encode();
            file.write_all_at(&bytes[..torn], zone.start() + SECTOR).unwrap();
            let read = Marks::read(&file, LENGTH).unwrap().unwrap();
            assert_eq!(read.synced(100), Some(16), "torn after {torn} bytes");
        }
    }

    #[test]
    fn records_that_look_like_what_is_left_of_marks_are_not_removed() {
        let disk = MemoryDisk::new();
        let mut file = disk.create_new("log.1").unwrap();
        file.set_length(LENGTH).unwrap();
        file.write_all_at(&[7], zone().start() + 10).unwrap();
        assert!(Marks::read(&file, LENGTH).unwrap().is_some(), "it may be the rest of one");
        clear(&mut file, LENGTH, LENGTH).unwrap();
        assert_eq!(
            disk.content("log.1").unwrap()[zone().start() as usize + 10],
            7,
            "but there are records here"
        );
        clear(&mut file, LENGTH, 16).unwrap();
        assert_eq!(disk.content("log.1").unwrap()[zone().start() as usize + 10], 0);
    }

    #[test]
    fn records_in_the_place_of_marks_are_records() {
        let disk = MemoryDisk::new();
        let mut file = disk.create_new("log.1").unwrap();
        file.set_length(LENGTH).unwrap();
        zone().note(&mut file, Mark { begin: 16, end: 100 }).unwrap();
        file.write_all_at(&[1], zone().start() + 2 * SECTOR).unwrap();
        assert_eq!(Marks::read(&file, LENGTH).unwrap(), None);
    }
}
