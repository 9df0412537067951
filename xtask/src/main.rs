//! Checks that no compiler makes: `cargo xtask tidy`.
#![expect(clippy::print_stdout, reason = "a command-line tool prints what it finds")]

mod examples;
mod layers;
mod source;
mod stale;
mod text;
mod wire_hash;

use core::fmt::Display;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::{env, fs, io};

fn main() -> ExitCode {
    let args: Vec<String> = env::args().skip(1).collect();
    let bless = match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["tidy"] => false,
        ["tidy", "--bless"] => true,
        _ => {
            println!("usage: cargo xtask tidy [--bless]");
            return ExitCode::from(2);
        }
    };
    // Cargo sets the variable when it runs the program; this package is one folder below the root.
    let root =
        env::var_os("CARGO_MANIFEST_DIR").map_or_else(|| PathBuf::from("."), |dir| PathBuf::from(dir).join(".."));
    match Tree::read(root).and_then(|tree| tidy(&tree, bless)) {
        Ok(findings) if findings.is_empty() => ExitCode::SUCCESS,
        Ok(findings) => {
            findings.iter().for_each(|finding| println!("{finding}"));
            println!("tidy: {} to fix", findings.len());
            ExitCode::FAILURE
        }
        Err(error) => {
            println!("tidy: {error}");
            ExitCode::from(2)
        }
    }
}

fn tidy(tree: &Tree, bless: bool) -> io::Result<Vec<String>> {
    let mut report = Report::default();
    text::sizes(tree, &mut report);
    layers::imports(tree, &mut report);
    layers::netbinding(tree, &mut report);
    layers::ambient(tree, &mut report);
    stale::snapshots(tree, &mut report);
    stale::compile_errors(tree, &mut report);
    examples::missing(tree, &mut report);
    text::leftovers(tree, &mut report);
    text::machine_paths(tree, &mut report);
    text::links(tree, &mut report);
    wire_hash::check(tree, bless, &mut report)?;
    Ok(report.0)
}

/// One line per finding: where, what, and what to do.
#[derive(Default)]
pub(crate) struct Report(Vec<String>);

impl Report {
    pub(crate) fn add(&mut self, path: &str, line: usize, what: impl Display) {
        self.0.push(format!("{path}:{line}: {what}"));
    }
}

/// Every file of the repository by its path from the root, with `/` between names. Files that are not text are empty.
pub(crate) struct Tree {
    pub(crate) root: PathBuf,
    pub(crate) files: BTreeMap<String, String>,
}

impl Tree {
    fn read(root: PathBuf) -> io::Result<Self> {
        let mut files = BTreeMap::new();
        walk(&root, "", &mut files)?;
        Ok(Self { root, files })
    }

    /// The files below `folder` (`""` is the root) whose names end in `suffix`.
    pub(crate) fn below(&self, folder: &str, suffix: &str) -> impl Iterator<Item = (&str, &str)> {
        let files = self.files.iter().map(|(path, text)| (path.as_str(), text.as_str()));
        files.filter(move |(path, _)| path.starts_with(folder) && path.ends_with(suffix))
    }
}

/// Code that runs only in tests or benchmarks, by its place.
pub(crate) fn is_test(path: &str) -> bool {
    path.ends_with("tests.rs") || path.split('/').any(|folder| ["benches", "tests"].contains(&folder))
}

fn walk(folder: &Path, prefix: &str, files: &mut BTreeMap<String, String>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if IGNORED.contains(&name.as_str()) {
            continue;
        }
        if entry.file_type()?.is_file() {
            let text = String::from_utf8(fs::read(entry.path())?).unwrap_or_default();
            files.insert(format!("{prefix}{name}"), text);
        } else if entry.file_type()?.is_dir() {
            walk(&entry.path(), &format!("{prefix}{name}/"), files)?;
        }
    }
    Ok(())
}

/// What is no part of the repository: as in `.gitignore`.
const IGNORED: &[&str] = &[".git", "corpus", "artifacts", "proptest-regressions", "target", "wip"];
