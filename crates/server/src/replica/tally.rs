//! What the original counts of each change as it decides about it.

use zoorum_proto::op::{MultiOp, WriteOp};
use zoorum_proto::{ErrorCode, TxnBody};

/// How many znodes a change touches: whatever is created or deleted touches its parent, too.
pub(super) fn touched(body: &TxnBody<'_>) -> u64 {
    match body {
        TxnBody::Create(_) | TxnBody::Delete { .. } | TxnBody::DeleteContainer { .. } => 2,
        TxnBody::SetData(_) | TxnBody::Reconfig(_) | TxnBody::SetAcl(_) => 1,
        TxnBody::CloseSession { paths } => 2 * paths.as_ref().map_or(0, Vec::len) as u64,
        TxnBody::Multi(parts) if parts.iter().any(|part| matches!(part, TxnBody::Error(_))) => 0,
        TxnBody::Multi(parts) => parts.iter().map(touched).sum(),
        TxnBody::CreateSession { .. } | TxnBody::Check(_) | TxnBody::Error(_) => 0,
    }
}

/// Where a request wanted more than a quota allows, if that is why it was refused.
pub(super) fn over_quota<'o>(op: &'o WriteOp<'_>, body: &TxnBody<'_>) -> Option<&'o str> {
    let is_over = |body: &TxnBody<'_>| matches!(body, TxnBody::Error(code) if *code == ErrorCode::QuotaExceeded.number());
    match (op, body) {
        (WriteOp::Create(request), _) if is_over(body) => Some(&request.path),
        (WriteOp::SetData(request), _) if is_over(body) => Some(&request.path),
        (WriteOp::Multi(ops), TxnBody::Multi(parts)) => match ops.get(parts.iter().position(is_over)?)? {
            MultiOp::Create(request) => Some(&request.path),
            MultiOp::SetData(request) => Some(&request.path),
            MultiOp::Delete(_) | MultiOp::Check(_) => None,
        },
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use zoorum_proto::op::{CreateOp, CreateRequest};

    use super::*;

    #[test]
    fn a_multi_touches_what_its_parts_do_or_nothing() {
        let delete = || TxnBody::Delete { path: "/a".into() };
        assert_eq!(touched(&TxnBody::Multi(vec![delete(), delete()])), 4);
        assert_eq!(touched(&TxnBody::Multi(vec![delete(), TxnBody::Error(-101)])), 0);
        assert_eq!(touched(&TxnBody::CloseSession { paths: Some(vec!["/a".into()]) }), 2);
        assert_eq!(touched(&TxnBody::CloseSession { paths: None }), 0);
    }

    #[test]
    fn a_refusal_for_a_quota_names_the_request_that_wanted_too_much() {
        let create = |path: &'static str| CreateRequest {
            op: CreateOp::Create,
            path: path.into(),
            data: None,
            acl: None,
            flags: 0,
        };
        let refused = || TxnBody::refused(ErrorCode::QuotaExceeded);
        let one = WriteOp::Create(create("/a/b"));
        assert_eq!(over_quota(&one, &refused()), Some("/a/b"));
        assert_eq!(over_quota(&one, &TxnBody::refused(ErrorCode::NodeExists)), None);
        let many = WriteOp::Multi(vec![MultiOp::Create(create("/a")), MultiOp::Create(create("/b"))]);
        let parts = TxnBody::Multi(vec![TxnBody::Error(0), refused()]);
        assert_eq!(over_quota(&many, &parts), Some("/b"));
    }
}
