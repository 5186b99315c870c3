//! What a client makes of what it receives.

use zoorum_proto::connect::ConnectResponse;
use zoorum_proto::reply::{ErrorResponse, ReplyHeader, WatcherEvent};
use zoorum_proto::{Decode, ErrorCode, Reader, Xid};

use std::time::Duration;

use super::ask::Ask;
use super::{Client, Session, Stage, Waiting};
use crate::check::replies::Reply;
use crate::check::watches::Event;
use crate::check::{Checked, ensure};
use crate::ground::{Ground, Wake};
use crate::network::{LinkId, Side};

impl Client {
    /// Reads whatever has arrived, unless the client does not read.
    pub(crate) fn receive(&mut self, ground: &mut Ground) -> Checked {
        let (Stage::Greeting { link, .. } | Stage::Together { link }) = self.stage else { return Ok(()) };
        if self.deaf_until > ground.now {
            return Ok(());
        }
        while ground.network.is_readable(link, Side::Client) {
            let Some(bytes) = ground.network.read(link, Side::Client, usize::MAX) else {
                ground.note(format_args!("client {} has lost {link:?}", self.number));
                ground.close(link, Side::Client);
                self.part(ground);
                return Ok(());
            };
            self.last_heard = ground.now;
            self.input.extend_from_slice(&bytes);
            self.on_input(ground, link)?;
            if let Some(worker) = ground.network.link(link).map(|link| (link.process, link.worker)) {
                let at = ground.now;
                ground.wake(at, Wake::Writable(worker.0, worker.1, link));
            }
            if !matches!(self.stage, Stage::Greeting { .. } | Stage::Together { .. }) {
                break;
            }
        }
        Ok(())
    }

    fn on_input(&mut self, ground: &mut Ground, link: LinkId) -> Checked {
        loop {
            let Some(length) = self.input.first_chunk().map(|bytes| u32::from_be_bytes(*bytes) as usize)
            else {
                return Ok(());
            };
            if self.input.len() < 4 + length {
                return Ok(());
            }
            let packet: Vec<u8> = self.input.drain(..4 + length).skip(4).collect();
            let done = match self.stage {
                Stage::Greeting { since, .. } => self.on_greeting(ground, link, since, &packet),
                Stage::Together { .. } => self.on_packet(ground, &packet),
                Stage::Apart { .. } => return Ok(()),
            };
            done.map_err(|error| format!("client {}: {error}", self.number))?;
        }
    }

    fn on_greeting(&mut self, ground: &mut Ground, link: LinkId, since: Duration, packet: &[u8]) -> Checked {
        let response = ConnectResponse::from_bytes(packet).map_err(|error| error.to_string())?;
        ground.note(format_args!("client {} gets {} {}", self.number, response.session, response.timeout_ms));
        if response.timeout_ms == 0 {
            let Some(session) = self.session.take() else {
                return Err("a new session is refused".to_owned());
            };
            self.end_session();
            return ensure(ground.history.is_ending(session.id), || {
                format!("{} is refused, though it has not ended", session.id)
            });
        }
        if let Some(session) = self.session {
            ensure(session.id == response.session, || {
                format!("{} was asked for, and {} is given", session.id, response.session)
            })?;
        } else {
            let open = ground.history.model.knows_session(response.session);
            ensure(open, || format!("{} is given and was never opened", response.session))?;
        }
        let process = ground.network.link(link).map_or(0, |link| link.process);
        ground.history.came(response.session, process);
        ground.sessions.connected(ground.now, response.session, response.timeout_ms, since);
        let timeout = Duration::from_millis(response.timeout_ms as u64);
        self.session = Some(Session { id: response.session, password: response.password, timeout });
        self.stage = Stage::Together { link };
        self.answers += 1;
        Ok(())
    }

    /// The client knows that its session is over; its watches are, too.
    fn end_session(&mut self) {
        self.session = None;
        self.held = Default::default();
        self.xid = 0;
    }

