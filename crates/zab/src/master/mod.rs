//! A follower that has observers of its own, and stands between them and the leader.
//!
//! ```text
//! leader ─ PROPOSAL, COMMIT ─▶ follower ─ INFORM ─▶ observers
//!        ◀─ REQUEST, REVALIDATE ─       ◀─
//!        ─ SYNC, answers, in order ─▶   ─▶ whoever asked
//! ```
//!
//! It tells its observers what it knows to be committed, from its own history. It has nothing to decide: what they
//! ask goes on to the leader as if its own clients had asked, and the answers find their way back by the order in
//! which was asked. When it has no leader any more, it has no observers either.
//!
//! **Source.** ZooKeeper's observer masters, since 3.6.

mod choice;
mod observer;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use zoorum_proto::quorum::{
    ForwardedRequest, LeaderInfo, LearnerInfo, PacketType, QuorumPacket, Revalidate, Revalidated, Touch,
};
use zoorum_proto::{Encode, Epoch, Monotonic, OpCode, SessionId, WriteOp, Zxid};

use crate::action::{Action, FromLeader, FromLearner, Sought};
use crate::ground::Ground;
use crate::link::{Door, LinkAction, LinkId};
use crate::packets::{self, encode_entry};
use crate::report::LearnerReport;
use crate::sync::{self, Load, Plan, Start};
pub(crate) use choice::masters;
use observer::{Observer, Stage};

/// Who has asked the leader for something.
type Asker = Option<LinkId>;

/// See the module.
#[derive(Debug)]
pub(crate) struct ObserverMaster {
    epoch: Epoch,
    observers: BTreeMap<LinkId, Observer>,
    ping_at: Monotonic,
    /// Observers that are in step have been told that everything up to here is committed.
    told: Zxid,
    /// Who asked for syncs that the leader has not answered, in order: an observer, or a client of this server.
    syncs: VecDeque<Asker>,
    /// The same for sessions that may live.
    sessions: BTreeMap<SessionId, VecDeque<Asker>>,
    /// Syncs that the leader has answered: to be told once everything up to there has been.
    synced: VecDeque<(Zxid, LinkId)>,
}

impl ObserverMaster {
    /// This server follows, and is in step with its leader.
    pub(crate) fn new(ground: &mut Ground<'_>, epoch: Epoch) -> Self {
        ground.actions.push(Action::Link(LinkAction::Open { door: Door::ObserverMaster }));
        Self {
            epoch,
            observers: BTreeMap::new(),
            ping_at: ground.now + ground.settings.tick / 2,
            told: known(ground),
            syncs: VecDeque::new(),
            sessions: BTreeMap::new(),
            synced: VecDeque::new(),
        }
    }

    /// It follows no longer.
    pub(crate) fn end(self, ground: &mut Ground<'_>) {
        for link in self.observers.into_keys() {
            ground.actions.push(Action::Link(LinkAction::Close { link }));
        }
        ground.actions.push(Action::Link(LinkAction::Shut { door: Door::ObserverMaster }));
    }

    pub(crate) fn has_link(&self, link: LinkId) -> bool {
        self.observers.contains_key(&link)
    }

    pub(crate) fn report(&self) -> impl Iterator<Item = LearnerReport> {
        let known = self.observers.iter().filter(|(_, observer)| observer.stage != Stage::Hello);
        known.map(|(link, observer)| observer.report(*link))
    }

    /// Starts counting anew what passes on the observers' connections.
    pub(crate) fn reset_observers(&mut self) {
        self.observers.values_mut().for_each(|observer| observer.traffic.reset());
    }

    /// What lies behind this must stay in memory: an observer is about to be sent it.
    pub(crate) fn kept(&self) -> Option<Zxid> {
        self.observers.values().filter_map(Observer::kept).min()
    }

    /// An observer has called.
    pub(crate) fn on_accepted(&mut self, ground: &mut Ground<'_>, link: LinkId, from: String) {
        self.observers.insert(
            link,
            Observer::new(
                from,
                ground.now,
                ground.now + ground.settings.init_time(),
                ground.settings.packet_max,
            ),
        );
    }

    /// An observer is gone.
    pub(crate) fn on_closed(&mut self, ground: &mut Ground<'_>, link: LinkId, reason: &str) {
        if let Some(observer) = self.observers.remove(&link)
            && observer.stage != Stage::Hello
        {
            ground.tell(format!("{} is gone: {reason}", observer.name()));
        }
    }

