# Read by the scripts in /usr/share/zookeeper/bin, and so by the service, before anything else.

# Where a log file, if one is configured, and the console output of `zkServer.sh start` go.
ZOO_LOG_DIR=/var/log/zookeeper

# Settings besides zoo.cfg: -Dzookeeper.name=value
#SERVER_JVMFLAGS=
