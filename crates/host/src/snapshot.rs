//! The snapshot thread: writes the tree as it was at one zxid, while it changes.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::{io, thread};

use zoorum_proto::Zxid;
use zoorum_storage::name::snapshot_name;
use zoorum_storage::snapshot::{STREAM_END, stream_head};
use zoorum_storage::{Disk, SnapshotError, SnapshotOptions, SnapshotWriter};
use zoorum_tree::{SnapshotStart, Tree};

use crate::mail::ToReplica;
use crate::peers::{Bell, SnapshotFeed};
use crate::shared::Shared;

/// Znodes encoded at a time. The tree is locked for as long, so it is a matter of ten microseconds.
const STEP: usize = 32;
/// Bytes collected before they are written, in a few hundred microseconds: a client's request that needs the core
/// meanwhile waits for no more.
const CHUNK: usize = 64 << 10;
/// So many times as long as a chunk took does the thread rest before the next one: clients need the cores and the
/// disk more than the snapshot does. A million small znodes then take some seconds.
const REST: u32 = 3;

/// What the thread is asked for: the tree as it was when the pass began, into a file or to a learner.
struct Job {
    start: SnapshotStart,
    goal: Goal,
}

/// Where it goes.
enum Goal {
    /// Into a file; these want to hear of it.
    File(Vec<SnapshotAsker>),
    /// To a learner.
    Learner(SnapshotFeed),
}

/// Somebody who waits for a snapshot's file, and hears of which zxid it is.
pub(crate) type SnapshotAsker = Sender<Result<Zxid, SnapshotError>>;

/// The way to the snapshot thread.
pub(crate) struct SnapshotThread {
    jobs: Sender<Job>,
    busy: Arc<AtomicBool>,
    /// A word for each job that is done.
    done: Receiver<()>,
}

impl SnapshotThread {
    /// Starts the thread, which sleeps until a snapshot is due.
    /// The bell is rung whenever it falls asleep again.
    pub(crate) fn spawn<D: Disk>(
        shared: Arc<Shared>,
        disk: D,
        options: SnapshotOptions,
        bell: Option<Arc<Bell>>,
    ) -> io::Result<Self> {
        let (jobs, received) = channel();
        let (say_done, done) = channel();
        let busy = Arc::new(AtomicBool::new(false));
        let writer = Writer { shared, disk, options, busy: Arc::clone(&busy), say_done, bell };
        thread::Builder::new().name("snapshot".to_owned()).spawn(move || writer.run(&received))?;
        Ok(Self { jobs, busy, done })
    }

    pub(crate) fn is_idle(&self) -> bool {
        !self.busy.load(Ordering::Acquire)
    }

    /// Writes a file, and tells those who asked for it.
    pub(crate) fn start(&self, start: SnapshotStart, askers: Vec<SnapshotAsker>) {
        self.ask(Job { start, goal: Goal::File(askers) });
    }

    /// Sends the tree to a learner.
    pub(crate) fn send(&self, start: SnapshotStart, feed: SnapshotFeed) {
        self.ask(Job { start, goal: Goal::Learner(feed) });
    }

    fn ask(&self, job: Job) {
        while self.done.try_recv().is_ok() {} // of jobs that nobody waited for
        self.busy.store(true, Ordering::Release);
        // The thread ends only with the process.
        let _ = self.jobs.send(job);
    }

    /// Waits until the thread has nothing to do.
    pub(crate) fn finish(&self) {
        while !self.is_idle() && self.done.recv().is_ok() {}
    }
}

struct Writer<D> {
    shared: Arc<Shared>,
    disk: D,
    options: SnapshotOptions,
    busy: Arc<AtomicBool>,
    say_done: Sender<()>,
    bell: Option<Arc<Bell>>,
}

