//! Writes the first inputs of each target from the samples that the project keeps:
//! `cargo run --manifest-path fuzz/Cargo.toml --example seeds`.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use zoorum_proto::op::RequestHeader;
use zoorum_proto::quorum::{
    AckEpoch, ConfigVersion, DesignatedLeader, ForwardedRequest, Hello, HostPort, LeaderInfo, LearnerInfo,
    Notification, PacketType, PeerState, QuorumAuth, QuorumAuthStatus, QuorumPacket, Revalidated, Touch,
    Vote,
};
use zoorum_proto::{AuthId, Encode, Epoch, OpCode, Round, ServerId, SessionId, Xid, Zxid};

/// Controls of a conversation.
const FRAMED: u8 = 2;
const GO_ON: u8 = 4;
const TIME_PASSES: u8 = 8;
const RECONNECT: u8 = 16;
const HANDSHAKE: u8 = 32;

fn main() -> io::Result<()> {
    let samples = Samples::load()?;
    configuration()?;
    requests(&samples)?;
    peers(&samples)?;
    transactions(&samples)?;
    conversation(&samples)?;
    logs(&samples)?;
    snapshots()
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn write(target: &str, name: &str, bytes: &[u8]) -> io::Result<()> {
    let directory = root().join("fuzz/corpus").join(target);
    fs::create_dir_all(&directory)?;
    fs::write(directory.join(name), bytes)
}

/// Records as the original encodes them, by name.
struct Samples(Vec<(String, Vec<u8>)>);

impl Samples {
    fn load() -> io::Result<Self> {
        let text = fs::read_to_string(root().join("crates/proto/testdata/golden/records.txt"))?;
        let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
        let sample = |line: &str| {
            let mut columns = line.split(' ');
            let name = columns.next().unwrap_or_default().to_owned();
            let hex = columns.next().unwrap_or_default().as_bytes();
            let digit = |digits: &[u8]| {
                std::str::from_utf8(digits).ok().and_then(|digits| u8::from_str_radix(digits, 16).ok())
            };
            (name, hex.chunks_exact(2).filter_map(digit).collect())
        };
        Ok(Self(lines.map(sample).collect()))
    }

    fn starting_with<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = (&'a str, &'a [u8])> {
        let samples = self.0.iter().filter(move |(name, _)| name.starts_with(prefix));
        samples.map(|(name, bytes)| (name.as_str(), bytes.as_slice()))
    }
}

fn file_name(sample: &str) -> String {
    sample.replace('/', "-")
}

/// The operation whose body a record is.
fn operations(record: &str) -> &'static [OpCode] {
    match record.split('/').next().unwrap_or_default() {
        "CreateRequest" => &[OpCode::Create, OpCode::Create2, OpCode::CreateContainer],
        "CreateTTLRequest" => &[OpCode::CreateTtl],
        "ExistsRequest" => &[OpCode::Exists],
        "GetDataRequest" => &[OpCode::GetData],
        "GetACLRequest" => &[OpCode::GetAcl],
        "GetChildrenRequest" => &[OpCode::GetChildren],
        "GetChildren2Request" => &[OpCode::GetChildren2],
        "GetAllChildrenNumberRequest" => &[OpCode::GetAllChildrenNumber],
        "GetEphemeralsRequest" => &[OpCode::GetEphemerals],
        "SyncRequest" => &[OpCode::Sync],
        "DeleteRequest" => &[OpCode::Delete],
        "SetDataRequest" => &[OpCode::SetData],
        "SetACLRequest" => &[OpCode::SetAcl],
        "CheckVersionRequest" => &[OpCode::Check],
        "ReconfigRequest" => &[OpCode::Reconfig],
        "SetWatches" => &[OpCode::SetWatches],
        "SetWatches2" => &[OpCode::SetWatches2],
        "AddWatchRequest" => &[OpCode::AddWatch],
        "CheckWatchesRequest" => &[OpCode::CheckWatches],
        "RemoveWatchesRequest" => &[OpCode::RemoveWatches],
        "AuthPacket" => &[OpCode::Auth],
        "GetSASLRequest" => &[OpCode::Sasl],
        "MultiOperationRecord" => &[OpCode::Multi, OpCode::MultiRead],
        _ => &[],
    }
}

/// Every request that there is a sample of.
fn bodies(samples: &Samples) -> impl Iterator<Item = (&str, OpCode, &[u8])> {
    samples
        .starting_with("")
        .flat_map(|(name, bytes)| operations(name).iter().map(move |&op| (name, op, bytes)))
}

