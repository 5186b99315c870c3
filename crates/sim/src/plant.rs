//! Errors planted in what the disks hold.

use zoorum_storage::log::scan::{LogScanner, Step};
use zoorum_storage::memory::MemoryDisk;
use zoorum_storage::{Disk, name};

/// Cuts the newest record off the newest log.
pub(crate) fn drop_last_record(logs: &MemoryDisk) {
    let Ok(entries) = logs.list() else { return };
    let Some(newest) = name::logs(&entries).pop() else { return };
    let Ok(Some(mut scanner)) = LogScanner::open(logs, &newest.name) else { return };
    let mut last = None;
    while let Ok(Step::Record { offset, .. }) = scanner.step() {
        last = Some(offset);
    }
    if let (Some(offset), Some(mut content)) = (last, logs.content(&newest.name)) {
        content.truncate(offset as usize);
        logs.place(&newest.name, content);
    }
}
