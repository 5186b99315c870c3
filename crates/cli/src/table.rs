//! Every command: its name, options and help. Parsing, usage, help and completion all come from here.

mod list;

use std::fmt::Write as _;
use std::pin::Pin;

use crate::fault::Fault;
use crate::options::{Choice, Opt, Parsed, parse};
use crate::shell::Shell;

pub(crate) use list::COMMANDS;

/// A command under way.
pub(crate) type Running<'a> = Pin<Box<dyn Future<Output = Result<(), Fault>> + 'a>>;

/// One command.
pub(crate) struct Command {
    pub(crate) name: &'static str,
    /// What follows the name.
    usage: &'static str,
    /// One sentence for the help.
    about: &'static str,
    options: &'static [Opt],
    choice: Choice,
    /// Arguments that it cannot do without.
    arguments_min: usize,
    /// Arguments that it can do with; of most commands the original passes over the others.
    arguments_max: usize,
    /// Whether its words are arguments whatever they look like.
    takes_any_words: bool,
    old_form: Option<OldForm>,
    /// Whether options are described below the usage.
    describes_options: bool,
    /// Whether it is one of those that the original's shell itself has, which work without a session.
    pub(crate) is_shells_own: bool,
    pub(crate) run: for<'a> fn(&'a mut Shell, Parsed) -> Running<'a>,
}

/// A form that the original has given up: one argument more.
struct OldForm {
    hint: &'static str,
    /// What the original reads in place of the second word, even where the argument too many is another one.
    second_word: Option<&'static str>,
}

/// Those that the original does not have.
pub(crate) const BEYOND: [&str; 6] = ["export", "find", "help", "import", "tree", "watch"];

/// The command of that name.
pub(crate) fn find(name: &str) -> Option<&'static Command> {
    COMMANDS.iter().find(|command| command.name == name)
}

impl Command {
    /// Options and arguments from the words behind the name.
    ///
    /// # Errors
    /// With the original's message: what is wrong with the options, or the usage.
    pub(crate) fn parse(&self, words: &[String]) -> Result<Parsed, Fault> {
        let parsed = match self.takes_any_words {
            true => Parsed::of_arguments(words),
            false => self.parse_options(words)?,
        };
        match (self.arguments_min..=self.arguments_max).contains(&parsed.arguments.len()) {
            true => Ok(parsed),
            false => Err(Fault::new(self.usage())),
        }
    }

    fn parse_options(&self, words: &[String]) -> Result<Parsed, Fault> {
        let mut parsed = parse(self.options, self.choice, words)?;
        let Some(old) = self.old_form.as_ref().filter(|_| parsed.arguments.len() > 1) else {
            return Ok(parsed);
        };
        if let Some(second) = old.second_word {
            let mut words = words.to_vec();
            second.clone_into(&mut words[1]);
            parsed = parse(self.options, self.choice, &words)?;
        }
        parsed.hint = Some(old.hint);
        Ok(parsed)
    }

    /// `name usage`, and the options if the original describes them.
    pub(crate) fn usage(&self) -> String {
        let line = format!("{} {}", self.name, self.usage);
        match self.describes_options {
            true => format!("{line}\n{}", self.described_options()),
            false => line,
        }
    }

    /// `-s`, `-v`, …
    pub(crate) fn option_names(&self) -> impl Iterator<Item = String> {
        self.options.iter().map(|opt| format!("-{}", opt.name))
    }

    fn described_options(&self) -> String {
        let term = |opt: &Opt| format!(" -{}{}", opt.name, if opt.takes_value { " <arg>" } else { "" });
        let width = self.options.iter().map(|opt| term(opt).len()).max().unwrap_or(0);
        let line = |opt: &Opt| format!("{:width$}   {}\n", term(opt), opt.about);
        self.options.iter().map(line).collect()
    }

    /// All about it.
    pub(crate) fn help(&self) -> String {
        let mut text = format!("{} {}\n{}", self.name, self.usage, self.about);
        if !self.options.is_empty() {
            write!(text, "\n{}", self.described_options().trim_end()).expect("strings accept everything");
        }
        if BEYOND.contains(&self.name) {
            text.push_str("\nApache ZooKeeper's shell does not have this command.");
        }
        text
    }
}

/// The list that follows an unknown command.
pub(crate) fn usage() -> String {
    let head = "ZooKeeper -server host:port -client-configuration properties-file cmd args".to_owned();
    let lines = COMMANDS.iter().map(|command| format!("\t{} {}", command.name, command.usage));
    std::iter::once(head).chain(lines).collect::<Vec<_>>().join("\n")
}

/// The shell's own help.
pub(crate) fn help() -> String {
    let mut text = String::from(
        "usage: zkCli.sh [options] [command [arguments]]\n\
         \x20 -server host:port[,host:port...][/chroot]   the servers (localhost:2181)\n\
         \x20 -timeout ms                                 the session timeout (30000)\n\
         \x20 -r                                          a server without a quorum will do, for reading\n\
         \x20 -waitforconnection                          connect before anything else\n\
         \x20 -client-configuration file                  properties of the client\n\
         \x20 --output text|json                          how answers are printed (text)\n\
         commands, which `help command` explains:\n",
    );
    let width = COMMANDS.iter().map(|command| command.name.len()).max().unwrap_or(0);
    for command in COMMANDS {
        writeln!(text, "  {:width$}  {}", command.name, command.about).expect("strings accept everything");
    }
    text.truncate(text.trim_end().len());
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_stand_in_the_order_of_their_names() {
        assert!(COMMANDS.is_sorted_by(|a, b| a.name < b.name));
        assert!(BEYOND.iter().all(|name| find(name).is_some()));
    }

    #[test]
    fn words_are_read_as_the_original_reads_them() {
        let arguments = |line: &str| {
            let words = crate::line::words(line);
            let parsed = find(&words[0]).expect("there is one").parse(&words[1..]);
            parsed.map(|parsed| (parsed.arguments.join(" "), parsed.has("w"), parsed.hint.is_some()))
        };
        let rows = [
            ("get /a", ("/a", false, false)),
            ("get /a watch", ("/a", true, true)),
            ("get -s /a watch", ("watch", true, true)),
            ("delete /a 3", ("/a 3", false, true)),
            ("redo -1", ("-1", false, false)),
            ("whoami -x", ("-x", false, false)),
        ];
        for (line, (expected, watches, is_old)) in rows {
            assert_eq!(arguments(line), Ok((expected.to_owned(), watches, is_old)), "{line}");
        }
        assert_eq!(arguments("version foo"), Err(Fault::new("version ")));
    }

    #[test]
    fn every_command_has_a_help() {
        for command in COMMANDS {
            let help = command.help();
            assert!(help.lines().count() >= 2, "{help}");
            assert!(command.options.iter().all(|opt| help.contains(opt.about)), "{help}");
        }
    }

    #[test]
    fn usages_are_laid_out_as_the_originals() {
        let set = "set path data [-s] [-v version] [-b]\n -b         Supply data in base64 format\n \
                   -s         Print znode stats additionally\n -v <arg>   Set with an expected version\n";
        assert_eq!(find("set").expect("there is one").usage(), set);
        assert_eq!(find("quit").expect("there is one").usage(), "quit ");
    }
}
