//! Who may name whom, and who may touch the operating system.

use std::collections::BTreeMap;

use crate::source::{NamedPath, Token, paths, production, starts_with};
use crate::{Report, Tree, is_test};

const RUNTIME: &str = "gridmate-runtime/src/";

/// Modules that everyone may name and that name only each other.
const BASE: &[&str] = &["ids", "limits", "rng", "time"];

/// Each may name those before it, and the base.
const STACK: &[&str] = &["wire", "schema", "chunk", "replica", "session", "node"];

/// Beside the stack; [`may_name`] has their rules.
const ASIDE: &[&str] = &["carrier", "driver", "sim::clock", "sim::link", "sim::nat", "sim::world"];

/// Files that exist to re-export. They may name everything; nobody names them.
const FRONT: &[&str] = &["lib", "prelude", "__private"];

fn may_name(from: &str, to: &str) -> bool {
    let height = |module: &str| STACK.iter().position(|&other| other == module);
    match (from, to) {
        _ if from == to => true,
        ("driver", _) => ["limits", "rng", "sim::link", "sim::nat", "time"].contains(&to),
        ("sim::link", _) => ["rng", "time"].contains(&to),
        ("sim::clock" | "sim::nat", _) => to == "time",
        ("sim::world", _) => !FRONT.contains(&to),
        ("carrier", "wire") | ("session" | "node", "carrier" | "driver") => true,
        _ => BASE.contains(&to) || height(from).zip(height(to)).is_some_and(|(from, to)| to < from),
    }
}

/// Imports point down.
pub(crate) fn imports(tree: &Tree, report: &mut Report) {
    let code = |file| tree.files.get(&format!("{RUNTIME}{file}")).map_or(Vec::new(), |text| production(text));
    let (root, sim) = (exports(&code("lib.rs")), exports(&code("sim/mod.rs")));
    let known = |module: &str| [BASE, STACK, ASIDE, FRONT].concat().contains(&module);
    for (path, text) in tree.below(RUNTIME, ".rs").filter(|(path, _)| !is_test(path)) {
        let module: Vec<&str> =
            path[RUNTIME.len()..path.len() - ".rs".len()].split('/').filter(|name| *name != "mod").collect();
        let from = layer(&module, &sim);
        if FRONT.contains(&from) {
            continue;
        }
        if !known(from) {
            report.add(path, 1, format_args!("`{from}` has no layer; give it one in xtask/src/layers.rs"));
            continue;
        }
        for named in paths(&production(text)) {
            let Some(mut absolute) = resolve(&named, &module) else { continue };
            if let Some(home) = absolute.first().and_then(|name| root.get(name)) {
                absolute.splice(..1, home.iter().copied());
            }
            let to = layer(&absolute, &sim);
            if to == "*" {
                report.add(path, named.line, "a glob over the whole crate hides what is used; name it");
            } else if known(to) && !may_name(from, to) {
                let written = named.segments.join("::");
                report.add(
                    path,
                    named.line,
                    format_args!("`{from}` may not name `{to}` (`{written}`); imports point down"),
                );
            }
        }
    }
}

/// Net-binding is an ordinary user of the runtime, but for what its own generated code needs.
pub(crate) fn netbinding(tree: &Tree, report: &mut Report) {
    for (path, text) in tree.below("netbinding/src/", ".rs").filter(|(path, _)| !path.ends_with("/__private.rs")) {
        for named in paths(&production(text)) {
            if named.segments.starts_with(&["gridmate_runtime", "__private"])
                && !matches!(named.segments[2..], [] | ["*"])
            {
                report.add(path, named.line, "names `gridmate_runtime::__private`; use the public API");
            }
        }
    }
}

/// Time, randomness, threads and sockets come from outside, through a driver. The one pool of threads computes, and is in one file.
pub(crate) fn ambient(tree: &Tree, report: &mut Report) {
    let files = tree.below(RUNTIME, ".rs").filter(|(path, _)| !path.starts_with("gridmate-runtime/src/driver/"));
    for (path, text) in files.filter(|(path, _)| !is_test(path)) {
        let tokens = production(text);
        for (at, token) in tokens.iter().enumerate() {
            for effect in AMBIENT.iter().filter(|effect| starts_with(&tokens[at..], effect)) {
                report.add(path, token.line, format_args!("`{effect}` outside driver/; take it as an argument"));
            }
            let pool = POOL.iter().find(|name| starts_with(&tokens[at..], name));
            if let Some(name) = pool.filter(|_| !path.ends_with(POOL_FILE)) {
                report.add(path, token.line, format_args!("`{name}` outside {POOL_FILE}; only encodings are pooled"));
            }
        }
    }
}

