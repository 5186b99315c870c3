//! Command lines as the original's option parser (commons-cli) reads them.
//!
//! ```text
//! -z 5   -z5   -z=5   --zxid 5   --zxid=5   -zxid 5   --zx 5      an option with a value
//! -r -v  -rv   --recover --verbose                                options without
//! --                                                              nothing behind it is an option
//! ```
//!
//! A long name may be shortened as long as it stays unambiguous. A word behind an option with a value is that
//! value, unless it is an option itself. Complaints are the parser's own sentences, which scripts may look for.

use std::collections::BTreeMap;

/// An option.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Opt {
    pub short: char,
    pub long: &'static str,
    pub has_value: bool,
    pub is_required: bool,
}

impl Opt {
    /// An option without a value.
    pub(crate) const fn flag(short: char, long: &'static str) -> Self {
        Self { short, long, has_value: false, is_required: false }
    }

    /// An option with a value.
    pub(crate) const fn value(short: char, long: &'static str) -> Self {
        Self { has_value: true, ..Self::flag(short, long) }
    }

    /// The same, without which nothing goes.
    pub(crate) const fn required(short: char, long: &'static str) -> Self {
        Self { is_required: true, ..Self::value(short, long) }
    }
}

/// What was asked for.
#[derive(Debug, Default)]
pub(crate) struct Parsed {
    /// Options by their letters; of a repeated one the first value counts.
    values: BTreeMap<char, String>,
    /// Words that belong to no option.
    pub arguments: Vec<String>,
}

impl Parsed {
    /// Whether the option with that letter was given.
    pub(crate) fn has(&self, short: char) -> bool {
        self.values.contains_key(&short)
    }

    /// The option's value, if it was given.
    pub(crate) fn value(&self, short: char) -> Option<&str> {
        self.values.get(&short).map(String::as_str)
    }

    fn add(&mut self, option: Opt, value: &str) {
        let unquoted = value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).unwrap_or(value);
        self.values.entry(option.short).or_insert_with(|| unquoted.to_owned());
    }
}

/// Takes a command line apart; the error is a sentence about what is wrong with it.
pub(crate) fn parse(options: &[Opt], words: &[String]) -> Result<Parsed, String> {
    let mut parsed = Parsed::default();
    let mut rest = words.iter();
    let mut waiting: Option<Opt> = None;
    while let Some(word) = rest.next() {
        if word == "--" {
            parsed.arguments.extend(rest.by_ref().cloned());
            break;
        }
        if let Some(option) = waiting.take_if(|_| is_value(options, word)) {
            parsed.add(option, word);
            continue;
        }
        if !word.starts_with('-') || word == "-" {
            parsed.arguments.push(word.clone());
            continue;
        }
        missing_value(waiting)?;
        waiting = option(options, word, &mut parsed)?;
    }
    missing_value(waiting)?;
    let missing: Vec<_> =
        options.iter().filter(|option| option.is_required && !parsed.has(option.short)).collect();
    let names = missing.iter().map(|option| option.short.to_string()).collect::<Vec<_>>().join(", ");
    match missing.len() {
        0 => Ok(parsed),
        1 => Err(format!("Missing required option: {names}")),
        _ => Err(format!("Missing required options: {names}")),
    }
}

fn missing_value(waiting: Option<Opt>) -> Result<(), String> {
    waiting.map_or(Ok(()), |option| Err(format!("Missing argument for option: {}", option.short)))
}

/// Notes the options of one word. One that still waits for its value is returned.
fn option(options: &[Opt], word: &str, parsed: &mut Parsed) -> Result<Option<Opt>, String> {
    let unknown = || format!("Unrecognized option: {word}");
    let body = word.trim_start_matches('-');
    let (name, value) = body.split_once('=').map_or((body, None), |(name, value)| (name, Some(value)));
    let found = match short(options, name).filter(|_| !word.starts_with("--")) {
        Some(option) => Some(option),
        None => long(options, name)?,
    };
    match (found, value) {
        (Some(option), None) if option.has_value => Ok(Some(option)),
        (Some(option), Some(value)) if option.has_value => {
            parsed.add(option, value);
            Ok(None)
        }
        (Some(option), None) => {
            parsed.add(option, "");
            Ok(None)
        }
        (None, None) if !word.starts_with("--") => burst(options, body, parsed).ok_or_else(unknown),
        _ => Err(unknown()),
    }
}

