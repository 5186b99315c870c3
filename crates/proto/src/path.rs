//! Paths of znodes: what is valid, and how they are taken apart.

/// The root of the tree.
pub const ROOT: &str = "/";
/// The server's own subtree.
pub const ZOOKEEPER: &str = "/zookeeper";
/// Limits and usage of quotas, below this znode.
pub const QUOTA: &str = "/zookeeper/quota";
/// The ensemble's membership.
pub const CONFIG: &str = "/zookeeper/config";
/// Last component of a quota's limits.
pub const QUOTA_LIMITS: &str = "zookeeper_limits";
/// Last component of a quota's usage.
pub const QUOTA_STATS: &str = "zookeeper_stats";

/// Whether nobody may delete this path.
pub fn is_protected(path: &str) -> bool {
    matches!(path, ROOT | ZOOKEEPER | QUOTA | CONFIG)
}

/// The strict rule, for paths that will exist: absolute, no empty, `.` or `..` component, no trailing
/// slash, and no character that ZooKeeper forbids. Characters beyond U+FFFF are all forbidden, because
/// Java sees their surrogates.
pub fn is_valid(path: &str) -> bool {
    let Some(components) = path.strip_prefix('/') else { return false };
    components.is_empty()
        || components.split('/').all(|name| !matches!(name, "" | "." | "..")) && !has_forbidden(components)
}

fn has_forbidden(text: &str) -> bool {
    // Nearly every path is printable ASCII, which needs no decoding.
    !text.bytes().all(|byte| (0x20..0x7f).contains(&byte))
        && text.chars().any(
            |c| matches!(c, '\0'..='\u{1f}' | '\u{7f}'..='\u{9f}' | '\u{e000}'..='\u{f8ff}' | '\u{fff0}'..),
        )
}

/// The lenient rule of operations that look at an existing path: a slash somewhere, and no NUL.
pub fn is_plausible(path: &str) -> bool {
    path.bytes().any(|byte| byte == b'/') && !path.bytes().any(|byte| byte == 0)
}

/// Parent and last component: `/a/b` is (`/a`, `b`) and `/a` is (``, `a`), the empty parent being another
/// name of the root. `None` without a slash.
pub fn split(path: &str) -> Option<(&str, &str)> {
    path.rsplit_once('/')
}

/// The first component: the namespace that per-namespace metrics count by.
pub fn namespace(path: &str) -> &str {
    path.strip_prefix('/').and_then(|rest| rest.split('/').next()).unwrap_or("")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_strict_rule() {
        for good in ["/", "/a", "/a/b", "/...", "/a/.b", "/a/..x", "/a.", "/é", "/zookeeper/foo", "/a b"] {
            assert!(is_valid(good), "{good:?}");
        }
        let bad = ["", "a", "a/b", "//", "/a/", "/a//b", "/.", "/a/..", "/./a", "/\0", "/\u{1}", "/\u{7f}"];
        for bad in bad.into_iter().chain(["/\u{e000}", "/\u{fff0}", "/\u{fffd}", "/\u{1f600}"]) {
            assert!(!is_valid(bad), "{bad:?}");
        }
    }
}
