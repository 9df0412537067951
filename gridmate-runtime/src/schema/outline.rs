//! A schema as something to compare: names and layouts, each as a number, and as text where it is known.
//!
//! What is compared may come from a file that says everything, or from a [digest](super::digest) that says little. Both
//! become an [`Outline`], so that one algorithm finds what differs.

use super::tolerance::is_modelled;
use super::{ChunkSnapshot, FNV_OFFSET, Snapshot, fnv1a};

#[derive(Debug, PartialEq)]
pub(super) struct Outline {
    pub(super) chunks: Vec<ChunkOutline>,
}

#[derive(Debug, PartialEq)]
pub(super) struct ChunkOutline {
    pub(super) name: Label,
    /// Of everything in it.
    pub(super) body: u64,
    /// Datasets and RPCs, where they are known.
    pub(super) members: Option<[Vec<Member>; 2]>,
}

#[derive(Debug, PartialEq)]
pub(super) struct Member {
    pub(super) name: Label,
    pub(super) shape: Label,
}

#[derive(Debug, PartialEq)]
pub(super) struct Label {
    pub(super) key: u64,
    pub(super) text: Option<String>,
}

/// How a text is told from others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// By itself.
    Text,
    /// By so many bytes of its hash.
    Hash(usize),
}

/// What an outline holds of a schema.
#[derive(Clone, Copy, Debug)]
pub(super) struct Form {
    pub(super) chunk: Part,
    /// Of names and layouts; without it a chunk has one hash for everything.
    pub(super) members: Option<[Part; 2]>,
}

impl Form {
    /// Everything.
    pub(super) const FULL: Self = Self { chunk: Part::Text, members: Some([Part::Text; 2]) };
}

impl Part {
    pub(super) fn label(self, text: String) -> Label {
        Label { key: self.key(fnv1a(text.as_bytes(), FNV_OFFSET)), text: Some(text) }
    }

    /// What is kept of a hash.
    const fn key(self, hash: u64) -> u64 {
        match self {
            Self::Text => hash,
            Self::Hash(bytes) => fold(hash, 8 * bytes),
        }
    }
}

impl Outline {
    pub(super) fn of(snapshot: &Snapshot, form: Form) -> Self {
        Self { chunks: snapshot.chunks.iter().map(|chunk| ChunkOutline::of(chunk, form)).collect() }
    }

    /// Whether a dataset has the entropy coder; `None` when layouts are not known.
    pub(super) fn is_modelled(&self) -> Option<bool> {
        let mut any = false;
        for chunk in &self.chunks {
            for dataset in &chunk.members.as_ref()?[0] {
                any |= dataset.is_modelled()?;
            }
        }
        Some(any)
    }
}

impl Member {
    pub(super) fn is_modelled(&self) -> Option<bool> {
        self.shape.text.as_deref().map(is_modelled)
    }
}

impl ChunkOutline {
    pub(super) fn of(chunk: &ChunkSnapshot, form: Form) -> Self {
        let name = form.chunk.label(chunk.title());
        let parts = form.members.unwrap_or([Part::Text; 2]);
        let member =
            |name: &str, shape: String| Member { name: parts[0].label(name.to_owned()), shape: parts[1].label(shape) };
        let members = [
            chunk.datasets.iter().map(|dataset| member(&dataset.name, dataset.shape.clone())).collect(),
            chunk.rpcs.iter().map(|rpc| member(&rpc.name, rpc.signature())).collect(),
        ];
        let body = body(&members);
        match form.members {
            Some(_) => Self { name, body, members: Some(members) },
            // Of such a chunk there is nothing but two hashes of one size.
            None => Self { name, body: form.chunk.key(body), members: None },
        }
    }
}

/// The last `bits` of a hash, the others folded onto them: no part of an FNV hash alone depends enough on short texts.
const fn fold(mut hash: u64, bits: usize) -> u64 {
    let mut width = 64;
    while width > bits {
        width /= 2;
        hash = (hash ^ (hash >> width)) & ((1 << width) - 1);
    }
    hash
}

/// One number for all members.
pub(super) fn body(members: &[Vec<Member>; 2]) -> u64 {
    members.iter().fold(FNV_OFFSET, |hash, members| {
        let hash = fnv1a(&(members.len() as u64).to_le_bytes(), hash);
        members.iter().fold(hash, |hash, member| {
            fnv1a(&member.shape.key.to_le_bytes(), fnv1a(&member.name.key.to_le_bytes(), hash))
        })
    })
}
