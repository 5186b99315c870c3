//! A server process that is started as operators start it, rightly or wrongly.

use std::fs;
use std::io::Read as _;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use zoorum_interop::server::zoorum_binary;
use zoorum_interop::wire::Client;

use crate::support::await_that;

/// A process, killed when dropped.
pub struct Process {
    child: Child,
    /// Where it should serve.
    pub address: SocketAddr,
}

/// How a process ended.
#[derive(Debug)]
pub struct End {
    /// Its exit code; none if a signal killed it.
    pub code: Option<i32>,
    /// What it printed.
    pub output: String,
}

/// A port of the loopback address that is free now.
pub fn free_address() -> SocketAddr {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|it| it.local_addr()).expect("a free port")
}

/// Runs Zoorum with this configuration in `directory`, behind a shell command such as `ulimit -n 100`.
pub fn start(directory: &Path, address: SocketAddr, lines: &str, before: &str) -> Process {
    let config = directory.join(format!("zoo-{}.cfg", address.port()));
    let fixed = "tickTime=2000\nclientPortAddress=127.0.0.1\nmaxClientCnxns=0\nadmin.enableServer=false\n\
                 4lw.commands.whitelist=*\npreAllocSize=64\n";
    fs::write(&config, format!("{fixed}clientPort={}\n{lines}\n", address.port())).expect("write zoo.cfg");
    let child = Command::new("sh")
        .arg("-c")
        .arg(format!("{before}\nexec \"$0\" server start-foreground \"$1\" 2>&1"))
        .arg(zoorum_binary())
        .arg(&config)
        .current_dir(directory)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .expect("run a shell");
    Process { child, address }
}

impl Process {
    /// Waits until it serves, and connects.
    pub fn client(&self) -> Client {
        await_that("the server listens", || std::net::TcpStream::connect(self.address).is_ok());
        Client::connect(self.address)
    }

    /// Sends a signal by its name.
    pub fn signal(&self, name: &str) {
        let status = Command::new("kill").args(["-s", name, &self.child.id().to_string()]).status();
        assert!(status.is_ok_and(|status| status.success()), "kill -s {name}");
    }

    /// Waits until it has ended.
    pub fn end(mut self) -> End {
        await_that("the server ends", || self.child.try_wait().expect("wait").is_some());
        let code = self.child.wait().expect("wait").code();
        let mut output = String::new();
        self.child.stdout.take().expect("piped").read_to_string(&mut output).expect("text");
        End { code, output }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
