//! A client that is the library's session, asked at random: each request gets one outcome, which is what the server
//! said, and each watcher is told what it was owed.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use zoorum_client::session::{
    Action, Answer, Failure, NewWatch, Request, RequestId, Session, Settings, WatchKind, WatcherId,
    WatchingOp,
};
use zoorum_proto::op::RequestHeader;
use zoorum_proto::{Monotonic, OpCode, SessionId};

use super::ask::Ask;
use super::choose::Chooser;
use super::line::{Input, Line, hosts};
use super::tap::Overheard;
use super::watchers::Watchers;
use super::{Listener, credentials};
use crate::check::{Checked, ensure};
use crate::ground::{Alarm, Ground, Wake};

/// Requests under way, beyond which the client waits.
const MANY: usize = 100;

/// The kinds of watches that a request to remove them can mean.
const KINDS: [WatchKind; 4] =
    [WatchKind::Child, WatchKind::Data, WatchKind::Persistent, WatchKind::Recursive];

/// A request without an outcome.
#[derive(Debug)]
struct Asked {
    body: Vec<u8>,
    op: OpCode,
    watch: Option<NewWatch>,
    xid: Option<i32>,
    answer: Option<Result<Answer, Failure>>,
}

/// See the module.
pub(crate) struct Library {
    number: usize,
    pub(super) alarm: Alarm,
    pub(super) line: Line,
    session: Session,
    actions: Vec<Action>,
    asked: BTreeMap<RequestId, Asked>,
    unsent: VecDeque<RequestId>,
    watchers: Watchers,
    next_id: u64,
    asks_at: Duration,
    /// Until then the whole process stands still.
    stalled_until: Duration,
}

impl Library {
    pub(crate) fn new(ground: &mut Ground, number: usize) -> Self {
        let credentials = credentials(number);
        Self {
            number,
            alarm: Alarm::default(),
            line: Line::new(number, credentials.as_deref()),
            session: begin(ground, number),
            actions: Vec::new(),
            asked: BTreeMap::new(),
            unsent: VecDeque::new(),
            watchers: Watchers::default(),
            next_id: 0,
            asks_at: Duration::ZERO,
            stalled_until: Duration::ZERO,
        }
    }

    /// The client's turn, or something has arrived for it.
    pub(super) fn act(&mut self, ground: &mut Ground, listeners: &[Option<Listener>]) -> Checked {
        if ground.is_healed {
            self.stalled_until = Duration::ZERO;
        }
        if self.stalled_until > ground.now {
            let at = self.stalled_until;
            self.alarm.set(ground, at, Wake::Client(self.number));
            return Ok(());
        }
        while let Some(input) = self.line.next_input(ground, listeners)? {
            self.on_input(ground, input)?;
        }
        self.session.on_tick(Monotonic(ground.now), &mut self.actions);
        self.perform(ground)?;
        if self.asks_at <= ground.now {
            self.ask_some(ground)?;
            self.asks_at = ground.now + ground.chance.millis(1, 80);
        }
        if self.session.state().is_final() {
            self.begin_again(ground)?;
        }
        let wakeups = [self.session.next_wakeup().map(|at| at.0), self.line.next_wakeup()];
        let at = wakeups.into_iter().flatten().fold(self.asks_at, Duration::min);
        self.alarm.set(ground, at, Wake::Client(self.number));
        Ok(())
    }

    fn on_input(&mut self, ground: &mut Ground, input: Input) -> Checked {
        let now = Monotonic(ground.now);
        match input {
            Input::Connected(connection) => self.session.on_connected(now, connection, &mut self.actions),
            Input::Broken(connection) => self.session.on_disconnected(now, connection, &mut self.actions),
            Input::Probed(host, is_read_write) => {
                self.session.on_probed(now, &host, is_read_write, &mut self.actions);
            }
            Input::Received(connection, bytes, overheard) => {
                overheard.into_iter().try_for_each(|said| self.on_overheard(said))?;
                self.session.on_received(now, connection, &bytes, &mut self.actions);
            }
        }
        self.perform(ground)?;
        self.watchers.check_settled()
    }

