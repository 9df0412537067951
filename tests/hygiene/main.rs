//! Generated code names nothing that the program around it could have taken away or taken over.
//!
//! Everything below `bare` is compiled without any prelude; what the tests need beyond that they import by name.
#![no_implicit_prelude]
#![deny(warnings, missing_docs, clippy::all, unnameable_types, unused_qualifications)]

extern crate gridmate_runtime as renamed;

mod bare;
mod round_trip;
mod surroundings;
