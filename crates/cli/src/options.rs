//! A command's words: options told from arguments by the rules of Commons CLI, which the original uses, with its
//! messages. Options are single letters (`-s`, `-sw`, `-v 3`, `-v3`, `-v=3`) or, for some commands, words (`-file f`);
//! they may stand anywhere, and `--` ends them.

use crate::fault::Fault;

/// One option of a command.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Opt {
    /// Without the hyphen.
    pub(crate) name: &'static str,
    pub(crate) takes_value: bool,
    /// For the help.
    pub(crate) about: &'static str,
}

impl Opt {
    /// An option without a value.
    pub(crate) const fn flag(name: &'static str, about: &'static str) -> Self {
        Self { name, takes_value: false, about }
    }

    /// An option with a value.
    pub(crate) const fn value(name: &'static str, about: &'static str) -> Self {
        Self { name, takes_value: true, about }
    }
}

/// A command's words, told apart.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Parsed {
    /// The arguments behind the command's name.
    pub(crate) arguments: Vec<String>,
    options: Vec<(&'static str, Option<String>)>,
    /// That these words are a form which is given up.
    pub(crate) hint: Option<&'static str>,
}

impl Parsed {
    /// All words are arguments.
    pub(crate) fn of_arguments(words: &[String]) -> Self {
        Self { arguments: words.to_vec(), ..Self::default() }
    }

    /// Whether an option is given.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.options.iter().any(|(given, _)| *given == name)
    }

    /// The value of an option, the first one if it is given twice.
    pub(crate) fn value(&self, name: &str) -> Option<&str> {
        self.options.iter().find(|(given, _)| *given == name)?.1.as_deref()
    }

    /// The value of an option as a number; the default if it is not given.
    pub(crate) fn number<T: std::str::FromStr>(
        &self,
        name: &str,
        default: T,
        kind: &str,
    ) -> Result<T, Fault> {
        self.value(name).map_or(Ok(default), |text| {
            text.parse().map_err(|_| Fault::new(format!("-{name} argument must be {kind} value")))
        })
    }

    /// An argument that the command's table entry promises.
    pub(crate) fn argument(&self, at: usize) -> &str {
        &self.arguments[at]
    }
}

/// Of some options only one may be given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Choice {
    /// Options are independent.
    Any,
    /// At most one of all.
    One,
    /// Just one of all.
    JustOne,
}

/// Tells options from arguments.
///
/// # Errors
/// With the original's message.
pub(crate) fn parse(options: &'static [Opt], choice: Choice, words: &[String]) -> Result<Parsed, Fault> {
    let mut parser = Parser { options, choice, parsed: Parsed::default(), open: None, selected: None };
    let mut words = words.iter();
    for word in words.by_ref() {
        if word == "--" {
            break;
        }
        parser.word(word)?;
    }
    parser.close()?;
    parser.parsed.arguments.extend(words.cloned());
    if choice == Choice::JustOne && parser.selected.is_none() {
        let all: Vec<String> = options.iter().map(|opt| format!("-{} {}", opt.name, opt.about)).collect();
        return Err(fault("MissingOption", &format!("Missing required option: [{}]", all.join(", "))));
    }
    Ok(parser.parsed)
}

struct Parser {
    options: &'static [Opt],
    choice: Choice,
    parsed: Parsed,
    /// An option that waits for its value.
    open: Option<&'static Opt>,
    selected: Option<&'static str>,
}

