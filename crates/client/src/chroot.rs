//! The znode below which an application lives: added to what it asks for, taken off what it is told.

/// A prefix of paths; empty, or a valid path other than `/`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Chroot(pub(crate) String);

impl Chroot {
    /// The server's name of an application's path.
    pub(crate) fn absolute(&self, path: &str) -> String {
        match path {
            "/" if !self.0.is_empty() => self.0.clone(),
            path => format!("{}{path}", self.0),
        }
    }

    /// The application's name of a server's path. What lies outside keeps its name: the server's own znodes.
    pub(crate) fn relative<'a>(&self, path: &'a str) -> &'a str {
        match path.strip_prefix(self.0.as_str()) {
            _ if self.is_outside(path) => path,
            Some("") => "/",
            Some(rest) => rest,
            None => path,
        }
    }

    /// Whether the application has no name for a path.
    pub(crate) fn is_outside(&self, path: &str) -> bool {
        match path.strip_prefix(self.0.as_str()) {
            Some(rest) => !(rest.is_empty() || rest.starts_with('/')),
            None => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_translated_both_ways() {
        let app = Chroot("/app".to_owned());
        for (inside, outside) in [("/", "/app"), ("/x", "/app/x"), ("/x/y", "/app/x/y")] {
            assert_eq!(app.absolute(inside), outside);
            assert_eq!(app.relative(outside), inside);
        }
        assert_eq!(app.relative("/zookeeper/config"), "/zookeeper/config");
        assert_eq!(app.relative("/apple"), "/apple");
        let none = Chroot::default();
        assert_eq!((none.absolute("/").as_str(), none.relative("/x")), ("/", "/x"));
    }
}
