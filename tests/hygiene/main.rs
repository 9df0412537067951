//! Generated code names nothing that the program around it could have taken away or taken over.
//!
//! Everything below `bare` is compiled without any prelude; what the tests need beyond that they import by name.
#![no_implicit_prelude]
#![expect(unreachable_pub, reason = "as in a library, where generated code meets more lints")]
#![deny(warnings, missing_docs, clippy::all, unnameable_types, unused_qualifications)]

extern crate gridmate_runtime as renamed;

mod bare;
mod netbinding_alone;
mod round_trip;
mod surroundings;
