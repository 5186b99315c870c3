//! The Debian package, installed by `dpkg` over a copy of this machine's root that only this test sees, and its systemd
//! unit, whose command is run as systemd would run it. systemd itself is asked what it thinks of the unit.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixDatagram;
use std::process::{Child, Command, Stdio};

use zoorum_interop::room::root::Root;
use zoorum_interop::room::{PATIENCE, last_descendant, succeeds, until};

use crate::dist::dist;

/// The package's own, in a root where it was installed.
struct Installed(Root);

impl Installed {
    fn new() -> Self {
        let root = Root::new();
        root.share(&dist().package(), "zoorum.deb");
        root.run("dpkg --install /shared/zoorum.deb");
        Self(root)
    }

    fn run(&self, line: &str) -> String {
        self.0.run(line)
    }

    /// The value of a key of the unit.
    fn unit(&self, key: &str) -> String {
        let text = self.run("cat /usr/lib/systemd/system/zoorum.service");
        let value = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
        value.unwrap_or_else(|| panic!("the unit has no {key}")).to_owned()
    }

    /// Starts the service, and returns it with the socket at which systemd would listen.
    fn start_service(&self) -> Service {
        let path = self.0.shared().join("notify");
        let _ = fs::remove_file(&path);
        let socket = UnixDatagram::bind(&path).expect("a socket");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o777)).expect("open to all");
        socket.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        let user = self.unit("User");
        let mut command = self.0.command("setpriv");
        command
            .args([&format!("--reuid={user}"), &format!("--regid={}", self.unit("Group")), "--clear-groups"])
            .args(["--no-new-privs", "--bounding-set=-all", "env", "-i", "NOTIFY_SOCKET=/shared/notify"])
            .args(["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin", &format!("USER={user}")])
            .args(self.unit("ExecStart").split(' '));
        let process = command.stdin(Stdio::null()).stdout(Stdio::null()).spawn().expect("run nsenter");
        Service { process, socket }
    }
}

struct Service {
    process: Child,
    socket: UnixDatagram,
}

impl Service {
    /// The next thing that systemd is told.
    fn hear(&self) -> String {
        let mut buffer = [0; 4096];
        let length = self.socket.recv(&mut buffer).expect("a datagram");
        String::from_utf8_lossy(&buffer[..length]).into_owned()
    }

    /// Stops it as systemd would, and returns the exit code.
    fn stop(mut self) -> Option<i32> {
        let main = last_descendant(self.process.id());
        succeeds(Command::new("kill").arg(main.to_string()));
        assert_eq!(self.hear(), "STOPPING=1\nSTATUS=stopping");
        let mut status = None;
        until("the service ends", || {
            status = self.process.try_wait().expect("wait");
            status.is_some()
        });
        status.and_then(|status| status.code())
    }
}

#[test]
fn the_package_installs_serves_tells_systemd_and_leaves_the_data() {
    let root = Installed::new();
    root.run("dpkg --verify zoorum && systemd-analyze verify /usr/lib/systemd/system/zoorum.service");
    assert_eq!(
        root.run("stat -c %U:%G:%a /var/lib/zookeeper /var/log/zookeeper"),
        "zookeeper:zookeeper:750\n".repeat(2)
    );

    let service = root.start_service();
    assert_eq!(service.hear(), "STATUS=reading the data");
    assert_eq!(service.hear(), "READY=1\nSTATUS=serving, alone");
    let status = root.run("/usr/share/zookeeper/bin/zkServer.sh status 2>&1");
    assert!(status.contains("Using config: /usr/share/zookeeper/bin/../conf/zoo.cfg"), "{status}");
    assert!(status.ends_with("Mode: standalone\n"), "{status}");
    let code = service.stop().expect("a code").to_string();
    assert_eq!(code, root.unit("SuccessExitStatus"), "a stop is no failure");

    // A member is up though it cannot lead alone: the others may be started after it.
    root.run(
        "printf '%s\\n' initLimit=5 syncLimit=2 server.1=localhost:2888:3888 server.2=localhost:2889:3889 \
         server.3=localhost:2890:3890 >>/etc/zookeeper/conf/zoo.cfg; echo 1 >/var/lib/zookeeper/myid",
    );
    let service = root.start_service();
    assert_eq!(service.hear(), "STATUS=reading the data");
    assert_eq!(service.hear(), "READY=1\nSTATUS=looking for a leader, and serving nobody");
    assert_eq!(service.stop(), Some(143));

    let kept = "test -d /var/lib/zookeeper/version-2 && test -s /etc/zookeeper/conf/zoo.cfg";
    root.run(&format!("dpkg --remove zoorum && {kept} && ! test -e /usr/bin/zoorum"));
    root.run("dpkg --purge zoorum && test -d /var/lib/zookeeper/version-2 && ! test -e /etc/zookeeper/conf/zoo.cfg");
}

#[test]
fn a_wrong_configuration_is_not_tried_again() {
    let root = Installed::new();
    root.run("echo tickTime=soon >>/etc/zookeeper/conf/zoo.cfg");
    let mut service = root.start_service();
    let status = service.process.wait().expect("it ends");
    assert_eq!(status.code().map(|code| code.to_string()), Some(root.unit("RestartPreventExitStatus")));
}
