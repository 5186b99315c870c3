//! 16.8: SASL, by the mechanism that needs no Kerberos: DIGEST-MD5.

use zoorum_interop::server::{DIRECTORY, Kind, Setup};
use zoorum_interop::wire::{Acl, Client, code, perm};

use crate::support::create_all;
use crate::table::{Config, Row, Stage};

/// The rows.
pub const ROWS: &[Row] = &[
    row(94, "a SASL exchange ends with the server's proof and an id", exchange),
    row(95, "a wrong SASL password is refused with a null token", wrong_password),
    row(96, "the SASL user super may do what is allowed to any SASL user", superuser),
];

const fn row(number: u32, title: &'static str, check: fn(&Stage)) -> Row {
    Row { number, title, config: Config::Sasl, check }
}

/// A server with the users `super` and `bob`.
pub fn setup() -> Setup {
    const USERS: &str = r#"
Server {
    org.apache.zookeeper.server.auth.DigestLoginModule required
    user_super="adminsecret"
    user_bob="bobsecret";
};
"#;
    Setup::new()
        .file("jaas.conf", USERS)
        .property("java.security.auth.login.config", &format!("{DIRECTORY}/jaas.conf"))
        .config("authProvider.1", "org.apache.zookeeper.server.auth.SASLAuthenticationProvider")
}

const URI: &str = "zookeeper/zk-sasl-md5";
const CNONCE: &str = "b25jZSBvbmx5";

/// What both sides compute from the password; `method` tells the client's answer from the server's proof.
fn digest(user: &str, password: &str, realm: &str, nonce: &str, method: &str) -> String {
    let mut secret = md5(format!("{user}:{realm}:{password}").as_bytes()).to_vec();
    secret.extend(format!(":{nonce}:{CNONCE}").bytes());
    let (secret, uri) = (hex(&md5(&secret)), hex(&md5(format!("{method}:{URI}").as_bytes())));
    hex(&md5(format!("{secret}:{nonce}:00000001:{CNONCE}:auth:{uri}").as_bytes()))
}

/// Runs the exchange up to the server's last word, and says which proof would be right.
fn log_in(client: &mut Client, user: &str, password: &str) -> ((i32, Option<Vec<u8>>), String) {
    let (err, challenge) = client.sasl(b"");
    assert_eq!(err, 0);
    let challenge = String::from_utf8(challenge.expect("a challenge")).expect("text");
    let (realm, nonce) = (quoted(&challenge, "realm"), quoted(&challenge, "nonce"));
    assert_eq!(realm, "zk-sasl-md5");
    for word in ["charset=utf-8", "algorithm=md5-sess"] {
        assert!(challenge.contains(word), "{word} in {challenge}");
    }
    let response = digest(user, password, realm, nonce, "AUTHENTICATE");
    let answer = format!(
        "charset=utf-8,username=\"{user}\",realm=\"{realm}\",nonce=\"{nonce}\",nc=00000001,\
         cnonce=\"{CNONCE}\",digest-uri=\"{URI}\",maxbuf=65536,response={response},qop=auth"
    );
    let proof = format!("rspauth={}", digest(user, password, realm, nonce, ""));
    (client.sasl(answer.as_bytes()), proof)
}

fn quoted<'a>(challenge: &'a str, word: &str) -> &'a str {
    let (_, rest) = challenge.split_once(&format!("{word}=\"")).expect("the challenge has this word");
    rest.split_once('"').expect("a closing quote").0
}

fn expect_logged_in(client: &mut Client, user: &str, password: &str) {
    let (answer, proof) = log_in(client, user, password);
    assert_eq!(answer, (0, Some(proof.into_bytes())));
}

/// Zoorum has no SASL yet. It warns of a configuration that asks for it, and answers as ZooKeeper does
/// without such a configuration: no token, and the client goes on with no id that any ACL could match.
fn expect_no_sasl(stage: &Stage) {
    let mut client = stage.client();
    assert_eq!(client.sasl(b""), (0, None));
    assert_eq!(client.who_am_i(), Ok(vec![("ip".into(), "127.0.0.1".into())]));
}

