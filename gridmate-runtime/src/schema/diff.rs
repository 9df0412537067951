//! What differs between two schemas, in words that name the chunk and the field.
//!
//! *Here* is the schema that asks, *there* the one it is compared with: an older file, or a host. Things are matched by name;
//! what is left over on both sides at the same place with the same layout has been renamed.

use core::fmt;
use std::collections::{BTreeMap, VecDeque};

use super::Snapshot;
use super::outline::{ChunkOutline, Form, Label, Member, Outline};

/// Everything that differs between two schemas. Prints a line each.
///
/// ```
/// use gridmate_runtime::prelude::*;
/// # mod before {
/// #     use gridmate_runtime::prelude::*;
/// #     #[derive(Default, ReplicaChunk)]
/// #     #[chunk(name = "ship")]
/// #     pub struct Ship {
/// #         pub energy: u8,
/// #     }
/// # }
///
/// #[derive(Default, ReplicaChunk)]
/// #[chunk(name = "ship")]
/// struct Ship {
///     energy: u16, // was a `u8` before
/// }
///
/// let here = Registry::builder().chunk::<Ship>().build()?.snapshot();
/// let there = Registry::builder().chunk::<before::Ship>().build()?.snapshot();
/// assert_eq!(here.diff(&there).to_string(), "chunk `ship`: dataset `energy`: u16 here, u8 there\n");
/// assert!(here.diff(&here).differences.is_empty());
/// # Ok::<(), gridmate_runtime::RegistryError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SchemaDiff {
    /// The differences, by chunk.
    pub differences: Vec<SchemaDifference>,
}

/// How two schemas go together.
///
/// Nodes of one session need equal ones, or compatible ones where both are [tolerant](crate::NodeConfig::tolerant): `Compatible` is
/// exactly what that mode accepts, and it does not matter which of the two is the older.
///
/// ```
/// use gridmate_runtime::schema::{ChunkSnapshot, Compatibility, FieldSnapshot, Snapshot};
///
/// let dataset = |name: &str, shape: &str| FieldSnapshot { name: name.to_owned(), shape: shape.to_owned() };
/// let ship = |datasets| Snapshot { chunks: vec![ChunkSnapshot { name: "ship".to_owned(), datasets, ..ChunkSnapshot::default() }] };
/// let released = ship(vec![dataset("energy", "u8")]);
/// let longer = ship(vec![dataset("energy", "u8"), dataset("shield", "u8")]);
///
/// assert_eq!(longer.diff(&released).compatibility(), Compatibility::Compatible);
/// assert_eq!(released.diff(&longer).compatibility(), Compatibility::Compatible);
/// assert_eq!(released.diff(&released).compatibility(), Compatibility::Equal);
///
/// let before = ship(vec![dataset("shield", "u8"), dataset("energy", "u8")]);
/// assert_eq!(before.diff(&released).compatibility(), Compatibility::Breaking); // not at the end
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Compatibility {
    /// They are the same.
    Equal,
    /// Some chunk types have more datasets at the end, here or there; everything else is the same.
    Compatible,
    /// Anything else differs.
    Breaking,
}

/// One thing that differs.
///
/// ```
/// use gridmate_runtime::schema::{ChunkSnapshot, SchemaChange, Snapshot};
///
/// let chunk = |name: &str| ChunkSnapshot { name: name.to_owned(), ..ChunkSnapshot::default() };
/// let here = Snapshot { chunks: vec![chunk("door"), chunk("ship")] };
/// let there = Snapshot { chunks: vec![chunk("ship")] };
///
/// let diff = here.diff(&there);
/// let [difference] = &diff.differences[..] else { panic!("one chunk type more") };
/// assert_eq!((difference.chunk.as_deref(), &difference.field), (Some("door"), &None));
/// assert!(matches!(difference.change, SchemaChange::OnlyHere { .. }));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SchemaDifference {
    /// The chunk type's name: the one here, if it is here. `None` when only its hash is known.
    pub chunk: Option<String>,
    /// What of the chunk; `None` when it is about the chunk as a whole.
    pub field: Option<SchemaField>,
    /// How it differs.
    pub change: SchemaChange,
}

