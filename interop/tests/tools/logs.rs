//! A log made by hand, record by record: what servers seldom write, and what they never should.

use zoorum_interop::wire::{Acl, Writer, perm};

/// A log under construction.
pub struct Log {
    bytes: Vec<u8>,
    /// Where each record begins.
    offsets: Vec<usize>,
    zxid: i64,
}

/// When all of it happened: a day in winter.
const TIME: i64 = 1_795_223_727_094;

impl Log {
    /// A header, and nothing else.
    pub fn new() -> Log {
        let header = Writer::new().int(0x5a4b_4c47).int(2).long(0).done();
        Log { bytes: header, offsets: Vec::new(), zxid: 0 }
    }

    /// Adds a transaction of that type, at the next zxid.
    pub fn add(&mut self, kind: i32, body: &[u8]) -> &mut Log {
        self.zxid += 1;
        self.add_at(self.zxid, kind, body)
    }

    /// The same at any zxid.
    pub fn add_at(&mut self, zxid: i64, kind: i32, body: &[u8]) -> &mut Log {
        self.zxid = zxid;
        let header = Writer::new()
            .long(-0x7f00_0000_0000_0001)
            .int(-3)
            .long(zxid)
            .long(TIME + zxid * 3_600_000)
            .int(kind)
            .done();
        let payload = [header, body.to_vec()].concat();
        self.offsets.push(self.bytes.len());
        self.bytes.extend(i64::from(adler32(&payload)).to_be_bytes());
        self.bytes.extend((payload.len() as i32).to_be_bytes());
        self.bytes.extend(payload);
        self.bytes.push(b'B');
        self
    }

    /// Gives a record another checksum.
    pub fn spoil(&mut self, record: usize) -> &mut Log {
        self.bytes[self.offsets[record] + 7] ^= 0x55;
        self
    }

    /// Changes the byte so far behind the beginning of a record.
    pub fn change(&mut self, record: usize, offset: usize, byte: u8) -> &mut Log {
        let at = self.offsets[record] + offset;
        self.bytes[at] = byte;
        self
    }

    /// The file up to some bytes behind the beginning of a record.
    pub fn cut(&self, record: usize, length: usize) -> Vec<u8> {
        self.bytes[..self.offsets[record] + length].to_vec()
    }

    /// The whole file.
    pub fn bytes(&self) -> Vec<u8> {
        self.bytes.clone()
    }
}

/// Adler-32, by its definition.
fn adler32(bytes: &[u8]) -> u32 {
    let (mut a, mut b) = (1_u32, 0_u32);
    for byte in bytes {
        a = (a + u32::from(*byte)) % 65_521;
        b = (b + a) % 65_521;
    }
    b << 16 | a
}

/// Transactions of every type, with contents that are hard to print.
pub fn of_all_types() -> Log {
    let acl = [Acl::new(perm::ALL, "world", "anyone"), Acl::new(perm::READ, "digest", "a,b}c%\n\r:ü")];
    let path = |path: &str| Writer::new().string(path);
    let binary: Vec<u8> = (0..=255).chain([0xed, 0xa0, 0xbd, 0xed, 0xb8, 0x80, 0xe8, 0xaa]).collect();
    let create = |name: &str, data: Option<&[u8]>| path(name).buffer(data).acls(&acl);
    let mut log = Log::new();
    log.add(-10, &Writer::new().int(30_000).done())
        .add(1, &create("/größe 語", Some(&binary)).bool(true).int(7).done())
        .add(1, &create("/legacy", Some(b"x")).bool(false).done())
        .add(15, &create("/null", None).bool(false).int(-1).done())
        .add(15, &path("/none").buffer(&b""[..]).acls(&[]).bool(false).int(2).done())
        .add(19, &create("/container", Some(b"c")).int(3).done())
        .add(21, &create("/ttl", Some(b"t\nu")).int(4).long(86_400_000).done())
        .add(5, &path("/größe 語").buffer(&b"new, with a comma"[..]).int(12).done())
        .add(16, &path("/zookeeper/config").buffer(&b"server.1=a:1:2\nversion=1"[..]).int(-1).done())
        .add(7, &path("/a,b}c%").acls(&acl).int(3).done())
        .add(7, &path("/a").acls(&[]).int(4).done())
        .add(2, &path("/gone,\r\n%").done())
        .add(20, &path("/container").done())
        .add(-1, &Writer::new().int(-101).done())
        .add(-11, b"")
        .add(-11, &Writer::new().int(2).string("/e1").string("/e,2").done())
        .add(-11, &Writer::new().int(0).int(2).long(1_371_985_504).done());
    let part = |kind: i32, body: Vec<u8>| Writer::new().int(kind).buffer(&body[..]).done();
    let parts = [
        part(1, create("/m", Some(b"m")).bool(false).int(1).done()),
        part(5, path("/m").buffer(&binary[..]).int(1).done()),
        part(13, path("/m").int(2).done()),
        part(2, path("/m").done()),
        part(-1, Writer::new().int(-2).done()),
    ];
    log.add(14, &[Writer::new().int(parts.len() as i32).done(), parts.concat()].concat());
    log.add(14, &Writer::new().int(0).done());
    log
}