const AMBIENT: &[&str] = &[
    "HashMap::new",
    "HashSet::new",
    "Instant::now",
    "RandomState",
    "SystemTime::now",
    "TcpListener",
    "TcpStream",
    "UdpSocket",
    "thread::Builder",
    "thread::scope",
    "thread::sleep",
    "thread::spawn",
];

/// What names the pool, and where that is done.
const POOL: &[&str] = &["ThreadPool", "ThreadPoolBuilder", "rayon"];
const POOL_FILE: &str = "replica/encode_pool.rs";

/// Names that a re-exporting file gives to what other modules hold, with the path there.
fn exports<'a>(tokens: &[Token<'a>]) -> BTreeMap<&'a str, Vec<&'a str>> {
    let paths = paths(tokens).into_iter().filter(|path| path.segments.len() > 1 && path.name != "*");
    paths.map(|path| (path.name, path.segments)).collect()
}

/// The path from the crate's root, if it is one into this crate.
fn resolve<'a>(named: &NamedPath<'a>, module: &[&'a str]) -> Option<Vec<&'a str>> {
    let ups = named.segments.iter().take_while(|segment| **segment == "super").count();
    match named.segments[0] {
        "crate" => Some(named.segments[1..].to_vec()),
        "super" => Some([&module[..module.len().saturating_sub(ups)], &named.segments[ups..]].concat()),
        _ => None,
    }
}

fn layer<'a>(path: &[&'a str], sim: &BTreeMap<&str, Vec<&str>>) -> &'a str {
    match path {
        ["sim", name, ..] => match sim.get(name).map_or(*name, |home| home[0]) {
            "clock" => "sim::clock",
            "link" => "sim::link",
            "nat" => "sim::nat",
            _ => "sim::world",
        },
        ["sim"] => "sim::world",
        [first, ..] => first,
        [] => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(files: &[(&str, &str)]) -> Vec<String> {
        let files = files.iter().map(|(path, text)| (format!("{RUNTIME}{path}"), (*text).to_owned()));
        let tree = Tree { root: Default::default(), files: files.collect() };
        let mut report = Report::default();
        imports(&tree, &mut report);
        ambient(&tree, &mut report);
        report.0
    }

    #[test]
    fn down_is_fine() {
        let files = [
            ("lib.rs", "pub use ids::MemberId; pub use session::Session;"),
            ("chunk/rpc.rs", "use crate::{ids::MemberId, limits, wire::{BitReader, Codec}}; use super::Chunk;"),
            ("node/mod.rs", "use crate::{Session, driver::Driver, replica};"),
            (
                "driver/conditioned.rs",
                "use crate::sim::{Link, Nat, link::Delay}; fn f() { std::time::Instant::now(); }",
            ),
            ("sim/mod.rs", "pub use link::Link; pub use nat::Nat; pub use world::World;"),
            ("sim/nat.rs", "use crate::time::Instant;"),
            ("sim/world.rs", "use crate::node::Node; use super::link;"),
            ("replica/encode_pool.rs", "use rayon::ThreadPoolBuilder; fn f() { ThreadPoolBuilder::new(); }"),
        ];
        assert_eq!(findings(&files), [""; 0]);
    }

    #[test]
    fn up_is_reported_however_it_is_written() {
        for text in [
            "use crate::replica::Manager;",
            "use crate::{ids, replica};",
            "use super::super::replica::Manager;",
            "use crate::Manager;",
            "fn f() { crate::replica::go() }",
            "fn f() { let m = std::collections::HashMap::<u8, u8>::new(); HashMap::new(); }",
            "fn f() { std::thread::scope(|_| ()); }",
            "fn f() { rayon::spawn(|| ()); }",
        ] {
            let found = findings(&[("lib.rs", "pub use replica::Manager;"), ("carrier/ack.rs", text)]);
            assert_eq!(found.len(), 1, "{text}: {found:?}");
        }
        assert_eq!(findings(&[("sim/mod.rs", ""), ("driver/conditioned.rs", "use crate::sim::World;")]).len(), 1);
        assert_eq!(findings(&[("extras.rs", "")]).len(), 1);
    }
}
