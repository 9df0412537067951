//! Every error of one macro call, each at its token.

use core::fmt::Display;
use std::thread;

use quote::ToTokens;

/// Collects errors so that a programmer sees all of them at once. Must be [`finish`](Self::finish)ed: dropping it unasked
/// would lose errors, so that panics.
#[must_use]
pub(crate) struct Errors {
    all: Option<syn::Error>,
    finished: bool,
}

impl Errors {
    pub(crate) const fn new() -> Self {
        Self { all: None, finished: false }
    }

    /// An error about `tokens`.
    pub(crate) fn at(&mut self, tokens: impl ToTokens, message: impl Display) {
        self.push(syn::Error::new_spanned(tokens, message));
    }

    pub(crate) fn push(&mut self, error: syn::Error) {
        match &mut self.all {
            Some(all) => all.combine(error),
            none => *none = Some(error),
        }
    }

    /// The value, or nothing and the error is noted.
    pub(crate) fn ok<T>(&mut self, result: syn::Result<T>) -> Option<T> {
        result.map_err(|error| self.push(error)).ok()
    }

    /// All errors as one, if there are any.
    pub(crate) fn finish(mut self) -> syn::Result<()> {
        self.finished = true;
        self.all.take().map_or(Ok(()), Err)
    }
}

impl Drop for Errors {
    fn drop(&mut self) {
        if !self.finished && !thread::panicking() {
            panic!("errors were collected and never looked at");
        }
    }
}
