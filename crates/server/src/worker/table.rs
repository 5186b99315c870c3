//! A worker's connections, by slot.

use super::connection::Connection;
use crate::message::ConnectionId;

/// Connections in slots that are used again, each time under a new generation.
#[derive(Default)]
pub(super) struct Table {
    slots: Vec<Slot>,
    free: Vec<u32>,
}

#[derive(Default)]
struct Slot {
    generation: u32,
    connection: Option<Box<Connection>>,
}

impl Table {
    pub(super) fn insert(&mut self, connection: Connection) -> ConnectionId {
        let slot = self.free.pop().unwrap_or_else(|| {
            self.slots.push(Slot::default());
            u32::try_from(self.slots.len() - 1).expect("sockets are numbered by 31 bits")
        });
        let entry = &mut self.slots[slot as usize];
        entry.connection = Some(Box::new(connection));
        ConnectionId { slot, generation: entry.generation }
    }

    pub(super) fn remove(&mut self, id: ConnectionId) -> Option<Box<Connection>> {
        let entry = self.slots.get_mut(id.slot as usize).filter(|slot| slot.generation == id.generation)?;
        let connection = entry.connection.take()?;
        entry.generation = entry.generation.wrapping_add(1);
        self.free.push(id.slot);
        Some(connection)
    }

    pub(super) fn get(&self, id: ConnectionId) -> Option<&Connection> {
        let entry = self.slots.get(id.slot as usize).filter(|slot| slot.generation == id.generation)?;
        entry.connection.as_deref()
    }

    pub(super) fn get_mut(&mut self, id: ConnectionId) -> Option<&mut Connection> {
        let entry = self.slots.get_mut(id.slot as usize).filter(|slot| slot.generation == id.generation)?;
        entry.connection.as_deref_mut()
    }

    /// The connection that has the slot now, with its id.
    pub(super) fn at_slot(&mut self, slot: u32) -> Option<(ConnectionId, &mut Connection)> {
        let entry = self.slots.get_mut(slot as usize)?;
        let id = ConnectionId { slot, generation: entry.generation };
        entry.connection.as_deref_mut().map(|connection| (id, connection))
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (ConnectionId, &Connection)> {
        self.slots.iter().zip(0..).filter_map(|(entry, slot)| {
            let connection = entry.connection.as_deref()?;
            Some((ConnectionId { slot, generation: entry.generation }, connection))
        })
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = (ConnectionId, &mut Connection)> {
        self.slots.iter_mut().zip(0..).filter_map(|(entry, slot)| {
            let connection = entry.connection.as_deref_mut()?;
            Some((ConnectionId { slot, generation: entry.generation }, connection))
        })
    }
}