fn requests(samples: &Samples) -> io::Result<()> {
    for (name, op, bytes) in bodies(samples) {
        let name = format!("{}-{}", file_name(name), op as i32);
        write("requests", &name, &[&[op as i32 as i8 as u8], bytes].concat())?;
    }
    for (name, bytes) in samples.starting_with("ConnectRequest/") {
        write("requests", &file_name(name), &[&[0xee], bytes].concat())?;
    }
    Ok(())
}

fn chunk(bytes: &[u8]) -> Vec<u8> {
    [&(bytes.len() as u16).to_be_bytes(), bytes].concat()
}

fn peers(samples: &Samples) -> io::Result<()> {
    let zxid = Zxid::new(Epoch(1), 7);
    let text = "server.1=a:1:2|[::1]:1:2;c:7\nserver.2=b:1:2:observer\ngroup.1=1:2\nweight.1=3\nversion=a";
    let vote = Vote { epoch: Epoch(1), zxid, leader: ServerId(2) };
    let notification = Notification {
        state: PeerState::Looking,
        vote,
        round: Round(4),
        version: 2,
        config: Some(text.into()),
    };
    let old = Notification { version: 0, config: None, ..notification.clone() };
    let address = HostPort { host: "10.0.0.2".to_owned(), port: 3888 };
    let hello = Hello { server: ServerId(2), addresses: vec![address] };
    let votes = [chunk(&hello.to_v1()), chunk(&notification.to_frame()), chunk(&old.to_frame())];
    write("peers", "election", &[&[0], &votes.concat()[..]].concat())?;
    write("peers", "configuration", &[&[2], text.as_bytes()].concat())?;
    write("peers", "notification", &[&[3], &notification.to_frame()[4..]].concat())?;
    let sasl = QuorumAuth { status: QuorumAuthStatus::Success, token: b"rspauth=0".as_slice().into() };
    write("peers", "sasl", &[&[4], &sasl.to_vec()[..]].concat())?;

    let session = SessionId(0x100_0000_0000_0000);
    let request = ForwardedRequest { session, xid: Xid(2), op: -11, body: Bytes::new() };
    let txns = samples.starting_with("txn.").map(|(_, txn)| txn.to_vec());
    let mut packets: Vec<QuorumPacket> =
        txns.map(|txn| QuorumPacket::with_data(PacketType::Proposal, zxid, txn)).collect();
    packets.extend([
        LearnerInfo::packet(PacketType::FollowerInfo, Epoch(3), ServerId(1), ConfigVersion(0)),
        LeaderInfo::packet(Epoch(4)),
        AckEpoch(Some(Epoch(3))).packet(zxid),
        QuorumPacket::with_data(PacketType::NewLeader, zxid, text),
        QuorumPacket::bare(PacketType::UpToDate, Zxid(-1)),
        Touch::packet(zxid, &[Touch { session, timeout_ms: 30_000 }]),
        request.packet(Some(vec![AuthId::new("ip", "127.0.0.1")])),
        Revalidated { session, valid: true }.packet(),
        DesignatedLeader(ServerId(1)).inform_packet(zxid, b"txn"),
    ]);
    let mut all = vec![1];
    for packet in packets {
        write("peers", &format!("packet-{}", packet.kind), &[&[1], &chunk(&packet.to_vec())[..]].concat())?;
        all.extend(chunk(&packet.to_vec()));
    }
    write("peers", "packets", &all)
}

fn transactions(samples: &Samples) -> io::Result<()> {
    let mut all = Vec::new();
    for (name, bytes) in samples.starting_with("txn.") {
        write("transactions", &file_name(name), &chunk(bytes))?;
        all.extend(chunk(bytes));
    }
    write("transactions", "all", &all)
}

fn packet(op: OpCode, body: &[u8]) -> Vec<u8> {
    let mut out = RequestHeader { xid: Xid(1), op: op as i32 }.to_vec();
    out.extend_from_slice(body);
    out
}

fn act(control: u8, bytes: &[u8]) -> Vec<u8> {
    [&[control], &chunk(bytes)[..]].concat()
}

