//! Tolerant mode: what two programs have in common when one of them has datasets that the other has not heard of yet.
//!
//! Both have the same chunk types and RPCs, and of each chunk type the datasets of the one are the first of the other's. That
//! many of them are exchanged, and the others are as if they had `#[dataset(skip)]`. A [`Profile`] says how many.
//!
//! A host that is tolerant says with its refusal how many datasets it has. The joiner answers with a second hello, which claims
//! what both have; a hash proves that both mean the same by it.
//!
//! ```text
//! offer   = 0:u8  profile  digest                   instead of a digest
//! claim   = profile  common:u64                     behind the name in the second hello
//! profile = types:varint  datasets:varint × types   by class
//! ```

use core::fmt::{self, Write};

use super::diff::{SchemaDifference, differences, refused};
use super::digest::decode;
use super::outline::{Form, Outline};
use super::{FNV_OFFSET, SchemaChange, Snapshot, fnv1a};
use crate::wire::{BitReader, BitWriter};

/// How many datasets of each chunk type two programs have in common.
///
/// ```
/// use gridmate_runtime::prelude::*;
/// use gridmate_runtime::replica::PeerRole;
/// # mod before {
/// #     use gridmate_runtime::prelude::*;
/// #     #[derive(Default, ReplicaChunk)]
/// #     #[chunk(name = "ship")]
/// #     pub struct Ship {
/// #         pub hull: u8,
/// #     }
/// # }
///
/// #[derive(Default, ReplicaChunk)]
/// #[chunk(name = "ship")]
/// struct Ship {
///     hull: u8,
///     shield: u8, // was not there before
/// }
///
/// let here = Registry::builder().chunk::<Ship>().build()?;
/// let there = Registry::builder().chunk::<before::Ship>().build()?;
/// let common = here.snapshot().common(&there.snapshot()).expect("a dataset at the end is no obstacle");
/// assert_eq!(common.datasets(), [1]);
///
/// // A node finds that out when somebody joins. Who drives a replica manager by hand says it himself.
/// let mut replicas = ReplicaManager::new(here, 1);
/// replicas.add_peer_with(MemberId(2), PeerRole::Client, &common);
/// # Ok::<(), gridmate_runtime::RegistryError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Profile {
    datasets: Vec<u32>,
}

impl Profile {
    /// By class: the place of the chunk type among those of the registry.
    pub fn datasets(&self) -> &[u32] {
        &self.datasets
    }

    fn write(&self, w: &mut BitWriter) {
        w.varint(self.datasets.len() as u64);
        self.datasets.iter().for_each(|datasets| w.varint((*datasets).into()));
    }

    /// Reads one of so many types, and of no other number: what is kept does not depend on what is claimed.
    fn read(types: usize, r: &mut BitReader<'_>) -> Option<Self> {
        if r.varint().ok()? != types as u64 {
            return None;
        }
        let datasets = (0..types).map(|_| u32::try_from(r.varint().ok()?).ok()).collect::<Option<_>>()?;
        Some(Self { datasets })
    }

    fn both(&self, other: &Self) -> Self {
        Self { datasets: self.datasets.iter().zip(&other.datasets).map(|(a, b)| *a.min(b)).collect() }
    }
}

/// What an offer begins with; no digest does.
const OFFER: u8 = 0;

impl Snapshot {
    /// What it has in common with `there`, another program's schema, if tolerant mode is to bridge what differs: of each chunk type
    /// the datasets of the one are the first of the other's, and everything else is the same.
    ///
    /// # Errors
    /// The first difference for which they cannot be in one session.
    pub fn common(&self, there: &Self) -> Result<Profile, SchemaDifference> {
        let all = differences(&Outline::of(self, Form::FULL), &Outline::of(there, Form::FULL));
        match refused(&all) {
            Some(difference) => Err(difference.clone()),
            None => Ok(self.profile().both(&there.profile())),
        }
    }

    /// Everything it has.
    pub(crate) fn profile(&self) -> Profile {
        let count = |datasets: usize| u32::try_from(datasets).expect("fewer than 2^32 datasets fit in memory");
        Profile { datasets: self.chunks.iter().map(|chunk| count(chunk.datasets.len())).collect() }
    }

