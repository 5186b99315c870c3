//! How the tree behaves, seen from outside: rules as rows, and random histories against naive models.

mod create;
mod dump;
mod fuzzy;
mod history;
mod model;
mod operations;
mod quota;
mod replay;
mod scene;
mod snapshot;
mod watches;
