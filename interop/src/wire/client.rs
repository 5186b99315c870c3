//! A connection with a session on it.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;

use super::records::{
    Acl, Connect, Connected, Event, Packet, Reply, Stat, SubOp, SubResult, decode_multi, encode_multi, op,
};
use super::{Reader, Wire, Writer, framed};

/// A session and its connection.
#[derive(Debug)]
pub struct Client {
    /// The connection, for bytes that are not a request.
    pub wire: Wire,
    /// What the server answered to the handshake.
    pub session: Connected,
    /// Everything received since the handshake, in order.
    pub received: Vec<Packet>,
    events: VecDeque<Event>,
    last_xid: i32,
    last_zxid: i64,
}

impl Client {
    /// Connects and begins a new session of 40 seconds.
    pub fn connect(address: SocketAddr) -> Client {
        Client::connect_with(address, &Connect::default())
    }

    /// Connects as `request` says.
    ///
    /// # Panics
    ///
    /// When the server closes the connection instead of answering.
    pub fn connect_with(address: SocketAddr, request: &Connect) -> Client {
        let mut wire = Wire::open(address);
        let session = wire.handshake(request).expect("the server closed instead of answering the handshake");
        Client::on(wire, session)
    }

    /// A client on a connection whose handshake is done.
    pub fn on(wire: Wire, session: Connected) -> Client {
        Client { wire, session, received: Vec::new(), events: VecDeque::new(), last_xid: 0, last_zxid: 0 }
    }

    /// The zxid in the header of the last reply.
    pub fn zxid(&self) -> i64 {
        self.last_zxid
    }

    /// The session's id.
    pub fn id(&self) -> i64 {
        self.session.session
    }

    /// Sends a request under a number of the caller's choice.
    pub fn send(&mut self, xid: i32, kind: i32, record: &[u8]) {
        self.wire.write(&request(xid, kind, record));
    }

    /// Sends a request under the next number, which it returns, and does not wait.
    pub fn post(&mut self, kind: i32, record: &[u8]) -> i32 {
        self.last_xid += 1;
        self.send(self.last_xid, kind, record);
        self.last_xid
    }

    /// Sends a request under the next number and awaits its reply.
    pub fn call(&mut self, kind: i32, record: &[u8]) -> Reply {
        let xid = self.post(kind, record);
        let reply = self.reply();
        assert_eq!(reply.xid, xid, "the reply belongs to the request");
        reply
    }

    /// The next packet, or `None` when the server closed the connection.
    pub fn packet(&mut self) -> Option<Packet> {
        let frame = self.wire.frame()?;
        Some(self.take(&frame))
    }

    /// The next packet, or why there is none.
    pub fn try_packet(&mut self) -> io::Result<Packet> {
        let frame = self.wire.try_frame()?;
        Ok(self.take(&frame))
    }

    fn take(&mut self, frame: &[u8]) -> Packet {
        let mut reader = Reader::new(frame);
        let (xid, zxid, err) = (reader.int(), reader.long(), reader.int());
        let packet = if xid == -1 && reader.left() > 0 {
            assert_eq!(err, 0, "the header of a notification");
            let event = Event { zxid, kind: reader.int(), state: reader.int(), path: reader.text() };
            reader.end();
            self.events.push_back(event.clone());
            Packet::Event(event)
        } else {
            self.last_zxid = zxid;
            Packet::Reply(Reply { xid, zxid, err, body: frame[16..].to_vec() })
        };
        self.received.push(packet.clone());
        packet
    }

    /// The next reply; notifications on the way are kept for [`Client::events`].
    pub fn reply(&mut self) -> Reply {
        self.reply_or_close().expect("the server closed the connection instead of replying")
    }

    /// The next reply, or `None` when the server closed the connection.
    pub fn reply_or_close(&mut self) -> Option<Reply> {
        loop {
            match self.packet()? {
                Packet::Reply(reply) => return Some(reply),
                Packet::Event(_) => {}
            }
        }
    }

    /// The notifications received and not yet asked for. A ping goes first, so everything that the server
    /// owes this connection by now is among them.
    pub fn events(&mut self) -> Vec<Event> {
        assert_eq!(self.ping().err, 0, "a ping");
        self.events.drain(..).collect()
    }

