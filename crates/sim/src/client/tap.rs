//! What a client and its servers say to each other, overheard and judged packet by packet, whoever the client is.

use std::collections::VecDeque;
use std::time::Duration;

use zoorum_proto::connect::{ConnectRequest, ConnectResponse, ReadOnly};
use zoorum_proto::op::RequestHeader;
use zoorum_proto::reply::{ErrorResponse, ReplyHeader, WatcherEvent};
use zoorum_proto::{AuthId, Decode, ErrorCode, OpCode, Reader, SessionId, Xid, Zxid};
use zoorum_server::auth::digest_id;
use zoorum_server::settings::DigestAlgorithm;

use super::ask::{Ask, brief};
use crate::check::history::Sent;
use crate::check::replies::Reply;
use crate::check::watches::{Event, Watches};
use crate::check::{Checked, ensure};
use crate::ground::Ground;
use crate::host::{TIMEOUT_MAX_MS, TIMEOUT_MIN_MS};
use crate::network::LinkId;

/// A session, as a server has given it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Given {
    pub(crate) id: SessionId,
    pub(crate) password: [u8; 16],
    pub(crate) timeout: Duration,
    /// Only one server knows it, and it may do nothing but read.
    is_read_only: bool,
}

/// Something that a server has said.
#[derive(Debug)]
pub(crate) enum Overheard {
    /// The session is given, or given back.
    Greeted,
    /// The session is over.
    Refused,
    /// Something has changed that is watched.
    Event { zxid: Zxid, kind: i32, path: String },
    /// A request is answered.
    Reply { header: ReplyHeader, ask: Ask, body: Vec<u8> },
}

/// A request without a reply.
#[derive(Clone, Debug)]
struct Waiting {
    xid: Xid,
    ask: Ask,
    sent_at: Duration,
    /// What a reply to a `sync` must show.
    owed: Zxid,
}

/// How far the talk has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// A session is asked for, or will be next.
    Greeting { since: Duration },
    /// The session is served.
    Together,
}

/// The talk of one client.
#[derive(Debug)]
pub(crate) struct Tap {
    number: usize,
    ids: Vec<AuthId>,
    link: LinkId,
    stage: Stage,
    has_asked: bool,
    session: Option<Given>,
    /// The newest change that a reply has told of on this connection, or that the client said it had seen before.
    pub(crate) last_zxid: Zxid,
    /// The newest change that a reply to a request has told of.
    told: Zxid,
    watches: Watches,
    waiting: VecDeque<Waiting>,
    to_server: Vec<u8>,
    to_client: Vec<u8>,
    /// Replies ever received.
    pub(crate) answers: u64,
}

impl Tap {
    /// Of the client with this number, and with the credentials that it always shows.
    pub(crate) fn new(number: usize, credentials: Option<&str>) -> Self {
        let mut ids = vec![AuthId::new("ip", "127.0.0.1")];
        ids.extend(
            credentials.into_iter().map(|it| AuthId::new("digest", digest_id(DigestAlgorithm::Sha1, it))),
        );
        Self {
            number,
            ids,
            link: LinkId(0),
            stage: Stage::Greeting { since: Duration::ZERO },
            has_asked: false,
            session: None,
            last_zxid: Zxid::ZERO,
            told: Zxid::ZERO,
            watches: Watches::default(),
            waiting: VecDeque::new(),
            to_server: Vec::new(),
            to_client: Vec::new(),
            answers: 0,
        }
    }

    /// The session, if it is not over by what was said.
    pub(crate) fn session(&self) -> Option<Given> {
        self.session
    }

    /// The client begins anew: it will never again say that it has this session, or has seen anything.
    pub(crate) fn forget_session(&mut self) {
        self.session = None;
        (self.told, self.last_zxid) = (Zxid::ZERO, Zxid::ZERO);
    }

    /// Requests without replies.
    pub(crate) fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// Whether the client has asked for the end of its session, and waits to be told of it.
    pub(crate) fn is_leaving(&self) -> bool {
        self.waiting.iter().any(|waiting| matches!(waiting.ask, Ask::Close))
    }

