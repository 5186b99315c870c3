//! `snapshot` and `restore`: the whole state, out of a running server and into it.
//!
//! A snapshot is taken at once, stays among the others, and is sent as the file is. A state to be restored is
//! received into a file of its own, read to its end, and written anew; only then does the replica's thread hear of
//! it. So a body that is cut off, or no snapshot, changes nothing.
//!
//! **Source.** Apache ZooKeeper 3.9.5: names, headers, status codes. Where it says nothing of the reason but in its
//! log, `error` tells it here.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http_body_util::BodyExt;
use tokio::sync::mpsc;
use zoorum_proto::Zxid;
use zoorum_storage::name::snapshot_name;
use zoorum_storage::{Disk, DiskFile, RecoverOptions, Restoring, SnapshotOptions};

use super::file_body::FileBody;
use super::in_json;
use super::json::{Fields, Json, fields};
use super::limiter::Limiter;
use crate::disk::{RealDisk, RealFile};
use crate::errands::Errands;
use crate::shared::Shared;
use crate::timings::Refused;

/// How long a snapshot may take before whoever asked is told that it was not made. It may still be.
const SNAPSHOT_PATIENCE: Duration = Duration::from_secs(3600);
/// Where a state is received.
const UPLOAD: &str = "upload";
/// Pieces of a body that may wait to be written.
const WAITING_PIECES: usize = 16;

/// A command, by its first name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Transfer {
    Snapshot,
    Restore,
}

impl Transfer {
    /// The names of both, as other commands have them.
    pub(super) const NAMES: [[&str; 2]; 2] = [["restore", "rest"], ["snapshot", "snap"]];

    pub(super) fn of(name: &str) -> Option<Self> {
        match name {
            "restore" | "rest" => Some(Self::Restore),
            "snapshot" | "snap" => Some(Self::Snapshot),
            _ => None,
        }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Restore => "restore",
            Self::Snapshot => "snapshot",
        }
    }

    /// The answer that this command ends with.
    pub(super) fn answer(self, status: StatusCode, mut fields: Fields, error: Option<String>) -> Response {
        fields.extend(fields! { "command": self.name(), "error": error });
        in_json(status, &Json::from(fields))
    }

    fn refusal(self, status: StatusCode, error: impl Into<String>) -> Response {
        let error = error.into();
        tracing::warn!("{} was asked for over HTTP, and is not made: {error}", self.name());
        self.answer(status, Fields::new(), Some(error))
    }
}

/// What `snapshot` and `restore` work with.
pub(crate) struct Transfers {
    pub(crate) shared: Arc<Shared>,
    pub(crate) errands: Errands<RealDisk>,
    pub(crate) snapshots: RealDisk,
    pub(crate) logs: RealDisk,
    /// The directory of what is Zoorum's own.
    pub(crate) own: RealDisk,
    pub(crate) snapshot_options: SnapshotOptions,
    pub(crate) recover_options: RecoverOptions,
    /// Who sends nothing for so long is not waited for any more.
    pub(crate) patience: Duration,
    pub(crate) snapshot_enabled: bool,
    pub(crate) restore_enabled: bool,
    pub(crate) believes_proxies: bool,
    pub(crate) limits: Limits,
}

/// How often each may be asked for.
pub(crate) struct Limits {
    snapshots: Limiter,
    restores: Limiter,
    /// Held while a state is received.
    restoring: Arc<tokio::sync::Mutex<()>>,
}

impl Limits {
    pub(crate) fn new(interval: Duration) -> Self {
        let (snapshots, restores) = (Limiter::new(interval), Limiter::new(interval));
        Self { snapshots, restores, restoring: Arc::default() }
    }
}

impl Transfers {
    /// What the configuration, or the time, has against it.
    fn refuses(&self, transfer: Transfer) -> Option<Response> {
        let (enabled, limiter, count): (_, _, fn(&mut Refused) -> &mut u64) = match transfer {
            Transfer::Snapshot => {
                (self.snapshot_enabled, &self.limits.snapshots, |refused| &mut refused.snapshots_limited)
            }
            Transfer::Restore => {
                (self.restore_enabled, &self.limits.restores, |refused| &mut refused.restores_limited)
            }
        };
        let name = transfer.name();
        if !enabled {
            let error = format!("it is disabled by admin.{name}.enabled=false");
            return Some(transfer.refusal(StatusCode::SERVICE_UNAVAILABLE, error));
        }
        if !self.snapshot_options.last_zxid {
            let error = "it needs serializeLastProcessedZxid.enabled=true";
            return Some(transfer.refusal(StatusCode::INTERNAL_SERVER_ERROR, error));
        }
        if !limiter.admits(Instant::now()) {
            self.shared.timings.on_refused(count);
            let ms = limiter.interval().as_millis();
            let error = format!("there may be one in {ms} ms (admin.rateLimiterIntervalInMS)");
            return Some(transfer.refusal(StatusCode::TOO_MANY_REQUESTS, error));
        }
        None
    }

    fn failed(&self, transfer: Transfer, error: impl ToString) -> Response {
        self.shared.timings.on_refused(match transfer {
            Transfer::Snapshot => |refused| &mut refused.snapshots_failed,
            Transfer::Restore => |refused| &mut refused.restores_failed,
        });
        transfer.refusal(StatusCode::INTERNAL_SERVER_ERROR, error.to_string())
    }
}