    /// The same as (type, path) pairs.
    pub fn event_pairs(&mut self) -> Vec<(i32, String)> {
        self.events().into_iter().map(|event| (event.kind, event.path)).collect()
    }

    /// Awaits the next notification, whatever it takes.
    pub fn next_event(&mut self) -> Event {
        while self.events.is_empty() {
            self.packet().expect("the server closed the connection instead of notifying");
        }
        self.events.pop_front().expect("there is one")
    }

    /// Checks that the connection is closed by the server without another reply.
    pub fn expect_closed(&mut self) {
        let left = self.reply_or_close();
        assert_eq!(left, None, "a reply where the connection should have closed");
    }

    /// Checks that the connection still serves.
    pub fn expect_usable(&mut self) {
        assert_eq!(
            self.exists("/", false).map(|stat| stat.czxid),
            Ok(0),
            "the connection should still serve"
        );
    }

    /// Ends the session and awaits the end of the connection.
    pub fn close(mut self) {
        assert_eq!(self.call(op::CLOSE_SESSION, b"").err, 0, "closeSession");
        self.expect_closed();
    }

    /// Drops the connection and leaves the session behind.
    pub fn hang_up(self) -> Connected {
        self.wire.hang_up();
        self.session
    }

    /// create with an open ACL; returns the node's actual path.
    pub fn create(&mut self, path: &str, data: &[u8], flags: i32) -> Result<String, i32> {
        self.create_with(path, data, &Acl::open(), flags)
    }

    /// create.
    pub fn create_with(&mut self, path: &str, data: &[u8], acl: &[Acl], flags: i32) -> Result<String, i32> {
        let reply = self.call(op::CREATE, &create_record(path, data, acl, flags));
        let mut body = reply.ok()?;
        let path = body.text();
        body.end();
        Ok(path)
    }

    /// create2 with an open ACL.
    pub fn create2(&mut self, path: &str, data: &[u8], flags: i32) -> Result<(String, Stat), i32> {
        self.create_stat(op::CREATE2, create_record(path, data, &Acl::open(), flags))
    }

    /// createContainer with an open ACL.
    pub fn create_container(&mut self, path: &str, flags: i32) -> Result<(String, Stat), i32> {
        self.create_stat(op::CREATE_CONTAINER, create_record(path, b"", &Acl::open(), flags))
    }

    /// createTTL with an open ACL.
    pub fn create_ttl(
        &mut self,
        path: &str,
        data: &[u8],
        flags: i32,
        ttl: i64,
    ) -> Result<(String, Stat), i32> {
        self.create_stat(op::CREATE_TTL, create_ttl_record(path, data, flags, ttl))
    }

    fn create_stat(&mut self, kind: i32, record: Vec<u8>) -> Result<(String, Stat), i32> {
        let reply = self.call(kind, &record);
        let mut body = reply.ok()?;
        let created = (body.text(), body.stat());
        body.end();
        Ok(created)
    }

    /// delete.
    pub fn delete(&mut self, path: &str, version: i32) -> Result<(), i32> {
        self.call_empty(op::DELETE, &path_int(path, version))
    }

    /// exists.
    pub fn exists(&mut self, path: &str, watch: bool) -> Result<Stat, i32> {
        self.call_stat(op::EXISTS, &path_watch(path, watch))
    }

    /// getData.
    pub fn get_data(&mut self, path: &str, watch: bool) -> Result<(Option<Vec<u8>>, Stat), i32> {
        let reply = self.call(op::GET_DATA, &path_watch(path, watch));
        let mut body = reply.ok()?;
        let data = (body.buffer(), body.stat());
        body.end();
        Ok(data)
    }

    /// setData.
    pub fn set_data(&mut self, path: &str, data: &[u8], version: i32) -> Result<Stat, i32> {
        self.call_stat(op::SET_DATA, &set_data_record(path, data, version))
    }

