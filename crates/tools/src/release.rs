//! `zoorum release`: the version, whole or in parts, by the options of the original's class `Version`.

use std::process::ExitCode;

use zoorum_host::version::full;

use crate::failure::{Failure, UNEXPECTED, end};

const USAGE: &str = "\
Usage:\tjava -cp ... org.apache.zookeeper.Version [--full | --short | --revision],
\tPrints --full version info if no arg specified.";

/// Prints what is asked for.
pub fn run(arguments: &[String]) -> ExitCode {
    end(|out| match told(arguments, &full()) {
        Some(text) => Ok(writeln!(out, "{text}")?),
        None => {
            out.write_all(USAGE.as_bytes())?;
            Err(Failure::new(UNEXPECTED, ""))
        }
    })
}

/// The part of `<release>-<revision>, built on <date>` that the options want, if they are any.
fn told<'a>(arguments: &[String], full: &'a str) -> Option<&'a str> {
    let revision = full.split(", built on").next()?;
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] | ["--full"] => Some(full),
        ["--short"] => revision.split('-').next(),
        ["--revision"] => Some(revision),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_told_whole_or_in_parts() {
        let full = "3.9.5-ab, built on 2026-02-11 20:15 UTC";
        let rows = [
            ("", Some(full)),
            ("--full", Some(full)),
            ("--short", Some("3.9.5")),
            ("--revision", Some("3.9.5-ab")),
            ("--none", None),
            ("--full --short", None),
        ];
        for (line, expected) in rows {
            let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
            assert_eq!(told(&words, full), expected, "{line}");
        }
    }
}
