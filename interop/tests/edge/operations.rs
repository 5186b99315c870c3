//! 16.5: delete, reads, ACL operations, sync and reconfig.

use zoorum_interop::wire::client::path_watch;
use zoorum_interop::wire::{Acl, Writer, code, flag, op, perm};

use crate::support::create_all;
use crate::table::{Config, Row, Stage};

/// The rows.
pub const ROWS: &[Row] = &[
    row(54, "delete judges the version before the children", delete_order),
    row(55, "delete asks the parent's ACL only", delete_unreadable),
    row(56, "setACL judges the ACL before it looks for the node", set_acl_order),
    row(57, "reads judge paths by what they find there", read_paths),
    row(58, "ADMIN suffices for getACL and for no other read", admin_only),
    row(59, "hashes are shown to administrators only", masked),
    Row { config: Config::Fresh, ..row(60, "a fresh server has three nodes below the root", all_children) },
    row(60, "getAllChildrenNumber counts descendants", all_children_of_node),
    row(61, "getEphemerals lists those of the session, by prefix of the string", ephemerals),
    row(62, "sync echoes its path", sync),
    row(63, "reconfig is disabled by default", reconfig_disabled),
    Row { config: Config::Super, ..row(63, "and not for a standalone server", reconfig_standalone) },
];

const fn row(number: u32, title: &'static str, check: fn(&Stage)) -> Row {
    Row { number, title, config: Config::Plain, check }
}

fn delete_order(stage: &Stage) {
    let (mut client, root) = stage.client_and_root();
    create_all(&mut client, &[&format!("{root}/c")]);
    assert_eq!(client.delete(&root, 5), Err(code::BAD_VERSION));
    assert_eq!(client.delete(&root, 0), Err(code::NOT_EMPTY));
    assert_eq!(client.delete(&root, -1), Err(code::NOT_EMPTY));
    for path in ["/", "/zookeeper", "/zookeeper/quota", "/zookeeper/config", "x", "", "/a\0"] {
        assert_eq!(client.delete(path, -1), Err(code::BAD_ARGUMENTS), "delete {path:?}");
    }
    assert_eq!(client.delete(&format!("{root}/none/c"), -1), Err(code::NO_NODE));
    assert_eq!(client.delete(&format!("{root}/c/"), -1), Err(code::NO_NODE));
}

fn delete_unreadable(stage: &Stage) {
    let (mut client, root) = stage.client_and_root();
    let (mut owner, private) = stage.digest_client("owner");
    let child = format!("{root}/c");
    assert_eq!(owner.create_with(&child, b"", &private, 0), Ok(child.clone()));
    assert_eq!(client.get_data(&child, false), Err(code::NO_AUTH));
    assert_eq!(client.delete(&child, -1), Ok(()));

    let closed = [Acl::new(perm::ALL & !perm::DELETE, "world", "anyone")];
    create_all(&mut client, &[&child]);
    assert!(client.set_acl(&root, &closed, -1).is_ok());
    assert_eq!(client.delete(&child, -1), Err(code::NO_AUTH));
}

fn set_acl_order(stage: &Stage) {
    let mut client = stage.client();
    let invalid = [Acl::new(perm::ALL, "world", "x")];
    assert_eq!(client.set_acl("/none", &invalid, -1), Err(code::INVALID_ACL));
    assert_eq!(client.set_acl("/none", &Acl::open(), -1), Err(code::NO_NODE));
    assert_eq!(client.set_acl("x", &invalid, -1), Err(code::BAD_ARGUMENTS));
}

fn read_paths(stage: &Stage) {
    let (mut client, root) = stage.client_and_root();
    let stat = client.exists("/", false).expect("the root");
    assert_eq!(client.exists("", false), Ok(stat));
    assert_eq!(client.get_data("", false).map(|(_, stat)| stat), Ok(stat));
    assert_eq!(client.get_children2("", false).map(|(_, stat)| stat), Ok(stat));
    assert_eq!(client.get_acl("").map(|(_, stat)| stat), Ok(stat));
    let slash = format!("{root}/");
    assert_eq!(client.get_data(&slash, false), Err(code::NO_NODE));
    assert_eq!(client.exists(&slash, false), Err(code::NO_NODE));
    let nul = format!("{root}\0");
    assert_eq!(client.exists(&nul, false), Err(code::BAD_ARGUMENTS));
    assert_eq!(client.get_data(&nul, false), Err(code::NO_NODE));
    assert_eq!(client.get_children(&nul, false), Err(code::NO_NODE));
    assert_eq!(client.set_data("", b"", -1), Err(code::BAD_ARGUMENTS));
    assert_eq!(client.set_data(&slash, b"", -1), Err(code::BAD_ARGUMENTS));
    let null = Writer::new().string(None).bool(false).done();
    for kind in [op::EXISTS, op::GET_DATA, op::GET_CHILDREN, op::GET_CHILDREN2] {
        assert_eq!(client.call(kind, &null).err, code::MARSHALLING_ERROR, "opcode {kind}");
    }
    let null = Writer::new().string(None).done();
    for kind in [op::GET_ACL, op::GET_ALL_CHILDREN_NUMBER] {
        assert_eq!(client.call(kind, &null).err, code::MARSHALLING_ERROR, "opcode {kind}");
    }
}

