//! `zoorum four-letter-word`: asks a server the way scripts do.

use std::io::{Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

use anyhow::{Context, bail};
use clap::Args;

/// Longest wait for the connection, and for the answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// Whom to ask, and what.
#[derive(Args)]
pub(crate) struct WordArgs {
    /// The server's host.
    host: String,
    /// Its client port.
    port: u16,
    /// The word.
    word: String,
    /// Whether the port speaks TLS.
    #[arg(default_value_t = false, action = clap::ArgAction::Set)]
    secure: bool,
}

/// Prints the answer.
pub(crate) fn run(arguments: &WordArgs) -> anyhow::Result<()> {
    let WordArgs { host, port, word, secure } = arguments;
    if *secure {
        bail!("TLS is not supported yet: {host}:{port} cannot be asked");
    }
    let address = (host.as_str(), *port)
        .to_socket_addrs()
        .with_context(|| format!("cannot find {host}"))?
        .next()
        .with_context(|| format!("{host} has no address"))?;
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)
        .with_context(|| format!("cannot connect to {host}:{port}"))?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(word.as_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).with_context(|| format!("no answer from {host}:{port}"))?;
    print!("{answer}");
    Ok(())
}
