//! The other world around a server: seeded network, disk and clock.
