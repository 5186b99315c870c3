# An ensemble on hosts of their own, played on one machine: zk1, zk2 and zk3 have addresses of the loopback network and
# directories of their own, which `ssh` puts in their places. `systemctl` on such a host is zkServer.sh.
#
# Sourced by pages.

dpkg --install /shared/zoorum.deb
mkdir -p /hosts/bin
cat >/hosts/bin/systemctl <<'END'
#!/bin/sh
test "$2" = zoorum && exec /usr/share/zookeeper/bin/zkServer.sh "$1"
END
chmod +x /hosts/bin/systemctl

ssh() {
  local host=$1
  shift
  unshare --mount env -i "PATH=/hosts/bin:/usr/sbin:/usr/bin:/sbin:/bin" USER=root bash -ec '
    host=$1; shift
    mount --bind "/hosts/$host/conf" /etc/zookeeper/conf
    mount --bind "/hosts/$host/data" /var/lib/zookeeper
    mount --bind "/hosts/$host/log" /var/log/zookeeper
    eval "$*"' ssh "$host" "$@"
}

# Whether a host's server serves.
ready() {
  curl --silent --fail "http://$1:8080/readyz"
}

for number in 1 2 3; do
  host=zk$number
  echo "127.0.1.$number $host" >>/etc/hosts
  mkdir -p /hosts/$host/{data,log}
  cp -R /etc/zookeeper/conf /hosts/$host/conf
  echo $number >/hosts/$host/data/myid
  cat >/hosts/$host/conf/zoo.cfg <<END
tickTime=500
initLimit=20
syncLimit=10
dataDir=/var/lib/zookeeper
clientPort=2181
clientPortAddress=$host
admin.serverAddress=$host
4lw.commands.whitelist=*
server.1=zk1:2888:3888
server.2=zk2:2888:3888
server.3=zk3:2888:3888
END
done
for host in zk1 zk2 zk3; do ssh $host systemctl start zoorum; done
for host in zk1 zk2 zk3; do await ready $host; done