    /// Whether the client waits to be told of more than that it lives.
    pub(crate) fn is_owed(&self) -> bool {
        self.waiting.iter().any(|waiting| !matches!(waiting.ask, Ask::Ping))
    }

    /// A new connection.
    pub(crate) fn connect(&mut self, ground: &Ground, link: LinkId) {
        self.link = link;
        self.stage = Stage::Greeting { since: ground.now };
        self.has_asked = false;
        self.watches = Watches::new(self.ids.clone());
        self.part();
    }

    /// The connection is of no use any more.
    pub(crate) fn part(&mut self) {
        self.waiting.clear();
        self.to_server.clear();
        self.to_client.clear();
    }

    /// The client sends. Tells the requests in it, with their numbers and records.
    pub(crate) fn on_sent(
        &mut self,
        ground: &mut Ground,
        bytes: &[u8],
    ) -> Result<Vec<(RequestHeader, Vec<u8>)>, String> {
        self.to_server.extend_from_slice(bytes);
        let mut requests = Vec::new();
        while let Some(packet) = take_frame(&mut self.to_server) {
            if self.has_asked {
                requests.extend(self.on_request(ground, &packet)?);
            } else {
                self.has_asked = true;
                self.on_connect(ground, &packet)?;
            }
        }
        Ok(requests)
    }

    fn on_connect(&mut self, ground: &mut Ground, packet: &[u8]) -> Checked {
        let request = ConnectRequest::from_bytes(packet).map_err(|error| error.to_string())?;
        // What a server without a leader gave, nobody else knows.
        self.session = self.session.filter(|session| !session.is_read_only);
        let known = self.session.map_or(SessionId::NONE, |session| session.id);
        ensure(request.session == known, || {
            format!("{} is asked for, and {known} is known", request.session)
        })?;
        let (seen, told) = (request.last_zxid_seen, self.told);
        ensure(seen >= told, || format!("{seen} is said to be the last seen, and {told} was told"))?;
        self.last_zxid = seen;
        if request.session != SessionId::NONE {
            let timeout_ms = request.timeout_ms.clamp(TIMEOUT_MIN_MS, TIMEOUT_MAX_MS);
            ground.history.came(request.session, self.process(ground));
            ground.sessions.asked(request.session, timeout_ms);
        }
        let (number, link, session) = (self.number, self.link, request.session);
        ground.note(format_args!("client {number} connects by {link:?} with {session}"));
        Ok(())
    }

    fn on_request(
        &mut self,
        ground: &mut Ground,
        packet: &[u8],
    ) -> Result<Option<(RequestHeader, Vec<u8>)>, String> {
        let mut input = Reader::new(packet);
        let header = RequestHeader::decode(&mut input).map_err(|error| error.to_string())?;
        if header.xid == Xid::AUTH {
            return Ok(None);
        }
        let body = input.rest();
        let op =
            OpCode::from_number(header.op).ok_or_else(|| format!("there is no operation {}", header.op))?;
        let ask = Ask::decode(op, body).map_err(|error| format!("{op:?} cannot be read: {error}"))?;
        ground.note(format_args!("client {} asks {} {}", self.number, header.xid.0, brief(&ask)));
        if ask.is_txn() {
            let session = self.session.map_or(SessionId::NONE, |session| session.id);
            let way = (self.link, self.process(ground));
            ground.history.sent(session, header.xid.0, Sent { ask: ask.clone(), ids: self.ids.clone(), way });
        }
        // What is committed now, unless a leader that was replaced may be asked: it cannot know.
        let is_owed = matches!(ask, Ask::Sync { .. }) && ground.servers.nobody_is_outdated();
        let owed = if is_owed { ground.history.model.last() } else { Zxid::ZERO };
        self.waiting.push_back(Waiting { xid: header.xid, ask, sent_at: ground.now, owed });
        Ok(Some((header, body.to_vec())))
    }

