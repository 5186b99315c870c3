//! `cons`, and the lines of `stat`.

use std::fmt::Write as _;
use std::time::{Duration, UNIX_EPOCH};

use zoorum_proto::{OpCode, SessionId, Xid, Zxid};
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

/// What a session was last about.
pub(crate) struct Activity {
    /// The last request, if there was one since the session began and figures were reset.
    pub(crate) op: Option<OpCode>,
    /// What stands in its place if there was none.
    pub(crate) without_op: &'static str,
    /// Its number, if it has one.
    pub(crate) xid: Option<Xid>,
    pub(crate) zxid: Zxid,
    /// When it was answered, in ms of the server's clock.
    pub(crate) answered_ms: u64,
    pub(crate) latency_ms: u64,
    /// When the connection was made, in ms since 1970.
    pub(crate) established_ms: u64,
}

impl Activity {
    pub(crate) fn of(gathered: &Gathered, connection: &ConnectionReport) -> Self {
        let ms = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        let established = gathered.wall_at(connection.opened_at).duration_since(UNIX_EPOCH);
        let nothing = Self {
            op: None,
            without_op: "NA",
            xid: None,
            zxid: Zxid(-1),
            answered_ms: 0,
            latency_ms: 0,
            established_ms: ms(established.unwrap_or_default()),
        };
        match connection.last {
            Some((op, xid, zxid, at, latency_ms)) => {
                let xid = Some(xid).filter(|xid| xid.0 >= 0);
                Self { op: Some(op), xid, zxid, answered_ms: ms(at.0), latency_ms, ..nothing }
            }
            // Nothing but the session was asked for yet; or the figures were reset.
            None if connection.sent > 0 => {
                let answered_ms = ms(connection.opened_at.0);
                Self { without_op: "SESS", xid: Some(Xid(0)), zxid: Zxid(0), answered_ms, ..nothing }
            }
            None => nothing,
        }
    }
}

fn of_session(gathered: &Gathered, connection: &ConnectionReport) -> String {
    let activity = Activity::of(gathered, connection);
    let latency = &connection.latency;
    let mut text = format!(
        ",sid={},lop={},est={},to={}",
        connection.session,
        activity.op.map_or(activity.without_op, op_text),
        activity.established_ms,
        connection.timeout_ms
    );
    if let Some(xid) = activity.xid {
        // Strings accept everything.
        let _ = write!(text, ",lcxid={:#x}", xid.0);
    }
    let _ = write!(
        text,
        ",lzxid={:#x},lresp={},llat={},minlat={},avglat={},maxlat={}",
        activity.zxid.0,
        activity.answered_ms,
        activity.latency_ms,
        latency.min_ms,
        latency.total_ms.checked_div(latency.count).unwrap_or(0),
        latency.max_ms
    );
    text
}

/// What was asked for last, in four letters or so.
pub(crate) fn op_text(op: OpCode) -> &'static str {
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
    use std::time::SystemTime;

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
