//! The real world around a server: sockets, disk, clock, signals, reports.
