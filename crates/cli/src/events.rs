//! What a session tells by itself: its states, and the watches that commands leave.
//!
//! All are polled by whoever waits for a reply, and before it, so an event is heard no later than the reply behind it.
//! **Who hears.** All watches belong to one watcher, as in the original: it is told of a change once, however many of
//! its watches the change fires.

use std::collections::{BTreeMap, BTreeSet};
use std::future::pending;
use std::pin::Pin;

use futures_util::future::{AbortHandle, Aborted, abortable};
use futures_util::stream::{FuturesUnordered, StreamExt};
use zoorum_client::{
    Change, Client, EventType, OneWatch, SessionState, States, Watch, WatchKind, WatchedEvent,
};

/// What is heard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Told {
    /// The session stands elsewhere.
    State(SessionState),
    /// A znode changed.
    Changed(WatchedEvent),
}

/// By which a watch is known; later ones are greater.
type Id = u64;

enum Heard {
    Once(Id, Option<WatchedEvent>),
    Lasting(Id, Option<Change>, Watch),
}

type Listening = Pin<Box<dyn Future<Output = Result<Heard, Aborted>> + Send>>;

struct Registered {
    kind: WatchKind,
    path: String,
    abort: AbortHandle,
}

/// The states and watches of one session.
pub(crate) struct Events {
    states: Option<States>,
    state: SessionState,
    listening: FuturesUnordered<Listening>,
    registered: BTreeMap<Id, Registered>,
    next: Id,
    last: Option<Last>,
}

/// What the watcher was told last.
struct Last {
    event: WatchedEvent,
    /// The watches that it has fired.
    fired: BTreeSet<Id>,
    /// The first of the watches that were set after it.
    horizon: Id,
}

impl Events {
    /// Those of a session.
    pub(crate) fn of(client: &Client) -> Self {
        Self {
            states: Some(client.states()),
            state: SessionState::Connecting,
            listening: FuturesUnordered::new(),
            registered: BTreeMap::new(),
            next: 0,
            last: None,
        }
    }

    /// Waits for a change.
    pub(crate) fn watch_once(&mut self, kind: WatchKind, path: &str, watch: OneWatch) {
        let id = self.next;
        let heard = async move { Heard::Once(id, watch.await.ok()) };
        let (listening, abort) = abortable(heard);
        self.register(kind, path, abort);
        self.listening.push(Box::pin(listening));
    }

    /// Waits for all changes.
    pub(crate) fn watch_on(&mut self, kind: WatchKind, path: &str, watch: Watch) {
        let id = self.next;
        let (listening, abort) = abortable(next_change(id, watch));
        self.register(kind, path, abort);
        self.listening.push(Box::pin(listening));
    }

    fn register(&mut self, kind: WatchKind, path: &str, abort: AbortHandle) {
        self.registered.insert(self.next, Registered { kind, path: path.to_owned(), abort });
        self.next += 1;
    }

    /// Which of some kinds of watches there are on a path.
    pub(crate) fn kinds_on(&self, path: &str, kinds: &[WatchKind]) -> Vec<WatchKind> {
        let there =
            |kind: &&WatchKind| self.registered.values().any(|one| one.path == path && one.kind == **kind);
        kinds.iter().filter(there).copied().collect()
    }

    /// Forgets all watches of a kind on a path.
    pub(crate) fn forget(&mut self, path: &str, kind: WatchKind) {
        let on = |(_, one): &(&Id, &Registered)| one.path == path && one.kind == kind;
        let gone: Vec<Id> = self.registered.iter().filter(on).map(|(id, _)| *id).collect();
        gone.into_iter().for_each(|id| self.drop_watch(id));
    }

    fn drop_watch(&mut self, id: Id) {
        if let Some(registered) = self.registered.remove(&id) {
            registered.abort.abort();
        }
    }

