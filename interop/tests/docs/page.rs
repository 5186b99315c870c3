//! A page, taken apart.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Run(String),
    Background(String),
    NotRun,
    Hidden(String),
    Prints(String),
}

/// See the module.
pub(crate) struct Page {
    pub(crate) name: String,
    /// What a page must not be.
    pub(crate) complaints: Vec<String>,
    /// Each with the line where it begins.
    pieces: Vec<(usize, Piece)>,
}

impl Page {
    pub(crate) fn read(path: &Path) -> Self {
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        Self::parse(name, &fs::read_to_string(path).expect("a page"))
    }

    fn parse(name: String, text: &str) -> Self {
        let mut page = Self { name, complaints: Vec::new(), pieces: Vec::new() };
        let mut lines = (1..).zip(text.lines());
        let mut marker: Option<String> = None;
        while let Some((number, line)) = lines.next() {
            let indent = line.len() - line.trim_start().len();
            let trimmed = line.trim();
            if trimmed == "<!-- hidden" {
                let hidden = lines.by_ref().map(|(_, line)| line).take_while(|line| line.trim() != "-->");
                let hidden = hidden.collect::<Vec<_>>().join("\n");
                page.pieces.push((number, Piece::Hidden(hidden)));
            } else if let Some(comment) =
                trimmed.strip_prefix("<!-- ").and_then(|rest| rest.strip_suffix(" -->"))
            {
                marker = Some(comment.to_owned());
            } else if let Some(language) = trimmed.strip_prefix("```") {
                let inside = lines.by_ref().map(|(_, line)| line).take_while(|line| line.trim() != "```");
                let inside: Vec<&str> = inside.map(|line| line.get(indent..).unwrap_or("")).collect();
                page.on_block(number, language, marker.take(), inside.join("\n"));
            } else if !trimmed.is_empty() {
                marker = None;
            }
        }
        page
    }

    fn on_block(&mut self, line: usize, language: &str, marker: Option<String>, text: String) {
        let piece = match (language, marker.as_deref()) {
            ("sh", Some("run")) => Piece::Run(text),
            ("sh", Some("run in the background")) => Piece::Background(text),
            ("sh", Some(marker)) if marker.strip_prefix("not run: ").is_some_and(|why| !why.is_empty()) => {
                Piece::NotRun
            }
            ("sh" | "bash" | "console" | "shell" | "", marker) => {
                let complaint = format!(
                    "a block of commands ({language}) needs a comment before it that says how it \
                                         is run, and the language sh; {marker:?} does not"
                );
                self.complaints.push(format!("{}:{line}: {complaint}", self.name));
                return;
            }
            ("text", Some("prints")) => Piece::Prints(text),
            _ => return,
        };
        self.pieces.push((line, piece));
    }

    pub(crate) fn has_commands(&self) -> bool {
        self.pieces.iter().any(|(_, piece)| matches!(piece, Piece::Run(_) | Piece::Background(_)))
    }

    /// The page as one script, for `story.sh`.
    pub(crate) fn script(&self) -> String {
        let mut script = String::new();
        for (line, piece) in &self.pieces {
            match piece {
                Piece::Run(text) | Piece::Hidden(text) => writeln!(script, "block {line}\n{text}"),
                Piece::Background(text) => writeln!(script, "block {line}\n( exec {text} ) &\nawait serves"),
                Piece::NotRun | Piece::Prints(_) => Ok(()),
            }
            .expect("strings accept everything");
        }
        script
    }

    /// Whether the blocks printed what the page says; `printed` knows by lines.
    pub(crate) fn check_output(&self, printed: impl Fn(usize) -> String) -> Result<(), String> {
        let mut last = None;
        for (line, piece) in &self.pieces {
            match piece {
                Piece::Run(_) | Piece::Background(_) => last = Some(*line),
                Piece::Prints(expected) => {
                    let text = last.map(&printed).unwrap_or_default();
                    let mut found = text.lines();
                    for wanted in expected.lines() {
                        if !found.any(|found| is_like(found.trim_end(), wanted.trim_end())) {
                            let name = &self.name;
                            return Err(format!(
                                "{name}:{line}: {wanted:?} was not printed, in its place:\n{text}"
                            ));
                        }
                    }
                }
                Piece::NotRun | Piece::Hidden(_) => {}
            }
        }
        Ok(())
    }
}

/// Whether a line is what a page says, in which … stands for anything.
fn is_like(found: &str, wanted: &str) -> bool {
    let mut parts = wanted.split('…');
    let Some(mut rest) = parts.next().and_then(|first| found.strip_prefix(first)) else { return false };
    let mut ends_open = false;
    for part in parts {
        ends_open = part.is_empty();
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    rest.is_empty() || ends_open
}

#[test]
fn lines_are_compared_with_what_may_be_anything() {
    let rows = [
        ("Mode: leader", "Mode: leader", true),
        ("Mode: leader", "Mode: …", true),
        ("Mode: leader", "Mode", false),
        ("Zxid: 0x5", "Zxid: 0x…", true),
        ("a 17 b", "a … b", true),
        ("a 17 c", "a … b", false),
        ("", "…", true),
    ];
    for (found, wanted, expected) in rows {
        assert_eq!(is_like(found, wanted), expected, "{found:?} like {wanted:?}");
    }
}

#[test]
fn a_page_is_taken_apart_and_blocks_without_a_word_are_named() {
    let page = Page::parse(
        "p.md".to_owned(),
        "<!-- run -->\n```sh\necho a\n```\n\n<!-- prints -->\n\n```text\na\n```\n<!-- hidden\necho b\n-->\n\
         1. x\n\n   <!-- run in the background -->\n   ```sh\n   echo c\n   ```\n<!-- not run: so -->\n```sh\nd\n```\n\
         ```rust\n```\n",
    );
    assert_eq!(page.complaints, Vec::<String>::new());
    let pieces: Vec<Piece> = page.pieces.into_iter().map(|(_, piece)| piece).collect();
    let text = str::to_owned;
    assert_eq!(
        pieces,
        [
            Piece::Run(text("echo a")),
            Piece::Prints(text("a")),
            Piece::Hidden(text("echo b")),
            Piece::Background(text("echo c")),
            Piece::NotRun,
        ]
    );
    for text in [
        "```sh\na\n```\n",
        "<!-- run -->\ntext between\n```sh\na\n```",
        "<!-- not run -->\n```sh\na\n```",
        "```\na\n```",
    ] {
        assert_eq!(Page::parse("p.md".to_owned(), text).complaints.len(), 1, "{text:?}");
    }
}
