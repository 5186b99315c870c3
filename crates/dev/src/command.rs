//! What can be typed.

use std::str::FromStr;

/// What can be typed, for people.
pub(crate) const HELP: &str = "\
status       who is what
kill N       end server N as a crash would        stop N    tell it to stop
pause N      let it stand still                   cut N     cut it off from the other servers
revive N     undo whatever was done to it         quit      stop everything";

/// Something to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Command {
    Status,
    Help,
    Quit,
    To(u8, Deed),
}

/// Something to be done to one member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Deed {
    Kill,
    Stop,
    Pause,
    Cut,
    Revive,
}

impl FromStr for Command {
    type Err = String;

    fn from_str(line: &str) -> Result<Self, String> {
        let words: Vec<&str> = line.split_whitespace().collect();
        let deed = match words[..] {
            ["status"] => return Ok(Self::Status),
            ["help"] => return Ok(Self::Help),
            ["quit" | "exit"] => return Ok(Self::Quit),
            ["kill", _] => Deed::Kill,
            ["stop", _] => Deed::Stop,
            ["pause", _] => Deed::Pause,
            ["cut", _] => Deed::Cut,
            ["revive", _] => Deed::Revive,
            ["kill" | "stop" | "pause" | "cut" | "revive", ..] => {
                return Err(format!("say which server, as in: {} 1", words[0]));
            }
            _ => return Err(format!("{line:?} means nothing here. What does:\n{HELP}")),
        };
        let number = words[1].parse().map_err(|_| format!("{:?} is not the number of a server", words[1]))?;
        Ok(Self::To(number, deed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_commands_or_say_what_is_wrong() {
        let rows = [
            (" status ", Ok(Command::Status)),
            ("quit", Ok(Command::Quit)),
            ("kill 2", Ok(Command::To(2, Deed::Kill))),
            ("revive  3", Ok(Command::To(3, Deed::Revive))),
            ("pause", Err("say which server, as in: pause 1")),
            ("cut 1 2", Err("say which server, as in: cut 1")),
            ("stop x", Err("\"x\" is not the number of a server")),
        ];
        for (line, expected) in rows {
            assert_eq!(line.parse::<Command>(), expected.map_err(str::to_owned), "{line}");
        }
        let complaint = "reboot 1".parse::<Command>().expect_err("there is no such command");
        assert!(complaint.contains("means nothing"), "{complaint}");
    }
}
