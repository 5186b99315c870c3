//! What the workers of a server let in together: new connections, each for tokens, and large requests by their bytes.
//!
//! Everything here is off unless it is configured, and then costs a look at the settings. It is shared by all
//! workers, because the limits are the server's; nobody waits here for anything.
//!
//! **Source.** ZooKeeper's `connection_throttle_*` and `largeRequest*`.

mod bucket;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::settings::{AdmissionSettings, LargeRequestSettings};
use crate::time::Monotonic;
use bucket::Bucket;

/// What the workers of a server let in together.
#[derive(Debug)]
pub struct Gate {
    bucket: Option<Mutex<Bucket>>,
    large: Option<LargeRequestSettings>,
    /// Bytes of the large requests under way.
    large_bytes: AtomicUsize,
}

/// The limit is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Refused;

impl Gate {
    /// With a full bucket, and nothing under way. `seed` decides who is dropped by chance.
    pub fn new(settings: &AdmissionSettings, now: Monotonic, seed: u64) -> Self {
        let bucket =
            settings.tokens.as_ref().map(|tokens| Mutex::new(Bucket::new(tokens.clone(), now, seed)));
        Self { bucket, large: settings.large_requests.clone(), large_bytes: AtomicUsize::new(0) }
    }

    /// A client asks for a session, a new one or its old one. Tells how many tokens are missing in the bucket then.
    pub(crate) fn admit_session(&self, now: Monotonic, is_new: bool) -> Result<u64, Refused> {
        self.bucket().map_or(Ok(0), |mut bucket| bucket.take(now, is_new))
    }

    /// How likely it is, from 0 to 1, that a connection is dropped by chance.
    pub fn drop_probability(&self) -> f64 {
        self.bucket().map_or(0.0, |bucket| bucket.drop_probability())
    }

    /// Whether a request of this length would be let in now.
    pub(crate) fn has_room_for(&self, length: usize) -> bool {
        self.large.as_ref().is_none_or(|large| {
            length <= large.threshold
                || self.large_bytes.load(Ordering::Relaxed).saturating_add(length) <= large.bytes_limit
        })
    }

    /// Counts a request among those under way until the answer is dropped, if it is a large one.
    pub(crate) fn admit_request(self: &Arc<Self>, length: usize) -> Result<Option<LargeRequest>, Refused> {
        let Some(large) = self.large.as_ref().filter(|large| length > large.threshold) else {
            return Ok(None);
        };
        let before = self.large_bytes.fetch_add(length, Ordering::Relaxed);
        let admitted = LargeRequest { gate: Arc::clone(self), length };
        if before.saturating_add(length) > large.bytes_limit { Err(Refused) } else { Ok(Some(admitted)) }
    }

    /// A panic under the lock ends the process, so a poisoned lock is seen by nobody who could do harm.
    fn bucket(&self) -> Option<MutexGuard<'_, Bucket>> {
        self.bucket.as_ref().map(|bucket| bucket.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// A large request under way: it counts until it is dropped.
#[derive(Debug)]
pub(crate) struct LargeRequest {
    gate: Arc<Gate>,
    length: usize,
}

impl Drop for LargeRequest {
    fn drop(&mut self) {
        self.gate.large_bytes.fetch_sub(self.length, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gate(large: Option<(usize, usize)>) -> Arc<Gate> {
        let large_requests =
            large.map(|(threshold, bytes_limit)| LargeRequestSettings { threshold, bytes_limit });
        let settings = AdmissionSettings { large_requests, ..AdmissionSettings::default() };
        Arc::new(Gate::new(&settings, Monotonic::default(), 7))
    }

    #[test]
    fn large_requests_share_a_number_of_bytes_and_give_them_back() {
        let gate = gate(Some((1_000, 3_000)));
        assert!(gate.admit_request(1_000).is_ok_and(|large| large.is_none()), "that is not large");
        assert!(gate.has_room_for(3_000) && !gate.has_room_for(3_001));
        let first = gate.admit_request(2_000);
        assert!(gate.admit_request(1_001).is_err());
        assert!(gate.has_room_for(1_000) && !gate.has_room_for(1_001));
        drop(first);
        assert!(gate.admit_request(3_000).is_ok_and(|large| large.is_some()));
    }

    #[test]
    fn without_limits_everything_is_let_in() {
        let gate = gate(None);
        assert!(gate.has_room_for(usize::MAX));
        assert!(gate.admit_request(usize::MAX).is_ok_and(|large| large.is_none()));
        assert_eq!(gate.admit_session(Monotonic::default(), true), Ok(0));
        assert_eq!(gate.drop_probability(), 0.0);
    }
}
