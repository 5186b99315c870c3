//! JSON in the layout of ZooKeeper's admin server, which scripts search line by line: one field a line, blanks
//! around the colon, lists on the line they begin in.

use std::fmt::Write as _;

use crate::words::numbers::java_real;

/// Names and values, in the order in which they are written.
pub(super) type Fields = Vec<(String, Json)>;

/// A value.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Json {
    Null,
    Bool(bool),
    Integer(i64),
    Real(f64),
    Text(String),
    List(Vec<Json>),
    Object(Fields),
}

/// Names and values of literals and expressions.
macro_rules! fields {
    ($($name:literal : $value:expr),* $(,)?) => {
        vec![$(($name.to_owned(), $crate::admin::json::Json::from($value))),*]
    };
}
pub(super) use fields;

impl Json {
    /// A list of anything that is a value.
    pub(super) fn list<T: Into<Json>>(values: impl IntoIterator<Item = T>) -> Self {
        Self::List(values.into_iter().map(Into::into).collect())
    }

    /// The whole text, without a line end.
    pub(super) fn text(&self) -> String {
        let mut out = String::new();
        self.write(&mut out, 0);
        out
    }

    fn write(&self, out: &mut String, depth: usize) {
        // Strings accept everything.
        let _ = match self {
            Self::Null => write!(out, "null"),
            Self::Bool(value) => write!(out, "{value}"),
            Self::Integer(value) => write!(out, "{value}"),
            Self::Real(value) => write!(out, "{}", java_real(*value)),
            Self::Text(text) => write!(out, "{}", serde_json::Value::from(text.as_str())),
            Self::List(values) => {
                out.push('[');
                for (index, value) in values.iter().enumerate() {
                    out.push_str(if index == 0 { " " } else { ", " });
                    value.write(out, depth);
                }
                write!(out, " ]")
            }
            Self::Object(fields) => {
                out.push('{');
                for (index, (name, value)) in fields.iter().enumerate() {
                    let comma = if index == 0 { "" } else { "," };
                    let indent = 2 * (depth + 1);
                    let _ =
                        write!(out, "{comma}\n{:indent$}{} : ", "", serde_json::Value::from(name.as_str()));
                    value.write(out, depth + 1);
                }
                if fields.is_empty() { write!(out, " }}") } else { write!(out, "\n{:1$}}}", "", 2 * depth) }
            }
        };
    }
}

impl From<bool> for Json {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<i64> for Json {
    fn from(value: i64) -> Self {
        Self::Integer(value)
    }
}

impl From<i32> for Json {
    fn from(value: i32) -> Self {
        Self::Integer(value.into())
    }
}

impl From<u64> for Json {
    fn from(value: u64) -> Self {
        Self::Integer(i64::try_from(value).unwrap_or(i64::MAX))
    }
}

impl From<usize> for Json {
    fn from(value: usize) -> Self {
        Self::from(value as u64)
    }
}

impl From<f64> for Json {
    fn from(value: f64) -> Self {
        Self::Real(value)
    }
}

impl From<&str> for Json {
    fn from(value: &str) -> Self {
        Self::Text(value.to_owned())
    }
}

impl From<String> for Json {
    fn from(value: String) -> Self {
        Self::Text(value)
    }
}

impl From<Fields> for Json {
    fn from(fields: Fields) -> Self {
        Self::Object(fields)
    }
}

impl<T: Into<Json>> From<Option<T>> for Json {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_layout_is_that_of_the_original() {
        let connection = fields! { "remote_socket_address": "127.0.0.1:42010", "interest_ops": 1 };
        let json = Json::from(fields! {
            "connections": Json::list([connection.clone(), connection]),
            "secure_connections": Json::List(Vec::new()),
            "current_config": Json::Object(Vec::new()),
            "nested": fields! { "ids": Json::list([1_i64, -2]) },
            "average": 66.5,
            "none": 0.0,
            "text": "a \"b\"\n",
            "error": Json::Null,
        });
        let expected = r#"{
  "connections" : [ {
    "remote_socket_address" : "127.0.0.1:42010",
    "interest_ops" : 1
  }, {
    "remote_socket_address" : "127.0.0.1:42010",
    "interest_ops" : 1
  } ],
  "secure_connections" : [ ],
  "current_config" : { },
  "nested" : {
    "ids" : [ 1, -2 ]
  },
  "average" : 66.5,
  "none" : 0.0,
  "text" : "a \"b\"\n",
  "error" : null
}"#;
        assert_eq!(json.text(), expected);
    }
}
