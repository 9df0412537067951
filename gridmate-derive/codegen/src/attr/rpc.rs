//! `#[rpcs(…)]` on an impl block and `#[rpc(…)]` on its methods.

use proc_macro2::TokenStream;
use syn::{Attribute, LitBool, LitInt, Path};

use super::{Given, Keys, set_flag, set_value};
use crate::errors::Errors;

const BLOCK: Keys = Keys { attr: "rpcs", known: &["crate"] };
const METHOD: Keys = Keys {
    attr: "rpc",
    known: &["authority_only", "burst", "no_relay", "owner_only", "post_attached", "rate", "reliable", "unreliable"],
};

/// On the block.
#[derive(Default)]
pub(crate) struct RpcsAttr {
    pub(crate) krate: Option<Given<Path>>,
}

impl RpcsAttr {
    /// `tokens` is what stands between the parentheses of `#[rpcs(…)]`.
    pub(crate) fn read(tokens: TokenStream, errors: &mut Errors) -> Self {
        let mut at = Self::default();
        BLOCK.read_list(tokens, errors, &mut |_, key, input| set_value(&mut at.krate, key, "`crate = path`", input));
        at
    }
}

/// On a method.
#[derive(Default)]
pub(crate) struct RpcAttr {
    pub(crate) reliable: Option<Given<()>>,
    pub(crate) unreliable: Option<Given<()>>,
    pub(crate) post_attached: Option<Given<LitBool>>,
    pub(crate) owner_only: Option<Given<()>>,
    pub(crate) authority_only: Option<Given<()>>,
    pub(crate) no_relay: Option<Given<()>>,
    pub(crate) rate: Option<Given<LitInt>>,
    pub(crate) burst: Option<Given<LitInt>>,
}

impl RpcAttr {
    pub(crate) fn read(attrs: &[Attribute], errors: &mut Errors) -> Self {
        let mut at = Self::default();
        METHOD.read(attrs, errors, &mut |name, key, input| match name {
            "authority_only" => set_flag(&mut at.authority_only, key, input),
            "burst" => set_value(&mut at.burst, key, "`burst = calls at once`", input),
            "no_relay" => set_flag(&mut at.no_relay, key, input),
            "rate" => set_value(&mut at.rate, key, "`rate = calls a second`", input),
            "owner_only" => set_flag(&mut at.owner_only, key, input),
            "post_attached" => set_value(&mut at.post_attached, key, "`post_attached = bool`", input),
            "reliable" => set_flag(&mut at.reliable, key, input),
            _ => set_flag(&mut at.unreliable, key, input),
        });
        at
    }
}
