//! The operating system: clock, listen, dial, splice, drain, DNS.