fn admin_only(stage: &Stage) {
    let (mut client, root) = stage.client_and_root();
    let acl = vec![Acl::new(perm::ADMIN, "world", "anyone")];
    assert!(client.set_acl(&root, &acl, -1).is_ok());
    assert_eq!(client.get_acl(&root).map(|(acl, _)| acl), Ok(acl));
    for kind in [op::EXISTS, op::GET_DATA, op::GET_CHILDREN, op::GET_CHILDREN2] {
        assert_eq!(client.call(kind, &path_watch(&root, true)).err, code::NO_AUTH, "opcode {kind}");
    }
    assert_eq!(client.get_all_children_number(&root), Err(code::NO_AUTH));
    assert_eq!(client.check_watches(&root, 3), Err(code::NO_WATCHER), "a refused read sets no watch");
}

fn masked(stage: &Stage) {
    let (mut client, root) = stage.client_and_root();
    let user = Acl::new(perm::ALL, "digest", "bob:hash");
    let address = Acl::new(perm::READ, "ip", "127.0.0.1");
    let acl = [user.clone(), address.clone()];
    let path = format!("{root}/x");
    assert_eq!(client.create_with(&path, b"", &acl, 0), Ok(path.clone()));
    let seen = client.get_acl(&path).map(|(acl, _)| acl);
    assert_eq!(seen, Ok(vec![Acl::new(perm::ALL, "digest", "bob:x"), address]));

    let acl = [user, Acl::new(perm::ADMIN, "ip", "127.0.0.1")];
    let path = format!("{root}/y");
    assert_eq!(client.create_with(&path, b"", &acl, 0), Ok(path.clone()));
    assert_eq!(client.get_acl(&path).map(|(acl, _)| acl), Ok(acl.to_vec()));

    let path = format!("{root}/z");
    let acl = [Acl::new(perm::ALL & !(perm::ADMIN | perm::READ), "world", "anyone")];
    assert_eq!(client.create_with(&path, b"", &acl, 0), Ok(path.clone()));
    assert_eq!(client.get_acl(&path).map(|(acl, _)| acl), Err(code::NO_AUTH));
}

fn all_children(stage: &Stage) {
    assert_eq!(stage.client().get_all_children_number("/"), Ok(3));
}

fn all_children_of_node(stage: &Stage) {
    let (mut client, root) = stage.client_and_root();
    assert_eq!(client.get_all_children_number(&root), Ok(0));
    create_all(
        &mut client,
        &["/a", "/a/b", "/a/b/c", "/ab"].map(|p| root.clone() + p).each_ref().map(|p| &**p),
    );
    assert_eq!(client.get_all_children_number(&root), Ok(4));
    assert_eq!(client.get_all_children_number(&format!("{root}/a")), Ok(2));
    assert_eq!(client.get_all_children_number("/none"), Err(code::NO_NODE));
}

fn ephemerals(stage: &Stage) {
    let (mut client, root) = stage.client_and_root();
    let mut other = stage.client();
    create_all(&mut client, &[&format!("{root}/abc")]);
    let mine = ["/ab", "/abc/x", "/z"].map(|p| root.clone() + p);
    for path in &mine {
        assert_eq!(client.create(path, b"", flag::EPHEMERAL), Ok(path.clone()));
    }
    assert!(other.create(&format!("{root}/other"), b"", flag::EPHEMERAL).is_ok());
    for all in [None, Some("  "), Some("/"), Some("")] {
        assert_eq!(client.get_ephemerals(all), Ok(mine.to_vec()), "prefix {all:?}");
    }
    assert_eq!(client.get_ephemerals(Some(&format!("{root}/ab"))), Ok(mine[..2].to_vec()));
    assert_eq!(client.get_ephemerals(Some("nonsense")), Ok(vec![]));
}

fn sync(stage: &Stage) {
    let mut client = stage.client();
    assert_eq!(client.sync(None), Ok(None));
    for path in ["garbage//", "", "/none"] {
        assert_eq!(client.sync(Some(path)), Ok(Some(path.into())));
    }
    assert_eq!(client.call(op::SYNC, b"").err, code::MARSHALLING_ERROR);
    client.expect_usable();
}

fn reconfig_disabled(stage: &Stage) {
    let mut client = stage.client();
    assert_eq!(client.reconfig(None, None, None, -1), Err(code::RECONFIG_DISABLED));
    let garbage = client.reconfig(Some("x"), Some("y"), Some("z"), 77);
    assert_eq!(garbage, Err(code::RECONFIG_DISABLED));
    client.expect_usable();
}

fn reconfig_standalone(stage: &Stage) {
    let mut client = stage.client();
    assert_eq!(client.reconfig(None, None, None, -1), Err(code::UNIMPLEMENTED));
    client.expect_usable();
}
