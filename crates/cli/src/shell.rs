//! The shell: a session, what was typed, and how the last command ended.

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::FutureExt;
use serde_json::json;
use zoorum_client::session::ConnectString;
use zoorum_client::{Client, SessionState};

use crate::commands::transfer;
use crate::events::{self, Events, Told};
use crate::fault::{FAILED, Fault, NOT_FOUND};
use crate::interactive;
use crate::invocation::Invocation;
use crate::line;
use crate::options::Parsed;
use crate::out::{Format, Out};
use crate::signals::{Held, Signal, Signals};
use crate::table::{self, Command, Running};

/// How long the end of a session may take to be told after it has ended.
const LAST_EVENT: Duration = Duration::from_secs(1);
/// Replies that are larger break the connection.
const REPLY_BYTES_MAX: usize = 64 << 20;

/// A session that whoever completes paths can use, too.
pub(crate) type SharedClient = Arc<Mutex<Option<Client>>>;

/// A shell.
pub(crate) struct Shell {
    pub(crate) invocation: Invocation,
    pub(crate) out: Out,
    pub(crate) events: Option<Events>,
    client: SharedClient,
    /// Once somebody had to hold them.
    signals: Option<Signals>,
    /// Of the present session.
    pub(crate) servers: String,
    pub(crate) history: BTreeMap<usize, String>,
    /// Of the command that runs, from 0.
    pub(crate) number: usize,
    pub(crate) prints_watches: bool,
    pub(crate) is_interactive: bool,
    pub(crate) quits: bool,
    code: u8,
}

impl Shell {
    /// Not connected yet.
    pub(crate) fn new(invocation: Invocation, mut out: Out) -> Self {
        out.format = invocation.format;
        Self {
            servers: invocation.server.clone(),
            invocation,
            out,
            events: None,
            client: Arc::default(),
            signals: None,
            history: BTreeMap::new(),
            number: 0,
            prints_watches: true,
            is_interactive: false,
            quits: false,
            code: 0,
        }
    }

    /// Connects, and runs the one command or all that are typed. Returns the exit code.
    pub(crate) async fn run(&mut self) -> u8 {
        self.out.is_stdout_taken = transfer::takes_stdout(&self.invocation.command);
        if self.out.format == Format::Text {
            self.out.aside(&format!("Connecting to {}", self.servers));
        }
        let servers = self.servers.clone();
        let connected = match self.connect(&servers).await {
            Ok(()) if self.invocation.wait => self.wait_for_connection().await,
            connected => connected,
        };
        if let Err(fault) = connected {
            self.report(&fault);
            return fault.code;
        }
        match self.invocation.command.clone() {
            words if words.is_empty() => interactive::run(self).await,
            words => self.execute(words).await,
        }
        self.code
    }

    /// Ends the session, if there is one, and begins another. Does not wait for a connection.
    pub(crate) async fn connect(&mut self, servers: &str) -> Result<(), Fault> {
        let mut builder = Client::builder(servers)
            .session_timeout(self.invocation.timeout)
            .read_only(self.invocation.read_only);
        if let Some(bytes) = self.invocation.request_bytes_max {
            builder = builder.request_bytes_max(bytes).reply_bytes_max(bytes.max(REPLY_BYTES_MAX));
        }
        let client = builder.start().map_err(|error| Fault::new(error.to_string()))?;
        self.close().await;
        self.events = Some(Events::of(&client));
        *self.shared() = Some(client);
        self.servers = servers.to_owned();
        Ok(())
    }

    async fn wait_for_connection(&mut self) -> Result<(), Fault> {
        let connected = tokio::time::timeout(self.invocation.timeout, self.client().connected());
        match self.settle(connected).await {
            Ok(state) if state.is_connected() => Ok(()),
            _ => Err(Fault::new(format!(
                "KeeperErrorCode = ConnectionLoss\nNo server of {} gave a session within {} ms.",
                self.servers,
                self.invocation.timeout.as_millis()
            ))),
        }
    }

    /// Ends the session, if there is one.
    pub(crate) async fn close(&mut self) {
        if !self.is_alive() {
            return;
        }
        let client = self.client();
        self.settle(client.close()).await;
        while let Some(events) = &mut self.events
            && let Ok(told) = tokio::time::timeout(LAST_EVENT, events.next()).await
        {
            let is_over = matches!(told, Told::State(state) if state.is_final());
            self.tell(&told);
            if is_over {
                break;
            }
        }
        self.events = None;
    }

