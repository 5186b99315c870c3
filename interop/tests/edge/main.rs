//! The edge cases of the client protocol, one row each, asked of Apache ZooKeeper and of Zoorum.
//!
//! The rows carry the numbers of the checklist in the protocol's description (its section 16). A row's
//! expectation was checked against the original; where Zoorum must differ on purpose (the original's
//! defects), the row says both with [`zoorum_interop::server::Kind::pick`].
//!
//! Not here, because they need something other than one standalone server:
//! 63 and 64 beyond what a standalone server answers to reconfig; 102 to 107, which are about
//! ensembles, local sessions and read-only servers; 116 to 125, which are about client libraries. TLS has
//! no row of its own. Rows from 201 on are about admission control, which the checklist does not have. 6 is checked by the function that the vector belongs to, on the server's own sessions.

mod admission;
mod aging;
mod auth;
mod create;
mod framing;
mod headers;
mod multi;
mod names;
mod operations;
mod quota;
mod sasl;
mod sessions;
mod stat;
mod support;
mod table;
mod watches;
mod watches_kept;

use table::{Row, failures};
use zoorum_interop::server::{Kind, zoorum_binary};

/// Every row, in the order of the sections.
fn rows() -> Vec<Row> {
    [
        framing::ROWS,
        headers::ROWS,
        names::ROWS,
        create::ROWS,
        stat::ROWS,
        operations::ROWS,
        multi::ROWS,
        watches::ROWS,
        watches_kept::ROWS,
        auth::ROWS,
        sasl::ROWS,
        sessions::ROWS,
        aging::ROWS,
        quota::ROWS,
        admission::ROWS,
    ]
    .concat()
}

/// Runs every row and reports all that fail, not only the first.
fn check(kind: Kind) {
    let rows = rows();
    let failures = failures(kind, &rows);
    assert!(
        failures.is_empty(),
        "{} of {} rows fail for {kind:?}:\n\n{}",
        failures.len(),
        rows.len(),
        failures.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n\n")
    );
}

#[test]
fn every_row_holds_for_the_original() {
    check(Kind::Original);
}

#[test]
fn every_row_holds_for_zoorum() {
    zoorum_binary();
    check(Kind::Zoorum);
}