/// A dataset or an RPC in a [`SchemaDifference`].
///
/// ```
/// use gridmate_runtime::schema::{ChunkSnapshot, FieldKind, FieldSnapshot, SchemaField, Snapshot};
///
/// let ship = |shape: &str| {
///     let datasets = vec![FieldSnapshot { name: "energy".to_owned(), shape: shape.to_owned() }];
///     Snapshot { chunks: vec![ChunkSnapshot { name: "ship".to_owned(), datasets, ..ChunkSnapshot::default() }] }
/// };
/// let diff = ship("u16").diff(&ship("u8"));
/// let energy = SchemaField { kind: FieldKind::Dataset, name: Some("energy".to_owned()) };
/// assert_eq!(diff.differences[0].field, Some(energy));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SchemaField {
    /// Which of the two.
    pub kind: FieldKind,
    /// Its name: the one here, if it is here. `None` when only its hash is known.
    pub name: Option<String>,
}

/// What a [`SchemaField`] is.
///
/// ```
/// use gridmate_runtime::schema::{ChunkSnapshot, FieldKind, RpcSnapshot, Snapshot};
///
/// let door = |rpcs| Snapshot { chunks: vec![ChunkSnapshot { name: "door".to_owned(), rpcs, ..ChunkSnapshot::default() }] };
/// let knock = RpcSnapshot { name: "knock".to_owned(), args: vec![], flags: "reliable".to_owned() };
///
/// let diff = door(vec![knock]).diff(&door(vec![]));
/// let field = diff.differences[0].field.as_ref().expect("it is about a part of the chunk");
/// assert_eq!(field.kind, FieldKind::Rpc);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FieldKind {
    /// A dataset.
    Dataset,
    /// An RPC.
    Rpc,
}

/// How a thing differs. What is written out is a dataset's layout, or an RPC's arguments and flags; `None` when it is not known.
///
/// ```
/// use gridmate_runtime::schema::{ChunkSnapshot, FieldSnapshot, SchemaChange, Snapshot};
///
/// let ship = |names: &[&str]| {
///     let datasets = names.iter().zip(["u8", "bool"]);
///     let datasets = datasets.map(|(name, shape)| FieldSnapshot { name: name.to_string(), shape: shape.to_owned() });
///     Snapshot { chunks: vec![ChunkSnapshot { name: "ship".to_owned(), datasets: datasets.collect(), ..ChunkSnapshot::default() }] }
/// };
/// let diff = ship(&["hull", "alive"]).diff(&ship(&["health", "alive"]));
/// assert_eq!(diff.differences[0].change, SchemaChange::Renamed { there: Some("health".to_owned()) });
/// assert_eq!(diff.to_string(), "chunk `ship`: dataset `hull` is called `health` there\n");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SchemaChange {
    /// It has the same name and another layout or signature.
    Changed {
        /// Here.
        here: Option<String>,
        /// There.
        there: Option<String>,
    },
    /// It is missing there.
    OnlyHere {
        /// Here.
        here: Option<String>,
        /// Nothing that is there comes after it, and it could be left out: it is not the first of all datasets that have the entropy
        /// coder. Always so for chunk types: they have no place of their own.
        last: bool,
    },
    /// It is missing here.
    OnlyThere {
        /// There.
        there: Option<String>,
        /// As for [`OnlyHere`](Self::OnlyHere), seen from there.
        last: bool,
    },
    /// It has another name there.
    Renamed {
        /// The name there.
        there: Option<String>,
    },
    /// Others come before or after it than there. Places count from 0.
    Moved {
        /// Its place here.
        here: usize,
        /// Its place there.
        there: usize,
    },
}

impl Snapshot {
    /// What differs here from `there`, an older schema or another program's.
    pub fn diff(&self, there: &Self) -> SchemaDiff {
        SchemaDiff { differences: differences(&Outline::of(self, Form::FULL), &Outline::of(there, Form::FULL)) }
    }
}

impl SchemaDiff {
    /// How the two go together.
    pub fn compatibility(&self) -> Compatibility {
        match &self.differences[..] {
            [] => Compatibility::Equal,
            some if refused(some).is_none() => Compatibility::Compatible,
            _ => Compatibility::Breaking,
        }
    }
}