    fn shared(&self) -> std::sync::MutexGuard<'_, Option<Client>> {
        self.client.lock().expect("nobody panics with it")
    }

    /// For whoever completes paths.
    pub(crate) fn shared_client(&self) -> SharedClient {
        Arc::clone(&self.client)
    }

    /// The session.
    pub(crate) fn client(&self) -> Client {
        self.shared().clone().expect("commands that need a session run after one has begun")
    }

    /// The znode below which all paths are; nothing if that is the root of the tree.
    pub(crate) fn chroot(&self) -> String {
        self.servers.parse().map_or_else(|_| String::new(), |servers: ConnectString| servers.chroot)
    }

    /// Where the session stands, as the original names it.
    pub(crate) fn state_name(&self) -> &'static str {
        match self.shared().as_ref().map(Client::state) {
            Some(SessionState::Connecting | SessionState::Disconnected) => "CONNECTING",
            Some(SessionState::Connected) => "CONNECTED",
            Some(SessionState::ConnectedReadOnly) => "CONNECTEDREADONLY",
            Some(SessionState::AuthFailed) => "AUTH_FAILED",
            Some(SessionState::Expired | SessionState::Closed) | None => "CLOSED",
        }
    }

    fn is_alive(&self) -> bool {
        self.shared().as_ref().is_some_and(|client| !client.state().is_final())
    }

    /// Waits for something; what the session tells before is printed before.
    pub(crate) async fn settle<T>(&mut self, future: impl Future<Output = T>) -> T {
        let mut future = pin!(future);
        let settled = loop {
            let Some(events) = &mut self.events else { break future.await };
            tokio::select! {
                biased;
                told = events.next() => self.tell(&told),
                settled = &mut future => break settled,
            }
        };
        while let Some(told) = self.events.as_mut().and_then(|events| events.next().now_or_never()) {
            self.tell(&told);
        }
        settled
    }

    /// Begins to hear signals, if that has not been done.
    pub(crate) fn signals(&mut self) -> &Signals {
        self.signals.get_or_insert_with(Signals::listen)
    }

    /// Waits for something, but no longer than until a signal that is held.
    pub(crate) async fn until_signal<T>(
        &mut self,
        held: &Held,
        future: impl Future<Output = T>,
    ) -> Result<T, Signal> {
        let interruptible = async {
            tokio::select! {
                biased;
                signal = held.wait() => Err(signal),
                settled = future => Ok(settled),
            }
        };
        self.settle(interruptible).await
    }

    /// Waits for a reply.
    pub(crate) async fn ask<T>(
        &mut self,
        reply: impl Future<Output = zoorum_client::Result<T>>,
    ) -> Result<T, Fault> {
        self.settle(reply).await.map_err(Fault::from)
    }

    /// Prints an event.
    pub(crate) fn tell(&self, told: &Told) {
        if !self.prints_watches {
            return;
        }
        match (told, self.out.format) {
            (Told::State(state), Format::Text) => self.tell_line(&events::state_line(*state)),
            // A script asks for answers, and is told of the session only where a command fails.
            (Told::State(_), Format::Json) => {}
            (Told::Changed(event), Format::Text) => self.tell_line(&events::change_line(event)),
            (Told::Changed(event), Format::Json) => self.out.event(
                &json!({ "event": events::kind_name(event.kind), "path": event.path, "zxid": event.zxid.to_string() })
                    .to_string(),
            ),
        }
    }

    /// Prints an event's line as the original does.
    pub(crate) fn tell_line(&self, line: &str) {
        if self.prints_watches {
            self.out.event(&format!("\nWATCHER::\n\n{line}"));
        }
    }

    /// Runs what was typed.
    pub(crate) async fn type_line(&mut self, line: &str) {
        let words = line::words(line);
        if words.is_empty() {
            return;
        }
        self.history.insert(self.number, line.to_owned());
        self.execute(words).await;
        self.number += 1;
    }

    /// Runs a command, and says what is wrong.
    async fn execute(&mut self, words: Vec<String>) {
        self.code = match self.process(words).await {
            // The shell ends as the command before did.
            Ok(()) if self.quits => self.code,
            Ok(()) => 0,
            Err(fault) => {
                self.report(&fault);
                self.quits |= fault.code == Signal::Terminate.code();
                fault.code
            }
        };
    }

    /// Says what is wrong.
    pub(crate) fn report(&self, fault: &Fault) {
        match self.out.format {
            Format::Text => self.out.complain(&fault.message),
            Format::Json => {
                self.out.complain(&json!({ "error": fault.message, "code": fault.code }).to_string());
            }
        }
    }

    /// Runs a command. Boxed, for `redo` is one that runs another.
    pub(crate) fn process(&mut self, words: Vec<String>) -> Running<'_> {
        Box::pin(async move {
            let name = words.first().map_or("", String::as_str);
            let Some(command) = table::find(name) else {
                if self.out.format == Format::Text {
                    self.out.complain(&table::usage());
                }
                let message = format!("Command not found: Command not found {name}");
                return Err(Fault { message, code: NOT_FOUND });
            };
            if command.is_shells_own {
                let parsed = self.parse(command, &words[1..])?;
                (command.run)(self, parsed).await?;
            }
            let says_more = !command.is_shells_own || !table::BEYOND.contains(&command.name);
            if !self.is_alive() && !self.quits && says_more {
                return self.say_not_connected(command.name);
            }
            if command.is_shells_own {
                return Ok(());
            }
            let parsed = self.parse(command, &words[1..])?;
            (command.run)(self, parsed).await
        })
    }

    fn parse(&self, command: &Command, words: &[String]) -> Result<Parsed, Fault> {
        let parsed = command.parse(words)?;
        if let Some(hint) = parsed.hint {
            self.out.warn(hint);
        }
        Ok(parsed)
    }

    /// At a prompt, the original says so on stdout, and takes it for a success.
    fn say_not_connected(&self, command: &str) -> Result<(), Fault> {
        let message = "Not connected";
        if self.out.is_json() || !self.is_interactive || table::BEYOND.contains(&command) {
            return Err(Fault { message: message.to_owned(), code: FAILED });
        }
        self.out.line(message);
        Ok(())
    }
}
