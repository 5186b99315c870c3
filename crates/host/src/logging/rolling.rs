//! A log file that begins anew when it has its size, and keeps some of its predecessors.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use super::sink::Output;

/// Which file, how large, how many.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rolling {
    /// The file; its predecessors are the same with `.1` (the newest), `.2` and so on behind it.
    pub path: PathBuf,
    /// Bytes after which it is rolled.
    pub max_size: u64,
    /// Predecessors that are kept.
    pub backups: u32,
}

/// A rolling file, open for appending.
#[derive(Debug)]
pub struct RollingFile {
    rolling: Rolling,
    /// The file and its size; `None` after a failure, to be opened with the next line.
    open: Option<(File, u64)>,
}

impl RollingFile {
    /// Opens the file, behind what it holds already, and makes its directory if there is none.
    pub fn open(rolling: Rolling) -> io::Result<Self> {
        if let Some(directory) = rolling.path.parent() {
            fs::create_dir_all(directory)?;
        }
        let open = Some(append(&rolling.path)?);
        Ok(Self { rolling, open })
    }

    /// Every file moves one place back, the last one goes.
    fn roll(&mut self) -> io::Result<()> {
        self.open = None;
        let place = |number: u32| {
            let mut name = self.rolling.path.clone().into_os_string();
            name.push(format!(".{number}"));
            PathBuf::from(name)
        };
        for number in (1..self.rolling.backups).rev() {
            missing_is_fine(fs::rename(place(number), place(number + 1)))?;
        }
        missing_is_fine(match self.rolling.backups {
            0 => fs::remove_file(&self.rolling.path),
            _ => fs::rename(&self.rolling.path, place(1)),
        })
    }

    fn append(&mut self, lines: &str) -> io::Result<()> {
        let length = lines.len() as u64;
        let (mut file, mut size) = match self.open.take() {
            Some(open) => open,
            None => append(&self.rolling.path)?,
        };
        if size > 0 && size + length > self.rolling.max_size {
            // A directory that lets nothing be renamed is no reason to lose lines: the file grows on.
            let _ = self.roll();
            (file, size) = append(&self.rolling.path)?;
        }
        file.write_all(lines.as_bytes())?;
        self.open = Some((file, size + length));
        Ok(())
    }
}

impl Output for RollingFile {
    fn write(&mut self, lines: &str) -> io::Result<()> {
        self.append(lines)
    }

    fn reopen(&mut self) {
        self.open = None;
    }
}

fn append(path: &Path) -> io::Result<(File, u64)> {
    let file = File::options().create(true).append(true).open(path)?;
    let size = file.metadata()?.len();
    Ok((file, size))
}

fn missing_is_fine(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contents(directory: &Path) -> Vec<(String, String)> {
        let mut files: Vec<_> = fs::read_dir(directory)
            .expect("a directory")
            .map(|entry| {
                let entry = entry.expect("an entry");
                let text = fs::read_to_string(entry.path()).expect("a text");
                (entry.file_name().into_string().expect("a name"), text)
            })
            .collect();
        files.sort();
        files
    }

    #[test]
    fn a_file_that_is_full_moves_back_and_the_oldest_goes() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("logs/zookeeper.log");
        let rolling = Rolling { path: path.clone(), max_size: 8, backups: 2 };
        let mut file = RollingFile::open(rolling.clone()).expect("a file");
        for line in ["one\n", "two\n", "three\n", "four\n", "five\n", "longer than a file\n"] {
            file.write(line).expect("written");
        }
        let expected = [
            ("zookeeper.log", "longer than a file\n"),
            ("zookeeper.log.1", "five\n"),
            ("zookeeper.log.2", "four\n"),
        ];
        let expected = expected.map(|(name, text)| (name.to_owned(), text.to_owned()));
        assert_eq!(contents(&directory.path().join("logs")), expected);
    }

    #[test]
    fn a_file_that_was_moved_away_is_made_anew_when_reopened() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("zookeeper.log");
        let mut file =
            RollingFile::open(Rolling { path: path.clone(), max_size: 1 << 20, backups: 1 }).expect("a file");
        file.write("before\n").expect("written");
        fs::rename(&path, directory.path().join("moved")).expect("moved");
        file.reopen();
        file.write("after\n").expect("written");
        assert_eq!(fs::read_to_string(&path).expect("a text"), "after\n");
    }
}
