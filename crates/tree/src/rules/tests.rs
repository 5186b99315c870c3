use super::*;

fn requested(perms: i32, scheme: &'static str, id: &'static str) -> RequestedAcl<'static> {
    RequestedAcl { perms: Permissions(perms), scheme: Some(scheme.into()), id: Some(id.into()) }
}

fn acl(perms: Permissions, scheme: &'static str, id: &'static str) -> Acl<'static> {
    Acl { perms, scheme: scheme.into(), id: id.into() }
}

fn is_accepted(rules: &AclRules, scheme: &'static str, id: &'static str) -> bool {
    rules.fix_up(Some(&[requested(31, scheme, id)]), &[], &mut 0).is_ok()
}

#[test]
fn only_valid_entries_are_accepted() {
    let rules = AclRules::default();
    assert_eq!(rules.fix_up(None, &[], &mut 0), Err(ErrorCode::InvalidAcl));
    assert_eq!(rules.fix_up(Some(&[]), &[], &mut 0), Err(ErrorCode::InvalidAcl));
    let null = RequestedAcl { perms: Permissions::ALL, scheme: Some("world".into()), id: None };
    assert_eq!(rules.fix_up(Some(&[null]), &[], &mut 0), Err(ErrorCode::InvalidAcl));
    for perms in [0, 255, -1] {
        let fixed = rules.fix_up(Some(&[requested(perms, "world", "anyone")]), &[], &mut 0);
        assert_eq!(fixed, Ok(vec![Acl::world(Permissions(perms))]));
    }
    let refused = [
        ("auth", ""),
        ("world", "x"),
        ("unknown", "x"),
        ("sasl", "bob"),
        ("x509", "CN=a"),
        ("super", ""),
        ("ensemble", "a"),
    ];
    for (scheme, id) in refused {
        assert!(!is_accepted(&rules, scheme, id), "{scheme}:{id}");
    }
}

#[test]
fn digest_ids_have_two_parts() {
    let rules = AclRules::default();
    for id in ["a:b", ":b", "a:b:"] {
        assert!(is_accepted(&rules, "digest", id), "{id:?}");
    }
    for id in ["a", "", "a:", "a:b:c", ":", "a::b"] {
        assert!(!is_accepted(&rules, "digest", id), "{id:?}");
    }
    assert!(!is_accepted(&AclRules { digest: false, ..rules }, "digest", "a:b"));
}

#[test]
fn ip_ids_are_addresses_or_networks() {
    let rules = AclRules::default();
    let good = [
        "1.2.3.4",
        "1.2.3.4/24",
        "01.2.3.4",
        "000.0.0.0",
        "1.2.3.4/0",
        "1.2.3.4/32",
        "::1",
        "::1/64",
        "::",
        "1:2:3:4:5:6:7:8",
        "1:2:3:4:5:6:7::",
        "::2:3:4:5:6:7:8",
        "fe80::1/128",
    ];
    for id in good {
        assert!(is_accepted(&rules, "ip", id), "{id:?}");
    }
    let bad = [
        "",
        "1.2.3",
        "1.2.3.4.5",
        "256.1.1.1",
        "1.2.3.4/33",
        "1.2.3.4/",
        "1.2.3.4/-1",
        "1.2.3.4/+1",
        "a.b.c.d",
        "1..2.3",
        "::1/129",
        "1::2::3",
        "1:2:3:4:5:6:7:8::",
        "1:2:3:4::5:6:7:8",
        ":::",
        "1:2:3:4:5:6:7:8:9",
        ":1",
        "12345::",
        "::1.2.3.4",
        "::1%0",
        "localhost",
    ];
    for id in bad {
        assert!(!is_accepted(&rules, "ip", id), "{id:?}");
    }
}

#[test]
fn an_address_matches_its_network_only() {
    let rows = [
        ("10.0.0.7", "10.0.0.7", true),
        ("10.0.0.7", "10.0.0.8", false),
        ("10.0.0.7", "10.0.0.0/24", true),
        ("10.0.1.7", "10.0.0.0/24", false),
        ("10.0.1.7", "0.0.0.0/0", true),
        ("0:0:0:0:0:0:0:1", "::1", true),
        ("0:0:0:0:0:0:0:1", "::2/126", true),
        ("0:0:0:0:0:0:0:1", "::/0", true),
        ("0:0:0:0:0:0:0:1", "0.0.0.0/0", false),
        ("10.0.0.7", "::/0", false),
        ("nonsense", "0.0.0.0/0", false),
    ];
    for (address, entry, expected) in rows {
        assert_eq!(ip::matches(address, entry), expected, "{address} {entry}");
    }
}

#[test]
fn sasl_and_x509_ids_are_names() {
    let rules = AclRules { sasl: true, x509: true, key: true, ensemble: true, ..AclRules::default() };
    for id in ["", "bob", "bob/host", "a/b/c", "bob@R", "bob/host@R", "@"] {
        assert!(is_accepted(&rules, "sasl", id), "{id:?}");
    }
    for id in ["bob@R@S", "a/b/c@R", "bob@R/S"] {
        assert!(!is_accepted(&rules, "sasl", id), "{id:?}");
    }
    for id in ["CN=a", "cn=a, O=b+OU=c,1.2.3=x", "CN=\"a,b\"", "CN=a\\,b", ""] {
        assert!(is_accepted(&rules, "x509", id), "{id:?}");
    }
    for id in ["a", "CN=a,b", "XYZ=a", "CN=\"a", "CN=a\\", "CN=a,,O=b"] {
        assert!(!is_accepted(&rules, "x509", id), "{id:?}");
    }
    assert!(is_accepted(&rules, "key", ""));
    assert!(!is_accepted(&rules, "ensemble", "a"));
}

