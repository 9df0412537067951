//! `#[chunk(…)]` on a struct.

use syn::{Attribute, Expr, LitStr, Path};

use super::{Given, Keys, set_constant, set_flag, set_value};
use crate::errors::Errors;

const KEYS: Keys = Keys { attr: "chunk", known: &["crate", "migratable", "name", "priority"] };

#[derive(Default)]
pub(crate) struct ChunkAttr {
    pub(crate) name: Option<Given<LitStr>>,
    pub(crate) migratable: Option<Given<()>>,
    pub(crate) priority: Option<Given<Expr>>,
    pub(crate) krate: Option<Given<Path>>,
}

impl ChunkAttr {
    pub(crate) fn read(attrs: &[Attribute], errors: &mut Errors) -> Self {
        let mut at = Self::default();
        KEYS.read(attrs, errors, &mut |name, key, input| match name {
            "crate" => set_value(&mut at.krate, key, "`crate = path`", input),
            "migratable" => set_flag(&mut at.migratable, key, input),
            "name" => set_value(&mut at.name, key, "`name = \"…\"`", input),
            _ => set_constant(&mut at.priority, key, "`priority = EXPR`, a constant `Priority`", input),
        });
        if let Some(name) = &at.name
            && name.value.value().is_empty()
        {
            errors.at(&name.value, "a chunk's name on the wire cannot be empty");
        }
        at
    }
}
