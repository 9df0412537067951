//! Acceptance scenarios: each has tests that bear its number, and a table that names them all.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// Folders with tests, from the workspace's root.
const FOLDERS: [&str; 3] = ["tests", "gridmate-runtime/tests", "gridmate-runtime/src"];

/// Every one of the scenarios has at least one test, a function called `prefix` and two digits first; and the table in `source`, whose
/// lines are `//! | number | name | file |`, has all of them where they are.
///
/// # Panics
/// When that is not so.
pub fn check(prefix: &str, scenarios: impl IntoIterator<Item = usize>, source: &str) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut found = BTreeSet::new();
    for folder in FOLDERS {
        find(&root, folder, &format!("fn {prefix}"), &mut found);
    }
    let numbers: BTreeSet<_> = found.iter().map(|(number, ..)| *number).collect();
    assert_eq!(numbers, scenarios.into_iter().collect());

    let rows = source.lines().filter_map(|line| line.strip_prefix("//! | ")?.strip_suffix(" |"));
    let table: BTreeSet<_> = rows
        .filter_map(|row| {
            let mut cells = row.split(" | ").map(|cell| cell.trim_matches('`').to_owned());
            Some((cells.next()?.parse().ok()?, cells.next()?, cells.next()?))
        })
        .collect();
    assert_eq!(table, found, "the table, and the tests there are");
}

/// Every scenario's tests below a folder: number, name, file.
fn find(root: &Path, folder: &str, start: &str, found: &mut BTreeSet<(usize, String, String)>) {
    for entry in fs::read_dir(root.join(folder)).expect("a folder of the workspace") {
        let entry = entry.expect("an entry");
        let path = format!("{folder}/{}", entry.file_name().to_str().expect("a plain name"));
        if entry.file_type().expect("a type").is_dir() {
            find(root, &path, start, found);
        } else if path.ends_with(".rs") {
            let source = fs::read_to_string(entry.path()).expect("a source");
            for line in source.lines() {
                let Some(rest) = line.trim_start().strip_prefix(start) else { continue };
                let (name, _) = rest.split_once('(').expect("a function");
                let number = name[..2].parse().expect("two digits");
                found.insert((number, format!("{}{name}", &start[3..]), path.clone()));
            }
        }
    }
}
