//! `#[bind(…)]` on a bindable struct and its fields.

use syn::Attribute;

use super::Keys;
use crate::errors::Errors;

/// How a component is bound has no options so far; the name is reserved, so that a key written for a later version is an
/// error and not ignored.
const KEYS: Keys = Keys { attr: "bind", known: &[] };

#[derive(Default)]
pub(crate) struct BindAttr;

impl BindAttr {
    pub(crate) fn read(attrs: &[Attribute], errors: &mut Errors) -> Self {
        KEYS.read(attrs, errors, &mut |_, _, _| Ok(()));
        Self
    }
}
