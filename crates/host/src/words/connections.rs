//! `cons`, and the lines of `stat`.

use std::fmt::Write as _;
use std::time::UNIX_EPOCH;

use zoorum_proto::{OpCode, SessionId};
use zoorum_server::worker::ConnectionReport;

use super::gathered::Gathered;
use super::numbers::java_address;

/// Every connection, with all that is known of it.
pub(super) fn cons(gathered: &Gathered) -> String {
    let mut text = String::new();
    gathered.connections().for_each(|connection| text.push_str(&full(gathered, connection)));
    text.push('\n');
    text
}

/// One connection, at a glance.
pub(super) fn brief(connection: &ConnectionReport) -> String {
    format!("{})\n", beginning(connection))
}

fn beginning(connection: &ConnectionReport) -> String {
    // Java shows which events it waits for: 1 is something to read, and 0 nothing any more.
    let interest = u8::from(connection.open);
    format!(
        " {}[{interest}](queued={},recved={},sent={}",
        java_address(connection.peer),
        connection.queued,
        connection.received,
        connection.sent
    )
}

fn full(gathered: &Gathered, connection: &ConnectionReport) -> String {
    let mut text = beginning(connection);
    if connection.session != SessionId::NONE {
        text.push_str(&of_session(gathered, connection));
    }
    text.push_str(")\n");
    text
}

fn of_session(gathered: &Gathered, connection: &ConnectionReport) -> String {
    let established = gathered.wall_at(connection.opened_at).duration_since(UNIX_EPOCH).unwrap_or_default();
    let latency = &connection.latency;
    let (op, cxid, zxid, answered_ms, latency_ms) = match connection.last {
        Some((op, xid, zxid, at, latency_ms)) => {
            (op_text(op), Some(xid.0), zxid.0, at.0.as_millis(), latency_ms)
        }
        // Nothing but the session was asked for yet; or the figures were reset.
        None if connection.sent > 0 => ("SESS", Some(0), 0, connection.opened_at.0.as_millis(), 0),
        None => ("NA", None, -1, 0, 0),
    };
    let mut text = format!(
        ",sid={},lop={op},est={},to={}",
        connection.session,
        established.as_millis(),
        connection.timeout_ms
    );
    if let Some(cxid) = cxid.filter(|cxid| *cxid >= 0) {
        // Strings accept everything.
        let _ = write!(text, ",lcxid={cxid:#x}");
    }
    let _ = write!(
        text,
        ",lzxid={zxid:#x},lresp={answered_ms},llat={latency_ms},minlat={},avglat={},maxlat={}",
        latency.min_ms,
        latency.total_ms.checked_div(latency.count).unwrap_or(0),
        latency.max_ms
    );
    text
}

/// What was asked for last, in four letters or so.
fn op_text(op: OpCode) -> &'static str {
    match op {
        OpCode::Create | OpCode::Create2 | OpCode::CreateContainer | OpCode::CreateTtl => "CREA",
        OpCode::Delete | OpCode::DeleteContainer => "DELE",
        OpCode::Exists => "EXIS",
        OpCode::GetData => "GETD",
        OpCode::SetData => "SETD",
        OpCode::GetAcl => "GETA",
        OpCode::SetAcl => "SETA",
        OpCode::GetChildren | OpCode::GetChildren2 => "GETC",
        OpCode::Sync => "SYNC",
        OpCode::Ping => "PING",
        OpCode::Check => "CHEC",
        OpCode::Multi => "MULT",
        OpCode::Reconfig => "RECO",
        OpCode::CheckWatches => "CHKW",
        OpCode::RemoveWatches => "REMW",
        OpCode::MultiRead => "MLTR",
        OpCode::SetWatches => "SETW",
        OpCode::SetWatches2 => "STW2",
        OpCode::GetEphemerals => "GETE",
        OpCode::GetAllChildrenNumber => "GETACN",
        OpCode::AddWatch => "ADDW",
        OpCode::WhoAmI => "HOMI",
        OpCode::CreateSession => "SESS",
        OpCode::CloseSession => "CLOS",
        OpCode::Auth | OpCode::Sasl | OpCode::Error => "NA",
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::time::{Duration, SystemTime};

    use zoorum_proto::{Xid, Zxid};
    use zoorum_server::time::Monotonic;
    use zoorum_server::worker::{LatencyReport, WorkerReport};

    use super::*;

    fn ms(ms: u64) -> Monotonic {
        Monotonic(Duration::from_millis(ms))
    }

    /// A connection that has asked for something.
    pub(in super::super) fn connection() -> ConnectionReport {
        ConnectionReport {
            peer: ([127, 0, 0, 1], 41262).into(),
            session: SessionId(0x0100_0023_ed06_0001),
            timeout_ms: 6000,
            open: true,
            queued: 0,
            received: 12,
            sent: 13,
            opened_at: ms(1000),
            heard_at: ms(1500),
            last: Some((OpCode::Exists, Xid(10), Zxid(0x12), ms(1500), 4)),
            latency: LatencyReport { min_ms: 0, max_ms: 7, total_ms: 27, count: 11 },
        }
    }

    fn gathered(connections: Vec<ConnectionReport>) -> Gathered {
        let worker = WorkerReport { connections, ..WorkerReport::default() };
        let wall = SystemTime::UNIX_EPOCH + Duration::from_millis(1_795_235_108_474);
        Gathered { now: ms(2000), wall: Some(wall), workers: vec![worker], ..Gathered::default() }
    }

    #[test]
    fn a_connection_tells_of_its_session_only_if_it_has_one() {
        let asking = ConnectionReport {
            session: SessionId::NONE,
            open: false,
            received: 1,
            sent: 0,
            last: None,
            ..connection()
        };
        let expected = " /127.0.0.1:41262[1](queued=0,recved=12,sent=13,sid=0x1000023ed060001,lop=EXIS,\
            est=1795235107474,to=6000,lcxid=0xa,lzxid=0x12,lresp=1500,llat=4,minlat=0,avglat=2,maxlat=7)\n \
            /127.0.0.1:41262[0](queued=0,recved=1,sent=0)\n\n";
        assert_eq!(cons(&gathered(vec![connection(), asking])), expected);
    }

    #[test]
    fn a_connection_without_an_answer_tells_of_nothing() {
        let rows = [
            (0, "lop=NA,est=1795235107474,to=6000,lzxid=0xffffffffffffffff,lresp=0"),
            (1, "lop=SESS,est=1795235107474,to=6000,lcxid=0x0,lzxid=0x0,lresp=1000"),
        ];
        for (sent, expected) in rows {
            let text = cons(&gathered(vec![ConnectionReport { sent, last: None, ..connection() }]));
            assert!(text.contains(expected), "{text}");
        }
    }

    #[test]
    fn a_ping_has_no_number_to_tell() {
        let last = Some((OpCode::Ping, Xid::PING, Zxid(1), ms(1500), 0));
        let text = cons(&gathered(vec![ConnectionReport { last, ..connection() }]));
        assert!(text.contains("lop=PING,est=1795235107474,to=6000,lzxid=0x1"), "{text}");
    }
}
