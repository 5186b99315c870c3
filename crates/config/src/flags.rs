//! What the JVM's command line used to carry: `-Dname=value` among flags that no longer mean anything.

/// A `-Dname=value`; the value is empty for a bare `-Dname`.
pub type SystemProperty = (String, String);

/// A command line taken apart.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Flags {
    /// The `-Dname=value` flags in their order; a later one beats an earlier one of the same name.
    pub properties: Vec<SystemProperty>,
    /// What is no flag at all: a configuration file, or port and directory.
    pub positional: Vec<String>,
    /// Flags of the JVM (`-Xmx1000m`, `-cp …`), accepted and without effect.
    pub ignored: Vec<String>,
}

/// JVM options whose value is the next word.
const OPTIONS_WITH_A_VALUE: [&str; 11] = [
    "-cp",
    "-classpath",
    "--class-path",
    "-p",
    "--module-path",
    "--add-opens",
    "--add-exports",
    "--add-reads",
    "--add-modules",
    "--patch-module",
    "--upgrade-module-path",
];

impl Flags {
    /// Sorts `words` into properties, positional arguments and flags that only a JVM would heed.
    pub fn parse(words: impl IntoIterator<Item = String>) -> Self {
        let mut flags = Self::default();
        let mut words = words.into_iter();
        while let Some(word) = words.next() {
            if let Some(definition) = word.strip_prefix("-D") {
                let (name, value) = definition.split_once('=').unwrap_or((definition, ""));
                flags.properties.push((name.to_owned(), value.to_owned()));
            } else if OPTIONS_WITH_A_VALUE.contains(&word.as_str()) {
                flags.ignored.push(word);
                flags.ignored.extend(words.next());
            } else if word.starts_with('-') {
                flags.ignored.push(word);
            } else {
                flags.positional.push(word);
            }
        }
        flags
    }
}

/// Splits a variable such as `SERVER_JVMFLAGS` into words as a shell would split them when typed:
/// at blanks, which quotes and backslashes protect. An unclosed quote reaches to the end.
pub fn split_words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            // Between double quotes a backslash protects only what would be special there.
            (None, '\\') => word.get_or_insert_default().extend(chars.next()),
            (Some('"'), '\\') => {
                let protected = chars.next();
                let word = word.get_or_insert_default();
                if !matches!(protected, Some('"' | '\\' | '$' | '`')) {
                    word.push('\\');
                }
                word.extend(protected);
            }
            (Some(_), c) => word.get_or_insert_default().push(c),
            (None, '"' | '\'') => {
                quote = Some(c);
                // "" is a word too, an empty one.
                word.get_or_insert_default();
            }
            (None, c) if c.is_whitespace() => words.extend(word.take()),
            (None, c) => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_split_as_in_a_shell() {
        let rows: [(&str, &[&str]); 12] = [
            ("", &[]),
            (" \t\n", &[]),
            ("-Xmx1000m -Da=b", &["-Xmx1000m", "-Da=b"]),
            ("  -Da=b\n-Dc=d  ", &["-Da=b", "-Dc=d"]),
            ("'-Da=b c'", &["-Da=b c"]),
            ("-Da='b c'd", &["-Da=b cd"]),
            (r#"-Da="b \"c\" \d""#, &[r#"-Da=b "c" \d"#]),
            (r"-Da=b\ c", &["-Da=b c"]),
            (r"'a\b'", &[r"a\b"]),
            ("''", &[""]),
            ("'-Da=b c", &["-Da=b c"]),
            ("a\\", &["a"]),
        ];
        for (text, words) in rows {
            assert_eq!(split_words(text), words, "{text:?}");
        }
    }

    #[test]
    fn only_definitions_and_positional_words_matter() {
        let text = "-Xmx512m -cp a.jar:b.jar -Dzookeeper.snapCount=10 --add-opens java.base/x=ALL \
                    -XX:OnOutOfMemoryError='kill -9 %p' -Dbare -Dx=a=b conf/zoo.cfg";
        let flags = Flags::parse(split_words(text));
        let expected = [("zookeeper.snapCount", "10"), ("bare", ""), ("x", "a=b")];
        assert_eq!(flags.properties, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
        assert_eq!(flags.positional, ["conf/zoo.cfg"]);
        assert_eq!(flags.ignored.len(), 6);
    }
}
