//! Recorded outputs that nothing produces any more.

use crate::source::is_word;
use crate::{Report, Tree};

/// Each `snapshots/….snap` belongs to a test of the folder around it.
pub(crate) fn snapshots(tree: &Tree, report: &mut Report) {
    for (path, _) in tree.below("", ".snap.new") {
        report.add(path, 1, "a snapshot nobody has looked at; accept or delete it");
    }
    for (path, _) in tree.below("", ".snap") {
        let Some((folder, file)) = path.rsplit_once("/snapshots/") else {
            report.add(path, 1, "a snapshot outside a `snapshots` folder; move it");
            continue;
        };
        // `module__path__name@suffix.snap`; of several snapshots of one test the later ones end in `-2`, `-3` and so on.
        let stem = file.trim_end_matches(".snap").split('@').next().unwrap_or_default();
        let stem = stem.rsplit_once('-').filter(|(_, n)| n.parse::<u32>().is_ok()).map_or(stem, |(stem, _)| stem);
        let name = stem.rsplit("__").next().unwrap_or_default();
        let wanted = [name.to_owned(), format!("test_{name}")];
        let mut sources = tree.below(folder, ".rs");
        // In all of the text, because a test may be named by a string.
        let words = |text: &str| {
            text.split(|c: char| !c.is_ascii() || !is_word(c as u8)).any(|word| wanted.iter().any(|name| name == word))
        };
        if !sources.any(|(_, text)| words(text)) {
            report.add(path, 1, format_args!("no test in {folder} is called `{name}`; delete the snapshot"));
        }
    }
}

/// A program that must not compile has its error beside it, and the reverse. Programs in folders called `pass` compile.
pub(crate) fn compile_errors(tree: &Tree, report: &mut Report) {
    for (path, _) in tree.below("tests/ui/", ".stderr") {
        if !tree.files.contains_key(&path.replace(".stderr", ".rs")) {
            report.add(path, 1, "the program that made this error is gone; delete the file");
        }
    }
    let cases =
        tree.below("tests/ui/", ".rs").filter(|(path, _)| *path != "tests/ui/main.rs" && !path.contains("/pass/"));
    for (path, _) in cases.filter(|(path, _)| !path.ends_with("/mod.rs")) {
        if !tree.files.contains_key(&path.replace(".rs", ".stderr")) {
            report.add(path, 1, "no expected error beside it; run the ui tests with TRYBUILD=overwrite");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nothing_produces_is_reported() {
        let files = [
            ("tests/codegen/chunk.rs", "#[test] fn one_field() {} case!(raw_idents);"),
            ("tests/codegen/snapshots/codegen__chunk__one_field.snap", ""),
            ("tests/codegen/snapshots/codegen__chunk__one_field-2.snap", ""),
            ("tests/codegen/snapshots/codegen__raw_idents.snap", ""),
            ("tests/codegen/snapshots/codegen__chunk__field.snap", ""),
            ("tests/codegen/snapshots/codegen__raw_idents.snap.new", ""),
            ("tests/ui/main.rs", ""),
            ("tests/ui/pass/fine.rs", ""),
            ("tests/ui/chunk/both.rs", ""),
            ("tests/ui/chunk/both.stderr", ""),
            ("tests/ui/chunk/alone.rs", ""),
            ("tests/ui/chunk/gone.stderr", ""),
        ];
        let files = files.map(|(path, text)| (path.to_owned(), text.to_owned())).into();
        let (tree, mut report) = (Tree { root: Default::default(), files }, Report::default());
        snapshots(&tree, &mut report);
        compile_errors(&tree, &mut report);
        let found: Vec<&str> = report.0.iter().map(|line| line.split(':').next().unwrap()).collect();
        assert_eq!(
            found,
            [
                "tests/codegen/snapshots/codegen__raw_idents.snap.new",
                "tests/codegen/snapshots/codegen__chunk__field.snap",
                "tests/ui/chunk/gone.stderr",
                "tests/ui/chunk/alone.rs"
            ]
        );
    }
}
