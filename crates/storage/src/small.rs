//! Files of a few bytes, replaced as a whole: after a power cut there is the old content or the new.

use std::io;

use crate::disk::{Disk, DiskFile, read_full_at};

/// Bytes of a file that are looked at; what is longer was not written by us.
const READ_MAX: u64 = 1 << 20;

/// The content of a file, or `None` if there is none. What is not UTF-8 is shown as such.
pub(crate) fn read<D: Disk>(disk: &D, name: &str) -> io::Result<Option<String>> {
    let file = match disk.open(name) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut content = vec![0; file.length()?.min(READ_MAX) as usize];
    let count = read_full_at(&file, &mut content, 0)?;
    Ok(Some(String::from_utf8_lossy(&content[..count]).into_owned()))
}

/// Gives a file another content, durably.
pub(crate) fn replace<D: Disk>(disk: &D, name: &str, content: &[u8]) -> io::Result<()> {
    let temporary = format!("{name}.tmp");
    remove(disk, &temporary)?;
    let mut file = disk.create_new(&temporary)?;
    file.write_all_at(content, 0)?;
    file.sync_data()?;
    disk.rename(&temporary, name)?;
    disk.sync_directory()
}

/// Removes a file, durably, if it is there.
pub(crate) fn remove<D: Disk>(disk: &D, name: &str) -> io::Result<()> {
    match disk.remove(name) {
        Ok(()) => disk.sync_directory(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}
