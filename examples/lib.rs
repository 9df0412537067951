//! Programs to read and run; see the files beside this one. Nothing here is a library.

/// The programs on the front page compile and run.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
pub struct Readme;
