//! Writing a snapshot, piece by piece, beside a server that goes on.

use std::io::{self, Write};
use std::sync::Arc;

use flate2::write::GzEncoder;
use zoorum_proto::{Encode, Zxid};
use zoorum_tree::{SnapshotStart, Tree};

use super::Compression;
use super::snappy::Packer;
use super::{DATABASE, FORMAT_VERSION, MAGIC, SnapshotError, TERMINATOR, digest_of_start, stream_head};
use crate::disk::{Disk, DiskFile};
use crate::name::{snapshot_name, temporary_name};

/// Bytes that are collected before they are written. See [`Pace`].
const WRITE_BYTES: usize = 256 << 10;

/// Znodes that are encoded at a time.
const STEP: usize = 1024;

/// What goes into a snapshot besides sessions, ACLs and nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SnapshotOptions {
    /// How it is packed.
    pub compression: Compression,
    /// Whether the tree's digest is written, if there is one. Releases before 3.6 do not know it.
    pub digest: bool,
    /// Whether the last zxid is written into the file. Releases before 3.9 do not know it.
    pub last_zxid: bool,
}

impl Default for SnapshotOptions {
    /// ZooKeeper's: plain, with all sections.
    fn default() -> Self {
        Self { compression: Compression::None, digest: true, last_zxid: true }
    }
}

/// A snapshot being written, under a name that no reader takes notice of.
///
/// Dropped before [`finish`](Self::finish), it leaves nothing behind, and whatever snapshot of that name there
/// was before stays.
pub struct SnapshotWriter<D: Disk> {
    disk: D,
    file: D::File,
    target: Box<Target>,
    options: SnapshotOptions,
    pack: Pack,
    checksum: simd_adler32::Adler32,
    /// The sections' own bytes, to be packed.
    scratch: Vec<u8>,
    /// What is packed and not written.
    out: Vec<u8>,
    written: u64,
    published: bool,
}

/// What a file is to become.
pub(crate) struct Target {
    /// Its name while it is written, and then.
    pub names: [String; 2],
    /// The last change in it.
    pub zxid: Zxid,
    /// A digest, and after which change the tree has it.
    pub digest: (Zxid, i64),
    /// How it is written.
    pub pace: Pace,
}

/// How a file comes to the disk before it is whole and synced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pace {
    /// Each piece is synced before the next is written. This server's log shares the disk: a sync of it may have to
    /// wait for a piece, and for twice as long if pieces are four times as long. Shorter ones would only be more
    /// syncs, each of which is in the log's way too.
    BesideLog,
    /// Each piece is on its way while the next is made. This server logs nothing before the file is whole.
    Alone,
}

enum Pack {
    None,
    Gz(Box<GzEncoder<Vec<u8>>>),
    Snappy(Box<Packer>),
}

impl<D: Disk> SnapshotWriter<D> {
    /// Creates the file and writes all that comes before the nodes.
    ///
    /// # Errors
    ///
    /// If the file cannot be created or written.
    pub fn start(disk: &D, start: &SnapshotStart, options: &SnapshotOptions) -> Result<Self, SnapshotError> {
        let target = Target {
            names: [temporary_name(start.zxid), snapshot_name(start.zxid, options.compression)],
            zxid: start.zxid,
            digest: (start.zxid, digest_of_start(start.zxid, start.digest)),
            pace: Pace::BesideLog,
        };
        let mut writer = Self::begin(disk, target, options)?;
        writer.section(|out| stream_head(start, out))?;
        Ok(writer)
    }