    /// What a host says of it that lets others in, in `limit` bytes. Without an offer when that would not fit.
    pub(crate) fn offer(&self, limit: usize) -> Vec<u8> {
        let mut w = BitWriter::new();
        w.bits(OFFER.into(), 8);
        self.profile().write(&mut w);
        let mut offer = w.finish().to_vec();
        match limit.checked_sub(offer.len()) {
            Some(left) => offer.append(&mut self.digest(left)),
            None => offer = self.digest(limit),
        }
        offer
    }

    /// What this and a host that refused with `details` have in common. The error is the first difference for which the two
    /// cannot be in one session, or the first of all from a host that offers nothing; `None` if that is not known.
    ///
    /// Digests that say little hide what is more than appended. The hash of the [claim](Self::claim) finds that out.
    pub(crate) fn answer(&self, details: &[u8]) -> Result<Profile, Option<SchemaDifference>> {
        let unknown = || self.first_difference(details);
        if details.first() != Some(&OFFER) {
            return Err(unknown());
        }
        let digest = digest_of(details);
        let Some(there) = read_offer(self.chunks.len(), details) else { return Err(unknown()) };
        let Some((form, outline)) = decode(digest) else { return Ok(self.profile().both(&there)) };
        let mut all = differences(&Outline::of(self, form), &outline);
        if form.members.is_none() {
            // Of a chunk type that is not the same it says no more; if one has more datasets, that may be all.
            let grown = |name: &Option<String>| {
                let places = self.chunks.iter().zip(&there.datasets);
                let found = places.into_iter().find(|(chunk, _)| Some(&chunk.name) == name.as_ref());
                found.is_some_and(|(chunk, there)| chunk.datasets.len() != *there as usize)
            };
            all.retain(|d| !(matches!(d.change, SchemaChange::Changed { .. }) && grown(&d.chunk)));
        }
        match refused(&all) {
            Some(difference) => Err(Some(difference.clone())),
            None => Ok(self.profile().both(&there)),
        }
    }

    /// What a joiner says that has this much in common with the host.
    pub(crate) fn claim(&self, profile: &Profile) -> Vec<u8> {
        let mut w = BitWriter::new();
        profile.write(&mut w);
        w.bits(self.common_hash(profile), 64);
        w.finish().to_vec()
    }

    /// What a claim says, if that is so: of each type no more datasets than there are, and the same in the same places.
    pub(crate) fn check(&self, claim: &[u8]) -> Option<Profile> {
        let mut r = BitReader::new(claim);
        let profile = Profile::read(self.chunks.len(), &mut r)?;
        let hash = r.bits(64).ok().filter(|_| r.remaining() == 0)?;
        let possible = profile.both(&self.profile()) == profile;
        (possible && hash == self.common_hash(&profile)).then_some(profile)
    }

    /// A number that differs when anything differs that is in common: the fingerprint of what is left, behind the kind of
    /// messages it travels in.
    fn common_hash(&self, profile: &Profile) -> u64 {
        let mut hash = Fnv(FNV_OFFSET);
        let kind = if self.is_modelled() { "entropy\n" } else { "packed\n" };
        let written = hash.write_str(kind).and_then(|()| {
            let mut chunks = self.chunks.iter().zip(&profile.datasets);
            chunks.try_for_each(|(chunk, datasets)| chunk.print(*datasets as usize, &mut hash))
        });
        debug_assert!(written.is_ok(), "hashing cannot fail");
        hash.0
    }

    /// Whether messages of state are under models.
    fn is_modelled(&self) -> bool {
        self.chunks.iter().flat_map(|chunk| &chunk.datasets).any(|dataset| is_modelled(&dataset.shape))
    }
}

/// Whether a dataset of this layout puts messages of state under models.
pub(super) fn is_modelled(shape: &str) -> bool {
    shape.starts_with("entropy<")
}

/// The digest in what a host says, whether or not it offers more.
pub(super) fn digest_of(details: &[u8]) -> &[u8] {
    let mut r = BitReader::new(details);
    let Ok(0) = r.bits(8) else { return details };
    let types = r.varint().unwrap_or(u64::MAX);
    if types > details.len() as u64 || (0..types).any(|_| r.varint().is_err()) {
        return &[];
    }
    &details[r.position() / 8..]
}

fn read_offer(types: usize, details: &[u8]) -> Option<Profile> {
    let mut r = BitReader::new(details.get(1..)?);
    Profile::read(types, &mut r)
}

struct Fnv(u64);

impl Write for Fnv {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0 = fnv1a(text.as_bytes(), self.0);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::{ChunkSnapshot, FieldSnapshot};
    use super::*;
    use crate::limits;

