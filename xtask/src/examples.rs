//! Everything public shows how it is used.

use crate::{Report, Tree, is_test};

/// What programs and their authors read the documentation of.
const SOURCES: &[&str] = &["gridmate-derive/src/", "gridmate-runtime/src/", "netbinding/src/"];

/// Public for the compiler, and not for programs: the file, the item, and why.
const UNREACHABLE: &[(&str, &str, &str)] = &[
    ("gridmate-runtime/src/chunk/fit.rs", "Listed", "generated code names it, by way of `__private`"),
    ("gridmate-runtime/src/wire/codec/by_replica.rs", "Declared", "a bound that nothing meets, seen in errors only"),
    ("gridmate-runtime/src/wire/codec/by_replica.rs", "Never", "the same"),
    ("gridmate-runtime/src/wire/codec/by_replica.rs", "NeedsNoKey", "a bound that is seen in errors only"),
];

/// Structs, enums, traits and macros that are public have an example in their documentation. What is for the crate alone says
/// `pub(crate)`; what is for generated code alone is in `__private`, or hidden.
pub(crate) fn missing(tree: &Tree, report: &mut Report) {
    for (path, text) in SOURCES.iter().flat_map(|source| tree.below(source, ".rs")) {
        if is_test(path) || path.contains("__private") {
            continue;
        }
        let listed = |item| UNREACHABLE.iter().any(|(file, name, _)| (*file, *name) == (path, item));
        for (line, item) in without_example(text).into_iter().filter(|(_, item)| !listed(item)) {
            report.add(path, line, format_args!("`{item}` has no example that compiles in its documentation; add one"));
        }
    }
}

/// Public items at the top of a module, formatted as rustfmt does: they begin a line.
fn without_example(text: &str) -> Vec<(usize, &str)> {
    let (mut docs, mut attributes, mut out) = (Vec::new(), String::new(), Vec::new());
    for (at, line) in text.lines().enumerate() {
        if let Some(doc) = line.strip_prefix("///") {
            docs.push(doc.trim());
        } else if line.starts_with(['#', ' ', ')']) {
            // An attribute, or the rest of one.
            attributes.push_str(line);
        } else {
            if let Some(item) = public_item(line, &attributes)
                && !attributes.contains("#[doc(hidden)]")
                && !has_example(&docs)
            {
                out.push((at + 1, item));
            }
            docs.clear();
            attributes.clear();
        }
    }
    out
}

/// The item's name, if it begins here and is public.
fn public_item<'a>(line: &'a str, attributes: &str) -> Option<&'a str> {
    let mut words =
        line.split(|c: char| !c.is_alphanumeric() && !"_!()".contains(c)).skip_while(|word| *word == "unsafe");
    let exported = match words.next()? {
        "pub" => match words.find(|word| *word != "unsafe")? {
            "struct" | "enum" | "trait" | "union" => true,
            "fn" => attributes.contains("#[proc_macro"),
            _ => false,
        },
        "macro_rules!" => attributes.contains("#[macro_export]"),
        _ => false,
    };
    let name = words.next().filter(|_| exported)?;
    name.split(['(', '!']).next()
}

/// Whether there is a block of code that is compiled as what it shows.
fn has_example(docs: &[&str]) -> bool {
    let mut fences = docs.iter().filter_map(|line| line.strip_prefix("```")).step_by(2);
    fences.any(|language| ["", "no_run", "rust", "should_panic"].contains(&language))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_public_and_shows_nothing_is_reported() {
        let text = r#"
/// Shown.
///
/// ```
/// let unit = Unit;
/// ```
#[derive(Clone)]
pub struct Unit;

/// Told, not shown.
#[expect(
    dead_code,
    reason = "a long one"
)]
pub enum Choice<T> {
    A(T),
}

/// A drawing.
///
/// ```text
/// A -> B
/// ```
pub unsafe trait Drawn {}

/// Without effect before this one is documented:
///
/// ```
/// ```
pub const fn free() {}

pub struct Tuple(u8);

#[doc(hidden)]
pub trait Hidden {}

pub(crate) struct Ours;

struct Private;

#[proc_macro_derive(Chunk, attributes(chunk))]
pub fn chunk() {}

#[macro_export]
macro_rules! exported {
    () => {};
}

macro_rules! ours {
    () => {};
}
"#;
        let found: Vec<&str> = without_example(text).into_iter().map(|(_, item)| item).collect();
        assert_eq!(found, ["Choice", "Drawn", "Tuple", "chunk", "exported"]);
        assert_eq!(without_example(text)[0].0, 15);
    }

    #[test]
    fn only_what_programs_read_is_looked_at() {
        let paths = [
            "gridmate-runtime/src/a.rs",
            "gridmate-runtime/src/__private.rs",
            "gridmate-runtime/src/a/tests.rs",
            "netbinding/src/b.rs",
            "gridmate-derive/codegen/src/c.rs",
        ];
        let files = paths.map(|path| (path.to_owned(), "pub struct A;\n".to_owned())).into();
        let (tree, mut report) = (Tree { root: Default::default(), files }, Report::default());
        missing(&tree, &mut report);
        let found: Vec<&str> = report.0.iter().map(|line| line.split(':').next().unwrap()).collect();
        assert_eq!(found, ["gridmate-runtime/src/a.rs", "netbinding/src/b.rs"]);
    }
}
