//! From text to values: every setting is read here, so that a wrong one is reported in one way.

use crate::error::{ConfigError, Problem};
use crate::settings::{Origin, Setting, Settings};
use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

/// How much a notice matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Good to know.
    Info,
    /// Probably not what was meant.
    Warn,
    /// Certainly not what was meant, and yet no reason to stop.
    Error,
}

/// Something to log at start about a configuration that works.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// How loudly to say it.
    pub level: Level,
    /// Where the setting was made that it is about, if it is about one.
    pub origin: Option<Origin>,
    /// The sentence: ZooKeeper's own where it has one.
    pub text: String,
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)?;
        match &self.origin {
            Some(origin) => write!(f, " ({origin})"),
            None => Ok(()),
        }
    }
}

/// The names under which one setting is looked for, the effective one first and then the spellings
/// that ZooKeeper documents but does not read.
pub(crate) type Names<'a> = &'a [&'a str];

const INTEGER: &str = "a whole number of at most 32 bits";
const LONG: &str = "a whole number of at most 64 bits";

/// Reads settings and remembers which names were asked for: the others are unknown.
///
/// Where Java silently takes the default for a number that it cannot parse, Zoorum refuses to start:
/// a limit that was written down and does not hold is worse than an error at start. A property that is
/// read as a truth value and says neither `true` nor `false` keeps Java's meaning, false, with a warning.
pub(crate) struct Reader<'a> {
    settings: &'a Settings,
    asked: BTreeSet<String>,
    pub(crate) notices: Vec<Notice>,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(settings: &'a Settings) -> Self {
        Self { settings, asked: BTreeSet::new(), notices: Vec::new() }
    }

    pub(crate) fn settings(&self) -> &'a Settings {
        self.settings
    }

    /// Whether that name was looked for, found or not.
    pub(crate) fn was_asked(&self, name: &str) -> bool {
        self.asked.contains(name)
    }

    /// Every name that was looked for.
    #[cfg(test)]
    pub(crate) fn asked(&self) -> impl Iterator<Item = &str> {
        self.asked.iter().map(String::as_str)
    }

    pub(crate) fn ask(&mut self, name: &str) {
        self.asked.insert(name.to_owned());
    }

    pub(crate) fn notice(&mut self, level: Level, text: impl Into<String>) {
        self.notices.push(Notice { level, origin: None, text: text.into() });
    }

    pub(crate) fn notice_at(&mut self, level: Level, setting: &Setting, text: impl Into<String>) {
        let origin = Some(setting.origin.clone());
        self.notices.push(Notice { level, origin, text: text.into() });
    }

    /// The setting found under the first of `names` that was set.
    pub(crate) fn setting(&mut self, names: Names<'_>) -> Option<&'a Setting> {
        for name in names {
            self.ask(name);
        }
        names.iter().find_map(|name| self.settings.get(name))
    }

    pub(crate) fn text(&mut self, names: Names<'_>) -> Option<String> {
        self.setting(names).map(|setting| setting.value.clone())
    }

    /// Like [`Self::text`], and an empty value counts as none.
    pub(crate) fn text_filled(&mut self, names: Names<'_>) -> Option<String> {
        self.text(names).filter(|text| !text.is_empty())
    }

    /// A comma list, its entries trimmed, empty ones dropped.
    pub(crate) fn list(&mut self, names: Names<'_>) -> Option<Vec<String>> {
        let text = self.text(names)?;
        let entries = text.split(',').map(str::trim).filter(|entry| !entry.is_empty());
        Some(entries.map(str::to_owned).collect())
    }

    /// A 32-bit number: decimal for an explicit key, also hexadecimal or octal for a property.
    pub(crate) fn int(&mut self, names: Names<'_>) -> Result<Option<i32>, ConfigError> {
        let Some(setting) = self.setting(names) else { return Ok(None) };
        let number = number_of(setting).and_then(|number| i32::try_from(number).ok());
        number.map(Some).ok_or_else(|| not_a_number(setting, INTEGER))
    }

    /// A 64-bit number, in the same notations.
    pub(crate) fn long(&mut self, names: Names<'_>) -> Result<Option<i64>, ConfigError> {
        let Some(setting) = self.setting(names) else { return Ok(None) };
        number_of(setting).map(Some).ok_or_else(|| not_a_number(setting, LONG))
    }

    /// A count that cannot be negative.
    pub(crate) fn count(&mut self, names: Names<'_>, default: u32) -> Result<u32, ConfigError> {
        let Some(number) = self.int(names)? else { return Ok(default) };
        u32::try_from(number).map_err(|_| self.out_of_range(names, number.into(), "zero or more"))
    }

    /// A count where zero and everything below mean "no limit" or "off".
    pub(crate) fn limit(&mut self, names: Names<'_>) -> Result<Option<u32>, ConfigError> {
        let number = self.int(names)?.unwrap_or(0);
        Ok(u32::try_from(number).ok().filter(|&number| number > 0))
    }

    /// A span in milliseconds that cannot be negative.
    pub(crate) fn millis(&mut self, names: Names<'_>, default: u64) -> Result<Duration, ConfigError> {
        let Some(number) = self.long(names)? else { return Ok(Duration::from_millis(default)) };
        let millis = u64::try_from(number);
        let millis = millis.map_err(|_| self.out_of_range(names, number, "zero or more milliseconds"))?;
        Ok(Duration::from_millis(millis))
    }

    /// A span in milliseconds where zero and everything below mean "off".
    pub(crate) fn millis_or_off(&mut self, names: Names<'_>) -> Result<Option<Duration>, ConfigError> {
        let number = self.long(names)?.unwrap_or(0);
        Ok(u64::try_from(number).ok().filter(|&millis| millis > 0).map(Duration::from_millis))
    }

    /// A TCP port; zero, like absence, is none.
    pub(crate) fn port(&mut self, name: &str) -> Result<Option<u16>, ConfigError> {
        let names = [name];
        let Some(number) = self.int(&names)? else { return Ok(None) };
        match u16::try_from(number) {
            Ok(0) => Ok(None),
            Ok(port) => Ok(Some(port)),
            Err(_) => {
                Err(self.wrong(&names, Problem::PortOutOfRange { port: number.into() }, "a port up to 65535"))
            }
        }
    }

    /// A real number.
    pub(crate) fn real(&mut self, names: Names<'_>, default: f64) -> Result<f64, ConfigError> {
        let Some(setting) = self.setting(names) else { return Ok(default) };
        let number = setting.value.trim().parse::<f64>().ok().filter(|number| number.is_finite());
        number.ok_or_else(|| not_a_number(setting, "a decimal number"))
    }

    /// A truth value of an explicit key, where nothing but the two words will do.
    pub(crate) fn explicit_flag(&mut self, key: &str, default: bool) -> Result<bool, ConfigError> {
        let Some(setting) = self.setting(&[key]) else { return Ok(default) };
        truth(&setting.value).ok_or_else(|| {
            let problem = Problem::NotABoolean { key: key.to_owned(), value: setting.value.clone() };
            ConfigError::of(setting, problem)
        })
    }

    /// A truth value of a property: what is not `true` is false, with a warning unless it says so.
    pub(crate) fn flag(&mut self, names: Names<'_>, default: bool) -> bool {
        let Some(setting) = self.setting(names) else { return default };
        truth(&setting.value).unwrap_or_else(|| {
            let text = format!(
                "{}={} is neither true nor false, taken as false",
                setting.name_as_written(),
                setting.value
            );
            self.notice_at(Level::Warn, setting, text);
            false
        })
    }

    /// Refuses a number that was parsed but makes no sense.
    pub(crate) fn out_of_range(
        &mut self,
        names: Names<'_>,
        value: i64,
        expected: &'static str,
    ) -> ConfigError {
        self.wrong(names, Problem::OutOfRange { value }, expected)
    }

    /// Refuses the setting found under `names`.
    pub(crate) fn wrong(
        &mut self,
        names: Names<'_>,
        problem: Problem,
        expected: &'static str,
    ) -> ConfigError {
        match self.setting(names) {
            Some(setting) => ConfigError::of(setting, problem).expecting(expected),
            None => ConfigError::general(problem).expecting(expected),
        }
    }
}

