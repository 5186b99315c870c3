//! Where an export goes. A file is written beside its place, which it takes when it is whole; what is no file is
//! written to directly.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use crate::fault::Fault;
use crate::signals::Signal;

/// As names of files: standard output.
pub(super) const STDOUT: [&str; 2] = ["-", "/dev/stdout"];

/// What a name stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Target {
    Stdout,
    /// A pipe or a character device.
    Stream(PathBuf),
    /// A file, behind whatever links lead to it; perhaps there is none yet.
    File(PathBuf),
}

impl Target {
    /// Looks at what is there.
    ///
    /// # Errors
    /// If an export cannot be written to it.
    pub(super) fn of(name: &str) -> Result<Self, Fault> {
        if STDOUT.contains(&name) {
            return Ok(Self::Stdout);
        }
        let path = PathBuf::from(name);
        let fault = |reason: &str| Fault::new(format!("cannot write {name}: {reason}"));
        let kind = match fs::metadata(&path) {
            Ok(metadata) => metadata.file_type(),
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(fault(&error.to_string())),
            Err(_) if path.is_symlink() => {
                return Err(fault("it is a symbolic link to nothing: name the file itself"));
            }
            Err(_) => return Ok(Self::File(path)),
        };
        if kind.is_file() {
            return path.canonicalize().map(Self::File).map_err(|error| fault(&error.to_string()));
        }
        match kind.is_fifo() || kind.is_char_device() {
            true => Ok(Self::Stream(path)),
            false => Err(fault("it is neither a file nor a pipe")),
        }
    }

    /// The signals before which there is something to put in order.
    pub(super) fn held(&self) -> &'static [Signal] {
        match self {
            // Nobody may take what is written there, and the writer waits where it hears nothing.
            Self::Stdout | Self::Stream(_) => &[],
            Self::File(_) => Signal::ALL,
        }
    }
}

/// Where an export goes.
pub(super) enum Sink {
    Stdout(BufWriter<io::Stdout>),
    Stream {
        writer: BufWriter<File>,
        path: PathBuf,
    },
    /// The temporary file is gone when this is.
    File {
        writer: BufWriter<NamedTempFile>,
        path: PathBuf,
    },
}

impl Sink {
    pub(super) fn open(target: Target) -> Result<Self, Fault> {
        match target {
            Target::Stdout => Ok(Self::Stdout(BufWriter::new(io::stdout()))),
            Target::Stream(path) => match File::options().write(true).open(&path) {
                Ok(stream) => Ok(Self::Stream { writer: BufWriter::new(stream), path }),
                Err(error) => Err(Fault::new(format!("cannot write {}: {error}", path.display()))),
            },
            Target::File(path) => {
                let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
                let directory = parent.unwrap_or(Path::new("."));
                let temporary = NamedTempFile::new_in(directory).map_err(|error| {
                    Fault::new(format!("cannot write in {}: {error}", directory.display()))
                })?;
                Ok(Self::File { writer: BufWriter::new(temporary), path })
            }
        }
    }

    pub(super) fn line(&mut self, text: &str) -> Result<(), Fault> {
        let writer: &mut dyn Write = match self {
            Self::Stdout(writer) => writer,
            Self::Stream { writer, .. } => writer,
            Self::File { writer, .. } => writer,
        };
        writeln!(writer, "{text}").map_err(|error| self.fault(&error))
    }

    fn fault(&self, error: &io::Error) -> Fault {
        Fault::new(match self {
            Self::Stdout(_) => format!("cannot write the export: {error}"),
            Self::Stream { path, .. } => format!("cannot write {}: {error}", path.display()),
            Self::File { path, .. } => {
                format!("cannot write {}, which is left as it was: {error}", path.display())
            }
        })
    }

    /// The file is there, durably, and not before.
    pub(super) fn finish(mut self) -> Result<(), Fault> {
        let flushed = match &mut self {
            Self::Stdout(writer) => writer.flush(),
            Self::Stream { writer, .. } => writer.flush(),
            Self::File { writer, .. } => writer.flush().and_then(|()| writer.get_ref().as_file().sync_all()),
        };
        flushed.map_err(|error| self.fault(&error))?;
        let Self::File { writer, path } = self else { return Ok(()) };
        let fault = |error: io::Error| Fault::new(format!("cannot write {}: {error}", path.display()));
        let temporary = writer.into_inner().map_err(|error| fault(error.into_error()))?;
        temporary.persist(&path).map(drop).map_err(|error| fault(error.error))
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;
    use std::os::unix::net::UnixListener;

    use super::*;

    #[test]
    fn only_a_file_is_replaced_and_never_the_link_to_it() {
        let directory = tempfile::TempDir::new().expect("a directory");
        let place = directory.path().canonicalize().expect("it is there");
        let at = |name: &str| place.join(name);
        fs::write(at("file"), "old").expect("written");
        symlink(at("file"), at("link")).expect("linked");
        symlink(at("nothing"), at("loose")).expect("linked");
        let _listener = UnixListener::bind(at("socket")).expect("bound");
        let rows = [
            ("new", Ok(Target::File(at("new")))),
            ("file", Ok(Target::File(at("file")))),
            ("link", Ok(Target::File(at("file")))),
            ("loose", Err("it is a symbolic link to nothing: name the file itself")),
            ("socket", Err("it is neither a file nor a pipe")),
            (".", Err("it is neither a file nor a pipe")),
        ];
        for (name, expected) in rows {
            let path = at(name).to_str().expect("a name").to_owned();
            let expected = expected.map_err(|reason| Fault::new(format!("cannot write {path}: {reason}")));
            assert_eq!(Target::of(&path), expected, "{name}");
        }
        assert_eq!(Target::of("/dev/null"), Ok(Target::Stream(PathBuf::from("/dev/null"))));
        assert_eq!(Target::of("-"), Ok(Target::Stdout));
    }

    #[test]
    fn an_export_that_is_not_finished_leaves_nothing_and_a_finished_one_only_itself() {
        let directory = tempfile::TempDir::new().expect("a directory");
        let path = directory.path().join("file");
        let names = || fs::read_dir(directory.path()).expect("it is there").count();
        let mut sink = Sink::open(Target::File(path.clone())).expect("a place");
        sink.line("half").expect("written");
        drop(sink);
        assert_eq!(names(), 0);
        let mut sink = Sink::open(Target::File(path.clone())).expect("a place");
        sink.line("whole").expect("written");
        sink.finish().expect("finished");
        assert_eq!((names(), fs::read_to_string(path).expect("it is there").as_str()), (1, "whole\n"));
    }
}
