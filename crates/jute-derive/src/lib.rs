//! Derives jute encoding: a record's fields are its format, in order.