    /// What is heard next; never, once the session is over and all is told. Nothing is lost if this is dropped.
    pub(crate) async fn next(&mut self) -> Told {
        loop {
            tokio::select! {
                biased;
                state = next_state(&mut self.states) => match state {
                    Some(state) => {
                        let is_new = std::mem::replace(&mut self.state, state) != state;
                        if is_new {
                            return Told::State(state);
                        }
                    }
                    None => self.states = None,
                },
                heard = next_heard(&mut self.listening) => {
                    if let Ok(heard) = heard
                        && let Some(event) = self.on_heard(heard)
                    {
                        return Told::Changed(event);
                    }
                }
            }
        }
    }

    fn on_heard(&mut self, heard: Heard) -> Option<WatchedEvent> {
        match heard {
            Heard::Lasting(id, change, watch) => {
                let Some(change) = change else {
                    self.registered.remove(&id);
                    return None;
                };
                if let Some(registered) = self.registered.get_mut(&id) {
                    let (listening, abort) = abortable(next_change(id, watch));
                    registered.abort = abort;
                    self.listening.push(Box::pin(listening));
                }
                match change {
                    Change::Event(event) => self.on_fired(id, event),
                    // The original does not tell, and its watcher does not ask.
                    Change::Missed => None,
                }
            }
            Heard::Once(id, event) => {
                self.registered.remove(&id)?;
                self.on_fired(id, event?)
            }
        }
    }

    /// Several watches that one change fires are one event. One that a watch fires again is another one.
    fn on_fired(&mut self, id: Id, event: WatchedEvent) -> Option<WatchedEvent> {
        if let Some(last) = &mut self.last
            && last.event == event
            && id < last.horizon
            && last.fired.insert(id)
        {
            return None;
        }
        let fired = BTreeSet::from([id]);
        self.last = Some(Last { event: event.clone(), fired, horizon: self.next });
        Some(event)
    }
}

async fn next_change(id: Id, mut watch: Watch) -> Heard {
    let change = watch.next().await;
    Heard::Lasting(id, change, watch)
}

async fn next_state(states: &mut Option<States>) -> Option<SessionState> {
    match states {
        Some(states) => states.next().await,
        None => pending().await,
    }
}

async fn next_heard(listening: &mut FuturesUnordered<Listening>) -> Result<Heard, Aborted> {
    match listening.next().await {
        Some(heard) => heard,
        None => pending().await,
    }
}

/// The original's name of a state in an event.
fn state_name(state: SessionState) -> &'static str {
    match state {
        SessionState::Connected => "SyncConnected",
        SessionState::ConnectedReadOnly => "ConnectedReadOnly",
        SessionState::Connecting | SessionState::Disconnected => "Disconnected",
        SessionState::Expired => "Expired",
        SessionState::AuthFailed => "AuthFailed",
        SessionState::Closed => "Closed",
    }
}

/// An event of the session, as the original prints it.
pub(crate) fn state_line(state: SessionState) -> String {
    format!("WatchedEvent state:{} type:None path:null zxid: -1", state_name(state))
}

/// A change, as the original prints it.
pub(crate) fn change_line(event: &WatchedEvent) -> String {
    format!(
        "WatchedEvent state:SyncConnected type:{:?} path:{} zxid: {}",
        event.kind, event.path, event.zxid.0
    )
}

/// That watches were removed, as the original prints it.
pub(crate) fn removed_line(kind: WatchKind, path: &str) -> String {
    let name = match kind {
        WatchKind::Data | WatchKind::Exist => "DataWatchRemoved",
        WatchKind::Child => "ChildWatchRemoved",
        WatchKind::Persistent | WatchKind::Recursive => "PersistentWatchRemoved",
    };
    format!("WatchedEvent state:SyncConnected type:{name} path:{path} zxid: -1")
}

/// A change's name in JSON.
pub(crate) fn kind_name(kind: EventType) -> String {
    format!("{kind:?}")
}