/// The first of all differences for which two programs cannot be in one session, be they tolerant: every one but datasets that a chunk
/// type has more at the end, on one side.
pub(super) fn refused(all: &[SchemaDifference]) -> Option<&SchemaDifference> {
    let appended = |d: &SchemaDifference| {
        let dataset = d.field.as_ref().is_some_and(|field| field.kind == FieldKind::Dataset);
        match d.change {
            SchemaChange::OnlyHere { last: true, .. } if dataset => Some(true),
            SchemaChange::OnlyThere { last: true, .. } if dataset => Some(false),
            _ => None,
        }
    };
    all.chunk_by(|a, b| a.chunk == b.chunk).find_map(|of_one| {
        let side = appended(&of_one[0]);
        of_one.iter().find(|d| appended(d).is_none() || appended(d) != side)
    })
}

pub(super) fn differences(here: &Outline, there: &Outline) -> Vec<SchemaDifference> {
    let pairs = pair(&here.chunks, &there.chunks, |chunk| chunk.name.key, |a, b, _| a.body == b.body);
    // Where only one has any, they send different kinds of messages.
    let same_kind = here.is_modelled().zip(there.is_modelled()).is_none_or(|(here, there)| here == there);
    let mut out = Vec::new();
    for (chunk, partner) in here.chunks.iter().zip(&pairs.partners) {
        let name = &chunk.name.text;
        let mut whole = |change| out.push(SchemaDifference { chunk: name.clone(), field: None, change });
        let Some(partner) = partner.map(|at| &there.chunks[at]) else {
            whole(SchemaChange::OnlyHere { here: None, last: true });
            continue;
        };
        if partner.name.key != chunk.name.key {
            whole(SchemaChange::Renamed { there: partner.name.text.clone() });
        } else if partner.body != chunk.body {
            match (&chunk.members, &partner.members) {
                (Some(ours), Some(theirs)) => {
                    members(chunk, FieldKind::Dataset, [&ours[0], &theirs[0]], same_kind, &mut out);
                    members(chunk, FieldKind::Rpc, [&ours[1], &theirs[1]], same_kind, &mut out);
                }
                _ => whole(SchemaChange::Changed { here: None, there: None }),
            }
        }
    }
    out.extend(pairs.leftover.into_iter().map(|at| SchemaDifference {
        chunk: there.chunks[at].name.text.clone(),
        field: None,
        change: SchemaChange::OnlyThere { there: None, last: true },
    }));
    out
}

fn members(
    chunk: &ChunkOutline,
    kind: FieldKind,
    [ours, theirs]: [&[Member]; 2],
    same_kind: bool,
    out: &mut Vec<SchemaDifference>,
) {
    let same_place = |a: &Member, b: &Member, places: [usize; 2]| a.shape.key == b.shape.key && places[0] == places[1];
    let pairs = pair(ours, theirs, |member| member.name.key, same_place);
    let mut push = |name: &Label, change| {
        let field = Some(SchemaField { kind, name: name.text.clone() });
        out.push(SchemaDifference { chunk: chunk.name.text.clone(), field, change });
    };
    let settled = settled(&pairs.partners);
    let end = pairs.partners.iter().rposition(Option::is_some).map_or(0, |at| at + 1);
    let end_there = pairs.partners.iter().flatten().max().map_or(0, |at| at + 1);
    let spare = |member: &Member| same_kind || member.is_modelled() == Some(false);
    for (here, (ours, partner)) in ours.iter().zip(&pairs.partners).enumerate() {
        let shape = ours.shape.text.clone();
        let Some(there) = *partner else {
            push(&ours.name, SchemaChange::OnlyHere { here: shape, last: here >= end && spare(ours) });
            continue;
        };
        let theirs = &theirs[there];
        if theirs.name.key != ours.name.key {
            push(&ours.name, SchemaChange::Renamed { there: theirs.name.text.clone() });
        }
        if theirs.shape.key != ours.shape.key {
            push(&ours.name, SchemaChange::Changed { here: shape, there: theirs.shape.text.clone() });
        }
        if !settled[here] {
            push(&ours.name, SchemaChange::Moved { here, there });
        }
    }
    for at in pairs.leftover {
        let theirs = &theirs[at];
        let last = at >= end_there && spare(theirs);
        push(&theirs.name, SchemaChange::OnlyThere { there: theirs.shape.text.clone(), last });
    }
}

