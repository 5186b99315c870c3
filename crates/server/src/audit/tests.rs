//! Records as the original wrote them for the same requests.

use std::borrow::Cow;

use zoorum_proto::op::{CreateOp, CreateRequest, DeleteRequest, SetAclRequest};
use zoorum_proto::txn::{CreateKind, CreateTxn};
use zoorum_proto::{ErrorCode, Stat, TxnHeader, Version, WallClock, Xid};

use super::*;

const SESSION: SessionId = SessionId(0x0100_0025_8fd6_0001);

fn bob() -> [AuthId; 2] {
    [AuthId::new("ip", "127.0.0.1"), AuthId::new("digest", "bob:secret")]
}

fn create(path: &str, flags: i32) -> CreateRequest<'_> {
    CreateRequest { op: CreateOp::Create, path: path.into(), data: None, acl: None, flags }
}

fn created(path: &str) -> TxnBody<'_> {
    let kind = CreateKind::Create { ephemeral: false };
    TxnBody::Create(CreateTxn { kind, path: path.into(), data: None, acl: Vec::new(), parent_creates: 1 })
}

/// The lines that a request and its outcome make.
fn lines(op: &WriteOp<'_>, body: TxnBody<'_>, outcome: &Outcome) -> Vec<String> {
    let mut auditor = Auditor::default();
    auditor.on_asked(Zxid(7), SESSION, &bob(), op);
    let header = TxnHeader { session: SESSION, cxid: Xid(1), zxid: Zxid(7), time: WallClock(0), kind: 0 };
    auditor.on_applied(&Txn { header, body, digest: None }, outcome);
    assert!(auditor.asked.is_empty(), "what was asked is concluded");
    auditor.take_records().iter().map(|record| record.text("root")).collect()
}

/// A line with tabs where blanks stand, and what all lines of the session begin with.
fn expected(rest: &str) -> String {
    format!("session=0x10000258fd60001 user=bob,127.0.0.1 ip=127.0.0.1 {rest}").replace(' ', "\t")
}

#[test]
fn a_created_znode_is_told_by_the_name_it_got() {
    let op = WriteOp::Create(create("/q/p-", 2));
    let made = lines(&op, created("/q/p-0000000000"), &Outcome::Created(Stat::default()));
    let line = "operation=create znode=/q/p-0000000000 znode_type=persistent_sequential result=success";
    assert_eq!(made, [expected(line)]);
}

#[test]
fn a_refusal_tells_what_was_asked() {
    let refused = ErrorCode::NoNode;
    let acl = vec![
        RequestedAcl { perms: Permissions(7 + 16), scheme: Some("world".into()), id: Some("anyone".into()) },
        RequestedAcl { perms: Permissions::READ, scheme: Some("ip".into()), id: Some("1.2.3.4".into()) },
    ];
    let path = || Cow::Borrowed("/zz");
    let rows = [
        (
            WriteOp::Create(create("/zz/y", 1)),
            "operation=create znode=/zz/y znode_type=ephemeral result=failure",
        ),
        (
            WriteOp::Delete(DeleteRequest { path: path(), version: Version::ANY }),
            "operation=delete znode=/zz result=failure",
        ),
        (
            WriteOp::SetAcl(SetAclRequest { path: path(), acl: Some(acl), version: Version::ANY }),
            "operation=setAcl znode=/zz acl=world:anyone:crwaip:1.2.3.4:r result=failure",
        ),
        (WriteOp::Multi(vec![MultiOp::Create(create("/m", 0))]), "operation=multiOperation result=failure"),
    ];
    for (op, line) in rows {
        assert_eq!(
            lines(&op, TxnBody::refused(refused), &Outcome::Error(refused.number())),
            [expected(line)]
        );
    }
}

#[test]
fn a_multi_tells_each_part_that_changed_something() {
    let delete = DeleteRequest { path: "/m1".into(), version: Version::ANY };
    let check = zoorum_proto::op::CheckRequest { path: "/app".into(), version: Version(1) };
    let op = WriteOp::Multi(vec![
        MultiOp::Create(create("/m1", 0)),
        MultiOp::Check(check),
        MultiOp::Delete(delete),
    ]);
    let checked = zoorum_proto::txn::CheckTxn { path: "/app".into(), version: Version(2) };
    let body =
        TxnBody::Multi(vec![created("/m1"), TxnBody::Check(checked), TxnBody::Delete { path: "/m1".into() }]);
    let outcome = Outcome::Multi(vec![Outcome::Created(Stat::default()), Outcome::Checked, Outcome::Deleted]);
    let lines = lines(&op, body, &outcome);
    let created = expected("operation=create znode=/m1 znode_type=persistent result=success");
    assert_eq!(lines, [created, expected("operation=delete znode=/m1 result=success")]);
}

#[test]
fn what_the_server_does_itself_is_told_of_its_user() {
    let mut auditor = Auditor::default();
    auditor.on_session_ended(SESSION, vec!["/app/je".to_owned()]);
    let lines: Vec<_> = auditor.take_records().iter().map(|record| record.text("root")).collect();
    let ephemeral = "session=0x10000258fd60001\tuser=root\t\
        operation=ephemeralZNodeDeletionOnSessionCloseOrExpire\tznode=/app/je\tresult=success";
    assert_eq!(lines, [ephemeral]);
    let stop = Record::of_server(Operation::ServerStop, Verdict::Invoked);
    assert_eq!(stop.text("root"), "user=root\toperation=serverStop\tresult=invoked");
}

#[test]
fn nobody_forges_a_line() {
    let op = WriteOp::Create(create("/a\n2026-11-21 user=root\toperation=serverStop", 0));
    let error = ErrorCode::BadArguments;
    let line = lines(&op, TxnBody::refused(error), &Outcome::Error(error.number())).concat();
    assert_eq!(line.matches('\t').count(), 6, "{line}");
    assert!(!line.contains('\n'), "{line}");
}

#[test]
fn what_was_lost_with_its_leader_is_in_nobodys_way() {
    let mut auditor = Auditor::default();
    let op = WriteOp::Create(create("/a", 0));
    auditor.on_asked(Zxid(7), SESSION, &bob(), &op);
    auditor.on_asked(Zxid(9), SESSION, &bob(), &op);
    let header = TxnHeader { session: SESSION, cxid: Xid(1), zxid: Zxid(9), time: WallClock(0), kind: 0 };
    let outcome = Outcome::Created(Stat::default());
    auditor.on_applied(&Txn { header, body: created("/a"), digest: None }, &outcome);
    assert_eq!((auditor.take_records().len(), auditor.asked.len()), (1, 0));
}
