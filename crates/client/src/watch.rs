//! Watches: told once, or as a stream.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};

use futures_core::Stream;
use tokio::sync::{mpsc, oneshot};

use crate::handle::Handle;
use crate::session::{WatchedEvent, WatcherId};

/// How many changes wait for somebody who does not take them. At the limit they are thrown away, and the stream
/// says [`Change::Missed`].
pub const CHANGES_MAX: usize = 16_384;

/// Takes a watch back when dropped.
#[derive(Debug)]
struct Registered {
    handle: Handle,
    watcher: WatcherId,
}

impl Drop for Registered {
    fn drop(&mut self) {
        self.handle.forget(self.watcher);
    }
}

/// A watch that fires once: a future of the change. It survives lost connections, and is told of what happened
/// meanwhile. To drop it takes the watch back.
#[derive(Debug)]
#[must_use = "whoever does not await a watch need not set it"]
pub struct OneWatch {
    events: oneshot::Receiver<WatchedEvent>,
    _registered: Registered,
}

/// The session ended, or the watch was removed, before it fired.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the watch was removed, or the session ended, before it fired")]
pub struct WatchEnded;

impl Future for OneWatch {
    type Output = Result<WatchedEvent, WatchEnded>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.events).poll(context).map(|event| event.map_err(|_| WatchEnded))
    }
}

/// What a persistent watch tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// A znode changed.
    Event(WatchedEvent),
    /// Changes may have been missed, because the connection was lost for a while, or because too many were
    /// waiting here: look again. What happens from now on is told.
    Missed,
}

/// A persistent watch: a stream of changes, in the order in which they happened. It ends with the session. To
/// drop it takes the watch back.
#[derive(Debug)]
pub struct Watch {
    changes: mpsc::Receiver<Change>,
    overflown: Arc<AtomicBool>,
    _registered: Registered,
}

impl Watch {
    /// The next change; none once the session is over or the watch was removed.
    pub async fn next(&mut self) -> Option<Change> {
        std::future::poll_fn(|context| self.poll(context)).await
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Option<Change>> {
        if self.overflown.swap(false, Ordering::AcqRel) {
            // Whoever looks again sees what they would tell.
            while self.changes.try_recv().is_ok() {}
            return Poll::Ready(Some(Change::Missed));
        }
        Poll::Ready(ready!(self.changes.poll_recv(context)))
    }
}

impl Stream for Watch {
    type Item = Change;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Change>> {
        self.poll(context)
    }
}

/// The other end of a watch.
#[derive(Debug)]
pub(crate) enum Sink {
    Once(oneshot::Sender<WatchedEvent>),
    Stream { changes: mpsc::Sender<Change>, overflown: Arc<AtomicBool> },
}

impl Sink {
    /// A change for a stream. Whoever has dropped it takes its watch back as well.
    pub(crate) fn tell(&self, change: Change) {
        if let Self::Stream { changes, overflown } = self
            && let Err(mpsc::error::TrySendError::Full(_)) = changes.try_send(change)
        {
            overflown.store(true, Ordering::Release);
            // If all was taken just now, nobody would look at that.
            let _ = changes.try_send(Change::Missed);
        }
    }
}

/// Both ends of a watch that fires once.
pub(crate) fn once(handle: &Handle) -> (OneWatch, Sink, WatcherId) {
    let (sender, events) = oneshot::channel();
    let watcher = handle.next_watcher();
    let registered = Registered { handle: handle.clone(), watcher };
    (OneWatch { events, _registered: registered }, Sink::Once(sender), watcher)
}

/// Both ends of a persistent watch.
pub(crate) fn stream(handle: &Handle) -> (Watch, Sink, WatcherId) {
    let (sender, changes) = mpsc::channel(CHANGES_MAX);
    let watcher = handle.next_watcher();
    let registered = Registered { handle: handle.clone(), watcher };
    let overflown = Arc::new(AtomicBool::new(false));
    let sink = Sink::Stream { changes: sender, overflown: Arc::clone(&overflown) };
    (Watch { changes, overflown, _registered: registered }, sink, watcher)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::sync::watch;
    use zoorum_proto::reply::EventType;
    use zoorum_proto::{SessionId, Zxid};

    use super::*;
    use crate::handle::{Commands, Standing};
    use crate::session::SessionState;

    #[tokio::test]
    async fn whoever_takes_no_changes_is_told_that_some_are_missing() {
        let (_standing, standing) = watch::channel(Standing {
            state: SessionState::Connected,
            id: SessionId(1),
            password: [0; 16],
            timeout: Duration::from_secs(1),
        });
        let (commands, _received) = Commands::new(Arc::default(), standing);
        let (mut watch, sink, _) = stream(&commands.handle());
        let event = WatchedEvent { kind: EventType::NodeCreated, path: "/a".to_owned(), zxid: Zxid(1) };
        for _ in 0..CHANGES_MAX + 2 {
            sink.tell(Change::Event(event.clone()));
        }
        assert_eq!(watch.next().await, Some(Change::Missed), "and not only behind all that waits");
        sink.tell(Change::Event(event.clone()));
        assert_eq!(watch.next().await, Some(Change::Event(event)));
        drop(sink);
        assert_eq!(watch.next().await, None);
    }
}
