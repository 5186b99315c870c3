//! A snapshot from a running server's admin server, checked as it comes.

mod body;

use std::fs;
use std::io::Read;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use serde_json::Value;
use ureq::http::{Response, header};
use ureq::{Agent, Body};
use zoorum_host::disk::RealDisk;
use zoorum_proto::Zxid;
use zoorum_storage::name::snapshot_name;
use zoorum_storage::snapshot::verify;
use zoorum_storage::{Disk, unnamed_snapshot};

use crate::manifest::parse_zxid;

/// Longest wait for the connection.
const CONNECT: Duration = Duration::from_secs(10);
/// Longest wait for the snapshot to be taken. The server says nothing before that is done.
const TAKEN: Duration = Duration::from_secs(3600);
/// Longest wait for any part of it once it comes.
const SILENCE: Duration = Duration::from_secs(60);
/// So often it is told how much has come.
const TOLD: Duration = Duration::from_secs(5);
/// Where it is received.
const RECEIVED: &str = "received";
/// Most bytes of an answer that is no snapshot.
const ANSWER_MAX: u64 = 64 << 10;

/// What the server is told of who asks.
pub(super) struct Proof(Option<String>);

impl Proof {
    pub(super) fn find(given: Option<&str>, file: Option<&Path>) -> anyhow::Result<Self> {
        let Some(file) = file else { return Ok(Self(given.map(str::to_owned))) };
        let text = fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
        Ok(Self(Some(text.trim().to_owned())))
    }
}

/// Fetches one into the directory, under the name that it has with its server.
pub(super) fn snapshot(server: &str, proof: &Proof, into: &RealDisk) -> anyhow::Result<()> {
    let url = url(server);
    let config = Agent::config_builder()
        .http_status_as_error(false)
        .timeout_connect(Some(CONNECT))
        .timeout_recv_response(Some(TAKEN))
        .build();
    let mut request = Agent::new_with_config(config).get(&url);
    if let Some(proof) = &proof.0 {
        request = request.header(header::AUTHORIZATION, proof);
    }
    eprintln!("zoorum: {url}: waiting for the server, which takes a snapshot now");
    let response = request.call().with_context(|| format!("cannot get a snapshot from {url}"))?;
    let kind = response.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    if response.status() != 200 || kind.is_none_or(|kind| !kind.starts_with("application/octet-stream")) {
        return Err(refused(&url, response));
    }
    let (zxid, size) = announced(&response).with_context(|| format!("{url}: this is no snapshot"))?;
    receive(response, size, into).with_context(|| format!("{url}: the snapshot did not come whole"))?;
    let mut file = unnamed_snapshot(into, RECEIVED)?;
    if file.length != size {
        bail!("{url}: {} bytes of the snapshot came, it should have {size}", file.length);
    }
    file.zxid = zxid;
    let summary = verify(into, &file).with_context(|| format!("{url}: the snapshot that came is damaged"))?;
    if summary.last_zxid.is_some_and(|last| last != zxid) {
        bail!("{url}: the snapshot is announced as that of {zxid}, and is another");
    }
    let name = snapshot_name(zxid, file.compression);
    into.rename(RECEIVED, &name).with_context(|| format!("cannot give {name} its name"))
}

fn url(server: &str) -> String {
    let server = server.trim_end_matches('/');
    let has_path = server.split_once("://").is_some_and(|(_, rest)| rest.contains('/'));
    let prefix = if has_path { "" } else { "/commands" };
    format!("{server}{prefix}/snapshot?streaming=true")
}

/// Zxid and size, as the headers have them.
fn announced(response: &Response<Body>) -> anyhow::Result<(Zxid, u64)> {
    let value = |name: &str| {
        let value = response.headers().get(name).and_then(|value| value.to_str().ok());
        value.with_context(|| format!("there is no header {name}"))
    };
    let zxid = parse_zxid(value("last_zxid")?).map_err(anyhow::Error::msg)?;
    Ok((zxid, value("snapshot_size")?.parse().context("snapshot_size is no number")?))
}

fn receive(response: Response<Body>, size: u64, into: &RealDisk) -> anyhow::Result<()> {
    let mut file = fs::File::create_new(into.path(RECEIVED))?;
    let mut told = Instant::now();
    body::copy(response.into_body().into_reader(), &mut file, SILENCE, |came| {
        if told.elapsed() >= TOLD {
            told = Instant::now();
            eprintln!("zoorum: {came} of {size} bytes have come");
        }
    })?;
    Ok(file.sync_all()?)
}

/// What the server says, and what helps.
fn refused(url: &str, response: Response<Body>) -> anyhow::Error {
    let status = response.status().as_u16();
    let mut text = Vec::new();
    // Whatever can be had of it.
    let _ = body::copy(response.into_body().into_reader().take(ANSWER_MAX), &mut text, SILENCE, |_| {});
    let answer: Value = serde_json::from_slice(&text).unwrap_or_default();
    let says = answer["error"].as_str().unwrap_or("no reason; its log may have one");
    let help = match status {
        401 => ". Say who you are, by --auth 'digest user:password', --auth-file or ZOORUM_AUTH",
        403 => ". Whoever takes snapshots must have every permission on the root znode",
        404 => ". There is no such command: ZooKeeper has it since 3.9",
        429 => ". Wait, or copy the files: zoorum backup <dataDir> INTO",
        _ => "",
    };
    anyhow::anyhow!("{url}: the server answers {status}: {says}{help}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_asked_under_its_own_prefix_or_the_usual_one() {
        let asked = "http://a:8080/commands/snapshot?streaming=true";
        assert_eq!([url("http://a:8080"), url("http://a:8080/")], [asked, asked]);
        assert_eq!(url("http://a:8080/zk/"), "http://a:8080/zk/snapshot?streaming=true");
    }
}
