//! A file that is there when it is complete, and not before.

use std::fs::{File, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use tempfile::{Builder, NamedTempFile};

use crate::failure::Failure;

/// What the names of unfinished files begin with: no server takes them for data.
const PREFIX: &str = "tmp-tool-";

/// A file being written beside its place. Dropped, it is gone.
pub(crate) struct Draft {
    file: io::BufWriter<NamedTempFile>,
    target: PathBuf,
}

impl Draft {
    /// Begins a file that is to have this name.
    pub(crate) fn of(target: PathBuf) -> Result<Self, Failure> {
        let directory = directory_of(&target);
        let file = Builder::new()
            .prefix(PREFIX)
            .permissions(Permissions::from_mode(0o666))
            .tempfile_in(directory)
            .map_err(|error| Failure::of_file(&target, "create", error))?;
        Ok(Self { file: io::BufWriter::new(file), target })
    }

    /// Appends.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.file.write_all(bytes).map_err(|error| Failure::of_file(&self.target, "write", error))
    }

    /// Gives the file its length, and its name, both durably. A file that had the name is replaced.
    pub(crate) fn publish(self, length: Option<u64>) -> Result<(), Failure> {
        let Self { file, target } = self;
        let publish = || -> io::Result<()> {
            let file = file.into_inner().map_err(io::IntoInnerError::into_error)?;
            if let Some(length) = length {
                file.as_file().set_len(length)?;
            }
            file.as_file().sync_all()?;
            file.persist(&target).map_err(|error| error.error)?;
            File::open(directory_of(&target))?.sync_all()
        };
        publish().map_err(|error| Failure::of_file(&target, "write", error))
    }
}

fn directory_of(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}
