//! `zoorum four-letter-word`: asks a server the way scripts do.

use std::io::{self, Read, Write};
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
    stream.write_all(word.as_bytes())?;
    print!("{}", answer(&mut stream, &format!("{host}:{port}"), PATIENCE)?);
    Ok(())
}

/// Everything that comes until the server closes the connection.
fn answer(stream: &mut TcpStream, server: &str, patience: Duration) -> anyhow::Result<String> {
    stream.set_read_timeout(Some(patience))?;
    let mut answer = Vec::new();
    match stream.read_to_end(&mut answer) {
        Ok(_) => Ok(String::from_utf8_lossy(&answer).into_owned()),
        // The kind that Unix has for it.
        Err(error) if error.kind() == io::ErrorKind::WouldBlock && answer.is_empty() => {
            bail!(
                "no answer from {server}: it took the word, and nothing came for {} s",
                patience.as_secs_f64()
            )
        }
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
            bail!("half an answer from {server}: then nothing came for {} s", patience.as_secs_f64())
        }
        Err(error) => Err(error).with_context(|| format!("no answer from {server}")),
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn a_server_that_says_nothing_is_given_up_in_words() {
        let silent = TcpListener::bind("127.0.0.1:0").expect("a port");
        let mut stream = TcpStream::connect(silent.local_addr().expect("an address")).expect("connected");
        let patience = Duration::from_millis(100);
        let failed = answer(&mut stream, "a:1", patience).expect_err("silence").to_string();
        assert_eq!(failed, "no answer from a:1: it took the word, and nothing came for 0.1 s");
    }
}