    fn on_packet(&mut self, ground: &mut Ground, packet: &[u8]) -> Checked {
        let mut input = Reader::new(packet);
        let header = ReplyHeader::decode(&mut input).map_err(|error| error.to_string())?;
        match header.xid {
            Xid::NOTIFICATION => self.on_event(ground, header, input.rest()),
            Xid::AUTH => ensure(header.err == 0, || format!("authentication failed: {header:?}")),
            _ => self.on_reply(ground, header, input.rest()),
        }
    }

    fn on_event(&mut self, ground: &mut Ground, header: ReplyHeader, body: &[u8]) -> Checked {
        let event = WatcherEvent::from_bytes(body).map_err(|error| error.to_string())?;
        ground
            .note(format_args!("client {} hears {} {} {}", self.number, header.zxid, event.kind, event.path));
        self.held.on_event(event.kind, &event.path);
        let event = Event { zxid: header.zxid, kind: event.kind, path: event.path.into_owned() };
        self.watches.on_event(&ground.history.model, event)
    }

    fn on_reply(&mut self, ground: &mut Ground, header: ReplyHeader, body: &[u8]) -> Checked {
        // What was asked for behind the end of the session may be refused, or not answered at all.
        let Some(session) = self.session() else { return Ok(()) };
        let waiting = self.waiting.pop_front();
        let Some(Waiting { xid, ask, sent_at, owed }) = waiting else {
            return Err(format!("{header:?} answers nothing"));
        };
        let (number, zxid, err) = (self.number, header.zxid, header.err);
        ground.note(format_args!("client {number} is told {} {zxid} {err}", header.xid.0));
        ensure(header.xid == xid, || format!("{header:?} answers {}, and {} is next", header.xid.0, xid.0))?;
        let last = self.last_zxid;
        ensure(zxid >= last, || format!("{header:?} after something of {last}"))?;
        ensure(zxid >= owed, || format!("I-30: {header:?} answers a sync, and {owed} was committed before"))?;
        self.last_zxid = zxid;
        self.answers += 1;
        ground.sessions.answered(ground.now, session, sent_at);
        let model = &ground.history.model;
        self.watches.on_reply(model, zxid)?;
        Reply { model, session, ids: &self.ids, ask: &ask, header, body }.check()?;
        self.note_watches(ground, &ask, header, body)?;
        if matches!(ask, Ask::Close) {
            self.end_session();
        }
        Ok(())
    }

    /// What the reply means for the client's watches.
    fn note_watches(&mut self, ground: &Ground, ask: &Ask, header: ReplyHeader, body: &[u8]) -> Checked {
        let is_done = header.err == 0;
        match ask {
            Ask::Exists { path, watch: true } if is_done || header.err == ErrorCode::NoNode.number() => {
                self.watches.add_data(path);
                self.held.add_data(path, is_done);
            }
            Ask::GetData { path, watch: true } if is_done => {
                self.watches.add_data(path);
                self.held.add_data(path, true);
            }
            Ask::GetChildren { path, watch: true } if is_done => {
                self.watches.add_child(path);
                self.held.add_child(path);
            }
            Ask::AddWatch { path, recursive } => {
                let answer = ErrorResponse::from_bytes(body).map_err(|error| error.to_string())?;
                ensure(is_done && answer.err == 0, || format!("a watch is refused: {header:?}"))?;
                self.watches.add_persistent(path, *recursive);
                self.held.add_persistent(path, *recursive);
            }
            Ask::RemoveWatches { path, kind } | Ask::CheckWatches { path, kind } => {
                let found = match ask {
                    Ask::RemoveWatches { .. } => self.watches.remove(path, *kind),
                    _ => self.watches.contains(path, *kind),
                };
                let expected = if found { 0 } else { ErrorCode::NoWatcher.number() };
                ensure(header.err == expected, || format!("{ask:?} is answered {header:?}"))?;
                if is_done && matches!(ask, Ask::RemoveWatches { .. }) {
                    self.held.remove(path, *kind);
                }
            }
            Ask::SetWatches(restored) => {
                self.watches.on_restored(&ground.history.model, header.zxid, restored)?;
            }
            _ => {}
        }
        Ok(())
    }
}
