//! A session's connection: made, greeted, lost; and what arrives on it.

use bytes::Bytes;
use zoorum_proto::connect::{ConnectRequest, ConnectResponse, ReadOnly};
use zoorum_proto::op::RequestHeader;
use zoorum_proto::reply::{ReplyHeader, WatcherEvent};
use zoorum_proto::{Decode, DecodeError, Encode, ErrorCode, Monotonic, OpCode, SessionId, Xid};

use super::timers::{
    DROP_PAUSE, PROBE_PAUSE_MAX, PROBE_PAUSE_MIN, RECONNECT_DELAY_MAX, ROUND_PAUSE, Timeout,
};
use super::{Action, Closing, ConnectionId, Host, Phase, Probing, Session, SessionState, WatchedEvent, Why};

/// By which the replies to requests that restore watches are known.
pub(super) const RESTORE: Xid = Xid(-8);
/// Bytes of a frame's length.
const LENGTH: usize = 4;

impl Session {
    /// A connection has been made.
    pub fn on_connected(&mut self, now: Monotonic, connection: ConnectionId, actions: &mut Vec<Action>) {
        if connection != self.connection || !matches!(self.phase, Phase::Dialing { .. }) {
            return;
        }
        self.heard_at = now;
        let request = ConnectRequest {
            protocol_version: 0,
            last_zxid_seen: self.last_zxid,
            timeout_ms: i32::try_from(self.settings.timeout.as_millis()).unwrap_or(i32::MAX),
            // What only a read-only server has given us, nobody else knows.
            session: if self.is_established { self.id } else { SessionId::NONE },
            password: Some(if self.is_established { &self.password } else { &[0; 16] }),
            read_only: Some(ReadOnly(self.settings.read_only)),
        };
        actions.push(Action::Send(frame(&request.to_vec())));
        self.phase = Phase::Greeting { since: now };
    }

    /// A connection could not be made, or broke.
    pub fn on_disconnected(&mut self, now: Monotonic, connection: ConnectionId, actions: &mut Vec<Action>) {
        if connection == self.connection && !matches!(self.phase, Phase::Waiting { .. } | Phase::Over) {
            self.lose(now, Why::Broken, actions);
        }
    }

    /// Bytes have arrived, in any pieces.
    pub fn on_received(
        &mut self,
        now: Monotonic,
        connection: ConnectionId,
        bytes: &[u8],
        actions: &mut Vec<Action>,
    ) {
        let is_open = matches!(self.phase, Phase::Greeting { .. } | Phase::Serving { .. });
        if connection != self.connection || !is_open || bytes.is_empty() {
            return;
        }
        // Pieces of a large reply are signs of life, too.
        self.heard_at = now;
        self.inbox.extend_from_slice(bytes);
        while matches!(self.phase, Phase::Greeting { .. } | Phase::Serving { .. }) {
            match self.next_frame() {
                Ok(None) => return,
                Ok(Some(body)) => {
                    if let Err(error) = self.on_frame(now, &body, actions) {
                        self.lose(now, Why::Nonsense(error), actions);
                    }
                }
                Err(error) => self.lose(now, Why::Nonsense(error), actions),
            }
        }
    }

    /// A server has answered a probe, or failed to.
    pub fn on_probed(&mut self, now: Monotonic, host: &Host, is_read_write: bool, actions: &mut Vec<Action>) {
        let Some(probing) = &mut self.probing else { return };
        if is_read_write {
            self.hosts.prefer(host);
            self.lose(now, Why::BetterServer, actions);
            if let Phase::Waiting { until, .. } = &mut self.phase {
                *until = now;
            }
        } else {
            probing.at = Some(now + probing.pause);
            probing.pause = (probing.pause * 2).min(PROBE_PAUSE_MAX);
        }
    }

