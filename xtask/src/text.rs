//! Sizes, leftovers, machine paths and links.

use crate::source::{lex, starts_with};
use crate::{Report, Tree, is_test};

/// A file longer than this hides what it is about.
const LINES: usize = 600;

pub(crate) fn sizes(tree: &Tree, report: &mut Report) {
    for (path, text) in tree.below("", ".rs") {
        let lines = text.lines().count();
        if lines > LINES && !is_test(path) {
            report.add(path, LINES + 1, format_args!("{lines} lines, {LINES} at most; split by mechanism"));
        }
    }
}

/// What is fine while one works, and not in the repository. Programs that must not compile never run and may have holes.
pub(crate) fn leftovers(tree: &Tree, report: &mut Report) {
    for (path, text) in tree.below("", ".rs").filter(|(path, _)| !path.starts_with("tests/ui/")) {
        let tokens = lex(text);
        for (at, token) in tokens.iter().enumerate() {
            for code in LEFTOVERS.iter().filter(|code| starts_with(&tokens[at..], code)) {
                report.add(path, token.line, format_args!("`{code}`; finish it or take it out"));
            }
        }
    }
}

/// In two parts each, so that a search for what is unfinished does not find this line.
const LEFTOVERS: &[&str] =
    &[concat!("#[", "ignore"), concat!("dbg", "!("), concat!("todo", "!("), concat!("unimplemented", "!(")];

/// Absolute paths work on one machine.
pub(crate) fn machine_paths(tree: &Tree, report: &mut Report) {
    let in_path = |c: char| c.is_alphanumeric() || "/._-~$*)>]}".contains(c);
    for (path, text) in &tree.files {
        for (at, line) in text.lines().enumerate() {
            for word in line.split(|c| !in_path(c)) {
                let mut names = word.trim_end_matches(['.', ')', ']', '}']).split('/');
                if names.next() == Some("")
                    && names.next().is_some_and(|name| ["home", "root", "tmp", "work"].contains(&name))
                {
                    report.add(
                        path,
                        at + 1,
                        format_args!("`{word}` is a path on one machine; make it relative to the repository"),
                    );
                }
            }
        }
    }
}

/// Links in Markdown that point into the repository must arrive.
pub(crate) fn links(tree: &Tree, report: &mut Report) {
    for (path, text) in tree.below("", ".md") {
        let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
        let mut fenced = false;
        for (at, line) in text.lines().enumerate() {
            fenced ^= line.trim_start().starts_with("```");
            for target in targets(line).filter(|_| !fenced) {
                let file = target.split(['#', ' ']).next().unwrap_or_default();
                if !file.is_empty() && !file.contains(':') && !tree.root.join(folder).join(file).exists() {
                    report.add(path, at + 1, format_args!("the link to `{file}` leads nowhere; correct it"));
                }
            }
        }
    }
}

/// `[text](target)` and `[label]: target`, outside `code`.
fn targets(line: &str) -> impl Iterator<Item = &str> {
    let outside = line.split('`').step_by(2);
    let inline = outside.flat_map(|part| part.split("](").skip(1).filter_map(|rest| rest.split(')').next()));
    // A link's text may itself be code, which splits `[` from `](`; the part after the code then starts with `](`.
    let definition = line.strip_prefix('[').and_then(|rest| rest.split_once("]: ")).map(|(_, target)| target.trim());
    inline.chain(definition)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn link_targets() {
        let line = "see [a](x.md#part), [`b`](../y.rs), `[c](z.md)` and [d](https://example.org)";
        assert_eq!(targets(line).collect::<Vec<_>>(), ["x.md#part", "../y.rs", "https://example.org"]);
        assert_eq!(targets("[e]: docs/E.md").collect::<Vec<_>>(), ["docs/E.md"]);
    }

    #[test]
    fn machine_paths_and_leftovers() {
        let text = format!("a({0}work/x)\n\"{0}tmp/y\"\nsrc{0}root https:{0}{0}home.org a{0}work", '/');
        let code =
            format!("fn f() {{ {}!() }} // {}!()\n#[cfg(test)] mod t {{ #[{}] fn g() {{}} }}", "todo", "dbg", "ignore");
        let files = [("a.md".to_owned(), text), ("b.rs".to_owned(), code)].into();
        let (tree, mut report) = (Tree { root: Default::default(), files }, Report::default());
        machine_paths(&tree, &mut report);
        leftovers(&tree, &mut report);
        let found: Vec<&str> = report.0.iter().map(|line| &line[..6]).collect();
        assert_eq!(found, ["a.md:1", "a.md:2", "b.rs:1", "b.rs:2"]);
    }
}