struct Pairs {
    /// For each thing here, its place there.
    partners: Vec<Option<usize>>,
    /// Places there that nothing here belongs to.
    leftover: Vec<usize>,
}

/// Pairs what has the same name (the first with the first, should several have it), then what has been renamed.
fn pair<T>(here: &[T], there: &[T], name: impl Fn(&T) -> u64, renamed: impl Fn(&T, &T, [usize; 2]) -> bool) -> Pairs {
    let mut by_name: BTreeMap<u64, VecDeque<usize>> = BTreeMap::new();
    for (at, thing) in there.iter().enumerate() {
        by_name.entry(name(thing)).or_default().push_back(at);
    }
    let mut partners: Vec<_> =
        here.iter().map(|thing| by_name.get_mut(&name(thing)).and_then(VecDeque::pop_front)).collect();
    let mut leftover: Vec<usize> = by_name.into_values().flatten().collect();
    leftover.sort_unstable();
    for (at, partner) in partners.iter_mut().enumerate().filter(|(_, partner)| partner.is_none()) {
        let found = leftover.iter().position(|&other| renamed(&here[at], &there[other], [at, other]));
        *partner = found.map(|found| leftover.remove(found));
    }
    Pairs { partners, leftover }
}

/// Which of the paired things can stay where they are if as few as possible move: a longest increasing run of places.
fn settled(partners: &[Option<usize>]) -> Vec<bool> {
    // For each length, where the run of that length with the smallest last place ends; for each thing, what precedes it.
    let (mut ends, mut before): (Vec<usize>, _) = (Vec::new(), vec![None; partners.len()]);
    for (at, partner) in partners.iter().enumerate().filter(|(_, partner)| partner.is_some()) {
        let length = ends.partition_point(|&end| partners[end] < *partner);
        before[at] = length.checked_sub(1).map(|shorter| ends[shorter]);
        if length < ends.len() {
            ends[length] = at;
        } else {
            ends.push(at);
        }
    }
    let mut settled = vec![false; partners.len()];
    let mut next = ends.last().copied();
    while let Some(at) = next {
        settled[at] = true;
        next = before[at];
    }
    settled
}

impl fmt::Display for SchemaDiff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.differences.iter().try_for_each(|difference| writeln!(f, "{difference}"))
    }
}

impl fmt::Display for SchemaDifference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let named = |f: &mut fmt::Formatter<'_>, what, name: &Option<String>| match name {
            Some(name) => write!(f, "{what} `{name}`"),
            None => write!(f, "a {what}"),
        };
        named(f, "chunk", &self.chunk)?;
        if let Some(field) = &self.field {
            f.write_str(": ")?;
            named(f, field.kind.word(), &field.name)?;
        }
        let in_brackets = |f: &mut fmt::Formatter<'_>, text: &Option<String>| match text {
            Some(text) => write!(f, " ({text})"),
            None => Ok(()),
        };
        match &self.change {
            SchemaChange::Changed { here: Some(here), there: Some(there) } => write!(f, ": {here} here, {there} there"),
            SchemaChange::Changed { here: Some(here), .. } => write!(f, ": {here} here, something else there"),
            SchemaChange::Changed { .. } => f.write_str(" is not the same there"),
            SchemaChange::OnlyHere { here, last } => {
                f.write_str(if *last && self.field.is_some() { " is only here, at the end" } else { " is only here" })?;
                in_brackets(f, here)
            }
            SchemaChange::OnlyThere { there, last } => {
                f.write_str(if *last && self.field.is_some() {
                    " is only there, at the end"
                } else {
                    " is only there"
                })?;
                in_brackets(f, there)
            }
            SchemaChange::Renamed { there: Some(there) } => write!(f, " is called `{there}` there"),
            SchemaChange::Renamed { there: None } => f.write_str(" has another name there"),
            SchemaChange::Moved { here, there } => write!(f, " is at place {here} here, at {there} there"),
        }
    }
}

impl FieldKind {
    const fn word(self) -> &'static str {
        match self {
            Self::Dataset => "dataset",
            Self::Rpc => "rpc",
        }
    }
}

impl fmt::Display for Compatibility {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Equal => "equal",
            Self::Compatible => "compatible",
            Self::Breaking => "breaking",
        })
    }
}