    fn process(&self, ground: &Ground) -> u64 {
        ground.network.link(self.link).map_or(0, |link| link.process)
    }

    /// The client receives.
    pub(crate) fn on_received(
        &mut self,
        ground: &mut Ground,
        bytes: &[u8],
    ) -> Result<Vec<Overheard>, String> {
        self.to_client.extend_from_slice(bytes);
        let mut overheard = Vec::new();
        while let Some(packet) = take_frame(&mut self.to_client) {
            let heard = match self.stage {
                Stage::Greeting { since } => self.on_greeting(ground, since, &packet).map(Some),
                Stage::Together => self.on_packet(ground, &packet),
            };
            overheard.extend(heard.map_err(|error| format!("client {}: {error}", self.number))?);
        }
        Ok(overheard)
    }

    fn on_greeting(
        &mut self,
        ground: &mut Ground,
        since: Duration,
        packet: &[u8],
    ) -> Result<Overheard, String> {
        let response = ConnectResponse::from_bytes(packet).map_err(|error| error.to_string())?;
        ground.note(format_args!("client {} gets {} {}", self.number, response.session, response.timeout_ms));
        let is_read_only = response.read_only == Some(ReadOnly(true));
        ensure(!is_read_only || ground.faults.read_only, || "a server says that it is read-only".to_owned())?;
        if response.timeout_ms == 0 {
            let Some(session) = self.session.take() else {
                return Err("a new session is refused".to_owned());
            };
            // A server without a leader does not know of every session.
            ensure(is_read_only || ground.history.is_ending(session.id), || {
                format!("{} is refused, though it has not ended", session.id)
            })?;
            return Ok(Overheard::Refused);
        }
        if let Some(session) = self.session {
            ensure(session.id == response.session, || {
                format!("{} was asked for, and {} is given", session.id, response.session)
            })?;
        } else {
            let is_local = is_read_only || ground.faults.local_sessions;
            let open = ground.history.model.knows_session(response.session);
            ground.history.note_local(response.session, is_local && !open);
            ensure(open || is_local, || format!("{} is given and was never opened", response.session))?;
        }
        ground.history.came(response.session, self.process(ground));
        ground.sessions.connected(ground.now, response.session, response.timeout_ms, since);
        let timeout = Duration::from_millis(response.timeout_ms as u64);
        let (id, password) = (response.session, response.password);
        self.session = Some(Given { id, password, timeout, is_read_only });
        self.stage = Stage::Together;
        self.answers += 1;
        Ok(Overheard::Greeted)
    }

    fn on_packet(&mut self, ground: &mut Ground, packet: &[u8]) -> Result<Option<Overheard>, String> {
        let mut input = Reader::new(packet);
        let header = ReplyHeader::decode(&mut input).map_err(|error| error.to_string())?;
        match header.xid {
            Xid::NOTIFICATION => self.on_event(ground, header, input.rest()).map(Some),
            Xid::AUTH => {
                ensure(header.err == 0, || format!("authentication failed: {header:?}"))?;
                Ok(None)
            }
            _ => self.on_reply(ground, header, input.rest()),
        }
    }

    fn on_event(
        &mut self,
        ground: &mut Ground,
        header: ReplyHeader,
        body: &[u8],
    ) -> Result<Overheard, String> {
        let event = WatcherEvent::from_bytes(body).map_err(|error| error.to_string())?;
        let (zxid, kind, path) = (header.zxid, event.kind, event.path.into_owned());
        ground.note(format_args!("client {} hears {zxid} {kind} {path}", self.number));
        self.watches.on_event(&ground.history.model, Event { zxid, kind, path: path.clone() })?;
        Ok(Overheard::Event { zxid, kind, path })
    }

