//! Scenarios, clients, and a proxy that breaks connections.

use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::task::{AbortHandle, JoinHandle, JoinSet};
use zoorum_client::{Client, CreateMode};
use zoorum_interop::server::{Kind, Server, Setup};

/// How long whatever must happen may take.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A scenario, which is told where the servers are, and its own chroot.
pub(crate) type Scenario = fn(String) -> Pin<Box<dyn Future<Output = ()> + Send>>;

/// What every server here allows; ticks are short, so that sessions expire soon.
fn setup() -> Setup {
    Setup::new()
        .config("tickTime", "500")
        .config("maxSessionTimeout", "60000")
        .property("zookeeper.extendedTypesEnabled", "true")
        .config("4lw.commands.whitelist", "*")
}

/// Plays all scenarios at the same time with a server of this kind, and names those that failed.
pub(crate) fn play(kind: Kind, scenarios: &[(&'static str, Scenario)]) {
    let server = Server::start(kind, setup());
    let address = server.address().to_string();
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let failed = runtime.block_on(async {
        let root = connect(&address).await;
        let mut playing = JoinSet::new();
        for &(name, scenario) in scenarios {
            root.create(&format!("/{name}"), b"", CreateMode::Persistent).await.expect("the chroot");
            let played = tokio::spawn(tokio::time::timeout(PATIENCE, scenario(format!("{address}/{name}"))));
            playing.spawn(async move { (name, played.await) });
        }
        let mut failed = Vec::new();
        while let Some(played) = playing.join_next().await {
            match played.expect("nobody takes it back") {
                (_, Ok(Ok(()))) => {}
                (name, Ok(Err(_))) => failed.push(format!("{name} does not come to an end")),
                (name, Err(error)) => failed.push(format!("{name}: {error}")),
            }
        }
        root.close().await;
        failed
    });
    assert!(failed.is_empty(), "with {kind:?}:\n{}", failed.join("\n"));
}

pub(crate) async fn connect(servers: &str) -> Client {
    Client::builder(servers).session_timeout(Duration::from_secs(20)).connect().await.expect("a session")
}

/// Between a client and a server; what it does not forward is lost.
pub(crate) struct Proxy {
    address: SocketAddr,
    chroot: String,
    links: Arc<Mutex<Links>>,
    accepting: JoinHandle<()>,
}

#[derive(Default)]
struct Links {
    open: Vec<AbortHandle>,
    is_deaf: bool,
    refuses: bool,
}

impl Proxy {
    /// Begins to forward to the servers of a connect string, which names one.
    pub(crate) async fn new(servers: &str) -> Proxy {
        let (server, chroot) = servers.split_once('/').expect("there is a chroot");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let links = Arc::<Mutex<Links>>::default();
        let accepting = tokio::spawn(accept(listener, server.to_owned(), Arc::clone(&links)));
        Proxy { address, chroot: chroot.to_owned(), links, accepting }
    }

    /// Where clients connect.
    pub(crate) fn servers(&self) -> String {
        format!("{}/{}", self.address, self.chroot)
    }

    /// Breaks all connections; new ones are accepted.
    pub(crate) fn cut(&self) {
        let mut links = self.links.lock().expect("not poisoned");
        links.open.drain(..).for_each(|link| link.abort());
    }

    /// Breaks all connections and every new one, until told otherwise.
    pub(crate) fn refuse(&self, refuses: bool) {
        self.links.lock().expect("not poisoned").refuses = refuses;
        self.cut();
    }

    /// Replies do not get through any more, until told otherwise.
    pub(crate) fn deafen(&self, is_deaf: bool) {
        self.links.lock().expect("not poisoned").is_deaf = is_deaf;
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
        self.cut();
    }
}

async fn accept(listener: TcpListener, server: String, links: Arc<Mutex<Links>>) {
    while let Ok((client, _)) = listener.accept().await {
        let open = Arc::clone(&links);
        let mut links = links.lock().expect("not poisoned");
        if !links.refuses {
            let link = tokio::spawn(forward(client, server.clone(), open));
            links.open.push(link.abort_handle());
        }
    }
}

/// Forwards both ways; once the proxy is deaf, the server's words are swallowed, and its end is not noticed.
async fn forward(client: TcpStream, server: String, links: Arc<Mutex<Links>>) {
    let Ok(server) = TcpStream::connect(server).await else { return };
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let (from, to, is_reply) = tokio::select! {
            ready = client.readable() => (ready.map(|()| &client), &server, false),
            ready = server.readable() => (ready.map(|()| &server), &client, true),
        };
        let Ok(from) = from else { return };
        match from.try_read(&mut buffer) {
            Ok(0) => return,
            Ok(_) if is_reply && links.lock().expect("not poisoned").is_deaf => {}
            Ok(count) => {
                let mut rest = &buffer[..count];
                while !rest.is_empty() {
                    if to.writable().await.is_err() {
                        return;
                    }
                    match to.try_write(rest) {
                        Ok(written) => rest = &rest[written..],
                        Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
                        Err(_) => return,
                    }
                }
            }
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            Err(_) => return,
        }
    }
}
