//! Checkers: what must hold of everything that clients see, disks keep, and servers say to each other.

pub(crate) mod history;
pub(crate) mod recipes;
pub(crate) mod replies;
pub(crate) mod servers;
pub(crate) mod sessions;
pub(crate) mod talk;
pub(crate) mod watches;

/// What was found to be wrong, in words.
pub(crate) type Checked = Result<(), String>;

/// Fails with these words unless the condition holds.
pub(crate) fn ensure(holds: bool, otherwise: impl FnOnce() -> String) -> Checked {
    if holds { Ok(()) } else { Err(otherwise()) }
}
