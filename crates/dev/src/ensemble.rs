//! All members, and what is done to them.

use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use tempfile::TempDir;

use crate::DevArgs;
use crate::command::{Command, Deed, HELP};
use crate::links::{Link, Links, Port};
use crate::member::{Member, Report};

/// So long may members take to stop in good order, all together.
const STOP_PATIENCE: Duration = Duration::from_secs(5);
/// How often they are looked at meanwhile: the end of a child cannot be awaited with a limit. [`STOP_PATIENCE`] bounds it.
const STOP_LOOK: Duration = Duration::from_millis(20);

/// Members, the links between them, and their directory. Dropping it stops everything.
pub(crate) struct Ensemble {
    members: Vec<Member>,
    links: Links,
    flag: String,
    leader: Option<u8>,
    directory: PathBuf,
    /// Removed at the end.
    _temporary: Option<TempDir>,
}

impl Ensemble {
    pub(crate) fn start(args: &DevArgs, flag: &str) -> anyhow::Result<Self> {
        let temporary = match args.dir {
            Some(_) => None,
            None => {
                let temporary = tempfile::Builder::new().prefix("zoorum-dev-").tempdir();
                Some(temporary.context("cannot make a temporary directory")?)
            }
        };
        let directory = match (&args.dir, &temporary) {
            (Some(directory), _) => std::path::absolute(directory).context("--dir means no directory")?,
            (None, Some(temporary)) => temporary.path().to_owned(),
            (None, None) => unreachable!("without --dir there is a temporary directory"),
        };
        let members = (1..=args.voters + args.observers).map(|id| {
            let port = match args.port {
                0 => 0,
                first => first.checked_add(u16::from(id - 1)).context("--port leaves too few ports")?,
            };
            Member::new(id, id <= args.voters, port, &directory)
        });
        let members: Vec<Member> = members.collect::<anyhow::Result<_>>()?;
        let ports = members.iter().flat_map(|member| {
            [((member.id, Port::Quorum), member.quorum), ((member.id, Port::Election), member.election)]
        });
        let links = Links::new(&ports.collect()).context("cannot listen for the members")?;
        let mut ensemble =
            Self { members, links, flag: flag.to_owned(), leader: None, directory, _temporary: temporary };
        for index in 0..ensemble.members.len() {
            ensemble.launch(index)?;
        }
        Ok(ensemble)
    }

    /// What there is, for people.
    pub(crate) fn introduction(&self) -> String {
        let clients: Vec<String> = self.members.iter().map(|member| member.client.to_string()).collect();
        format!(
            "servers 1 to {} start; clients connect to\n    {}\nfiles and logs: {}/server.N",
            self.members.len(),
            clients.join(","),
            self.directory.display()
        )
    }

    /// Does what was typed; what there is to say.
    pub(crate) fn carry_out(&mut self, command: Command) -> String {
        match command {
            Command::Status => self.status(),
            Command::Help | Command::Quit => HELP.to_owned(),
            Command::To(id, deed) => match self.members.iter().position(|member| member.id == id) {
                Some(index) => self.do_to(index, deed),
                None => format!("there is no server {id}"),
            },
        }
    }

    /// What has changed since the last look.
    pub(crate) fn look(&mut self) -> Vec<String> {
        let mut news = Vec::new();
        for member in &mut self.members {
            if let Some(status) = member.ended() {
                let log = member.log();
                news.push(format!("server {} has ended, {status}; its log: {}", member.id, log.display()));
            }
        }
        // One that is cut off may not know yet that it leads nobody.
        let candidates = self.members.iter().filter(|member| !self.links.is_cut(member.id));
        let leads = |member: &&Member| member.report().is_some_and(|report| report.mode == "leader");
        let leader = candidates.clone().find(leads).map(|member| member.id);
        if leader != self.leader {
            self.leader = leader;
            news.push(leader.map_or("nobody leads".to_owned(), |id| format!("server {id} leads")));
        }
        news
    }

    fn status(&self) -> String {
        let line = |member: &Member| {
            let role = if member.votes { "voter" } else { "observer" };
            let cut = if self.links.is_cut(member.id) { ", cut off" } else { "" };
            let serves = match member.report() {
                Some(Report { mode, zxid }) => format!("{mode}, zxid {zxid}"),
                None => "serves nobody".to_owned(),
            };
            format!("server {} ({role}, {}): {}{cut}; {serves}", member.id, member.client, member.state())
        };
        self.members.iter().map(line).collect::<Vec<_>>().join("\n")
    }

    fn do_to(&mut self, index: usize, deed: Deed) -> String {
        let member = &mut self.members[index];
        let id = member.id;
        match deed {
            Deed::Kill | Deed::Stop | Deed::Pause if !member.runs() => {
                return format!("server {id} does not run; first: revive {id}");
            }
            Deed::Kill => member.kill(),
            Deed::Stop => member.ask_to_stop(),
            Deed::Pause => member.pause(),
            Deed::Cut => self.links.cut(id),
            Deed::Revive => {
                self.links.mend(id);
                member.go_on();
                if !member.runs()
                    && let Err(error) = self.launch(index)
                {
                    return format!("{error:#}");
                }
            }
        }
        let done = match deed {
            Deed::Kill => "is killed",
            Deed::Stop => "is told to stop",
            Deed::Pause => "stands still",
            Deed::Cut => "is cut off",
            Deed::Revive => "is back",
        };
        format!("server {id} {done}")
    }

    fn launch(&mut self, index: usize) -> anyhow::Result<()> {
        let servers = self.server_lines(self.members[index].id);
        self.members[index].start(&servers, &self.flag)
    }

    /// The ensemble as one member sees it: itself, and links to all others.
    fn server_lines(&self, viewer: u8) -> Vec<String> {
        let line = |member: &Member| {
            let port = |port, own: std::net::SocketAddr| match member.id == viewer {
                true => own.port(),
                false => self.links.address(Link { dialer: viewer, target: member.id, port }).port(),
            };
            let (quorum, election) =
                (port(Port::Quorum, member.quorum), port(Port::Election, member.election));
            let role = if member.votes { "participant" } else { "observer" };
            format!("server.{}=127.0.0.1:{quorum}:{election}:{role}", member.id)
        };
        self.members.iter().map(line).collect()
    }
}

impl Drop for Ensemble {
    fn drop(&mut self) {
        for member in &mut self.members {
            member.go_on();
            member.ask_to_stop();
        }
        let until = Instant::now() + STOP_PATIENCE;
        while Instant::now() < until && self.members.iter().any(Member::runs) {
            for member in &mut self.members {
                member.ended();
            }
            thread::sleep(STOP_LOOK); // until all have ended, STOP_PATIENCE at most
        }
    }
}
