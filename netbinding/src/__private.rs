//! What generated code may name in programs that depend on netbinding alone. Nothing here is for people.

pub use gridmate_runtime::__private::*;

pub use crate::NetBindable;