    /// What the server said, before the session has heard it.
    fn on_overheard(&mut self, said: Overheard) -> Checked {
        match said {
            Overheard::Event { zxid, kind, path } => self.watchers.on_event(zxid, kind, &path)?,
            Overheard::Reply { header, body, .. } => {
                let mut all = self.asked.values_mut();
                if let Some(asked) = all.find(|asked| asked.xid == Some(header.xid.0)) {
                    if let Some(watch) = &asked.watch {
                        self.watchers.on_reply(watch, header.err);
                    }
                    asked.answer = Some(match header.err {
                        0 => Ok(Answer { zxid: header.zxid, body: body.into() }),
                        code => Err(Failure::Refused(code)),
                    });
                }
            }
            Overheard::Greeted | Overheard::Refused => {}
        }
        Ok(())
    }

    /// Carries out what the session wants, in order.
    fn perform(&mut self, ground: &mut Ground) -> Checked {
        self.session.check_invariants();
        for action in std::mem::take(&mut self.actions) {
            match action {
                Action::Connect { connection, host, .. } => self.line.dial(ground, connection, host),
                Action::Send(bytes) => {
                    let requests = self.line.send(ground, &bytes)?;
                    requests.iter().for_each(|(header, body)| self.on_sent(*header, body));
                }
                Action::Disconnect { why, .. } => {
                    ground.note(format_args!("client {} leaves: {why}", self.number));
                    self.line.close(ground);
                }
                Action::Probe { host, .. } => self.line.probe(ground, host),
                Action::Complete(id, outcome) => self.on_outcome(id, &outcome)?,
                Action::State(state) => {
                    ground.note(format_args!("client {} is {state:?}", self.number));
                }
                Action::Fire { watcher, event } => self.watchers.on_told(watcher, &event)?,
                Action::Missed(_) => {}
                Action::Forget(watcher) => self.watchers.forget(watcher),
            }
        }
        Ok(())
    }

    /// A request has left; some are the session's own.
    fn on_sent(&mut self, header: RequestHeader, body: &[u8]) {
        let Some(id) = self.unsent.front().copied() else { return };
        if let Some(asked) = self.asked.get_mut(&id)
            && asked.op as i32 == header.op
            && asked.body == body
            && header.xid.0 > 0
        {
            asked.xid = Some(header.xid.0);
            self.unsent.pop_front();
        }
    }

    fn on_outcome(&mut self, id: RequestId, outcome: &Result<Answer, Failure>) -> Checked {
        let Some(asked) = self.asked.remove(&id) else {
            return Err(format!("client {}: {id:?} has a second outcome: {outcome:?}", self.number));
        };
        self.unsent.retain(|other| *other != id);
        let is_true = match outcome {
            Ok(_) | Err(Failure::Refused(_)) => asked.answer.as_ref() == Some(outcome),
            Err(Failure::Unknown(_)) => asked.xid.is_some() && asked.answer.is_none(),
            Err(Failure::NotSent(_)) => asked.xid.is_none(),
        };
        ensure(is_true, || format!("client {}: {asked:?} is said to be {outcome:?}", self.number))
    }

