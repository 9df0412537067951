//! Rules that look at more than one key, field or method. Rules about one key are where the key is read.

use std::collections::{BTreeMap, BTreeSet};

use proc_macro2::Ident;
use quote::ToTokens as _;
use syn::{LitInt, Type};

use crate::attr::{CodecAttr, DatasetAttr, Given, RpcAttr};
use crate::errors::Errors;
use crate::model::{Rpc, Variant};

/// RPCs per chunk type: an index is eight bits on the wire.
const RPCS_MAX: usize = 256;

/// A field travels in one way, or not at all.
pub(crate) fn codec(at: &CodecAttr, errors: &mut Errors) {
    let ways = [
        at.skip.as_ref().map(|given| &given.key),
        at.with.as_ref().map(|given| &given.key),
        at.quantize.as_ref().map(|given| &given.key),
        at.bits.as_ref().map(|given| &given.key),
        at.max_len.as_ref().map(|given| &given.key),
        at.entity.as_ref().map(|given| &given.key),
    ];
    let mut ways = ways.into_iter().flatten();
    let first = ways.next();
    for other in ways {
        let Some(first) = first else { break };
        if first == "skip" {
            errors.at(other, format_args!("a field with `skip` is never on the wire, so `{other}` means nothing"));
        } else {
            errors.at(other, format_args!("`{first}` and `{other}` both say how the field travels; keep one"));
        }
    }
    let Some(predict) = &at.predict else { return };
    if at.skip.is_some() {
        errors.at(&predict.key, "a field with `skip` is never on the wire, so `predict` means nothing");
    } else if at.entity.is_some() {
        errors.at(&predict.key, "a reference to an entity has no motion to predict");
    } else if let Some(max_len) = &at.max_len {
        errors.at(&predict.key, format_args!("what has a `{}` has no motion to predict", max_len.key));
    }
}

/// What is never on the wire never changes there.
pub(crate) fn dataset(at: &DatasetAttr, errors: &mut Errors) {
    codec(&at.codec, errors);
    if at.codec.skip.is_none() {
        return;
    }
    let others = [
        at.on_change.as_ref().map(|given| &given.key),
        at.throttle.as_ref().map(|given| &given.key),
        at.interpolate.as_ref().map(|given| &given.key),
    ];
    for other in others.into_iter().flatten() {
        errors.at(other, format_args!("a field with `skip` is never on the wire, so `{other}` means nothing"));
    }
}

/// A component requires others, each once.
pub(crate) fn requires(ident: &Ident, requires: &[Type], errors: &mut Errors) {
    let mut known = BTreeSet::new();
    for ty in requires {
        let name = ty.to_token_stream().to_string();
        if name == "Self" || *ident == name {
            errors.at(ty, "a component does not require itself");
        } else if !known.insert(name) {
            errors.at(ty, "required twice");
        }
    }
}

pub(crate) fn rpc_flags(at: &RpcAttr, errors: &mut Errors) {
    let pairs = [(&at.reliable, &at.unreliable), (&at.owner_only, &at.authority_only)];
    for (one, other) in pairs {
        if let (Some(one), Some(other)) = (one, other) {
            errors.at(&other.key, format_args!("`{}` and `{}` exclude each other", one.key, other.key));
        }
    }
}

/// How often an RPC may be called by a member: calls a second, and at once.
pub(crate) fn rpc_rate(at: &RpcAttr, errors: &mut Errors) -> Option<(u16, u16)> {
    let mut number = |given: &Given<LitInt>| match given.value.base10_parse::<u16>() {
        Ok(number) if number > 0 => Some(number),
        _ => {
            errors.at(&given.value, format_args!("`{}` is a number of calls from 1 to {}", given.key, u16::MAX));
            None
        }
    };
    let (rate, burst) = (at.rate.as_ref().map(&mut number), at.burst.as_ref().map(&mut number));
    match (rate, burst, &at.burst) {
        (None, Some(_), Some(burst)) => {
            errors.at(&burst.key, "`burst` needs a `rate`: calls a second");
            None
        }
        (Some(rate), burst, _) => Some((rate?, burst.unwrap_or(rate)?)),
        _ => None,
    }
}

pub(crate) fn rpc_count(rpcs: &[Rpc], errors: &mut Errors) {
    if let Some(rpc) = rpcs.get(RPCS_MAX) {
        errors.at(
            &rpc.ident,
            format_args!("a chunk type has at most {RPCS_MAX} RPCs: an index is eight bits on the wire"),
        );
    }
}

/// Every tag names one variant and fits the width asked for.
pub(crate) fn tags(variants: &[Variant], tag_bits: u32, errors: &mut Errors) {
    let mut taken = BTreeMap::new();
    for variant in variants {
        let Variant { ident, tag, .. } = variant;
        if let Some(other) = taken.insert(*tag, ident) {
            errors.at(
                ident,
                format_args!("tag {tag} is already `{other}`'s; pin another one with `#[marshal(tag = n)]`"),
            );
        }
        let needed = bits_for(*tag);
        if needed > tag_bits {
            errors.at(ident, format_args!("tag {tag} needs {needed} bits; `tag_bits` allows {tag_bits}"));
        }
    }
}

/// The fewest bits that hold `value`.
pub(crate) const fn bits_for(value: u64) -> u32 {
    64 - value.leading_zeros()
}
