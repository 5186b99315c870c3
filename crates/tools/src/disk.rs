//! A directory that is looked at and never touched.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, ErrorKind::NotFound};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use zoorum_host::disk::RealDisk;
use zoorum_storage::{Disk, DiskFile, Entry};

/// A directory of the file system, opened to read.
///
/// Whoever renames or removes a file finds it renamed or removed, here and nowhere else; whoever writes is told that
/// it is done, and nothing is. So a recovery can be rehearsed to its end on the files of a server that runs, or that
/// another user owns.
#[derive(Clone, Debug)]
pub(crate) struct ReadDisk {
    directory: PathBuf,
    disk: RealDisk,
    /// What the names mean that were given or taken.
    names: Arc<Mutex<BTreeMap<String, Meaning>>>,
}

/// What a name stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Meaning {
    /// A file that really exists, under this name.
    Real(String),
    /// One that was only said to be created.
    Made,
    /// Nothing.
    Gone,
}

impl ReadDisk {
    /// Opens a directory that exists.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        Ok(Self { directory: path.to_path_buf(), disk: RealDisk::open(path)?, names: Arc::default() })
    }

    fn names(&self) -> MutexGuard<'_, BTreeMap<String, Meaning>> {
        self.names.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn meaning(&self, name: &str) -> Meaning {
        self.names().get(name).cloned().unwrap_or_else(|| Meaning::Real(name.to_owned()))
    }
}

impl Disk for ReadDisk {
    type File = ReadFile;

    fn list(&self) -> io::Result<Vec<Entry>> {
        let entries = self.disk.list()?;
        let names = self.names();
        let kept = entries.iter().filter(|entry| !names.contains_key(&entry.name)).cloned();
        let given = names.iter().filter_map(|(name, meaning)| {
            let Meaning::Real(real) = meaning else { return None };
            let entry = entries.iter().find(|entry| entry.name == *real)?;
            Some(Entry { name: name.clone(), ..entry.clone() })
        });
        Ok(kept.chain(given).collect())
    }

    fn open(&self, name: &str) -> io::Result<ReadFile> {
        match self.meaning(name) {
            Meaning::Real(real) => File::open(self.directory.join(real)).map(|file| ReadFile(Some(file))),
            Meaning::Made => Ok(ReadFile(None)),
            Meaning::Gone => Err(NotFound.into()),
        }
    }

    fn create_new(&self, name: &str) -> io::Result<ReadFile> {
        self.names().insert(name.to_owned(), Meaning::Made);
        Ok(ReadFile(None))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let meaning = self.meaning(from);
        let mut names = self.names();
        names.insert(from.to_owned(), Meaning::Gone);
        names.insert(to.to_owned(), meaning);
        Ok(())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.names().insert(name.to_owned(), Meaning::Gone);
        Ok(())
    }

    fn sync_directory(&self) -> io::Result<()> {
        Ok(())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.disk.path(name)
    }
}

/// A file, or one that was only said to be created.
#[derive(Debug)]
pub(crate) struct ReadFile(Option<File>);

impl DiskFile for ReadFile {
    fn length(&self) -> io::Result<u64> {
        self.0.as_ref().map_or(Ok(0), |file| Ok(file.metadata()?.len()))
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.0.as_ref().map_or(Ok(0), |file| file.read_at(buffer, offset))
    }

    fn write_all_at(&mut self, _: &[u8], _: u64) -> io::Result<()> {
        Ok(())
    }

    fn allocate(&mut self, _: u64, _: u64) -> io::Result<()> {
        Ok(())
    }

    fn set_length(&mut self, _: u64) -> io::Result<()> {
        Ok(())
    }

    fn sync_data(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_change_here_and_nowhere_else() {
        let directory = tempfile::tempdir().expect("a directory");
        for name in ["a", "b"] {
            std::fs::write(directory.path().join(name), name).expect("write");
        }
        let disk = ReadDisk::open(directory.path()).expect("a disk");
        disk.rename("a", "c").and_then(|()| disk.remove("b")).expect("said to be done");
        disk.create_new("d").and_then(|_| disk.rename("d", "e")).expect("said to be done");
        assert_eq!(disk.open("e").and_then(|file| file.length()).expect("open"), 0);
        let mut file = disk.open("c").expect("open");
        file.set_length(0).and_then(|()| file.write_all_at(b"x", 0)).expect("said to be done");
        let names = |disk: &dyn Fn() -> io::Result<Vec<Entry>>| {
            let mut names: Vec<_> = disk().expect("a list").into_iter().map(|entry| entry.name).collect();
            names.sort();
            names
        };
        assert_eq!(names(&|| disk.list()), ["c"]);
        assert_eq!(disk.open("a").map(drop).map_err(|error| error.kind()), Err(NotFound));
        assert_eq!(names(&|| disk.disk.list()), ["a", "b"]);
        assert_eq!(std::fs::read(directory.path().join("a")).expect("read"), b"a");
    }
}