    /// The servers are others now. The session moves, or stays, so that in the end each has its share.
    pub fn on_hosts_changed(&mut self, now: Monotonic, hosts: Vec<Host>, actions: &mut Vec<Action>) {
        let moves = self.hosts.update(hosts, &mut self.chance);
        match &self.phase {
            Phase::Over => {}
            Phase::Waiting { until, .. } => {
                let until = *until;
                self.wait(until);
            }
            Phase::Dialing { .. } | Phase::Greeting { .. } | Phase::Serving { .. } if moves => {
                self.lose(now, Why::NewList, actions);
            }
            Phase::Serving { .. } if self.state == SessionState::ConnectedReadOnly => {
                // One of the new ones may be better.
                self.probe_from(now, actions);
            }
            Phase::Dialing { .. } | Phase::Greeting { .. } | Phase::Serving { .. } => {}
        }
    }

    /// Begins to look for a read-write server, from the shortest pause on.
    fn probe_from(&mut self, now: Monotonic, actions: &mut Vec<Action>) {
        self.probing = Some(Probing { at: Some(now), pause: PROBE_PAUSE_MIN });
        self.probe_if_due(now, actions);
    }

    pub(super) fn dial(&mut self, now: Monotonic, host: Host, actions: &mut Vec<Action>) {
        self.connection.0 += 1;
        self.inbox.clear();
        self.phase = Phase::Dialing { since: now };
        actions.push(Action::Connect { connection: self.connection, host, salt: self.chance.number() });
    }

    /// The connection is of no use any more. Whether what was sent took effect, nobody knows.
    pub(super) fn lose(&mut self, now: Monotonic, why: Why, actions: &mut Vec<Action>) {
        actions.push(Action::Disconnect { connection: self.connection, why });
        let was_serving = self.is_serving();
        self.probing = None;
        if matches!(self.closing, Closing::Sent { .. }) {
            return self.end(SessionState::Closed, actions);
        }
        let pause = DROP_PAUSE + self.chance.duration_below(RECONNECT_DELAY_MAX);
        self.wait(now + pause);
        if was_serving {
            self.become_state(SessionState::Disconnected, actions);
            self.fail_pending(super::Cause::Disconnected, actions);
        }
    }

    /// Pauses until then, or longer if all servers were tried, and tries the next.
    fn wait(&mut self, until: Monotonic) {
        let (host, round) = self.hosts.next(&mut self.chance);
        let until = if round { until + ROUND_PAUSE } else { until };
        self.phase = Phase::Waiting { until, host };
    }

    pub(super) fn ping(&mut self, now: Monotonic, actions: &mut Vec<Action>) {
        self.send(now, Xid::PING, OpCode::Ping, &[], actions);
    }

    pub(super) fn probe_if_due(&mut self, now: Monotonic, actions: &mut Vec<Action>) {
        let Some(probing) = &mut self.probing else { return };
        if probing.at.is_some_and(|at| at <= now) {
            probing.at = None;
            match self.hosts.next_probe() {
                Some(host) => actions.push(Action::Probe { host, salt: self.chance.number() }),
                None => self.probing = None,
            }
        }
    }

    /// Sends one packet.
    pub(super) fn send(
        &mut self,
        now: Monotonic,
        xid: Xid,
        op: OpCode,
        body: &[u8],
        actions: &mut Vec<Action>,
    ) {
        let mut packet = RequestHeader { xid, op: op as i32 }.to_vec();
        packet.extend_from_slice(body);
        actions.push(Action::Send(frame(&packet)));
        self.phase = Phase::Serving { sent_at: now };
    }

    /// Takes a whole frame off the inbox, if there is one.
    fn next_frame(&mut self) -> Result<Option<Bytes>, DecodeError> {
        let Some(length) = self.inbox.first_chunk::<LENGTH>() else { return Ok(None) };
        let length = i32::from_be_bytes(*length);
        let allowed = usize::try_from(length).ok().filter(|&length| length <= self.settings.reply_bytes_max);
        let Some(length) = allowed else {
            return Err(DecodeError::Unknown { what: "frame length", value: length.into() });
        };
        if self.inbox.len() < LENGTH + length {
            return Ok(None);
        }
        let mut frame = self.inbox.split_to(LENGTH + length).freeze();
        Ok(Some(frame.split_off(LENGTH)))
    }

