//! A server that does nothing: the bound that no server on this machine can pass.
//!
//! It frames requests and answers each with fixed bytes; for writes it appends the requests to a file
//! and syncs that, once for all that came in together. There is no tree, and no session behind an id.
//!
//! ```text
//! nothing 127.0.0.1:2181 DIRECTORY
//! ```

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::Context;
use clap::Parser;
use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};

const LISTENER: Token = Token(usize::MAX);
const STAT: [u8; 68] = [0; 68];

#[derive(Parser)]
struct Arguments {
    address: SocketAddr,
    directory: PathBuf,
}

struct Client {
    stream: TcpStream,
    has_session: bool,
    input: Vec<u8>,
    out: Vec<u8>,
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let path = arguments.directory.join("nothing.log");
    let log = OpenOptions::new().create(true).append(true).open(&path);
    let mut log = log.with_context(|| format!("cannot open {}", path.display()))?;
    let mut listener = TcpListener::bind(arguments.address)?;
    let mut poll = Poll::new()?;
    poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
    let mut events = Events::with_capacity(1024);
    let mut clients: Vec<Option<Client>> = Vec::new();
    let mut scratch = vec![0; 256 * 1024];
    let mut written = Vec::new();
    let mut ready = Vec::new();
    loop {
        poll.poll(&mut events, None)?;
        ready.clear();
        for event in &events {
            if event.token() == LISTENER {
                accept(&listener, &poll, &mut clients)?;
            } else {
                ready.push(event.token().0);
            }
        }
        ready.retain(|&index| {
            clients[index].as_mut().is_some_and(|client| client.receive(&mut scratch, &mut written).is_ok())
                || {
                    clients[index] = None;
                    false
                }
        });
        sync(&mut log, &mut written)?;
        for &index in &ready {
            if clients[index].as_mut().is_some_and(|client| client.send().is_err()) {
                clients[index] = None;
            }
        }
    }
}

fn accept(listener: &TcpListener, poll: &Poll, clients: &mut Vec<Option<Client>>) -> io::Result<()> {
    loop {
        let mut stream = match listener.accept() {
            Ok((stream, _)) => stream,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
            Err(error) => return Err(error),
        };
        stream.set_nodelay(true)?;
        poll.registry().register(
            &mut stream,
            Token(clients.len()),
            Interest::READABLE | Interest::WRITABLE,
        )?;
        clients.push(Some(Client { stream, has_session: false, input: Vec::new(), out: Vec::new() }));
    }
}

fn sync(log: &mut File, written: &mut Vec<u8>) -> io::Result<()> {
    if written.is_empty() {
        return Ok(());
    }
    log.write_all(written)?;
    written.clear();
    log.sync_data()
}

impl Client {
    /// Reads what is there, and queues the answers; writes are added to `written`.
    fn receive(&mut self, scratch: &mut [u8], written: &mut Vec<u8>) -> io::Result<()> {
        loop {
            match self.stream.read(scratch) {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(read) => {
                    self.input.extend_from_slice(&scratch[..read]);
                    if read < scratch.len() {
                        break;
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        let input = std::mem::take(&mut self.input);
        let mut rest = &input[..];
        while let Some((length, behind)) = rest.split_first_chunk::<4>() {
            let length = u32::from_be_bytes(*length) as usize;
            let Some((frame, behind)) = behind.split_at_checked(length) else { break };
            self.answer(frame, written)?;
            rest = behind;
        }
        self.input = rest.to_vec();
        Ok(())
    }

    fn answer(&mut self, frame: &[u8], written: &mut Vec<u8>) -> io::Result<()> {
        if !self.has_session {
            self.has_session = true;
            let timeout = 30_000_i32.to_be_bytes();
            self.reply(&[&[0; 4], &timeout, &1_i64.to_be_bytes(), &16_i32.to_be_bytes(), &[0; 17]]);
            return Ok(());
        }
        let Some((header, _)) = frame.split_first_chunk::<8>() else {
            return Err(ErrorKind::InvalidData.into());
        };
        let [x0, x1, x2, x3, operation @ ..] = *header;
        let xid = [x0, x1, x2, x3];
        let done = [0; 12]; // zxid and error
        match i32::from_be_bytes(operation) {
            4 => self.reply(&[&xid, &done, &100_i32.to_be_bytes(), &[b'z'; 100], &STAT]),
            3 => self.reply(&[&xid, &done, &STAT]),
            8 => self.reply(&[&xid, &done, &[0; 4]]),
            operation @ (1 | 2 | 5) => {
                written.extend_from_slice(frame);
                let stat = if operation == 5 { &STAT[..] } else { &[] };
                self.reply(&[&xid, &done, stat]);
            }
            _ => self.reply(&[&xid, &done]),
        }
        Ok(())
    }

    fn reply(&mut self, parts: &[&[u8]]) {
        let length: usize = parts.iter().map(|part| part.len()).sum();
        let length = u32::try_from(length).expect("replies are short");
        self.out.extend_from_slice(&length.to_be_bytes());
        parts.iter().for_each(|part| self.out.extend_from_slice(part));
    }

    fn send(&mut self) -> io::Result<()> {
        while !self.out.is_empty() {
            match self.stream.write(&self.out) {
                Ok(sent) => drop(self.out.drain(..sent)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}