/// Takes a snapshot and sends it, unless the word alone is wanted.
pub(super) async fn snapshot(transfers: Arc<Transfers>, streams: bool) -> Response {
    const THIS: Transfer = Transfer::Snapshot;
    if let Some(refusal) = transfers.refuses(THIS) {
        return refusal;
    }
    let working = Arc::clone(&transfers);
    match tokio::task::spawn_blocking(move || take_snapshot(&working)).await {
        Ok(Ok(taken)) => {
            let headers =
                [("last_zxid", format!("0x{:x}", taken.zxid.0)), ("snapshot_size", taken.length.to_string())];
            if !streams {
                return (headers, THIS.answer(StatusCode::OK, Fields::new(), None)).into_response();
            }
            let kind = HeaderValue::from_static("application/octet-stream");
            let body = Body::new(FileBody::start(taken.file, taken.length));
            (headers, [(header::CONTENT_TYPE, kind)], body).into_response()
        }
        Ok(Err(error)) => transfers.failed(THIS, error),
        Err(error) => transfers.failed(THIS, error),
    }
}

struct Taken {
    zxid: Zxid,
    file: RealFile,
    length: u64,
}

fn take_snapshot(transfers: &Transfers) -> Result<Taken, String> {
    let answer = transfers.errands.ask_for_snapshot().recv_timeout(SNAPSHOT_PATIENCE);
    let zxid = match answer {
        Ok(Ok(zxid)) => zxid,
        Ok(Err(error)) => return Err(error.to_string()),
        Err(_) => return Err("the server did not come to it".to_owned()),
    };
    let name = snapshot_name(zxid, transfers.snapshot_options.compression);
    let opened = transfers.snapshots.open(&name).and_then(|file| Ok((file.length()?, file)));
    let (length, file) =
        opened.map_err(|error| format!("{}: {error}", transfers.snapshots.path(&name).display()))?;
    Ok(Taken { zxid, file, length })
}

/// Receives a state and lets it take the place of this server's.
pub(super) async fn restore(transfers: Arc<Transfers>, body: Body) -> Response {
    const THIS: Transfer = Transfer::Restore;
    if let Some(refusal) = transfers.refuses(THIS) {
        return refusal;
    }
    let Ok(alone) = Arc::clone(&transfers.limits.restoring).try_lock_owned() else {
        return THIS.refusal(StatusCode::TOO_MANY_REQUESTS, "another state is being restored");
    };
    let started = transfers.shared.clock.monotonic();
    let (pieces, received) = mpsc::channel(WAITING_PIECES);
    let working = Arc::clone(&transfers);
    let restoring = tokio::task::spawn_blocking(move || {
        let result = restore_received(&working, received);
        let _ = working.own.remove(UPLOAD);
        drop(alone); // whether or not whoever asked is still there
        result
    });
    pass_on(body, &pieces, transfers.patience).await;
    drop(pieces);
    match restoring.await {
        Ok(Ok((origin, _))) => {
            let took = transfers.shared.clock.monotonic().since(started);
            transfers.shared.timings.on_restored(took);
            THIS.answer(StatusCode::OK, fields! { "last_zxid": origin.0 }, None)
        }
        Ok(Err(error)) => transfers.failed(THIS, error),
        Err(error) => transfers.failed(THIS, error),
    }
}

/// A piece of a body, its end, or why it goes no further.
enum Piece {
    Bytes(Bytes),
    End,
    Broken(String),
}

/// Hands a body on as it comes. Whoever receives it knows by [`Piece::End`] that it came whole.
async fn pass_on(mut body: Body, pieces: &mpsc::Sender<Piece>, patience: Duration) {
    loop {
        let piece = match tokio::time::timeout(patience, body.frame()).await {
            Err(_) => Piece::Broken(format!("nothing came for {} ms", patience.as_millis())),
            Ok(None) => Piece::End,
            Ok(Some(Err(error))) => Piece::Broken(error.to_string()),
            Ok(Some(Ok(frame))) => match frame.into_data() {
                Ok(bytes) => Piece::Bytes(bytes),
                Err(_) => continue, // trailers
            },
        };
        let is_last = !matches!(piece, Piece::Bytes(_));
        if pieces.send(piece).await.is_err() || is_last {
            return;
        }
    }
}

/// Of which zxid the state was, and of which it is now.
fn restore_received(
    transfers: &Transfers,
    mut pieces: mpsc::Receiver<Piece>,
) -> Result<(Zxid, Zxid), String> {
    let upload = |error: io::Error| format!("{}: {error}", transfers.own.path(UPLOAD).display());
    match transfers.own.remove(UPLOAD) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(upload(error)),
        _ => {}
    }
    let mut file = transfers.own.create_new(UPLOAD).map_err(upload)?;
    let mut length = 0;
    loop {
        match pieces.blocking_recv() {
            Some(Piece::Bytes(bytes)) => {
                file.write_all_at(&bytes, length).map_err(upload)?;
                length += bytes.len() as u64;
            }
            Some(Piece::End) => break,
            Some(Piece::Broken(reason)) => {
                return Err(format!("the snapshot was cut off after {length} bytes: {reason}"));
            }
            None => return Err(format!("the snapshot was cut off after {length} bytes")),
        }
    }
    if length == 0 {
        return Err("the request has no body: it should be a snapshot".to_owned());
    }
    let restoring = Restoring::prepare(
        (&transfers.own, UPLOAD),
        (&transfers.snapshots, &transfers.logs),
        &transfers.snapshot_options,
        &transfers.recover_options,
    )
    .map_err(|error| error.to_string())?;
    let origin = restoring.origin();
    let zxid = transfers.errands.restore(restoring).map_err(|error| error.to_string())?;
    Ok((origin, zxid))
}
