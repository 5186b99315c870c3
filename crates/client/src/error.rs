//! Why a request failed, and what is known of its effect.

use std::fmt;

use zoorum_proto::{ErrorCode, OpCode};

use crate::session::{Cause, Failure};

/// The outcome of whatever asks a server for something.
pub type Result<T> = std::result::Result<T, Error>;

/// A request that failed: which it was, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    /// What was asked.
    pub op: OpCode,
    /// Of which znode, as the application knows it. Empty where there is none.
    pub path: String,
    /// Why it failed.
    pub kind: ErrorKind,
}

/// Why a request failed. Each kind tells what is known of the request's effect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// It was never sent, for it could not mean anything: a bad path, an empty ACL. No effect.
    Invalid(String),
    /// It was never sent. No effect.
    NotSent(Cause),
    /// It was sent, and the answer never came. It may have been carried out, or not, or may yet be.
    Unknown(Cause),
    /// The server refused it. No effect.
    Refused(ErrorCode),
    /// The server refused it, with a code that ZooKeeper 3.9 does not have.
    RefusedOther(i32),
    /// The server refused a multi because of one of its operations. No effect.
    MultiRefused {
        /// Which operation, counted from 0.
        index: usize,
        /// Why.
        code: ErrorCode,
    },
}

impl Error {
    pub(crate) fn new(op: OpCode, path: &str, kind: ErrorKind) -> Self {
        Self { op, path: path.to_owned(), kind }
    }

    pub(crate) fn invalid(op: OpCode, path: &str, reason: impl Into<String>) -> Self {
        Self::new(op, path, ErrorKind::Invalid(reason.into()))
    }

    pub(crate) fn of(op: OpCode, path: &str, failure: Failure) -> Self {
        let kind = match failure {
            Failure::NotSent(cause) => ErrorKind::NotSent(cause),
            Failure::Unknown(cause) => ErrorKind::Unknown(cause),
            Failure::Refused(code) => match ErrorCode::from_number(code) {
                Some(code) => ErrorKind::Refused(code),
                None => ErrorKind::RefusedOther(code),
            },
        };
        Self::new(op, path, kind)
    }

    /// The server's code, if it refused.
    pub fn code(&self) -> Option<ErrorCode> {
        match self.kind {
            ErrorKind::Refused(code) | ErrorKind::MultiRefused { code, .. } => Some(code),
            ErrorKind::Invalid(_)
            | ErrorKind::NotSent(_)
            | ErrorKind::Unknown(_)
            | ErrorKind::RefusedOther(_) => None,
        }
    }

    /// Whether the server refused with this code.
    pub fn is(&self, code: ErrorCode) -> bool {
        self.code() == Some(code)
    }

    /// Whether the request may have had its effect all the same: look before asking again.
    pub fn is_ambiguous(&self) -> bool {
        matches!(self.kind, ErrorKind::Unknown(_))
    }

    /// Whether the session is over, so that nothing will ever succeed with it again.
    pub fn is_final(&self) -> bool {
        matches!(
            self.kind,
            ErrorKind::NotSent(Cause::Expired | Cause::AuthFailed | Cause::Closed)
                | ErrorKind::Unknown(Cause::Expired | Cause::AuthFailed | Cause::Closed)
                | ErrorKind::Refused(ErrorCode::SessionExpired | ErrorCode::AuthFailed)
        )
    }

    /// Whether the same request may succeed later: the connection was lost, or the server is overloaded. If it
    /// is a write and [`Self::is_ambiguous`], it may have succeeded already.
    pub fn is_transient(&self) -> bool {
        !self.is_final()
            && matches!(
                self.kind,
                ErrorKind::NotSent(Cause::Disconnected | Cause::Overloaded)
                    | ErrorKind::Unknown(_)
                    | ErrorKind::Refused(ErrorCode::ThrottledOp)
            )
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.op)?;
        if !self.path.is_empty() {
            write!(f, " {}", self.path)?;
        }
        match &self.kind {
            ErrorKind::Invalid(reason) => write!(f, ": not sent: {reason}"),
            ErrorKind::NotSent(cause) => write!(f, ": not sent: {cause}"),
            ErrorKind::Unknown(cause) => {
                write!(f, ": sent, but not answered, and may have been carried out or not: {cause}")
            }
            ErrorKind::Refused(code) => {
                write!(f, ": refused: {} ({code:?}, {})", reason(*code), code.number())
            }
            ErrorKind::RefusedOther(code) => write!(f, ": refused with error {code}"),
            ErrorKind::MultiRefused { index, code } => {
                let reason = reason(*code);
                write!(
                    f,
                    ": operation {index} of the multi was refused: {reason} ({code:?}, {})",
                    code.number()
                )
            }
        }
    }
}

impl std::error::Error for Error {}

/// What a code means, for people.
fn reason(code: ErrorCode) -> &'static str {
    match code {
        ErrorCode::RuntimeInconsistency => "an earlier operation failed",
        ErrorCode::MarshallingError => "the server cannot read the request",
        ErrorCode::Unimplemented => "the server does not offer this, or it is switched off",
        ErrorCode::BadArguments => "the arguments are impossible",
        ErrorCode::NoNode => "the znode, or its parent, does not exist",
        ErrorCode::NoAuth => "the ACL does not allow it",
        ErrorCode::BadVersion => "the version is not the expected one",
        ErrorCode::NoChildrenForEphemerals => "the parent is ephemeral",
        ErrorCode::NodeExists => "the znode exists",
        ErrorCode::NotEmpty => "the znode has children",
        ErrorCode::SessionExpired => "the session has expired",
        ErrorCode::InvalidAcl => "the ACL is empty or has an invalid entry",
        ErrorCode::AuthFailed => "the credentials were refused",
        ErrorCode::SessionMoved => "another server owns the session",
        ErrorCode::NotReadOnly => "the server has no quorum and is read-only",
        ErrorCode::EphemeralOnLocalSession => "a local session owns no ephemeral znodes",
        ErrorCode::NoWatcher => "there is no such watch",
        ErrorCode::ReconfigDisabled => "reconfiguration is switched off",
        ErrorCode::SessionClosedRequireAuth => "the server wants credentials first",
        ErrorCode::QuotaExceeded => "a quota would be exceeded",
        ErrorCode::ThrottledOp => "the server is overloaded; try again later",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_say_what_was_asked_of_what_and_what_became_of_it() {
        let rows = [
            (Failure::Refused(-110), "Create /a: refused: the znode exists (NodeExists, -110)"),
            (Failure::NotSent(Cause::Closed), "Create /a: not sent: the session is closed"),
            (Failure::Refused(-999), "Create /a: refused with error -999"),
        ];
        for (failure, text) in rows {
            assert_eq!(Error::of(OpCode::Create, "/a", failure).to_string(), text);
        }
    }

    #[test]
    fn what_is_known_of_the_effect_is_told() {
        let error = |failure| Error::of(OpCode::SetData, "/a", failure);
        let lost = error(Failure::Unknown(Cause::Disconnected));
        assert!(lost.is_ambiguous() && lost.is_transient() && !lost.is_final());
        let over = error(Failure::Unknown(Cause::Expired));
        assert!(over.is_ambiguous() && !over.is_transient() && over.is_final());
        let unsent = error(Failure::NotSent(Cause::Disconnected));
        assert!(!unsent.is_ambiguous() && unsent.is_transient());
        assert!(error(Failure::Refused(-101)).is(ErrorCode::NoNode));
    }
}