    pub(crate) fn drop_observer(&mut self, ground: &mut Ground<'_>, link: LinkId, reason: &str) {
        if let Some(observer) = self.observers.remove(&link) {
            ground.warn(format!("closing the connection of {}: {reason}", observer.name()));
            ground.actions.push(Action::Link(LinkAction::Close { link }));
        }
    }

    /// An observer has sent something. Gives back what goes on to the leader.
    pub(crate) fn on_received(
        &mut self,
        ground: &mut Ground<'_>,
        link: LinkId,
        bytes: &Bytes,
    ) -> Vec<FromLearner> {
        let mut words = Vec::new();
        if let Some(observer) = self.observers.get_mut(&link) {
            observer.input.push(bytes);
        }
        while let Some(observer) = self.observers.get_mut(&link) {
            match observer.input.next_packet() {
                Ok(None) => break,
                Ok(Some(packet)) => {
                    if let Err(reason) = self.on_packet(ground, link, &packet, &mut words) {
                        self.drop_observer(ground, link, &reason);
                    }
                }
                Err(error) => self.drop_observer(ground, link, &error.to_string()),
            }
        }
        words
    }

    fn on_packet(
        &mut self,
        ground: &mut Ground<'_>,
        link: LinkId,
        packet: &QuorumPacket,
        words: &mut Vec<FromLearner>,
    ) -> Result<(), String> {
        let Some(observer) = self.observers.get_mut(&link) else { return Ok(()) };
        let patience = match observer.stage {
            Stage::Active => ground.settings.sync_time(),
            _ => ground.settings.init_time(),
        };
        observer.deadline = ground.now + patience;
        if observer.stage == Stage::Active {
            observer.traffic.on_received(packet.kind == PacketType::Request);
        }
        match (observer.stage, packet.kind) {
            (Stage::Hello, PacketType::ObserverInfo) => self.on_info(ground, link, packet)?,
            (Stage::OwesAckEpoch, PacketType::AckEpoch) => {
                (observer.last, observer.stage) = (packet.zxid, Stage::AwaitsUs);
                self.synchronize(ground, link);
            }
            (Stage::OwesNewLeaderAck, PacketType::Ack) if packet.zxid == Zxid::new(self.epoch, 0) => {
                observer.stage = Stage::Active;
                observer.traffic.on_sent(1, Zxid(-1));
                ground.send(link, &QuorumPacket::bare(PacketType::UpToDate, Zxid(-1)));
            }
            (Stage::Active, _) => self.on_word(link, packet, words)?,
            (stage, kind) => return Err(format!("it sent {kind} when {}", stage.expects())),
        }
        Ok(())
    }

    /// An observer says who it is.
    fn on_info(
        &mut self,
        ground: &mut Ground<'_>,
        link: LinkId,
        packet: &QuorumPacket,
    ) -> Result<(), String> {
        let info = LearnerInfo::of(packet).map_err(|error| error.to_string())?;
        let accepted = packet.epoch().map_err(|error| error.to_string())?;
        let Some(id) = info.server else { return Err("it does not say which server it is".to_owned()) };
        if id == ground.settings.me || ground.ensemble.member(id).is_none() {
            return Err(format!("server {id} is no other server of this server's configuration"));
        }
        if info.config_version.is_some_and(|version| version > ground.ensemble.joint.committed().version) {
            return Err(format!("server {id} has a later configuration"));
        }
        if accepted > self.epoch {
            return Err(format!("it has accepted epoch {accepted}, and this is {}", self.epoch));
        }
        let is_older = |(other, observer): (&LinkId, &Observer)| {
            (*other != link && observer.stage != Stage::Hello && observer.id == id).then_some(*other)
        };
        let older: Vec<LinkId> = self.observers.iter().filter_map(is_older).collect();
        older.into_iter().for_each(|other| self.drop_observer(ground, other, "it has called again"));
        if let Some(observer) = self.observers.get_mut(&link) {
            (observer.id, observer.stage) = (id, Stage::OwesAckEpoch);
            observer.traffic.on_sent(1, Zxid::new(self.epoch, 0));
            ground.send(link, &LeaderInfo::packet(self.epoch));
        }
        Ok(())
    }