    /// getACL.
    pub fn get_acl(&mut self, path: &str) -> Result<(Vec<Acl>, Stat), i32> {
        let reply = self.call(op::GET_ACL, &Writer::new().string(path).done());
        let mut body = reply.ok()?;
        let acl = (body.acls(), body.stat());
        body.end();
        Ok(acl)
    }

    /// setACL.
    pub fn set_acl(&mut self, path: &str, acl: &[Acl], version: i32) -> Result<Stat, i32> {
        self.call_stat(op::SET_ACL, &Writer::new().string(path).acls(acl).int(version).done())
    }

    /// getChildren; sorted.
    pub fn get_children(&mut self, path: &str, watch: bool) -> Result<Vec<String>, i32> {
        self.call_names(op::GET_CHILDREN, &path_watch(path, watch))
    }

    /// getChildren2; sorted.
    pub fn get_children2(&mut self, path: &str, watch: bool) -> Result<(Vec<String>, Stat), i32> {
        let reply = self.call(op::GET_CHILDREN2, &path_watch(path, watch));
        let mut body = reply.ok()?;
        let children = (body.names(), body.stat());
        body.end();
        Ok(children)
    }

    /// getAllChildrenNumber.
    pub fn get_all_children_number(&mut self, path: &str) -> Result<i32, i32> {
        let reply = self.call(op::GET_ALL_CHILDREN_NUMBER, &Writer::new().string(path).done());
        let mut body = reply.ok()?;
        let number = body.int();
        body.end();
        Ok(number)
    }

    /// getEphemerals; sorted.
    pub fn get_ephemerals(&mut self, prefix: Option<&str>) -> Result<Vec<String>, i32> {
        self.call_names(op::GET_EPHEMERALS, &Writer::new().string(prefix).done())
    }

    /// sync; returns the path echoed.
    pub fn sync(&mut self, path: Option<&str>) -> Result<Option<String>, i32> {
        let reply = self.call(op::SYNC, &Writer::new().string(path).done());
        let mut body = reply.ok()?;
        let path = body.string();
        body.end();
        Ok(path)
    }

    /// ping, under its customary number.
    pub fn ping(&mut self) -> Reply {
        self.send(-2, op::PING, b"");
        let reply = self.reply();
        assert_eq!(reply.xid, -2, "the number of a ping's reply");
        reply
    }

    /// multi.
    pub fn multi(&mut self, ops: &[SubOp]) -> Result<Vec<SubResult>, i32> {
        self.call(op::MULTI, &encode_multi(ops)).ok().map(decode_multi)
    }

    /// multiRead.
    pub fn multi_read(&mut self, ops: &[SubOp]) -> Result<Vec<SubResult>, i32> {
        self.call(op::MULTI_READ, &encode_multi(ops)).ok().map(decode_multi)
    }

    /// reconfig; returns the text of the configuration.
    pub fn reconfig(
        &mut self,
        joining: Option<&str>,
        leaving: Option<&str>,
        members: Option<&str>,
        version: i64,
    ) -> Result<Option<Vec<u8>>, i32> {
        let record = Writer::new().string(joining).string(leaving).string(members).long(version).done();
        let reply = self.call(op::RECONFIG, &record);
        let mut body = reply.ok()?;
        let text = body.buffer();
        body.stat();
        body.end();
        Ok(text)
    }

    /// setWatches: the data, exists and child lists.
    pub fn set_watches(&mut self, zxid: i64, lists: [&[&str]; 3]) -> Result<(), i32> {
        self.call_empty(op::SET_WATCHES, &watch_lists(zxid, &lists))
    }

    /// setWatches2: the same, and the persistent and recursive lists.
    pub fn set_watches2(&mut self, zxid: i64, lists: [&[&str]; 5]) -> Result<(), i32> {
        self.call_empty(op::SET_WATCHES2, &watch_lists(zxid, &lists))
    }

    /// addWatch: mode 0 is persistent, 1 persistent and recursive.
    pub fn add_watch(&mut self, path: &str, mode: i32) -> Result<(), i32> {
        let reply = self.call(op::ADD_WATCH, &path_int(path, mode));
        let mut body = reply.ok()?;
        assert_eq!(body.int(), 0, "the code in addWatch's result");
        body.end();
        Ok(())
    }

