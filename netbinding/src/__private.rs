//! What generated code may name in programs that depend on netbinding alone. Nothing here is for people.

pub use gridmate_runtime::__private::*;

pub use crate::{BoundContext, NetBindable, Required};

/// Asks for a default value, where an error is about the type as it is written.
pub const fn required<T: Required>() {}