fn not_a_number(setting: &Setting, expected: &'static str) -> ConfigError {
    let problem = Problem::NotANumber { value: setting.printable_value().to_owned() };
    ConfigError::of(setting, problem).expecting(expected)
}

fn truth(text: &str) -> Option<bool> {
    let text = text.trim();
    if text.eq_ignore_ascii_case("true") {
        Some(true)
    } else if text.eq_ignore_ascii_case("false") {
        Some(false)
    } else {
        None
    }
}

fn number_of(setting: &Setting) -> Option<i64> {
    let text = setting.value.trim();
    if crate::settings::is_explicit(&setting.name) { decimal(text) } else { decoded(text) }
}

/// Java's `parseLong`: digits with at most one sign before them.
pub(crate) fn decimal(text: &str) -> Option<i64> {
    text.parse().ok()
}

/// Java's `Long.decode`: `0x`, `0X` and `#` announce hexadecimal, a leading zero octal.
fn decoded(text: &str) -> Option<i64> {
    let (sign, digits) = match text.as_bytes().first()? {
        b'-' => ("-", &text[1..]),
        b'+' => ("", &text[1..]),
        _ => ("", text),
    };
    let hexadecimal = ["0x", "0X", "#"].iter().find_map(|prefix| digits.strip_prefix(prefix));
    let (digits, radix) = match hexadecimal {
        Some(digits) => (digits, 16),
        None if digits.len() > 1 && digits.starts_with('0') => (&digits[1..], 8),
        None => (digits, 10),
    };
    // The sign goes before the prefix, so none may follow it.
    if !digits.starts_with(|c: char| c.is_ascii_hexdigit()) {
        return None;
    }
    i64::from_str_radix(&format!("{sign}{digits}"), radix).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_properties_decode_as_in_java() {
        let rows = [
            ("0", Some(0)),
            ("100", Some(100)),
            ("-1", Some(-1)),
            ("+1", Some(1)),
            ("0x10", Some(16)),
            ("-0X10", Some(-16)),
            ("#ff", Some(255)),
            ("010", Some(8)),
            ("-9223372036854775808", Some(i64::MIN)),
            ("9223372036854775808", None),
            ("", None),
            ("-", None),
            ("0x", None),
            ("0x-1", None),
            ("--1", None),
            ("08", None),
            ("1k", None),
            ("1.5", None),
            ("é", None),
        ];
        for (text, number) in rows {
            assert_eq!(decoded(text), number, "{text:?}");
        }
    }
}
