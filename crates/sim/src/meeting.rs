//! Where clients and servers meet.

use crate::check::Checked;
use crate::client::Listener;
use crate::host::Process;
use crate::network::{LinkId, Side};
use crate::simulation::Simulation;

impl Simulation {
    /// Something arrives at a side of a connection between a client and a server.
    pub(crate) fn arrive(&mut self, link: LinkId, side: Side) -> Checked {
        self.ground.network.arrive(self.ground.now, link, side);
        let Some(found) = self.ground.network.link(link) else { return Ok(()) };
        let (client, number, worker) = (found.client, found.process, found.worker);
        match side {
            Side::Client => {
                let listeners = self.listeners();
                self.clients[client].receive(&mut self.ground, &listeners)?;
                self.accept();
            }
            Side::Server => {
                let at = self.server_of(number);
                let Self { ground, servers, .. } = self;
                if let Some(process) = at.and_then(|at| servers[at].process.as_mut()) {
                    process.on_socket(ground, worker, None);
                }
            }
        }
        Ok(())
    }

    /// Who listens on each server.
    fn listeners(&self) -> Vec<Option<Listener>> {
        let listener = |process: &Process| Listener {
            process: process.number,
            workers: process.worker_count(),
            is_read_write: process.serves(),
        };
        self.servers.iter().map(|server| server.process.as_ref().map(listener)).collect()
    }

    /// A client's turn, if it is.
    pub(crate) fn act(&mut self, number: usize) -> Checked {
        if !self.clients[number].alarm().take(self.ground.now) {
            return Ok(());
        }
        let listeners = self.listeners();
        let running: Vec<Listener> = listeners.iter().copied().flatten().collect();
        let Self { ground, clients, .. } = self;
        let client = &mut clients[number];
        let any = match running.len() {
            0 | 1 => running.first().copied(),
            _ if client.goes_anywhere() => Some(*ground.chance.pick(&running)),
            _ => None,
        };
        client.act(ground, any, &listeners)?;
        self.accept();
        Ok(())
    }

    /// Connections that clients have made come to their servers.
    fn accept(&mut self) {
        let Self { ground, servers, .. } = self;
        for link in std::mem::take(&mut ground.accepts) {
            let Some((number, worker)) = ground.network.link(link).map(|link| (link.process, link.worker))
            else {
                continue;
            };
            let mut processes = servers.iter_mut().filter_map(|server| server.process.as_mut());
            if let Some(process) = processes.find(|process| process.number == number) {
                process.accept(ground, worker, link);
            }
        }
    }
}
