//! How many connections there may be, in all and from one address.

use std::collections::HashMap;
use std::net::IpAddr;

use parking_lot::Mutex;

/// Counts connections from their acceptance to their end.
pub struct Admission {
    total_limit: Option<usize>,
    per_address_limit: Option<usize>,
    open: Mutex<Open>,
}

#[derive(Default)]
struct Open {
    total: usize,
    refused: u64,
    by_address: HashMap<IpAddr, usize>,
}

/// Why a connection was not admitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// `maxCnxns` is reached.
    #[error("Too many connections {open} - max is {limit}")]
    Total {
        /// Connections there are.
        open: usize,
        /// Connections there may be.
        limit: usize,
    },
    /// `maxClientCnxns` is reached.
    #[error("Too many connections from /{address} - max is {limit}")]
    Address {
        /// From where.
        address: IpAddr,
        /// Connections there may be from one address.
        limit: usize,
    },
}

impl Admission {
    /// Limits in all and from one address; 0 is none.
    pub fn new(total_limit: usize, per_address_limit: usize) -> Self {
        let limit = |limit| (limit > 0).then_some(limit);
        Self {
            total_limit: limit(total_limit),
            per_address_limit: limit(per_address_limit),
            open: Mutex::default(),
        }
    }

    /// Counts a new connection, unless there are too many.
    pub fn admit(&self, address: IpAddr) -> Result<(), Refusal> {
        let mut open = self.open.lock();
        if let Some(limit) = self.total_limit.filter(|limit| open.total >= *limit) {
            open.refused += 1;
            return Err(Refusal::Total { open: open.total, limit });
        }
        let from_here = open.by_address.entry(address).or_default();
        if let Some(limit) = self.per_address_limit.filter(|limit| *from_here >= *limit) {
            open.refused += 1;
            return Err(Refusal::Address { address, limit });
        }
        *from_here += 1;
        open.total += 1;
        Ok(())
    }

    /// A connection that was admitted has ended.
    pub fn leave(&self, address: IpAddr) {
        let mut open = self.open.lock();
        open.total = open.total.saturating_sub(1);
        if let Some(from_here) = open.by_address.get_mut(&address) {
            *from_here -= 1;
            if *from_here == 0 {
                open.by_address.remove(&address);
            }
        }
    }

    /// Connections that were not admitted.
    pub fn refused(&self) -> u64 {
        self.open.lock().refused
    }

    /// Starts counting those anew.
    pub fn reset_refused(&self) {
        self.open.lock().refused = 0;
    }

    /// Connections there are.
    pub fn open(&self) -> usize {
        self.open.lock().total
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_address_may_have_so_many_connections_and_gets_them_back() {
        let admission = Admission::new(3, 2);
        let (here, there) = (IpAddr::from([127, 0, 0, 1]), IpAddr::from([127, 0, 0, 2]));
        assert_eq!(admission.admit(here), Ok(()));
        assert_eq!(admission.admit(here), Ok(()));
        assert_eq!(admission.admit(here), Err(Refusal::Address { address: here, limit: 2 }));
        assert_eq!(admission.admit(there), Ok(()));
        assert_eq!(admission.admit(there), Err(Refusal::Total { open: 3, limit: 3 }));
        assert_eq!(admission.refused(), 2);
        admission.leave(here);
        assert_eq!(admission.admit(here), Ok(()));
    }
}