impl<D: Disk> Writer<D> {
    fn run(&self, jobs: &Receiver<Job>) {
        for Job { start, goal } in jobs {
            let told = match goal {
                Goal::File(askers) => Some((self.write_file(&start), askers)),
                Goal::Learner(feed) => {
                    self.send(&start, feed);
                    None
                }
            };
            self.shared.tree.write().end_snapshot();
            self.busy.store(false, Ordering::Release);
            let _ = self.say_done.send(());
            match &self.bell {
                Some(bell) => bell.ring(),
                None => self.shared.replica.send(ToReplica::Errand),
            }
            for (result, asker) in told
                .into_iter()
                .flat_map(|(result, askers)| askers.into_iter().map(move |asker| (result.clone(), asker)))
            {
                let _ = asker.send(result); // it may have given up
            }
        }
    }

    fn write_file(&self, start: &SnapshotStart) -> Result<Zxid, SnapshotError> {
        let zxid = start.zxid;
        let started = self.shared.clock.monotonic();
        let path = self.disk.path(&snapshot_name(zxid, self.options.compression));
        tracing::info!("Snapshotting: {zxid} to {}", path.display());
        match self.write(start) {
            Ok(()) => {
                let took = self.shared.clock.monotonic().since(started);
                self.shared.timings.on_snapshot(took);
                tracing::info!(%zxid, "Snapshot taken in {} ms", took.as_millis());
                Ok(zxid)
            }
            // The log still has everything: the server goes on, and tries again when the next one is due.
            Err(error) => {
                tracing::error!(%zxid, %error, "cannot write a snapshot");
                Err(error)
            }
        }
    }

    /// Sends the tree to a learner. One that is gone comes again.
    fn send(&self, start: &SnapshotStart, feed: SnapshotFeed) {
        let mut chunk = Vec::with_capacity(2 * CHUNK);
        stream_head(start, &mut chunk);
        let mut done = false;
        while !done {
            while !done && chunk.len() < CHUNK {
                done = self.shared.tree.write().snapshot_step(STEP, &mut chunk);
            }
            if done {
                chunk.extend_from_slice(STREAM_END);
            }
            if feed.send(std::mem::take(&mut chunk).into()).is_err() {
                return;
            }
        }
        feed.finish();
    }

    fn write(&self, start: &SnapshotStart) -> Result<(), SnapshotError> {
        let mut step = |nodes: &mut Vec<u8>| self.shared.tree.write().snapshot_step(STEP, nodes);
        let mut chunk_began_at = self.shared.clock.monotonic();
        write(&self.disk, start, &self.options, &mut step, &mut || {
            thread::sleep(self.shared.clock.monotonic().since(chunk_began_at) * REST);
            chunk_began_at = self.shared.clock.monotonic();
        })
    }
}

/// Writes a snapshot before anybody is served. ZooKeeper takes logs without any snapshot for a loss of data,
/// so a new database needs one before its first change is logged.
pub(crate) fn write_first<D: Disk>(
    tree: &mut Tree,
    disk: &D,
    options: &SnapshotOptions,
) -> Result<(), SnapshotError> {
    let start = tree.begin_snapshot();
    let written = write(disk, &start, options, &mut |nodes| tree.snapshot_step(STEP, nodes), &mut || {});
    tree.end_snapshot();
    written
}

/// Writes what `step` yields, until it says that this was all, and rests after each chunk.
fn write<D: Disk>(
    disk: &D,
    start: &SnapshotStart,
    options: &SnapshotOptions,
    step: &mut dyn FnMut(&mut Vec<u8>) -> bool,
    rest: &mut dyn FnMut(),
) -> Result<(), SnapshotError> {
    let mut writer = SnapshotWriter::start(disk, start, options)?;
    let mut nodes = Vec::with_capacity(2 * CHUNK);
    let mut done = false;
    while !done {
        while !done && nodes.len() < CHUNK {
            done = step(&mut nodes);
        }
        writer.nodes(&nodes)?;
        nodes.clear();
        rest();
    }
    writer.finish()
}