    /// Creates the file under the first of its names and writes its header. What goes between that and the seals
    /// is up to the caller.
    pub(crate) fn begin(disk: &D, target: Target, options: &SnapshotOptions) -> Result<Self, SnapshotError> {
        let name = &target.names[0];
        let failed =
            |source| SnapshotError { file: disk.path(name), doing: "create", source: Arc::new(source) };
        // The name is ours alone: what is there is left over from a process that was killed.
        match disk.remove(name) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
            _ => {}
        }
        let file = disk.create_new(name).map_err(failed)?;
        let mut out = Vec::with_capacity(2 * WRITE_BYTES);
        let pack = match options.compression {
            Compression::None => Pack::None,
            Compression::Gz => Pack::Gz(Box::new(GzEncoder::new(Vec::new(), flate2::Compression::default()))),
            Compression::Snappy => Pack::Snappy(Box::new(Packer::new(&mut out))),
        };
        let mut writer = Self {
            disk: disk.clone(),
            file,
            target: Box::new(target),
            options: *options,
            pack,
            checksum: simd_adler32::Adler32::new(),
            scratch: Vec::new(),
            out,
            written: 0,
            published: false,
        };
        writer.section(|out| {
            MAGIC.encode(out);
            FORMAT_VERSION.encode(out);
            DATABASE.encode(out);
        })?;
        Ok(writer)
    }

    /// Writes encoded nodes: whole ones, each behind its path, parents before their children.
    ///
    /// # Errors
    ///
    /// If they cannot be written or synced.
    pub fn nodes(&mut self, nodes: &[u8]) -> Result<(), SnapshotError> {
        self.put(nodes)
    }

    /// Writes what comes after the nodes, makes the file durable, and gives it its name, durably.
    ///
    /// # Errors
    ///
    /// If any of that fails.
    pub fn finish(mut self) -> Result<(), SnapshotError> {
        self.complete()?;
        self.publish()
    }

    /// Writes what comes after the nodes, and makes the content durable.
    pub(crate) fn complete(&mut self) -> Result<(), SnapshotError> {
        self.put(&TERMINATOR)?;
        self.seal()?;
        if self.options.digest {
            let (zxid, digest) = self.target.digest;
            self.section(|out| {
                zxid.encode(out);
                zoorum_proto::txn::TxnDigest::VERSION.encode(out);
                digest.encode(out);
            })?;
            self.seal()?;
        }
        if self.options.last_zxid {
            let zxid = self.target.zxid;
            self.section(|out| zxid.encode(out))?;
            self.seal()?;
        }
        self.finish_packing().map_err(|source| self.failed("pack", source))?;
        self.write_out()?;
        self.file.sync_data().map_err(|source| self.failed("sync", source))
    }

    /// Gives the complete file its name, durably.
    pub(crate) fn publish(mut self) -> Result<(), SnapshotError> {
        let renamed = self.disk.rename(&self.target.names[0], &self.target.names[1]);
        renamed.map_err(|source| self.failed("publish", source))?;
        self.published = true;
        self.disk.sync_directory().map_err(|source| self.failed("publish", source))
    }

    /// Another name, place and digest than it was begun with.
    pub(crate) fn retarget(&mut self, name: String, zxid: Zxid, digest: (Zxid, i64)) {
        self.target.names[1] = name;
        (self.target.zxid, self.target.digest) = (zxid, digest);
    }

    /// Bytes of the file up to now.
    pub fn bytes_written(&self) -> u64 {
        self.written
    }

    pub(crate) fn disk(&self) -> &D {
        &self.disk
    }

    fn section(&mut self, encode: impl FnOnce(&mut Vec<u8>)) -> Result<(), SnapshotError> {
        let mut scratch = std::mem::take(&mut self.scratch);
        scratch.clear();
        encode(&mut scratch);
        let put = self.put(&scratch);
        self.scratch = scratch;
        put
    }

    fn seal(&mut self) -> Result<(), SnapshotError> {
        let checksum = self.checksum.finish();
        self.section(|out| {
            i64::from(checksum).encode(out);
            out.extend_from_slice(&TERMINATOR);
        })
    }

    fn put(&mut self, bytes: &[u8]) -> Result<(), SnapshotError> {
        self.checksum.write(bytes);
        // In pieces, so that no more than these are ever waiting to be written.
        for piece in bytes.chunks(WRITE_BYTES) {
            self.pack(piece).map_err(|source| self.failed("pack", source))?;
            if self.out.len() >= WRITE_BYTES {
                let (offset, length) = (self.written, self.out.len() as u64);
                self.write_out()?;
                match self.target.pace {
                    Pace::BesideLog => {
                        self.file.sync_data().map_err(|source| self.failed("sync", source))?;
                    }
                    Pace::Alone => self.file.begin_sync(offset, length),
                }
            }
        }
        Ok(())
    }

    fn pack(&mut self, bytes: &[u8]) -> io::Result<()> {
        match &mut self.pack {
            Pack::None => self.out.extend_from_slice(bytes),
            Pack::Gz(encoder) => {
                encoder.write_all(bytes)?;
                self.out.append(encoder.get_mut());
            }
            Pack::Snappy(packer) => packer.put(bytes, &mut self.out)?,
        }
        Ok(())
    }

    fn finish_packing(&mut self) -> io::Result<()> {
        match &mut self.pack {
            Pack::None => {}
            Pack::Gz(encoder) => {
                encoder.try_finish()?;
                self.out.append(encoder.get_mut());
            }
            Pack::Snappy(packer) => packer.finish(&mut self.out)?,
        }
        Ok(())
    }

    fn write_out(&mut self) -> Result<(), SnapshotError> {
        let result = self.file.write_all_at(&self.out, self.written);
        result.map_err(|source| self.failed("write", source))?;
        self.written += self.out.len() as u64;
        self.out.clear();
        Ok(())
    }

    fn failed(&self, doing: &'static str, source: io::Error) -> SnapshotError {
        let file = self.disk.path(&self.target.names[0]);
        SnapshotError { file, doing, source: Arc::new(source) }
    }
}

/// Writes a tree that nobody changes meanwhile.
///
/// # Errors
///
/// If it cannot be written, or made durable.
pub fn write_tree<D: Disk>(
    disk: &D,
    tree: &mut Tree,
    options: &SnapshotOptions,
) -> Result<(), SnapshotError> {
    let mut writer = SnapshotWriter::start(disk, &tree.begin_snapshot(), options)?;
    let (mut nodes, mut done) = (Vec::new(), false);
    while !done {
        done = tree.snapshot_step(STEP, &mut nodes);
        writer.nodes(&nodes)?;
        nodes.clear();
    }
    tree.end_snapshot();
    writer.finish()
}

impl<D: Disk> Drop for SnapshotWriter<D> {
    fn drop(&mut self) {
        if !self.published {
            // If this fails, the next start removes it.
            let _ = self.disk.remove(&self.target.names[0]);
        }
    }
}