fn conversation(samples: &Samples) -> io::Result<()> {
    let hello = act(HANDSHAKE | GO_ON, &[]);
    let (mut all, mut pipelined) = ([&[0], &hello[..]].concat(), [&[1], &hello[..]].concat());
    for (name, op, bytes) in bodies(samples) {
        let ask = act(FRAMED | GO_ON, &packet(op, bytes));
        let name = format!("{}-{}", file_name(name), op as i32);
        write("conversation", &name, &[&[0][..], &hello, &ask, &act(TIME_PASSES | GO_ON, &[])].concat())?;
        all.extend(&ask);
        if all.len() % 7 == 0 {
            all.extend(act(TIME_PASSES | GO_ON, &[]));
        }
        pipelined.extend(act(FRAMED, &packet(op, bytes)));
    }
    write("conversation", "all", &all)?;
    write("conversation", "pipelined", &pipelined)?;
    let goodbye = act(FRAMED, &packet(OpCode::CloseSession, &[]));
    let again = act(RECONNECT | HANDSHAKE | GO_ON, &[]);
    write("conversation", "goodbye", &[&[0][..], &hello, &goodbye, &again, &goodbye].concat())?;
    write("conversation", "word", &[&[0][..], &act(GO_ON, b"ruok")].concat())?;
    write(
        "conversation",
        "mask",
        &[&[0][..], &act(0, b"stm"), &act(GO_ON, b"k\0\0\0\0\0\0\x01\x32")].concat(),
    )
}

fn configuration() -> io::Result<()> {
    let sample = fs::read(root().join("conf/zoo_sample.cfg"))?;
    write("configuration", "zoo_sample.cfg", &sample)?;
    let flags = b"\0-Dzookeeper.snapCount=10 '-Dzookeeper.serverCnxnFactory=x y' 2181 /data 2000 60";
    write("configuration", "flags", &[&sample[..], flags].concat())?;
    let ensemble = "dataDir=/data\nclientPort=2181\ninitLimit=5\nsyncLimit=2\n\
        server.1=a:2888:3888\nserver.2=b:2888:3888:observer;[::1]:2182\nserver.3=c:2888:3888|d:2889:3889\n\
        group.1=1:2:3\nweight.1=1\nmultiAddress.enabled=true\n\0\x001\n";
    write("configuration", "ensemble", ensemble.as_bytes())?;
    let dynamic = "dataDir=/data\ninitLimit=5\nsyncLimit=2\ndynamicConfigFile=/etc/zoo.cfg.dynamic\n\0\
        -DreadonlyModeEnabled=true\x001\0server.1=a:2888:3888;2181\nversion=100000000\n";
    write("configuration", "dynamic", dynamic.as_bytes())
}

fn golden(name: &str) -> io::Result<Vec<u8>> {
    fs::read(root().join("crates/storage/testdata/golden").join(name))
}

fn logs(samples: &Samples) -> io::Result<()> {
    let log = golden("log.1")?;
    // Without the room that the original keeps ahead.
    let end = log.iter().rposition(|byte| *byte != 0).map_or(0, |at| at + 1);
    write("logs", "file", &[&[2], &log[..end]].concat())?;
    write("logs", "file-with-room", &[&[6], &log[..end]].concat())?;
    let (mut first, mut second) = (vec![19], vec![27]);
    for (name, bytes) in samples.starting_with("txn.") {
        write("logs", &file_name(name), &[&[19][..], &chunk(bytes)].concat())?;
        first.extend(chunk(bytes));
        second.extend(chunk(bytes));
    }
    write("logs", "sealed", &first)?;
    write("logs", "two-files", &second)
}

fn snapshots() -> io::Result<()> {
    for (kind, name) in ["snapshot.59", "snapshot.59.gz", "snapshot.59.snappy"].iter().enumerate() {
        write("snapshots", name, &[&[kind as u8], &golden(name)?[..]].concat())?;
    }
    write("snapshots", "snapshot.0", &[&[0], &golden("snapshot.0")?[..]].concat())?;
    // Header and the parts from the end of the nodes on are what the target makes itself.
    let whole = golden("snapshot.59")?;
    let (seal, digest, last) = (13, 20, 8);
    let end = whole.len() - (last + seal) - (digest + seal) - seal - 5;
    let nodes = &whole[16..end];
    let hash = &whole[end + 5 + seal..end + 5 + seal + digest];
    let zxid = &whole[whole.len() - seal - last..whole.len() - seal];
    write("snapshots", "sealed", &[&[3], nodes].concat())?;
    write("snapshots", "sealed-gz", &[&[4], nodes, hash].concat())?;
    write("snapshots", "sealed-digest", &[&[5], nodes, hash].concat())?;
    write("snapshots", "sealed-last-zxid", &[&[6], nodes, hash, zxid].concat())
}