#[test]
fn duplicates_are_stored_once_in_the_order_of_first_occurrence() {
    let rules = AclRules::default();
    let few =
        [requested(1, "digest", "a:b"), requested(31, "world", "anyone"), requested(1, "digest", "a:b")];
    let expected = vec![acl(Permissions::READ, "digest", "a:b"), Acl::world(Permissions::ALL)];
    assert_eq!(rules.fix_up(Some(&few), &[], &mut 0), Ok(expected.clone()));
    let many: Vec<_> = few.iter().cycle().take(20).cloned().collect();
    assert_eq!(rules.fix_up(Some(&many), &[], &mut 0), Ok(expected));
}

#[test]
fn auth_stands_for_every_proved_id_but_not_for_the_address() {
    let rules = AclRules::default();
    let ids = [
        AuthId::new("ip", "127.0.0.1"),
        AuthId::new("digest", "a:x"),
        AuthId::new("super", ""),
        AuthId::new("digest", "b:y"),
    ];
    let fixed = rules.fix_up(Some(&[requested(5, "auth", "ignored")]), &ids, &mut 0);
    let expected = vec![acl(Permissions(5), "digest", "a:x"), acl(Permissions(5), "digest", "b:y")];
    assert_eq!(fixed, Ok(expected));
    assert!(rules.fix_up(Some(&[requested(5, "auth", "")]), &ids[..1], &mut 0).is_err());
}

#[test]
fn an_auth_entry_needs_no_id_of_its_own() {
    let ids = [AuthId::new("digest", "u:hash")];
    let entry = RequestedAcl { perms: Permissions::ALL, scheme: Some("auth".into()), id: None };
    let fixed = AclRules::default().fix_up(Some(&[entry]), &ids, &mut 0);
    assert_eq!(fixed, Ok(vec![acl(Permissions::ALL, "digest", "u:hash")]));
}

#[test]
fn access_is_granted_entry_by_entry() {
    let rules = AclRules { sasl: true, x509: true, ..AclRules::default() };
    let digest = [acl(Permissions::READ, "digest", "a:x")];
    let alice = [AuthId::new("digest", "a:x")];
    assert!(rules.allows(&digest, Permissions::READ, &alice));
    assert!(!rules.allows(&digest, Permissions::WRITE, &alice));
    assert!(rules.allows(&digest, Permissions(3), &alice), "any common bit is enough");
    assert!(!rules.allows(&digest, Permissions::READ, &[]));
    assert!(!rules.allows(&digest, Permissions::READ, &[AuthId::new("sasl", "a:x")]));
    assert!(rules.allows(&digest, Permissions::WRITE, &[AuthId::new("super", "")]));
    assert!(rules.allows(&[], Permissions::ADMIN, &[]));
    assert!(!rules.allows(&[acl(Permissions::ALL, "super", "")], Permissions::READ, &alice));
    assert!(AclRules { skip: true, ..rules.clone() }.allows(&digest, Permissions::ADMIN, &[]));
    assert!(!AclRules { digest: false, ..rules.clone() }.allows(&digest, Permissions::READ, &alice));

    let bob = [acl(Permissions::READ, "sasl", "bob")];
    assert!(rules.allows(&bob, Permissions::READ, &[AuthId::new("sasl", "super")]));
    assert!(!rules.allows(&bob, Permissions::READ, &[AuthId::new("sasl", "eve")]));
    let any = AclRules { let_any_sasl_user_do: Some("bob".into()), ..rules.clone() };
    assert!(any.allows(&bob, Permissions::READ, &[AuthId::new("sasl", "eve")]));

    let certificate = [acl(Permissions::READ, "x509", "CN=a")];
    let root = AclRules { x509_super_user: Some("CN=root".into()), ..rules };
    assert!(root.allows(&certificate, Permissions::READ, &[AuthId::new("x509", "CN=root")]));
    assert!(!root.allows(&certificate, Permissions::READ, &[AuthId::new("x509", "CN=b")]));
}

#[test]
fn digest_ids_are_masked_from_whoever_may_not_set_the_acl() {
    let rules = AclRules::default();
    let list = [
        acl(Permissions::ALL, "digest", "a:x:y"),
        acl(Permissions::READ, "ip", "1.2.3.4"),
        acl(Permissions::READ, "digest", "b:hash"),
    ];
    let shown = |ids: &[AuthId]| rules.masked(&list, ids).into_iter().map(|e| e.id).collect::<Vec<_>>();
    assert_eq!(shown(&[AuthId::new("digest", "b:hash")]), ["a:x", "1.2.3.4", "b:x"]);
    assert_eq!(shown(&[AuthId::new("digest", "a:x:y")]), ["a:x:y", "1.2.3.4", "b:hash"]);
    assert_eq!(shown(&[AuthId::new("super", "")]), ["a:x:y", "1.2.3.4", "b:hash"]);
}

#[test]
fn auth_entries_do_not_multiply_without_end() {
    let ids: Vec<_> = (0..500).map(|number| AuthId::new("digest", format!("user{number}:hash"))).collect();
    let list: Vec<_> = (0..10_000)
        .map(|number: u32| RequestedAcl {
            perms: Permissions::ALL,
            scheme: Some("auth".into()),
            id: Some(number.to_string().into()),
        })
        .collect();
    let rules = AclRules::default();
    assert_eq!(rules.fix_up(Some(&list), &ids, &mut 0), Err(ErrorCode::InvalidAcl));
    assert_eq!(rules.fix_up(Some(&list[..1]), &ids, &mut 0).map(|fixed| fixed.len()), Ok(500));
}
