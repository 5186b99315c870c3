//! The command line of the shell, and the properties of its client.

use std::collections::BTreeMap;
use std::time::Duration;

use zoorum_proto::properties;

use crate::fault::Fault;
use crate::out::Format;

const SERVER: &str = "localhost:2181";
const TIMEOUT_MS: u32 = 30_000;
/// The exit code where the client's properties cannot be had.
const BAD_PROPERTIES: u8 = 2;
/// Where flags of a JVM come from; the later ones win.
const FLAGS: [&str; 2] = ["CLIENT_JVMFLAGS", "JVMFLAGS"];

/// What the shell is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Invocation {
    pub(crate) server: String,
    pub(crate) timeout: Duration,
    pub(crate) read_only: bool,
    /// Connect before the first command.
    pub(crate) wait: bool,
    pub(crate) format: Format,
    pub(crate) help: bool,
    /// The largest request, if it is told.
    pub(crate) request_bytes_max: Option<usize>,
    /// A command and its arguments; none for a prompt.
    pub(crate) command: Vec<String>,
}

impl Invocation {
    /// Reads the command line, the flags in the environment, and the file that is named.
    ///
    /// # Errors
    /// Where something is there that means nothing.
    pub(crate) fn of_process(arguments: Vec<String>) -> Result<Self, Fault> {
        let flags: Vec<String> = FLAGS.iter().filter_map(|name| std::env::var(name).ok()).collect();
        Self::read(arguments, &flags.join(" "), |path| std::fs::read(path))
    }

    fn read(
        arguments: Vec<String>,
        flags: &str,
        file: impl Fn(&str) -> std::io::Result<Vec<u8>>,
    ) -> Result<Self, Fault> {
        let mut properties = flag_properties(flags);
        let mut invocation = Self {
            server: SERVER.to_owned(),
            timeout: Duration::from_millis(TIMEOUT_MS.into()),
            read_only: false,
            wait: false,
            format: Format::Text,
            help: false,
            request_bytes_max: None,
            command: Vec::new(),
        };
        let mut words = arguments.into_iter();
        while let Some(word) = words.next() {
            match word.as_str() {
                "-server" | "-timeout" | "-client-configuration" | "--output" => {
                    let Some(value) = words.next() else {
                        eprintln!("Error: no argument found for option {word}");
                        break;
                    };
                    match word.as_str() {
                        "-server" => invocation.server = value,
                        "-timeout" => invocation.timeout = timeout(&value)?,
                        "--output" => invocation.format = format(&value)?,
                        _ => properties.extend(file_properties(&value, &file)?),
                    }
                }
                "-r" => invocation.read_only = true,
                "-waitforconnection" => invocation.wait = true,
                "-h" | "-help" | "--help" => invocation.help = true,
                // As the original, which passes over what it does not know.
                option if option.starts_with('-') => {}
                _ => {
                    invocation.command = std::iter::once(word).chain(words).collect();
                    break;
                }
            }
        }
        invocation.apply(&properties)?;
        Ok(invocation)
    }

    fn apply(&mut self, properties: &BTreeMap<String, String>) -> Result<(), Fault> {
        if properties.get("zookeeper.client.secure").is_some_and(|value| value.eq_ignore_ascii_case("true")) {
            let message =
                "zookeeper.client.secure is true, but this shell does not speak TLS yet: nothing was sent";
            return Err(Fault { message: message.to_owned(), code: BAD_PROPERTIES });
        }
        if let Some(value) = properties.get("jute.maxbuffer") {
            let bytes = value.trim().parse().map_err(|_| Fault {
                message: format!("jute.maxbuffer is {value:?}, and should be a number of bytes"),
                code: BAD_PROPERTIES,
            })?;
            self.request_bytes_max = Some(bytes);
        }
        Ok(())
    }
}

fn timeout(text: &str) -> Result<Duration, Fault> {
    let milliseconds = text.parse::<u32>().ok().filter(|&ms| ms > 0 && i32::try_from(ms).is_ok());
    let message = || format!("-timeout is {text:?}, and should be a number of milliseconds");
    milliseconds.map(|ms| Duration::from_millis(ms.into())).ok_or_else(|| Fault::new(message()))
}

fn format(text: &str) -> Result<Format, Fault> {
    match text {
        "text" => Ok(Format::Text),
        "json" => Ok(Format::Json),
        _ => Err(Fault::new(format!("--output is {text:?}, and should be text or json"))),
    }
}

/// `-Dname=value` among words.
fn flag_properties(flags: &str) -> BTreeMap<String, String> {
    let property = |word: &str| {
        let (name, value) = word.strip_prefix("-D")?.split_once('=')?;
        Some((name.to_owned(), value.to_owned()))
    };
    flags.split_whitespace().filter_map(property).collect()
}

fn file_properties(
    path: &str,
    read: &impl Fn(&str) -> std::io::Result<Vec<u8>>,
) -> Result<Vec<(String, String)>, Fault> {
    let fault = |reason: String| Fault {
        message: format!("cannot read the client configuration {path}: {reason}"),
        code: BAD_PROPERTIES,
    };
    let bytes = read(path).map_err(|error| fault(error.to_string()))?;
    let properties =
        properties::parse(&properties::from_latin_1(&bytes)).map_err(|e| fault(e.to_string()))?;
    Ok(properties.into_iter().map(|one| (one.key, one.value.trim_end().to_owned())).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Result<Invocation, Fault> {
        let words = line.split_whitespace().map(str::to_owned).collect();
        Invocation::read(words, "-Xmx256m -Djute.maxbuffer=100", |path| match path {
            "tls" => Ok(b"zookeeper.client.secure = true\n".to_vec()),
            "big" => Ok(b"jute.maxbuffer=4000000\n".to_vec()),
            _ => Err(std::io::ErrorKind::NotFound.into()),
        })
    }

    #[test]
    fn options_come_first_and_a_command_takes_the_rest() {
        let read = read("-server a:1,b:2/c -timeout 5000 -r -x --output json ls -R /").expect("it is valid");
        assert_eq!((read.server.as_str(), read.timeout), ("a:1,b:2/c", Duration::from_secs(5)));
        assert!(read.read_only && !read.wait && read.format == Format::Json);
        assert_eq!(read.command, ["ls", "-R", "/"]);
        assert_eq!(read.request_bytes_max, Some(100));
    }

    #[test]
    fn a_missing_value_leaves_the_default() {
        let read = read("-waitforconnection -server").expect("as the original");
        assert_eq!((read.server.as_str(), read.wait, read.command.len()), (SERVER, true, 0));
    }

    #[test]
    fn nonsense_is_refused_with_a_code() {
        let rows = [
            ("-timeout soon", 1, "-timeout is \"soon\", and should be a number of milliseconds"),
            ("--output xml", 1, "--output is \"xml\", and should be text or json"),
            ("-client-configuration no", 2, "cannot read the client configuration no: entity not found"),
        ];
        for (line, code, message) in rows {
            assert_eq!(read(line), Err(Fault { message: message.to_owned(), code }), "{line}");
        }
        assert_eq!(read("-client-configuration tls").map_err(|fault| fault.code), Err(2));
        let big = read("-client-configuration big").expect("it is valid");
        assert_eq!(big.request_bytes_max, Some(4_000_000), "the file wins over the flags");
    }
}
