//! The replicated state: znodes, quotas, digest; prep and apply; watch tables.
