//! In the place of `encode_pool`, without the feature `parallel`: nothing is made ahead.

use super::ReplicaManager;
use super::record::Header;
use crate::chunk::Basis;
use crate::schema::Priority;

#[derive(Debug, Default)]
pub(super) struct EncodePool;

/// There is none.
#[derive(Clone, Copy, Debug)]
pub(super) struct Made {
    pub(super) moving: u32,
    pub(super) priority: Option<Priority>,
    pub(super) start: u32,
    pub(super) length: u32,
    pub(super) bodies: [Body; super::targets::BLOCK],
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Body {
    pub(super) start: u32,
    pub(super) length: u32,
}

impl ReplicaManager {
    #[inline(always)]
    pub(super) const fn encode_ahead(&mut self) {}
}

impl EncodePool {
    #[inline(always)]
    pub(super) const fn note_used(&mut self, _: u64) {}

    #[inline(always)]
    pub(super) const fn has(&self, _: usize, _: u32) -> bool {
        false
    }

    #[inline(always)]
    pub(super) const fn block(&self, _: Header, _: usize, _: u32) -> Option<(&Made, &[u8])> {
        None
    }

    #[inline(always)]
    pub(super) const fn body(&self, _: Basis, _: usize, _: u32) -> Option<(&[u8], usize, usize)> {
        None
    }
}