    /// checkWatches.
    pub fn check_watches(&mut self, path: &str, kind: i32) -> Result<(), i32> {
        self.call_empty(op::CHECK_WATCHES, &path_int(path, kind))
    }

    /// removeWatches.
    pub fn remove_watches(&mut self, path: &str, kind: i32) -> Result<(), i32> {
        self.call_empty(op::REMOVE_WATCHES, &path_int(path, kind))
    }

    /// Authenticates, under the customary number.
    pub fn auth(&mut self, scheme: &str, data: Option<&[u8]>) -> Reply {
        self.send(-4, op::AUTH, &auth_record(scheme, data));
        let reply = self.reply();
        assert_eq!((reply.xid, reply.zxid, reply.body.len()), (-4, 0, 0), "the reply to an auth packet");
        reply
    }

    /// sasl; returns the header's code and the token, which accompanies errors too.
    pub fn sasl(&mut self, token: &[u8]) -> (i32, Option<Vec<u8>>) {
        let reply = self.call(op::SASL, &Writer::new().buffer(token).done());
        let mut body = Reader::new(&reply.body);
        let token = body.buffer();
        body.end();
        (reply.err, token)
    }

    /// whoAmI as (scheme, user) pairs; sorted.
    pub fn who_am_i(&mut self) -> Result<Vec<(String, String)>, i32> {
        let reply = self.call(op::WHO_AM_I, b"");
        reply.ok().map(read_who_am_i)
    }

    fn call_empty(&mut self, kind: i32, record: &[u8]) -> Result<(), i32> {
        self.call(kind, record).ok().map(|body| body.end())
    }

    fn call_stat(&mut self, kind: i32, record: &[u8]) -> Result<Stat, i32> {
        let reply = self.call(kind, record);
        let mut body = reply.ok()?;
        let stat = body.stat();
        body.end();
        Ok(stat)
    }

    fn call_names(&mut self, kind: i32, record: &[u8]) -> Result<Vec<String>, i32> {
        let reply = self.call(kind, record);
        let mut body = reply.ok()?;
        let names = body.names();
        body.end();
        Ok(names)
    }
}

/// A request as a frame.
pub fn request(xid: i32, kind: i32, record: &[u8]) -> Vec<u8> {
    framed(&Writer::new().int(xid).int(kind).raw(record).done())
}

/// Reads the result of whoAmI as sorted (scheme, user) pairs.
pub fn read_who_am_i(mut body: Reader<'_>) -> Vec<(String, String)> {
    let mut ids = body.vector(|r| (r.text(), r.text())).expect("never null");
    body.end();
    ids.sort();
    ids
}

/// The record of create, create2 and createContainer.
pub fn create_record(path: &str, data: &[u8], acl: &[Acl], flags: i32) -> Vec<u8> {
    Writer::new().string(path).buffer(data).acls(acl).int(flags).done()
}

/// The record of createTTL, with an open ACL.
pub fn create_ttl_record(path: &str, data: &[u8], flags: i32, ttl: i64) -> Vec<u8> {
    Writer::new().raw(&create_record(path, data, &Acl::open(), flags)).long(ttl).done()
}

/// The record of setData.
pub fn set_data_record(path: &str, data: &[u8], version: i32) -> Vec<u8> {
    Writer::new().string(path).buffer(data).int(version).done()
}

/// The record of exists, getData, getChildren and getChildren2.
pub fn path_watch(path: &str, watch: bool) -> Vec<u8> {
    Writer::new().string(path).bool(watch).done()
}

/// The record of delete, check, addWatch, checkWatches and removeWatches.
pub fn path_int(path: &str, number: i32) -> Vec<u8> {
    Writer::new().string(path).int(number).done()
}

/// The record of an auth packet.
pub fn auth_record(scheme: &str, data: Option<&[u8]>) -> Vec<u8> {
    Writer::new().int(0).string(scheme).buffer(data).done()
}

fn watch_lists(zxid: i64, lists: &[&[&str]]) -> Vec<u8> {
    lists.iter().fold(Writer::new().long(zxid), |writer, list| writer.strings(list)).done()
}
