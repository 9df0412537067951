//! `#[dataset(…)]` on a field of a chunk.

use syn::{Attribute, Path};

use super::{CodecAttr, Given, Keys, set_value};
use crate::errors::Errors;

const KEYS: Keys = Keys { attr: "dataset", known: &["on_change", "quantize", "skip", "with"] };

#[derive(Default)]
pub(crate) struct DatasetAttr {
    pub(crate) codec: CodecAttr,
    pub(crate) on_change: Option<Given<Path>>,
}

impl DatasetAttr {
    pub(crate) fn read(attrs: &[Attribute], errors: &mut Errors) -> Self {
        let mut at = Self::default();
        KEYS.read(attrs, errors, &mut |name, key, input| match name {
            "on_change" => set_value(&mut at.on_change, key, "path", input),
            _ => at.codec.read_key(name, key, input),
        });
        at
    }
}