    /// A whole frame; an error is a breach of the protocol.
    fn on_frame(
        &mut self,
        now: Monotonic,
        body: &Bytes,
        actions: &mut Vec<Action>,
    ) -> Result<(), DecodeError> {
        if matches!(self.phase, Phase::Greeting { .. }) {
            self.on_greeted(now, &ConnectResponse::from_bytes(body)?, actions);
            return Ok(());
        }
        let mut input = zoorum_proto::Reader::new(body);
        let header = ReplyHeader::decode(&mut input)?;
        let record = body.slice(body.len() - input.rest().len()..);
        match header.xid {
            Xid::NOTIFICATION => self.on_notified(header, &record, actions),
            Xid::PING => Ok(()),
            Xid::AUTH if header.err == ErrorCode::AuthFailed.number() => {
                self.end(SessionState::AuthFailed, actions);
                Ok(())
            }
            Xid::AUTH => Ok(()),
            RESTORE if header.err == 0 => Ok(()),
            // One that refuses to watch is left, for its silence would mean nothing.
            RESTORE => Err(DecodeError::Unknown { what: "answer to setWatches", value: header.err.into() }),
            _ => self.on_reply(now, header, record, actions),
        }
    }

    /// The server's verdict on the session.
    fn on_greeted(&mut self, now: Monotonic, response: &ConnectResponse, actions: &mut Vec<Action>) {
        let is_read_only = response.read_only == Some(ReadOnly(true));
        let Some(timeout_ms) = u64::try_from(response.timeout_ms).ok().filter(|&timeout| timeout > 0) else {
            return match is_read_only && self.is_established {
                true => self.lose(now, Why::Ignorant, actions),
                false => self.end(SessionState::Expired, actions),
            };
        };
        self.timeout = Timeout(std::time::Duration::from_millis(timeout_ms));
        self.id = response.session;
        self.password = response.password;
        self.is_established |= !is_read_only;
        self.hosts.on_connected();
        self.phase = Phase::Serving { sent_at: now };
        let state = if is_read_only { SessionState::ConnectedReadOnly } else { SessionState::Connected };
        self.become_state(state, actions);
        if is_read_only {
            self.probe_from(now, actions);
        }
        for credentials in self.credentials.clone() {
            self.send_auth(now, &credentials, actions);
        }
        for (op, body) in self.watches.restoring(self.last_zxid) {
            self.send(now, RESTORE, op, &body, actions);
        }
        // Whoever looks now sees what was missed, for the server watches again before it answers.
        actions.extend(self.watches.persistent().into_iter().map(Action::Missed));
        for queued in std::mem::take(&mut self.queue) {
            self.transmit(now, queued.request, actions);
        }
        if matches!(self.closing, Closing::Wanted { .. }) {
            self.send_close(now, actions);
        }
    }

    fn on_notified(
        &mut self,
        header: ReplyHeader,
        record: &Bytes,
        actions: &mut Vec<Action>,
    ) -> Result<(), DecodeError> {
        let event = WatcherEvent::from_bytes(record)?;
        let unknown = DecodeError::Unknown { what: "event", value: event.kind.into() };
        let kind = zoorum_proto::reply::EventType::from_number(event.kind).ok_or(unknown)?;
        for watcher in self.watches.on_event(kind, &event.path) {
            let path = event.path.clone().into_owned();
            actions.push(Action::Fire { watcher, event: WatchedEvent { kind, path, zxid: header.zxid } });
        }
        Ok(())
    }
}

/// A packet with its length before it.
pub(super) fn frame(packet: &[u8]) -> Vec<u8> {
    let length = i32::try_from(packet.len()).expect("what is sent is far below two gigabytes");
    let mut frame = Vec::with_capacity(LENGTH + packet.len());
    length.encode(&mut frame);
    frame.extend_from_slice(packet);
    frame
}