fn exchange(stage: &Stage) {
    if stage.kind == Kind::Zoorum {
        return expect_no_sasl(stage);
    }
    let (mut client, root) = stage.client_and_root();
    expect_logged_in(&mut client, "bob", "bobsecret");
    let ids = [("ip", "127.0.0.1"), ("sasl", "bob")].map(|(scheme, user)| (scheme.into(), user.into()));
    assert_eq!(client.who_am_i(), Ok(ids.to_vec()));
    let path = format!("{root}/x");
    assert!(client.create_with(&path, b"", &[Acl::new(perm::ALL, "auth", "")], 0).is_ok());
    let acl = client.get_acl(&path).map(|(acl, _)| acl);
    assert_eq!(acl, Ok(vec![Acl::new(perm::ALL, "sasl", "bob")]));
    assert_eq!(stage.client().get_data(&path, false), Err(code::NO_AUTH));
}

fn wrong_password(stage: &Stage) {
    if stage.kind == Kind::Zoorum {
        return expect_no_sasl(stage);
    }
    for (user, password) in [("bob", "guess"), ("nobody", "bobsecret")] {
        let mut client = stage.client();
        let (answer, _) = log_in(&mut client, user, password);
        assert_eq!(answer, (code::AUTH_FAILED, None), "{user}");
        client.expect_closed();
    }
}

fn superuser(stage: &Stage) {
    if stage.kind == Kind::Zoorum {
        return expect_no_sasl(stage);
    }
    let mut client = stage.client();
    let (private, digest) = (stage.name("sasl"), stage.name("digest"));
    let acl = [Acl::new(perm::ALL, "sasl", "bob")];
    assert_eq!(client.create_with(&private, b"", &acl, 0), Ok(private.clone()));
    let acl = [Acl::new(perm::ALL, "digest", "bob:x")];
    assert_eq!(client.create_with(&digest, b"", &acl, 0), Ok(digest.clone()));
    expect_logged_in(&mut client, "super", "adminsecret");
    assert!(client.get_data(&private, false).is_ok());
    assert_eq!(client.get_data(&digest, false), Err(code::NO_AUTH), "another scheme");
    create_all(&mut client, &[&format!("{private}/c")]);
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// MD5 by RFC 1321; the vector of its appendix is checked below.
fn md5(message: &[u8]) -> [u8; 16] {
    const SHIFTS: [[u32; 4]; 4] = [[7, 12, 17, 22], [5, 9, 14, 20], [4, 11, 16, 23], [6, 10, 15, 21]];
    let mut padded = message.to_vec();
    padded.push(0x80);
    padded.resize(padded.len().next_multiple_of(64), 0);
    if padded.len() - message.len() < 9 {
        padded.resize(padded.len() + 64, 0);
    }
    let end = padded.len() - 8;
    padded[end..].copy_from_slice(&(message.len() as u64 * 8).to_le_bytes());

    let mut state = [0x6745_2301_u32, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476];
    for block in padded.chunks_exact(64) {
        let word = |i: usize| u32::from_le_bytes(block[4 * i..4 * i + 4].try_into().expect("four bytes"));
        let [mut a, mut b, mut c, mut d] = state;
        for step in 0..64 {
            let (mix, index) = match step / 16 {
                0 => ((b & c) | (!b & d), step),
                1 => ((d & b) | (!d & c), (5 * step + 1) % 16),
                2 => (b ^ c ^ d, (3 * step + 5) % 16),
                _ => (c ^ (b | !d), (7 * step) % 16),
            };
            let sine = (((step + 1) as f64).sin().abs() * 4_294_967_296.0) as u32;
            let sum = a.wrapping_add(mix).wrapping_add(sine).wrapping_add(word(index));
            (a, d, c) = (d, c, b);
            b = b.wrapping_add(sum.rotate_left(SHIFTS[step / 16][step % 4]));
        }
        for (total, part) in state.iter_mut().zip([a, b, c, d]) {
            *total = total.wrapping_add(part);
        }
    }
    let mut digest = [0; 16];
    for (bytes, word) in digest.chunks_exact_mut(4).zip(state) {
        bytes.copy_from_slice(&word.to_le_bytes());
    }
    digest
}

#[test]
fn md5_of_the_standards_sample() {
    assert_eq!(hex(&md5(b"message digest")), "f96b697d7cb7938d525a2f31aaf161d0");
    let long = b"12345678901234567890123456789012345678901234567890123456789012345678901234567890";
    assert_eq!(hex(&md5(long)), "57edf4a22be3c955ac49da2e2107b67a");
}
