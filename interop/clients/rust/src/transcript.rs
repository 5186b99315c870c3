//! What a client saw, in a form that two servers can be compared by, line by line: zxids are relative to the
//! first of the section, sessions numbered as they appear.

use std::cell::{Cell, RefCell};
use std::fmt::{Debug, Display};

use zookeeper_client::{Acl, Error, MultiReadResult, MultiWriteResult, Stat, WatchedEvent};

#[derive(Default)]
pub struct Transcript {
    base: Cell<i64>,
    sessions: RefCell<Vec<i64>>,
}

impl Transcript {
    /// Starts a section whose zxids count from `zxid`.
    pub fn section(&self, title: &str, zxid: i64) {
        self.base.set(zxid);
        println!("== {title}");
    }

    /// A result that is told by `show`, or the error instead.
    pub fn tell<T, E: Debug>(&self, what: &str, result: Result<T, E>, show: impl FnOnce(T) -> String) {
        match result {
            Ok(value) => println!("{what} -> {}", show(value)),
            Err(error) => println!("{what} -> {error:?}"),
        }
    }

    /// A result whose value says nothing, or says it by itself.
    pub fn plain<T: Debug>(&self, what: &str, result: Result<T, Error>) {
        self.tell(what, result, |value| format!("{value:?}"));
    }

    pub fn line(&self, what: &str, value: impl Display) {
        println!("{what}: {value}");
    }

    fn zxid(&self, zxid: i64) -> String {
        if zxid > 0 { format!("z{}", zxid - self.base.get()) } else { zxid.to_string() }
    }

    fn session(&self, id: i64) -> String {
        if id == 0 {
            return "none".into();
        }
        let mut sessions = self.sessions.borrow_mut();
        let number = sessions.iter().position(|&known| known == id).unwrap_or_else(|| {
            sessions.push(id);
            sessions.len() - 1
        });
        format!("session{number}")
    }

    pub fn stat(&self, stat: &Stat) -> String {
        format!(
            "{{c={} m={} p={} v={} cv={} av={} len={} kids={} owner={}}}",
            self.zxid(stat.czxid),
            self.zxid(stat.mzxid),
            self.zxid(stat.pzxid),
            stat.version,
            stat.cversion,
            stat.aversion,
            stat.data_length,
            stat.num_children,
            self.session(stat.ephemeral_owner)
        )
    }

    pub fn data(&self, (data, stat): (Vec<u8>, Stat)) -> String {
        let text = if data.len() > 200 {
            format!("{} bytes", data.len())
        } else {
            String::from_utf8_lossy(&data).into_owned()
        };
        format!("{text:?} {}", self.stat(&stat))
    }

    pub fn acls(&self, (acls, stat): (Vec<Acl>, Stat)) -> String {
        let entries: Vec<_> =
            acls.iter().map(|acl| format!("{}:{}:{}", acl.permission(), acl.scheme(), acl.id())).collect();
        format!("{entries:?} {}", self.stat(&stat))
    }

    pub fn event(&self, event: &WatchedEvent) -> String {
        format!("{} {} at {}", event.event_type, event.path, self.zxid(event.zxid))
    }

    pub fn written(&self, results: Vec<MultiWriteResult>) -> String {
        let told = results.iter().map(|result| match result {
            MultiWriteResult::Create { path, stat } => format!("created {path} {}", self.stat(stat)),
            MultiWriteResult::SetData { stat } => format!("set {}", self.stat(stat)),
            other => format!("{other:?}"),
        });
        told.collect::<Vec<_>>().join(", ")
    }

    pub fn read(&self, results: Vec<MultiReadResult>) -> String {
        let told = results.into_iter().map(|result| match result {
            MultiReadResult::Data { data, stat } => self.data((data, stat)),
            MultiReadResult::Children { children } => names(children),
            other => format!("{other:?}"),
        });
        told.collect::<Vec<_>>().join(", ")
    }
}

/// Children come in no promised order.
pub fn names(mut names: Vec<String>) -> String {
    names.sort();
    format!("{names:?}")
}
