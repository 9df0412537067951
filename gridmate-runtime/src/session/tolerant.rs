//! A second hello, from a joiner that has most of the host's schema.
//!
//! ```text
//! joiner   hello { name } ─────────────────▶ host      another fingerprint
//! joiner ◀─── refused { offer, digest }      host      how many datasets it has; what its schema is
//! joiner   hello { name, claim } ──────────▶ host      as many as both have, and what they are, as a hash
//! joiner ◀─── welcome { member, session }    host
//! ```
//!
//! The host keeps nothing of the first hello. It looks at the claim as if there had been none before; a joiner claims once.

use super::{JoinError, Refusal, refusal};
use crate::schema::{Profile, SchemaDifference, Snapshot};

/// What a tolerant node knows of the schemas.
#[derive(Debug)]
pub(super) struct Tolerance {
    schema: Snapshot,
    /// What this node has claimed, and what it says if that is refused.
    claimed: Option<(Profile, JoinError)>,
}

impl Tolerance {
    pub(super) const fn new(schema: Snapshot) -> Self {
        Self { schema, claimed: None }
    }

    /// What follows name and credentials in a hello to a host that refused, at most `room` bytes, if that can do any good.
    pub(super) fn claim(
        &mut self,
        ours: u64,
        theirs: u64,
        details: &[u8],
        room: usize,
    ) -> Result<Vec<u8>, Option<SchemaDifference>> {
        if self.claimed.is_some() {
            return Err(self.schema.first_difference(details));
        }
        let profile = self.schema.answer(details)?;
        let claim = self.schema.claim(&profile);
        let difference = self.schema.first_difference(details);
        if claim.len() > room {
            return Err(difference);
        }
        self.claimed = Some((profile, JoinError::Schema { ours, theirs, difference }));
        Ok(claim)
    }

    /// What a host has in common with a joiner that claims this.
    pub(super) fn check(&self, claim: &[u8]) -> Option<Profile> {
        self.schema.check(claim)
    }

    /// What this node has in common with the host that has accepted it.
    pub(super) fn profile(&self) -> Option<Profile> {
        self.claimed.as_ref().map(|(profile, _)| profile.clone())
    }

    /// What a refusal comes to: of a claim that was not believed, the difference that made it necessary.
    pub(super) fn refused(&mut self, reason: Refusal) -> JoinError {
        match (reason, self.claimed.take()) {
            (Refusal::Denied { code: refusal::CLAIM, .. }, Some((_, error))) => error,
            (reason, _) => JoinError::Refused(reason),
        }
    }
}
