//! What a server says on one connection between a learner and its leader, packet by packet.

use bytes::BytesMut;
use zoorum_proto::quorum::packet::PACKET_DATA_MAX;
use zoorum_proto::quorum::{AckEpoch, PacketType, QuorumPacket};
use zoorum_proto::{Epoch, Zxid};

use super::history::History;
use super::servers::Servers;
use super::{Checked, ensure};

/// One side's words. Snapshots are no packets, and never come here.
#[derive(Debug, Default)]
pub(crate) struct Talk {
    waiting: BytesMut,
    /// A learner has said where its history ends, and not yet that it is in step.
    owes_beginning: bool,
    /// The epoch that the other side has accepted, if it is a learner.
    pub(crate) accepted: Option<Epoch>,
    acked: Zxid,
    proposed: Zxid,
    committed: Zxid,
}

impl Talk {
    /// A server says something; `epoch` is the one that its leader has told it.
    pub(crate) fn say(
        &mut self,
        (servers, history): (&mut Servers, &History),
        at: usize,
        bytes: &[u8],
        heard: Option<Epoch>,
    ) -> Checked {
        self.waiting.extend_from_slice(bytes);
        while let Some(packet) =
            QuorumPacket::take(&mut self.waiting, PACKET_DATA_MAX).map_err(|error| error.to_string())?
        {
            self.on_packet(servers, history, at, &packet, heard)?;
        }
        Ok(())
    }

    fn on_packet(
        &mut self,
        servers: &mut Servers,
        history: &History,
        at: usize,
        packet: &QuorumPacket,
        heard: Option<Epoch>,
    ) -> Checked {
        let zxid = packet.zxid;
        if self.owes_beginning {
            ensure(packet.kind == PacketType::Ack && zxid.counter() == 0, || {
                format!("I-18: server {} says {} {zxid} before it is in step", at + 1, packet.kind)
            })?;
        }
        match packet.kind {
            PacketType::LeaderInfo => {
                let accepted = self.accepted.ok_or("I-31: LEADERINFO before FOLLOWERINFO")?;
                ensure(zxid.epoch() >= accepted, || {
                    format!("I-22: server {} tells {zxid} to one that has accepted {accepted}", at + 1)
                })
            }
            PacketType::AckEpoch => {
                self.owes_beginning = true;
                let AckEpoch(promise) = packet.read().map_err(|error| error.to_string())?;
                let epoch = heard.ok_or("I-31: ACKEPOCH without LEADERINFO")?;
                servers.check_promise(at, epoch, promise.is_some(), zxid)
            }
            PacketType::Ack if zxid.counter() == 0 => {
                self.owes_beginning = false;
                servers.check_beginning(at, zxid.epoch())
            }
            PacketType::Ack => {
                let last = self.acked;
                ensure(zxid > last, || format!("I-18: server {} says ACK {zxid} after {last}", at + 1))?;
                self.acked = zxid;
                servers.check_ack(history, at, zxid)
            }
            PacketType::Proposal => {
                self.proposed = self.proposed.max(zxid);
                Ok(())
            }
            PacketType::Commit => {
                let (proposed, last) = (self.proposed, self.committed);
                ensure(zxid <= proposed && zxid > last, || {
                    format!("I-19: server {} commits {zxid} after {last}, with {proposed} proposed", at + 1)
                })?;
                self.committed = zxid;
                Ok(())
            }
            _ => Ok(()),
        }
    }
}