    /// Sends an observer what it lacks, or has it sought. One that knows more of what is committed is made to wait.
    fn synchronize(&mut self, ground: &mut Ground<'_>, link: LinkId) {
        self.tell(ground);
        let through = self.told;
        let Some(observer) = self.observers.get_mut(&link) else { return };
        if observer.last > through && observer.last.counter() > 0 {
            return;
        }
        match Plan::of(ground.history, ground.settings.sync, observer.last, through) {
            Plan::Start(start) => self.begin(ground, link, start),
            Plan::Seek { after, file_from } => {
                observer.stage = Stage::AwaitsFiles(sync::seek(ground, link, after, file_from));
            }
        }
    }

    /// What there is for an observer has been found.
    pub(crate) fn on_sought(&mut self, ground: &mut Ground<'_>, link: LinkId, sought: Sought) {
        let Some(observer) = self.observers.get_mut(&link) else { return };
        let Stage::AwaitsFiles(kept) = observer.stage else { return };
        match Start::of(ground.history, sought, kept) {
            Some(start) => self.begin(ground, link, start),
            None => observer.stage = Stage::AwaitsFiles(sync::seek(ground, link, None, None)),
        }
    }

    fn begin(&mut self, ground: &mut Ground<'_>, link: LinkId, start: Start) {
        self.tell(ground);
        let (through, load) = (self.told, self.load());
        let Some(observer) = self.observers.get_mut(&link) else { return };
        if let Some(reason) = load.refuses(ground.settings.sync, start, observer.id, false) {
            return self.drop_observer(ground, link, &reason);
        }
        let (mut out, packets) = start.send(ground, link, through);
        let text = ground.ensemble.text.as_bytes().to_vec();
        QuorumPacket::with_data(PacketType::NewLeader, Zxid::new(self.epoch, 0), text).encode(&mut out);
        ground.write(link, out.into());
        observer.traffic.on_sent(packets + 1, Zxid::new(self.epoch, 0)); // the leader's beginning is one
        (observer.stage, observer.takes_tree) = (Stage::OwesNewLeaderAck, start.is_tree());
        observer.deadline = ground.now + ground.settings.init_time();
        let text = start.told_of(&observer.name(), observer.last, through);
        match start.is_tree() {
            true => ground.counters.snapshots += 1,
            false => ground.counters.diffs += 1,
        }
        ground.tell(text);
    }

    /// An observer takes what is streamed to it: however long that takes, it is not silent.
    pub(crate) fn on_taken(&mut self, until: Monotonic, link: LinkId) {
        if let Some(observer) = self.observers.get_mut(&link) {
            observer.deadline = observer.deadline.max(until);
        }
    }

    fn load(&self) -> Load {
        let syncing = self.observers.values().filter(|observer| observer.stage == Stage::OwesNewLeaderAck);
        let (trees, diffs): (Vec<&Observer>, Vec<&Observer>) =
            syncing.partition(|observer| observer.takes_tree);
        Load { trees: trees.len(), diffs: diffs.len() }
    }

    /// An observer speaks for its clients. What cannot be read goes no further: leaders fail over it.
    fn on_word(
        &mut self,
        link: LinkId,
        packet: &QuorumPacket,
        words: &mut Vec<FromLearner>,
    ) -> Result<(), String> {
        match packet.kind {
            PacketType::Request => {
                let request = ForwardedRequest::of(packet).map_err(|error| error.to_string())?;
                match OpCode::from_number(request.op) {
                    Some(OpCode::Sync) => self.syncs.push_back(Some(link)),
                    Some(OpCode::CreateSession | OpCode::CloseSession) => {}
                    op if op.is_some_and(|op| WriteOp::decode(op, &request.body).is_ok()) => {}
                    _ => {
                        return Err(format!(
                            "it passes on a request of {} that cannot be read",
                            request.session
                        ));
                    }
                }
                let ids = packet.auth_ids.clone().unwrap_or_default();
                words.push(FromLearner::Request { learner: link, request, ids });
            }
            PacketType::Revalidate => {
                let request: Revalidate = packet.read().map_err(|error| error.to_string())?;
                self.sessions.entry(request.session).or_default().push_back(Some(link));
                words.push(FromLearner::Revalidate { learner: link, request });
            }
            PacketType::Ping => {
                let touches = Touch::all_of(packet).map_err(|error| error.to_string())?;
                words.push(FromLearner::Touched(touches));
            }
            _ => {} // means nothing, as to a leader
        }
        Ok(())
    }

    /// A client of this server asks the leader for something, too: the answers come in one order.
    pub(crate) fn on_own_request(&mut self, request: &ForwardedRequest) {
        if OpCode::from_number(request.op) == Some(OpCode::Sync) {
            self.syncs.push_back(None);
        }
    }