/// Several letters in one word, of which the last may have a value right behind it.
fn burst(options: &[Opt], letters: &str, parsed: &mut Parsed) -> Option<Option<Opt>> {
    for (at, letter) in letters.char_indices() {
        let option = *options.iter().find(|option| option.short == letter)?;
        let behind = &letters[at + letter.len_utf8()..];
        if option.has_value {
            if behind.is_empty() {
                return Some(Some(option));
            }
            parsed.add(option, behind);
            return Some(None);
        }
        parsed.add(option, "");
    }
    Some(None)
}

fn short(options: &[Opt], name: &str) -> Option<Opt> {
    let mut letters = name.chars();
    let letter = letters.next().filter(|_| letters.next().is_none())?;
    options.iter().find(|option| option.short == letter).copied()
}

/// The option whose long name this is, or the only one whose long name begins so.
fn long(options: &[Opt], name: &str) -> Result<Option<Opt>, String> {
    if let Some(option) = options.iter().find(|option| option.long == name) {
        return Ok(Some(*option));
    }
    let begins = |option: &&Opt| !name.is_empty() && option.long.starts_with(name);
    let found: Vec<_> = options.iter().filter(begins).collect();
    if found.len() > 1 {
        let names = found.iter().map(|option| format!("'{}'", option.long)).collect::<Vec<_>>().join(", ");
        return Err(format!("Ambiguous option: '{name}'  (could be: {names})"));
    }
    Ok(found.first().map(|option| **option))
}

/// Whether a word behind an option with a value is that value.
fn is_value(options: &[Opt], word: &str) -> bool {
    let Some(body) = word.strip_prefix('-').map(|word| word.trim_start_matches('-')) else { return true };
    let name = body.split('=').next().unwrap_or_default();
    let is_letter = options.iter().any(|option| name.starts_with(option.short)) && !word.starts_with("--");
    let is_word = !matches!(long(options, name), Ok(None));
    body.is_empty() || body.parse::<f64>().is_ok() || !(is_letter || is_word)
}

#[cfg(test)]
mod tests {
    use super::*;

    const OPTIONS: [Opt; 5] = [
        Opt::flag('r', "recover"),
        Opt::flag('v', "verbose"),
        Opt::flag('y', "yes"),
        Opt::value('z', "zxid"),
        Opt::value('e', "extra"),
    ];

    fn told(line: &str) -> String {
        let words: Vec<_> = line.split_whitespace().map(str::to_owned).collect();
        match parse(&OPTIONS, &words) {
            Ok(parsed) => {
                let options = parsed.values.iter().map(|(short, value)| format!("{short}={value}"));
                options.chain(parsed.arguments.clone()).collect::<Vec<_>>().join(" ")
            }
            Err(complaint) => complaint,
        }
    }

    #[test]
    fn command_lines_are_read_as_by_the_original() {
        let rows = [
            ("log.1", "log.1"),
            ("-r log.1 -v", "r= v= log.1"),
            ("-rvy log.1", "r= v= y= log.1"),
            ("--recover --yes a b", "r= y= a b"),
            ("--rec -recover -verb a", "r= v= a"),
            ("-z 5 a", "z=5 a"),
            ("-z5 a", "z=5 a"),
            ("-rz5 a", "r= z=5 a"),
            ("--zxid 5", "z=5"),
            ("--zxid=0x5", "z=0x5"),
            ("-z=5", "z=5"),
            ("-z -5", "z=-5"),
            ("-z 1 -z 2", "z=1"),
            ("-- -r", "-r"),
            ("- a", "- a"),
            ("-q", "Unrecognized option: -q"),
            ("-rq", "Unrecognized option: -rq"),
            ("--quiet", "Unrecognized option: --quiet"),
            ("--recover=yes", "Unrecognized option: --recover=yes"),
            ("-z", "Missing argument for option: z"),
            ("-z -r", "Missing argument for option: z"),
        ];
        for (line, expected) in rows {
            assert_eq!(told(line), expected, "{line}");
        }
    }

    #[test]
    fn what_is_required_is_missed() {
        let options = [Opt::required('l', "left"), Opt::required('r', "right"), Opt::flag('d', "debug")];
        let words = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        let complaint = |line| parse(&options, &words(line)).expect_err("incomplete");
        assert_eq!(complaint("-d"), "Missing required options: l, r");
        assert_eq!(complaint("-l a"), "Missing required option: r");
        let ambiguous = [Opt::flag('a', "same"), Opt::flag('b', "sand")];
        let complaint = parse(&ambiguous, &words("--sa")).expect_err("ambiguous");
        assert_eq!(complaint, "Ambiguous option: 'sa'  (could be: 'same', 'sand')");
    }
}