    fn ask_some(&mut self, ground: &mut Ground) -> Checked {
        if ground.is_quiet || self.session.state().is_final() {
            return Ok(());
        }
        if !ground.is_healed && ground.faults.silence && ground.chance.one_in(300) {
            self.stalled_until = ground.now + ground.chance.millis(100, 9_000);
            ground.note(format_args!("client {} stands still until {:?}", self.number, self.stalled_until));
            return Ok(());
        }
        if ground.chance.one_in(200)
            && let Some(broken) = self.line.cut(ground)
        {
            return self.on_input(ground, broken);
        }
        if ground.chance.one_in(30)
            && let Some(watcher) = self.watchers.any()
        {
            self.watchers.forget(watcher);
            self.session.forget(Monotonic(ground.now), watcher, &mut self.actions);
            self.perform(ground)?;
        }
        if ground.chance.one_in(100) {
            let count = ground.faults.servers();
            self.session.on_hosts_changed(Monotonic(ground.now), hosts(count), &mut self.actions);
        }
        let count = if ground.chance.one_in(5) { 1 + ground.chance.below(20) } else { 1 };
        for _ in 0..count {
            if self.asked.len() < MANY {
                self.ask(ground);
            }
        }
        self.perform(ground)
    }

    fn ask(&mut self, ground: &mut Ground) {
        let session = self.line.tap.session().map_or(SessionId::NONE, |session| session.id);
        let (model, xid) = (&ground.history.model, self.next_id as i32);
        let ask = Chooser { chance: &mut ground.chance, model, session, xid }.choose();
        let now = Monotonic(ground.now);
        match ask {
            // Nobody can ask the library for these.
            Ask::Ping | Ask::RemoveWatches { kind: 3, .. } => {}
            Ask::Close => self.session.close(now, &mut self.actions),
            ask => {
                self.next_id += 1;
                let id = RequestId(self.next_id);
                let (op, body, watch) = (ask.op(), ask.body(), watch_of(&ask, WatcherId(self.next_id)));
                self.unsent.push_back(id);
                let asked = Asked { body: body.clone(), op, watch: watch.clone(), xid: None, answer: None };
                self.asked.insert(id, asked);
                if let Ask::RemoveWatches { path, kind } = &ask {
                    let kind = KINDS.into_iter().find(|it| it.removal_number() == *kind);
                    return self.session.remove_watches(
                        now,
                        id,
                        kind.unwrap_or(WatchKind::Data),
                        path,
                        &mut self.actions,
                    );
                }
                self.session.submit(now, Request { id, op, body, watch }, &mut self.actions);
            }
        }
    }

    /// The session is over, and everybody was told; another begins.
    fn begin_again(&mut self, ground: &mut Ground) -> Checked {
        let left = &self.asked;
        ensure(left.is_empty(), || format!("client {}: these have no outcome: {left:?}", self.number))?;
        self.line.close(ground);
        self.line.tap.forget_session();
        self.watchers = Watchers::default();
        self.session = begin(ground, self.number);
        Ok(())
    }
}

fn begin(ground: &mut Ground, number: usize) -> Session {
    let timeout = Duration::from_millis(*ground.chance.pick(&[1_500, 3_000, 4_000, 4_000]));
    let read_only = ground.faults.read_only && ground.chance.one_in(2);
    let settings = Settings { timeout, read_only, ..Settings::default() };
    let (now, seed) = (Monotonic(ground.now), ground.chance.number());
    let mut session = Session::new(now, hosts(ground.faults.servers()), settings, seed);
    if let Some(credentials) = credentials(number) {
        session.add_auth(now, "digest".to_owned(), credentials.into_bytes(), &mut Vec::new());
    }
    session
}

/// The watch that a request would leave.
fn watch_of(ask: &Ask, watcher: WatcherId) -> Option<NewWatch> {
    let (by, path) = match ask {
        Ask::Exists { path, watch: true } => (WatchingOp::Exists, path),
        Ask::GetData { path, watch: true } => (WatchingOp::GetData, path),
        Ask::GetChildren { path, watch: true } => (WatchingOp::GetChildren, path),
        Ask::AddWatch { path, recursive: false } => (WatchingOp::AddPersistent, path),
        Ask::AddWatch { path, recursive: true } => (WatchingOp::AddRecursive, path),
        _ => return None,
    };
    Some(NewWatch { watcher, path: path.clone(), by })
}