    /// So many chunk types of so many datasets.
    fn schema(chunks: usize, datasets: usize) -> Snapshot {
        let dataset = |i| FieldSnapshot { name: format!("dataset{i}"), shape: "half".to_owned() };
        let chunk = |i| ChunkSnapshot {
            name: format!("chunk{i:04}"),
            datasets: (0..datasets).map(dataset).collect(),
            ..ChunkSnapshot::default()
        };
        Snapshot { chunks: (0..chunks).map(chunk).collect() }
    }

    /// One that is longer in a few places than the other, and the other way round.
    fn pair(chunks: usize) -> [Snapshot; 2] {
        let mut pair = [schema(chunks, 3), schema(chunks, 3)];
        let more = FieldSnapshot { name: "more".to_owned(), shape: "u8".to_owned() };
        for at in (0..chunks).step_by(3) {
            pair[at % 2].chunks[at].datasets.push(more.clone());
        }
        pair
    }

    #[test]
    fn what_is_offered_is_claimed_and_believed_however_large_it_is() {
        for chunks in [1, 3, 8, 25, 120, 300, 900] {
            let [here, there] = pair(chunks);
            let offer = there.offer(limits::SCHEMA_DETAIL_BYTES);
            assert!(offer.len() <= limits::SCHEMA_DETAIL_BYTES && offer[0] == OFFER);
            let profile = here.answer(&offer).unwrap();
            assert_eq!(profile.datasets(), vec![3; chunks]);
            let claim = here.claim(&profile);
            assert!(claim.len() <= limits::CLAIM_BYTES);
            assert_eq!(there.check(&claim), Some(profile));
        }
        // What is too large for that is as strict as ever.
        let huge = schema(2_000, 1);
        assert_eq!(huge.offer(limits::SCHEMA_DETAIL_BYTES), []);
        assert_eq!(huge.answer(&[]), Err(None));
    }

    #[test]
    fn what_differs_in_any_other_way_is_named_as_far_as_the_digest_goes_and_else_not_believed() {
        for chunks in [3, 8, 25, 110, 120, 300] {
            let [mut here, there] = pair(chunks);
            // Not among those that are longer.
            here.chunks[1].datasets[1].shape = "u8".to_owned();
            let offer = there.offer(limits::SCHEMA_DETAIL_BYTES);
            match here.answer(&offer) {
                Err(difference) => {
                    let words = difference.unwrap().to_string();
                    assert!(words.starts_with("chunk `chunk0001`"), "{words}");
                }
                Ok(profile) => {
                    assert!(chunks > 110, "there is a digest");
                    assert_eq!(there.check(&here.claim(&profile)), None);
                }
            }
        }
        // Where a digest has one number for a whole chunk type, more than the end of it may differ.
        let [mut here, there] = pair(110);
        here.chunks[0].datasets[1].shape = "u8".to_owned();
        let offer = there.offer(limits::SCHEMA_DETAIL_BYTES);
        let profile = here.answer(&offer).unwrap();
        assert_eq!(there.check(&here.claim(&profile)), None);
        assert_eq!(here.first_difference(&offer).unwrap().to_string(), "chunk `chunk0000` is not the same there");
    }

    #[test]
    fn the_kind_of_messages_is_part_of_a_claim() {
        let (mut packed, mut modelled) = (schema(2, 1), schema(2, 1));
        packed.chunks[0].datasets.clear();
        modelled.chunks[0].datasets[0].shape = "entropy<half>".to_owned();
        let profile = Profile { datasets: vec![0, 1] };
        assert!(packed.check(&packed.claim(&profile)).is_some());
        assert_eq!(packed.check(&modelled.claim(&profile)), None);
        assert_eq!(modelled.check(&packed.claim(&profile)), None);
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), form in 0u8..6) {
            let here = schema(4, 3);
            for bytes in [bytes.clone(), [&[OFFER, 4, 3, 3, 4, 3, form, 4, 0][..], &bytes].concat()] {
                let _ = (here.answer(&bytes), here.check(&bytes), here.first_difference(&bytes));
            }
        }

        #[test]
        fn an_offer_cut_short_is_none(cut in 0usize..7) {
            let here = schema(5, 3);
            let offer = schema(5, 4).offer(limits::SCHEMA_DETAIL_BYTES);
            prop_assert!(here.answer(&offer[..cut]).is_err());
        }
    }
}
