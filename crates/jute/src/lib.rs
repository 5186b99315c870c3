//! The jute codec: big-endian, untagged, bounded by the bytes at hand.
