//! A tripwire: who changes a file that decides bits is sent to the document that describes them.

use std::{fs, io};

use crate::source::{is_word, production};
use crate::{Report, Tree, is_test};

const DOCUMENT: &str = "docs/WIRE.md";
const LABEL: &str = "Wire sources: ";
const SOURCES: &[&str] = &[
    "gridmate-derive/codegen/src/expand/chunk.rs",
    "gridmate-derive/codegen/src/expand/field.rs",
    "gridmate-derive/codegen/src/expand/marshal.rs",
    "gridmate-derive/codegen/src/expand/marshal_enum.rs",
    "gridmate-runtime/src/carrier/frame.rs",
    "gridmate-runtime/src/carrier/handshake.rs",
    "gridmate-runtime/src/carrier/packet.rs",
    "gridmate-runtime/src/chunk/cut.rs",
    "gridmate-runtime/src/chunk/field.rs",
    "gridmate-runtime/src/chunk/registry.rs",
    "gridmate-runtime/src/node/channels.rs",
    "gridmate-runtime/src/replica/marshal.rs",
    "gridmate-runtime/src/replica/record.rs",
    "gridmate-runtime/src/schema/chunk_schema.rs",
    "gridmate-runtime/src/schema/digest.rs",
    "gridmate-runtime/src/schema/outline.rs",
    "gridmate-runtime/src/schema/snapshot.rs",
    "gridmate-runtime/src/schema/tolerance.rs",
    "gridmate-runtime/src/session/message.rs",
    "gridmate-runtime/src/wire/",
];

pub(crate) fn check(tree: &Tree, bless: bool, report: &mut Report) -> io::Result<()> {
    let Some(document) = tree.files.get(DOCUMENT) else {
        report.add(DOCUMENT, 1, "missing; it is the normative description of every bit");
        return Ok(());
    };
    let hash = format!("{:016x}", wire_sources(tree));
    let place = document.find(LABEL).map(|at| at + LABEL.len());
    let hex = |at: usize| document[at..].bytes().take_while(u8::is_ascii_hexdigit).count();
    // The number may be set in backticks.
    let place = place.map(|at| at + usize::from(document[at..].starts_with('`'))).map(|at| at..at + hex(at));
    if place.clone().is_some_and(|place| document[place] == hash) {
        return Ok(());
    }
    if bless {
        let mut text = document.clone();
        match place {
            Some(place) => text.replace_range(place, &hash),
            None => text.push_str(&format!("\n{LABEL}`{hash}`\n")),
        }
        return fs::write(tree.root.join(DOCUMENT), text);
    }
    let line = place.map_or(1, |place| document[..place.start].lines().count());
    report.add(
        DOCUMENT,
        line,
        "wire sources changed; read docs/WIRE.md, update it if bits changed, then `cargo xtask tidy --bless`",
    );
    Ok(())
}

/// FNV-1a over the code of all wire sources; layout, comments and unit tests do not count.
fn wire_sources(tree: &Tree) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325;
    for source in SOURCES {
        for (path, text) in tree.below(source, ".rs").filter(|(path, _)| !is_test(path)) {
            hash = fnv1a(hash, path.as_bytes());
            hash = fnv1a(hash, fold(text).as_bytes());
        }
    }
    hash
}

/// Code with white space only where two words would touch, and without the trailing commas that formatting adds.
fn fold(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for token in production(text) {
        if matches!(token.text, ")" | "]" | "}") && out.ends_with(',') {
            out.pop();
        }
        if is_word(token.text.as_bytes()[0]) && out.bytes().next_back().is_some_and(is_word) {
            out.push(' ');
        }
        out.push_str(token.text);
    }
    out
}

fn fnv1a(hash: u64, bytes: &[u8]) -> u64 {
    bytes.iter().fold(hash, |hash, &byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fnv1a_matches_its_published_vectors() {
        let start = 0xcbf2_9ce4_8422_2325;
        assert_eq!(fnv1a(start, b""), start);
        assert_eq!(fnv1a(start, b"a"), 0xaf63_dc4c_8601_ec8c);
        assert_eq!(fnv1a(start, b"foobar"), 0x8594_4171_f739_67e8);
    }

    #[test]
    fn only_code_counts() {
        let hash = |path: &str, text: &str| {
            let files = [(format!("gridmate-runtime/src/{path}"), text.to_owned())].into();
            wire_sources(&Tree { root: Default::default(), files })
        };
        let base = hash("wire/bits.rs", "fn put(a: u8, b: u8) { f(a, b, \"x\") }");
        let same = "/// Docs.\nfn put(\n    a: u8,\n    b: u8, // which\n) { f(a, b, \"x\") }\n#[cfg(test)]\nmod tests { fn t() {} }";
        assert_eq!(hash("wire/bits.rs", same), base);
        assert_ne!(hash("wire/bits.rs", "fn put(a: u8, b: u8) { f(b, a, \"x\") }"), base);
        assert_ne!(hash("wire/bits.rs", "fn put(a: u8, b: u8) { f(a, b, \"y\") }"), base);
        assert_ne!(hash("wire/other.rs", same), base);
        assert_eq!(hash("carrier/ack.rs", same), hash("carrier/ack.rs", ""));
    }
}