    pub(crate) fn on_own_revalidation(&mut self, session: SessionId) {
        self.sessions.entry(session).or_default().push_back(None);
    }

    /// The leader answers. Gives back what is for this server's own clients.
    pub(crate) fn on_answer(&mut self, ground: &mut Ground<'_>, answer: FromLeader) -> Option<FromLeader> {
        match &answer {
            FromLeader::Synced(after) => {
                let asker = self.syncs.pop_front().flatten();
                let Some(link) = asker else { return Some(answer) };
                self.synced.push_back((*after, link));
                self.tell(ground);
            }
            FromLeader::Revalidated(Revalidated { session, .. }) => {
                let asking = self.sessions.get_mut(session);
                let asker = asking.and_then(VecDeque::pop_front).flatten();
                if self.sessions.get(session).is_some_and(VecDeque::is_empty) {
                    self.sessions.remove(session);
                }
                let Some(link) = asker else { return Some(answer) };
                if let (Some(observer), FromLeader::Revalidated(answer)) =
                    (self.observers.get_mut(&link), answer)
                {
                    observer.traffic.on_sent(1, Zxid::ZERO);
                    ground.send(link, &answer.packet());
                }
            }
        }
        None
    }

    /// Tells observers what has been committed since. As from a leader, the answer to a sync comes behind the last
    /// change before it and ahead of the next one.
    pub(crate) fn tell(&mut self, ground: &mut Ground<'_>) {
        let (known, told) = (known(ground), self.told);
        self.answer_syncs(ground);
        while self.told < known {
            let next_sync = self.synced.front().map_or(known, |(zxid, _)| *zxid);
            self.inform(ground, known.min(next_sync));
            self.answer_syncs(ground);
        }
        if self.told > told {
            let waits =
                |(link, observer): (&LinkId, &Observer)| (observer.stage == Stage::AwaitsUs).then_some(*link);
            let waiting: Vec<LinkId> = self.observers.iter().filter_map(waits).collect();
            waiting.into_iter().for_each(|link| self.synchronize(ground, link));
        }
    }

    fn inform(&mut self, ground: &mut Ground<'_>, through: Zxid) {
        let (mut informs, mut count) = (Vec::new(), 0);
        for entry in ground.history.between(self.told, through) {
            count += 1;
            encode_entry(PacketType::Inform, entry.zxid, &entry.payload, &mut informs);
        }
        self.told = through;
        let informs = Bytes::from(informs);
        for (link, observer) in self.observers.iter_mut().filter(|(_, observer)| observer.is_fed()) {
            observer.traffic.on_sent(count, through);
            ground.write(*link, informs.clone());
        }
    }

    fn answer_syncs(&mut self, ground: &mut Ground<'_>) {
        while let Some((zxid, link)) = self.synced.front().copied()
            && zxid <= self.told
        {
            self.synced.pop_front();
            if let Some(observer) = self.observers.get_mut(&link) {
                observer.traffic.on_sent(1, Zxid::ZERO);
                ground.send(link, &QuorumPacket::bare(PacketType::Sync, Zxid::ZERO));
            }
        }
    }

    /// Time passes.
    pub(crate) fn on_tick(&mut self, ground: &mut Ground<'_>) {
        let is_silent =
            |(link, observer): (&LinkId, &Observer)| (observer.deadline <= ground.now).then_some(*link);
        let silent: Vec<LinkId> = self.observers.iter().filter_map(is_silent).collect();
        silent.into_iter().for_each(|link| self.drop_observer(ground, link, "nothing came of it in time"));
        if self.ping_at <= ground.now {
            self.ping_at = ground.now + ground.settings.tick / 2;
            let ping = packets::bytes(&QuorumPacket::bare(PacketType::Ping, self.told));
            for (link, observer) in self.observers.iter_mut().filter(|(_, observer)| observer.is_fed()) {
                observer.traffic.on_sent(1, self.told);
                ground.write(*link, ping.clone());
            }
        }
    }

    /// When [`Self::on_tick`] is to be called next.
    pub(crate) fn next_wakeup(&self) -> Monotonic {
        self.observers.values().map(|observer| observer.deadline).fold(self.ping_at, Monotonic::min)
    }
}

/// Up to here this server has what is committed.
fn known(ground: &Ground<'_>) -> Zxid {
    ground.history.committed().min(ground.history.last())
}
