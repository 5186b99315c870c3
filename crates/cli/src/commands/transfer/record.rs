//! A line of an export.

use serde_json::{Map, Value, json};
use zoorum_client::{Acl, Create, CreateMode, open_acl};

use crate::{acl, data};

/// The version of the form.
const FORM: u64 = 1;

/// No fewer than all lengths and numbers of a creation take, or of an entry of an ACL.
const FIELDS_BYTES: usize = 64;

/// What a line says.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Line {
    /// The first one.
    Head,
    /// A znode.
    Znode(Record),
    /// The last one: how many znodes there were.
    End(u64),
}

/// A znode.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Record {
    /// Below the root, which is empty.
    pub(super) path: String,
    /// `None` is null.
    pub(super) data: Option<Vec<u8>>,
    pub(super) acl: Vec<Acl<'static>>,
}

impl Line {
    /// The text, without the line's end.
    pub(super) fn head(root: &str) -> String {
        json!({ "zoorum-export": FORM, "root": root }).to_string()
    }

    /// The text, without the line's end.
    pub(super) fn end(znodes: u64) -> String {
        json!({ "end": true, "znodes": znodes }).to_string()
    }

    /// Reads a line.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn parse(text: &[u8]) -> Result<Self, String> {
        let value: Value = serde_json::from_slice(text).map_err(|error| format!("it is no JSON: {error}"))?;
        let Value::Object(object) = value else { return Err("it is no JSON object".to_owned()) };
        if let Some(form) = object.get("zoorum-export") {
            return match form.as_u64() {
                Some(FORM) => Ok(Self::Head),
                _ => Err(format!("the form is {form}, and this shell reads {FORM}")),
            };
        }
        if object.get("end") == Some(&Value::Bool(true)) {
            let znodes = object.get("znodes").and_then(Value::as_u64);
            return znodes
                .map(Self::End)
                .ok_or_else(|| "it does not say how many znodes there are".to_owned());
        }
        Record::of(&object).map(Self::Znode)
    }
}

impl Record {
    /// The text, without the line's end.
    pub(super) fn text(&self) -> String {
        let data = self.data.as_deref().map_or(Value::Null, |bytes| match std::str::from_utf8(bytes) {
            Ok(text) => json!({ "text": text }),
            Err(_) => json!({ "base64": data::base64(bytes) }),
        });
        let mut object = json!({ "path": self.path, "data": data });
        if self.acl != open_acl() {
            object["acl"] = self.acl.iter().map(acl::json).collect();
        }
        object.to_string()
    }

    fn of(object: &Map<String, Value>) -> Result<Self, String> {
        let path = object.get("path").and_then(Value::as_str).ok_or("it has no path")?.to_owned();
        let data = match object.get("data") {
            None => return Err(format!("{path} has no data: null stands for none")),
            Some(Value::Null) => None,
            Some(value) => {
                Some(bytes(value).ok_or_else(|| format!("the data of {path} is neither text nor base64"))?)
            }
        };
        let acl = match object.get("acl") {
            None => open_acl(),
            Some(list) => entries(list).ok_or_else(|| format!("the ACL of {path} is none"))?,
        };
        Ok(Self { path, data, acl })
    }

    /// How the znode is created.
    pub(super) fn how(&self) -> Create {
        let how = Create::new(CreateMode::Persistent).acl(self.acl.clone());
        if self.data.is_none() { how.null() } else { how }
    }

    /// No fewer bytes than its creation takes in a request.
    pub(super) fn request_bytes(&self, path: &str) -> usize {
        let entry = |acl: &Acl<'_>| FIELDS_BYTES + acl.scheme.len() + acl.id.len();
        FIELDS_BYTES + path.len() + self.bytes().len() + self.acl.iter().map(entry).sum::<usize>()
    }

    /// The data, empty for null.
    pub(super) fn bytes(&self) -> &[u8] {
        self.data.as_deref().unwrap_or_default()
    }
}

fn bytes(value: &Value) -> Option<Vec<u8>> {
    match (value.get("text"), value.get("base64")) {
        (Some(text), None) => Some(text.as_str()?.as_bytes().to_vec()),
        (None, Some(text)) => data::of_base64(text.as_str()?),
        _ => None,
    }
}

fn entries(list: &Value) -> Option<Vec<Acl<'static>>> {
    let list = list.as_array().filter(|list| !list.is_empty())?;
    let entry = |value: &Value| {
        let text = |key: &str| Some(value.get(key)?.as_str()?.to_owned());
        let perms = acl::permissions(&text("perms")?).ok()?;
        Some(Acl { perms, scheme: text("scheme")?.into(), id: text("id")?.into() })
    };
    list.iter().map(entry).collect()
}

#[cfg(test)]
mod tests {
    use zoorum_client::read_only_acl;

    use super::*;

    #[test]
    fn a_record_is_read_back_as_it_was_written() {
        let rows = [
            (Some(b"text\n\"quoted\"".to_vec()), open_acl()),
            (Some(vec![0, 255]), read_only_acl()),
            (Some(Vec::new()), open_acl()),
            (None, open_acl()),
        ];
        for (data, acl) in rows {
            let record = Record { path: "/a/ü".to_owned(), data, acl };
            let text = record.text();
            assert!(!text.contains('\n'), "{text}");
            assert_eq!(Line::parse(text.as_bytes()), Ok(Line::Znode(record)));
        }
        assert_eq!(Line::parse(Line::head("/a").as_bytes()), Ok(Line::Head));
        assert_eq!(Line::parse(Line::end(7).as_bytes()), Ok(Line::End(7)));
    }

    #[test]
    fn what_is_no_record_is_refused_with_a_reason() {
        let rows: [(&[u8], &str); 6] = [
            (b"[]", "it is no JSON object"),
            (b"{\"zoorum-export\":2}", "the form is 2, and this shell reads 1"),
            (b"{\"data\":null}", "it has no path"),
            (b"{\"path\":\"/a\"}", "/a has no data: null stands for none"),
            (b"{\"path\":\"/a\",\"data\":{\"base64\":\"*\"}}", "the data of /a is neither text nor base64"),
            (b"{\"path\":\"/a\",\"data\":null,\"acl\":[]}", "the ACL of /a is none"),
        ];
        for (text, reason) in rows {
            assert_eq!(Line::parse(text), Err(reason.to_owned()));
        }
    }
}
