//! `envi`: the machine, the user, the process. What only a Java server has is there with the value `<NA>`.

use std::fs;

/// What Java would call a value that does not exist.
const ABSENT: &str = "<NA>";

/// Where this server runs: keys and values in the order in which they are told.
#[derive(Clone, Debug)]
pub struct Environment {
    entries: Vec<(&'static str, String)>,
}

impl Environment {
    /// That of this process.
    pub fn of_process(version: &str) -> Self {
        let system = rustix::system::uname();
        let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let absent = || ABSENT.to_owned();
        let entries = vec![
            ("zookeeper.version", version.to_owned()),
            ("host.name", system.nodename().to_string_lossy().into_owned()),
            ("java.version", absent()),
            ("java.vendor", absent()),
            ("java.home", absent()),
            ("java.class.path", absent()),
            ("java.library.path", absent()),
            ("java.io.tmpdir", std::env::temp_dir().display().to_string()),
            ("java.compiler", absent()),
            ("os.name", system.sysname().to_string_lossy().into_owned()),
            ("os.arch", architecture(std::env::consts::ARCH).to_owned()),
            ("os.version", system.release().to_string_lossy().into_owned()),
            ("user.name", user_name()),
            ("user.home", variable("HOME").unwrap_or_else(absent)),
            ("user.dir", std::env::current_dir().map_or_else(|_| absent(), |at| at.display().to_string())),
        ];
        Self { entries }
    }

    /// Keys and values, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.entries.iter().map(|(key, value)| (*key, value.as_str()))
    }
}

/// Java's name of an architecture.
fn architecture(name: &str) -> &str {
    match name {
        "x86_64" => "amd64",
        other => other,
    }
}

/// Who runs this process: a name if the user has one, otherwise the number.
pub(crate) fn user_name() -> String {
    let id = rustix::process::geteuid().as_raw().to_string();
    let users = fs::read_to_string("/etc/passwd").unwrap_or_default();
    name_of(&id, &users).unwrap_or(&id).to_owned()
}

fn name_of<'u>(id: &str, users: &'u str) -> Option<&'u str> {
    users.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)? == id).then_some(name)
    })
}

/// Memory of this process, in MB.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Memory {
    /// What it may take.
    limit: u64,
    /// What it takes.
    resident: u64,
}

impl Memory {
    pub(crate) fn now() -> Self {
        let read = |path| fs::read_to_string(path).unwrap_or_default();
        let machine = kilobytes(&read("/proc/meminfo"), "MemTotal:");
        let container = read("/sys/fs/cgroup/memory.max").trim().parse::<u64>().ok();
        let resident = kilobytes(&read("/proc/self/status"), "VmRSS:");
        Self {
            limit: container.map_or(machine, |bytes| machine.min(bytes >> 10)) >> 10,
            resident: resident >> 10,
        }
    }
}

impl Memory {
    /// Free, most and taken, as they are told, in MB.
    pub(crate) fn rows(self) -> [(&'static str, u64); 3] {
        [
            ("os.memory.free", self.limit.saturating_sub(self.resident)),
            ("os.memory.max", self.limit),
            ("os.memory.total", self.resident),
        ]
    }
}

/// The number behind a label.
fn kilobytes(text: &str, label: &str) -> u64 {
    let line = text.lines().find_map(|line| line.strip_prefix(label));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}

/// The environment.
pub(super) fn envi(environment: &Environment, memory: &Memory) -> String {
    let lines: String = environment.iter().map(|(key, value)| format!("{key}={value}\n")).collect();
    let memory: String = memory.rows().map(|(key, megabytes)| format!("{key}={megabytes}MB\n")).concat();
    format!("Environment:\n{lines}{memory}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_environment_has_the_keys_of_a_java_server_in_their_order() {
        let text = envi(&Environment::of_process("3.9.5-x"), &Memory { limit: 247, resident: 62 });
        let keys: Vec<_> = text.lines().skip(1).filter_map(|line| Some(line.split_once('=')?.0)).collect();
        let expected = "zookeeper.version host.name java.version java.vendor java.home java.class.path \
            java.library.path java.io.tmpdir java.compiler os.name os.arch os.version user.name user.home \
            user.dir os.memory.free os.memory.max os.memory.total";
        assert_eq!(keys.join(" "), expected);
        assert!(text.starts_with("Environment:\nzookeeper.version=3.9.5-x\n"), "{text}");
        assert!(
            text.ends_with("os.memory.free=185MB\nos.memory.max=247MB\nos.memory.total=62MB\n"),
            "{text}"
        );
    }

    #[test]
    fn a_user_has_the_name_that_the_system_gives_to_the_number() {
        let users = "root:x:0:0:root:/root:/bin/sh\nzookeeper:x:1000:1000::/data:/bin/sh\n";
        assert_eq!(name_of("1000", users), Some("zookeeper"));
        assert_eq!(name_of("7", users), None);
    }

    #[test]
    fn numbers_are_found_behind_their_label() {
        assert_eq!(kilobytes("Name:\tx\nVmRSS:\t  2048 kB\n", "VmRSS:"), 2048);
        assert_eq!(kilobytes("", "VmRSS:"), 0);
    }
}