    fn on_reply(
        &mut self,
        ground: &mut Ground,
        header: ReplyHeader,
        body: &[u8],
    ) -> Result<Option<Overheard>, String> {
        // What was asked for behind the end of the session may be refused, or not answered at all.
        let Some(session) = self.session else { return Ok(None) };
        let waiting = self.waiting.pop_front();
        let Some(Waiting { xid, ask, sent_at, owed }) = waiting else {
            return Err(format!("{header:?} answers nothing"));
        };
        let (number, zxid, err) = (self.number, header.zxid, header.err);
        ground.note(format_args!("client {number} is told {} {zxid} {err}", header.xid.0));
        ensure(header.xid == xid, || format!("{header:?} answers {}, and {} is next", header.xid.0, xid.0))?;
        let last = self.last_zxid;
        ensure(zxid >= last, || format!("{header:?} after something of {last}"))?;
        ensure(err != 0 || zxid >= owed, || {
            format!("I-30: {header:?} answers a sync, and {owed} was committed before")
        })?;
        self.last_zxid = zxid;
        if xid.0 > 0 {
            self.told = zxid;
        }
        self.answers += 1;
        ground.sessions.answered(ground.now, session.id, sent_at);
        let model = &ground.history.model;
        if session.is_read_only && !model.has(zxid) {
            // A server without a leader shows all of its log, the end of which may never be committed.
            return Ok(Some(Overheard::Reply { header, ask, body: body.to_vec() }));
        }
        self.watches.on_reply(model, zxid)?;
        let is_local = session.is_read_only || ground.history.is_local(session.id);
        match &ask {
            Ask::Close if is_local => {
                ensure(header.err == 0, || format!("a local session is not closed: {header:?}"))?;
            }
            ask if session.is_read_only && writes(ask) => {
                let is_refused = header.err == ErrorCode::NotReadOnly.number() && body.is_empty();
                ensure(is_refused, || format!("a read-only server answers {ask:?} by {header:?}"))?;
            }
            _ => Reply { model, session: session.id, ids: &self.ids, ask: &ask, header, body }.check()?,
        }
        self.note_watches(ground, &ask, header, body)?;
        if matches!(ask, Ask::Close) {
            self.session = None;
        }
        Ok(Some(Overheard::Reply { header, ask, body: body.to_vec() }))
    }

    /// What the reply means for the client's watches.
    fn note_watches(&mut self, ground: &Ground, ask: &Ask, header: ReplyHeader, body: &[u8]) -> Checked {
        let is_done = header.err == 0;
        match ask {
            Ask::Exists { path, watch: true } if is_done || header.err == ErrorCode::NoNode.number() => {
                self.watches.add_data(path);
            }
            Ask::GetData { path, watch: true } if is_done => self.watches.add_data(path),
            Ask::GetChildren { path, watch: true } if is_done => self.watches.add_child(path),
            Ask::AddWatch { path, recursive } => {
                let answer = ErrorResponse::from_bytes(body).map_err(|error| error.to_string())?;
                ensure(is_done && answer.err == 0, || format!("a watch is refused: {header:?}"))?;
                self.watches.add_persistent(path, *recursive);
            }
            Ask::RemoveWatches { path, kind } | Ask::CheckWatches { path, kind } => {
                let found = match ask {
                    Ask::RemoveWatches { .. } => self.watches.remove(path, *kind),
                    _ => self.watches.contains(path, *kind),
                };
                let expected = if found { 0 } else { ErrorCode::NoWatcher.number() };
                ensure(header.err == expected, || format!("{ask:?} is answered {header:?}"))?;
            }
            Ask::SetWatches(restored) => {
                self.watches.on_restored(&ground.history.model, header.zxid, restored)?;
            }
            _ => {}
        }
        Ok(())
    }
}

/// Whether a server without a leader can do nothing about it.
fn writes(ask: &Ask) -> bool {
    ask.is_txn() || matches!(ask, Ask::Sync { .. } | Ask::Undecodable)
}

/// Takes a whole frame off, if there is one.
fn take_frame(bytes: &mut Vec<u8>) -> Option<Vec<u8>> {
    let length = bytes.first_chunk().map(|length| u32::from_be_bytes(*length) as usize)?;
    (bytes.len() >= 4 + length).then(|| bytes.drain(..4 + length).skip(4).collect())
}
