//! Who is in the ensemble: the lines `server.N`, `group.G` and `weight.N`, wherever they stand.

use crate::error::{ConfigError, Problem};
use crate::reader::{Level, Reader};
use crate::settings::Setting;
use zoorum_proto::quorum::{ConfigBuilder, ConfigProblem, ConfigVersion, QuorumConfig, Role};

/// Reads the lines among `lines` that speak of members; `None` when no server is named.
///
/// # Errors
/// The first line, by name, that does not parse, or what the hierarchy lacks.
pub(crate) fn read<'a>(
    lines: impl Iterator<Item = &'a Setting>,
    multi_address: bool,
    version: ConfigVersion,
) -> Result<Option<QuorumConfig>, ConfigError> {
    let mut builder = ConfigBuilder::new(multi_address);
    for line in lines {
        builder.add(&line.name, &line.value).map_err(|problem| of_line(line, problem))?;
    }
    if builder.is_empty() {
        return Ok(None);
    }
    let config = builder.finish().map_err(|problem| ConfigError::general(problem.into()))?;
    Ok(Some(QuorumConfig { version, ..config }))
}

fn of_line(line: &Setting, problem: ConfigProblem) -> ConfigError {
    let is_number = matches!(problem, ConfigProblem::NotANumber { .. });
    let error = ConfigError::of(line, problem.into());
    if is_number { error.expecting("a whole number") } else { error }
}

/// Whether this many participants and observers make sense, as ZooKeeper sees it.
pub(crate) fn check_sizes(
    membership: Option<&QuorumConfig>,
    standalone_enabled: bool,
    r: &mut Reader<'_>,
) -> Result<(), ConfigError> {
    let count = |role| membership.map_or(0, |membership| membership.with_role(role).count());
    let (participants, observers) = (count(Role::Participant), count(Role::Observer));
    match participants {
        0 if !standalone_enabled => Err(ConfigError::general(Problem::NoParticipants)),
        0 if observers > 0 => Err(ConfigError::general(Problem::ObserversWithoutParticipants)),
        0 => Ok(()),
        1 if standalone_enabled => {
            r.notice(Level::Error, "Invalid configuration, only one server specified (ignoring)");
            if observers > 0 {
                return Err(ConfigError::general(Problem::ObserversWithoutQuorum));
            }
            Ok(())
        }
        1 | 2 => {
            let text = "No server failure will be tolerated. You need at least 3 servers.";
            r.notice(Level::Warn, text);
            Ok(())
        }
        _ => {
            if participants % 2 == 0 {
                let text = "Non-optimal configuration, consider an odd number of servers.";
                r.notice(Level::Warn, text);
            }
            Ok(())
        }
    }
}
