//! Why a command failed, in the words that scripts know.

use zoorum_client::session::Cause;
use zoorum_client::{Error, ErrorCode, ErrorKind};

/// The exit code of a command that failed.
pub(crate) const FAILED: u8 = 1;
/// The exit code of a command that does not exist.
pub(crate) const NOT_FOUND: u8 = 127;

/// A failed command: what is said on stderr, and the exit code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) message: String,
    pub(crate) code: u8,
}

impl Fault {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), code: FAILED }
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        Self::new(message(&error))
    }
}

/// What the original says, and below it what it leaves open.
pub(crate) fn message(error: &Error) -> String {
    let said = original(error);
    match &error.kind {
        ErrorKind::Unknown(Cause::Disconnected | Cause::Expired | Cause::Closed) if is_write(error) => {
            format!(
                "{said}\nThe answer never came: the change may have been made, or not. Look before asking again."
            )
        }
        ErrorKind::NotSent(Cause::Disconnected) => {
            format!("{said}\nNo server could be reached in time, so nothing was sent.")
        }
        _ => said,
    }
}

fn is_write(error: &Error) -> bool {
    use zoorum_client::OpCode::{
        Create2, CreateContainer, CreateTtl, Delete, Multi, Reconfig, SetAcl, SetData,
    };
    matches!(error.op, Create2 | CreateContainer | CreateTtl | Delete | Multi | Reconfig | SetAcl | SetData)
}

fn original(error: &Error) -> String {
    let path = &error.path;
    match error.code() {
        Some(ErrorCode::NoNode) => format!("Node does not exist: {path}"),
        Some(ErrorCode::NoChildrenForEphemerals) => format!("Ephemerals cannot have children: {path}"),
        Some(ErrorCode::NodeExists) => format!("Node already exists: {path}"),
        Some(ErrorCode::NotEmpty) => format!("Node not empty: {path}"),
        Some(ErrorCode::NotReadOnly) => format!("Not a read-only call: {path}"),
        Some(ErrorCode::InvalidAcl) => format!("Acl is not valid : {path}"),
        Some(ErrorCode::NoAuth) => format!("Insufficient permission : {path}"),
        Some(ErrorCode::BadArguments) => format!("Arguments are not valid : {path}"),
        Some(ErrorCode::BadVersion) => format!("version No is not valid : {path}"),
        Some(ErrorCode::QuotaExceeded) => format!("Quota has exceeded : {path}"),
        _ => match error.kind {
            ErrorKind::RefusedOther(RECONFIG_IN_PROGRESS) => {
                "Another reconfiguration is in progress -- concurrent reconfigs not supported (yet)".to_owned()
            }
            ErrorKind::RefusedOther(NEW_CONFIG_NO_QUORUM) => "No quorum of new config is connected and up-to-date with \
                 the leader of last commmitted config - try invoking reconfiguration after new servers are connected \
                 and synced"
                .to_owned(),
            _ => keeper(error),
        },
    }
}

/// Codes that no server but the original gives.
const NEW_CONFIG_NO_QUORUM: i32 = -13;
const RECONFIG_IN_PROGRESS: i32 = -14;

/// The message of the original's exception.
pub(crate) fn keeper(error: &Error) -> String {
    let name = match &error.kind {
        ErrorKind::Invalid(reason) => return reason.clone(),
        ErrorKind::NotSent(cause) | ErrorKind::Unknown(cause) => match cause {
            Cause::Disconnected => "ConnectionLoss".to_owned(),
            Cause::Expired | Cause::Closed => "Session expired".to_owned(),
            Cause::AuthFailed => "AuthFailed".to_owned(),
            Cause::Overloaded | Cause::TooLarge | Cause::Nonsense => {
                return format!("{}: {cause}", error.path);
            }
        },
        ErrorKind::Refused(code) | ErrorKind::MultiRefused { code, .. } => code_name(*code),
        ErrorKind::RefusedOther(code) => format!("Unknown error {code}"),
    };
    match error.path.is_empty() {
        true => format!("KeeperErrorCode = {name}"),
        false => format!("KeeperErrorCode = {name} for {}", error.path),
    }
}

fn code_name(code: ErrorCode) -> String {
    match code {
        ErrorCode::InvalidAcl => "InvalidACL".to_owned(),
        ErrorCode::NotEmpty => "Directory not empty".to_owned(),
        ErrorCode::SessionExpired => "Session expired".to_owned(),
        ErrorCode::SessionMoved => "Session moved".to_owned(),
        ErrorCode::NotReadOnly => "Not a read-only call".to_owned(),
        ErrorCode::EphemeralOnLocalSession => "Ephemeral node on local session".to_owned(),
        ErrorCode::NoWatcher => "No such watcher".to_owned(),
        ErrorCode::ReconfigDisabled => "Reconfig is disabled".to_owned(),
        ErrorCode::SessionClosedRequireAuth => {
            "Session closed because client failed to authenticate".to_owned()
        }
        ErrorCode::QuotaExceeded => "Quota has exceeded".to_owned(),
        ErrorCode::ThrottledOp => "Op throttled due to high load".to_owned(),
        other => format!("{other:?}"),
    }
}

/// The number that the original's asynchronous calls report.
pub(crate) fn return_code(error: &Error) -> i32 {
    match &error.kind {
        ErrorKind::Refused(code) | ErrorKind::MultiRefused { code, .. } => code.number(),
        ErrorKind::RefusedOther(code) => *code,
        ErrorKind::NotSent(Cause::Expired | Cause::Closed)
        | ErrorKind::Unknown(Cause::Expired | Cause::Closed) => ErrorCode::SessionExpired.number(),
        ErrorKind::NotSent(Cause::AuthFailed) | ErrorKind::Unknown(Cause::AuthFailed) => {
            ErrorCode::AuthFailed.number()
        }
        ErrorKind::Invalid(_) => ErrorCode::BadArguments.number(),
        ErrorKind::NotSent(_) | ErrorKind::Unknown(_) => CONNECTION_LOSS,
    }
}

/// A code that is only ever made up by clients.
const CONNECTION_LOSS: i32 = -4;
