//! docs/configure.md names every key that is known here.

use crate::ServerConfig;
use crate::catalogue;
use crate::reader::Reader;
use crate::settings::{EXPLICIT_KEYS, Origin, Settings};

const PAGE: &str = include_str!("../../../docs/configure.md");

/// What the page names: a name, or the beginning of names.
fn named() -> (Vec<String>, Vec<String>) {
    let spans = PAGE.split('`').skip(1).step_by(2);
    let spans = spans.map(|span| {
        let span = span.strip_prefix("-D").unwrap_or(span);
        span.strip_prefix("zookeeper.").unwrap_or(span).to_owned()
    });
    let (mut names, mut beginnings) = (Vec::new(), Vec::new());
    for span in spans {
        match ["*", "…", "<n>", ".N", ".G"].into_iter().find_map(|end| span.strip_suffix(end)) {
            Some("") => {} // stands for everything, and names nothing
            Some(beginning) => beginnings.push(beginning.to_owned()),
            None => names.push(span),
        }
    }
    (names, beginnings)
}

#[test]
fn every_known_key_is_on_the_page() {
    let mut settings = Settings::default();
    settings.insert_explicit("dataDir".to_owned(), "data".to_owned(), Origin::BuiltIn);
    let mut reader = Reader::new(&settings);
    ServerConfig::read(&mut reader).expect("a valid configuration");
    let known =
        catalogue::names().chain(EXPLICIT_KEYS).chain(["tickTime", "server.1", "group.1", "weight.1"]);
    let known = known.map(str::to_owned).chain(reader.asked().map(str::to_owned));
    let (names, beginnings) = named();
    let is_named = |key: &str| {
        let key = key.strip_prefix("zookeeper.").unwrap_or(key).trim_end_matches('*');
        names.iter().any(|name| name == key) || beginnings.iter().any(|beginning| key.starts_with(beginning))
    };
    let missing: Vec<String> = known.filter(|key| !is_named(key)).collect();
    assert!(missing.is_empty(), "docs/configure.md does not name {missing:#?}");
}