impl Parser {
    fn find(&self, name: &str) -> Option<&'static Opt> {
        self.options.iter().find(|opt| opt.name == name)
    }

    /// Whether a word would be an option, and so is no value of the one before.
    fn is_option(&self, word: &str) -> bool {
        let Some(name) = word.strip_prefix('-').filter(|name| !name.is_empty()) else { return false };
        let name = name.split('=').next().unwrap_or_default();
        self.find(name).is_some()
            || name.chars().next().is_some_and(|c| self.find(c.encode_utf8(&mut [0; 4])).is_some())
    }

    fn word(&mut self, word: &str) -> Result<(), Fault> {
        if let Some(open) = self.open
            && !self.is_option(word)
        {
            self.open = None;
            self.parsed.options.push((open.name, Some(unquoted(word).to_owned())));
            return Ok(());
        }
        match word.strip_prefix('-') {
            None | Some("") => self.parsed.arguments.push(word.to_owned()),
            // No option has a long name.
            Some(name) if name.starts_with('-') => return Err(unrecognized(word)),
            Some(name) => self.hyphened(name, word)?,
        }
        Ok(())
    }

    fn hyphened(&mut self, name: &str, word: &str) -> Result<(), Fault> {
        if let Some(opt) = self.find(name) {
            return self.option(opt);
        }
        if let Some((name, value)) = name.split_once('=') {
            let opt = self.find(name).filter(|opt| opt.takes_value).ok_or_else(|| unrecognized(word))?;
            return self.option_with(opt, value);
        }
        self.bundle(name, word)
    }

    /// Several letters behind one hyphen; what follows one that takes a value is its value.
    fn bundle(&mut self, name: &str, word: &str) -> Result<(), Fault> {
        for (at, letter) in name.char_indices() {
            let opt = self.find(&name[at..at + letter.len_utf8()]).ok_or_else(|| unrecognized(word))?;
            let rest = &name[at + letter.len_utf8()..];
            if opt.takes_value && !rest.is_empty() {
                return self.option_with(opt, rest);
            }
            self.option(opt)?;
        }
        Ok(())
    }

    fn option(&mut self, opt: &'static Opt) -> Result<(), Fault> {
        self.close()?;
        self.select(opt)?;
        match opt.takes_value {
            true => self.open = Some(opt),
            false => self.parsed.options.push((opt.name, None)),
        }
        Ok(())
    }

    fn option_with(&mut self, opt: &'static Opt, value: &str) -> Result<(), Fault> {
        self.close()?;
        self.select(opt)?;
        self.parsed.options.push((opt.name, Some(value.to_owned())));
        Ok(())
    }

    fn select(&mut self, opt: &'static Opt) -> Result<(), Fault> {
        if self.choice == Choice::Any {
            return Ok(());
        }
        match self.selected.replace(opt.name).filter(|before| *before != opt.name) {
            Some(before) => Err(fault(
                "AlreadySelected",
                &format!(
                    "The option '{}' was specified but an option from this group has already been selected: '{before}'",
                    opt.name
                ),
            )),
            None => Ok(()),
        }
    }

    /// No option may wait for its value any more.
    fn close(&mut self) -> Result<(), Fault> {
        match self.open.take() {
            Some(opt) => Err(fault("MissingArgument", &format!("Missing argument for option: {}", opt.name))),
            None => Ok(()),
        }
    }
}

fn unquoted(word: &str) -> &str {
    word.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(word)
}

fn unrecognized(word: &str) -> Fault {
    fault("UnrecognizedOption", &format!("Unrecognized option: {word}"))
}

fn fault(kind: &str, message: &str) -> Fault {
    Fault::new(format!("org.apache.commons.cli.{kind}Exception: {message}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const OPTIONS: &[Opt] = &[
        Opt::flag("s", "stats"),
        Opt::flag("w", "watch"),
        Opt::value("v", "version"),
        Opt::value("file", "file"),
    ];

    fn told(line: &str) -> Result<String, String> {
        let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
        let parsed = parse(OPTIONS, Choice::Any, &words).map_err(|fault| fault.message)?;
        let option = |(name, value): &(&str, Option<String>)| match value {
            Some(value) => format!("{name}={value}"),
            None => (*name).to_owned(),
        };
        let options: Vec<String> = parsed.options.iter().map(option).collect();
        Ok(format!("{} | {}", options.join(" "), parsed.arguments.join(" ")))
    }

    #[test]
    fn options_are_told_from_arguments() {
        let rows = [
            ("-s /a -w", "s w | /a"),
            ("-sw /a", "s w | /a"),
            ("/a -v 3", "v=3 | /a"),
            ("-v -1 /a", "v=-1 | /a"),
            ("-v3 /a", "v=3 | /a"),
            ("-sv3 /a", "s v=3 | /a"),
            ("-v=3 /a", "v=3 | /a"),
            ("-file x -s", "file=x s | "),
            ("-s -- -w", "s | -w"),
            ("- /a", " | - /a"),
        ];
        for (line, expected) in rows {
            assert_eq!(told(line).as_deref(), Ok(expected), "{line}");
        }
    }

    #[test]
    fn what_is_wrong_is_said_as_commons_cli_does() {
        let rows = [
            ("-z /a", "UnrecognizedOptionException: Unrecognized option: -z"),
            ("-sz /a", "UnrecognizedOptionException: Unrecognized option: -sz"),
            ("--s /a", "UnrecognizedOptionException: Unrecognized option: --s"),
            ("/a -v", "MissingArgumentException: Missing argument for option: v"),
            ("-v -s /a", "MissingArgumentException: Missing argument for option: v"),
        ];
        for (line, expected) in rows {
            assert_eq!(told(line), Err(format!("org.apache.commons.cli.{expected}")), "{line}");
        }
    }
}
