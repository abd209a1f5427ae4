//! What is remembered of leases, beside what the database knows.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use mainstay_core::lease::{Failure, Member, Name, Nonce};

use crate::{Credential, Secret};

/// What is remembered of all leases.
#[derive(Debug, Default)]
pub(super) struct Memory {
    // Invariant: what is locked is only read or changed, never held while anything is waited for.
    leases: Mutex<HashMap<Name, Known>>,
}

/// What is remembered of a lease.
#[derive(Debug, Default)]
struct Known {
    /// How the child of the last tenure that was activated logs in.
    credential: Option<(Nonce, Credential)>,
    has_roles: bool,
    /// What was last said of this member: others are told when it changes.
    member: Option<Member>,
}

/// What a look brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Told {
    /// The first look at this lease.
    First,
    /// The member says something else than before.
    News,
    Nothing,
}

impl Memory {
    /// The credential of a tenure: drawn once, so that an activation done twice leaves the same.
    pub(super) fn credential(&self, lease: &Name, nonce: Nonce, role: &Name) -> Result<Credential, Failure> {
        let mut leases = self.lock();
        let slot = &mut leases.entry(lease.clone()).or_default().credential;
        match slot {
            Some((of, credential)) if *of == nonce => Ok(credential.clone()),
            _ => {
                let password = Secret::draw();
                let password =
                    password.map_err(|error| Failure::NotDone(format!("draw a password: {error}").into()))?;
                let credential = Credential { role: role.clone(), password };
                *slot = Some((nonce, credential.clone()));
                Ok(credential)
            }
        }
    }

    /// That credential, if it was drawn.
    pub(super) fn drawn(&self, lease: &Name, nonce: Nonce) -> Option<Credential> {
        let leases = self.lock();
        let (of, credential) = leases.get(lease)?.credential.as_ref()?;
        (*of == nonce).then(|| credential.clone())
    }

    /// The tenure was given up. It may be one of an earlier program, while this one has taken the lease.
    pub(super) fn forget_credential(&self, lease: &Name, nonce: Nonce) {
        let mut leases = self.lock();
        leases.entry(lease.clone()).or_default().credential.take_if(|(of, _)| *of == nonce);
    }

    /// Whether a look has found roles of the lease.
    pub(super) fn has_roles(&self, lease: &Name) -> bool {
        self.lock().get(lease).is_some_and(|known| known.has_roles)
    }

    /// A member has looked.
    pub(super) fn looked(&self, lease: &Name, me: &Member, has_roles: bool) -> Told {
        let mut leases = self.lock();
        let known = leases.entry(lease.clone()).or_default();
        known.has_roles = has_roles;
        let me = Member { age: Duration::ZERO, ..me.clone() };
        match known.member.replace(me.clone()) {
            None => Told::First,
            Some(before) if before != me => Told::News,
            Some(_) => Told::Nothing,
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Name, Known>> {
        self.leases.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_credential_is_forgotten_with_its_own_tenure_only() {
        let (memory, lease, role) = (Memory::default(), Name::from("bank"), Name::from("node_a"));
        memory.credential(&lease, Nonce(2), &role).unwrap();
        memory.forget_credential(&lease, Nonce(1));
        assert!(memory.drawn(&lease, Nonce(2)).is_some());
        memory.forget_credential(&lease, Nonce(2));
        assert!(memory.drawn(&lease, Nonce(2)).is_none());
    }
}
