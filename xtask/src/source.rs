//! Rust source as the checks see it: without comments, literals and unit tests, and as paths.

use core::ops::Range;

/// Blanks comments, `#[cfg(test)]` items and, unless `keep_literals`, strings and characters. Lines stay where they are.
pub(crate) fn production(text: &str, keep_literals: bool) -> String {
    let code = strip(text, false);
    let mut out = if keep_literals { strip(text, true).into_bytes() } else { code.clone().into_bytes() };
    for range in test_items(code.as_bytes()) {
        blank(&mut out[range]);
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// A path with at least two segments, as written: `crate::wire::BitWriter`, or one leaf of a `use`.
#[derive(Debug)]
pub(crate) struct NamedPath<'a> {
    pub(crate) line: usize,
    pub(crate) segments: Vec<&'a str>,
    /// What a `use` calls it; else the last segment.
    pub(crate) name: &'a str,
}

/// All paths in code that [`production`] returned.
pub(crate) fn paths(code: &str) -> Vec<NamedPath<'_>> {
    let tokens = tokens(code);
    let token = |at: usize| tokens.get(at).map_or("", |&(_, token)| token);
    let (mut out, mut at) = (Vec::new(), 0);
    while at < tokens.len() {
        if token(at) == "use" && token(at + 1) != "<" {
            at += 1;
            use_tree(&tokens, &mut at, &[], &mut out);
        } else if is_name(token(at)) && token(at + 1) == "::" {
            let (line, mut segments) = (tokens[at].0, vec![token(at)]);
            while token(at + 1) == "::" && is_name(token(at + 2)) {
                at += 2;
                segments.push(token(at));
            }
            out.push(NamedPath { line, name: token(at), segments });
            at += 1;
        } else {
            at += 1;
        }
    }
    out
}

fn use_tree<'a>(tokens: &[(usize, &'a str)], at: &mut usize, prefix: &[&'a str], out: &mut Vec<NamedPath<'a>>) {
    let mut segments = prefix.to_vec();
    let mut alias = None;
    let line = tokens.get(*at).map_or(0, |token| token.0);
    while let Some(&(_, token)) = tokens.get(*at) {
        match token {
            "," | "}" | ";" => break,
            "{" => {
                *at += 1;
                while tokens.get(*at).is_some_and(|token| token.1 != "}" && token.1 != ";") {
                    use_tree(tokens, at, &segments, out);
                    *at += usize::from(tokens.get(*at).is_some_and(|token| token.1 == ","));
                }
                *at += usize::from(tokens.get(*at).is_some_and(|token| token.1 == "}"));
                return;
            }
            "as" => {
                *at += 1;
                alias = tokens.get(*at).map(|token| token.1);
            }
            "self" if !segments.is_empty() => {}
            name if is_name(name) || name == "*" => segments.push(name),
            _ => {}
        }
        *at += 1;
    }
    if let Some(&last) = segments.last() {
        out.push(NamedPath { line, segments, name: alias.unwrap_or(last) });
    }
}

/// Words, `::` and single punctuation characters, each with its line.
pub(crate) fn tokens(code: &str) -> Vec<(usize, &str)> {
    let (bytes, mut out) = (code.as_bytes(), Vec::new());
    let (mut line, mut at) = (1, 0);
    while at < bytes.len() {
        let mut end = at + 1;
        if is_word(bytes[at]) {
            end += bytes[end..].iter().take_while(|&&byte| is_word(byte)).count();
        } else if bytes[at..].starts_with(b"::") {
            end += 1;
        }
        line += usize::from(bytes[at] == b'\n');
        if !bytes[at].is_ascii_whitespace() {
            out.push((line, &code[at..end]));
        }
        at = end;
    }
    out
}

fn strip(text: &str, keep_literals: bool) -> String {
    let bytes = text.as_bytes();
    let (mut out, mut at) = (bytes.to_vec(), 0);
    while at < bytes.len() {
        let rest = &bytes[at..];
        let comment = comment_len(rest);
        let inside_word = at > 0 && is_word(bytes[at - 1]);
        let Some(len) = comment.or_else(|| literal_len(rest, inside_word)) else {
            at += 1;
            continue;
        };
        if comment.is_some() || !keep_literals {
            blank(&mut out[at..at + len]);
        }
        at += len;
    }
    String::from_utf8_lossy(&out).into_owned()
}

fn comment_len(rest: &[u8]) -> Option<usize> {
    if rest.starts_with(b"//") {
        return Some(rest.iter().position(|&byte| byte == b'\n').unwrap_or(rest.len()));
    }
    if !rest.starts_with(b"/*") {
        return None;
    }
    let (mut depth, mut at) = (1, 2);
    while depth > 0 && at < rest.len() {
        let step = match rest[at..] {
            [b'/', b'*', ..] => 1,
            [b'*', b'/', ..] => -1,
            _ => 0,
        };
        depth += step;
        at += if step == 0 { 1 } else { 2 };
    }
    Some(at)
}

fn literal_len(rest: &[u8], inside_word: bool) -> Option<usize> {
    let quoted = |quote: u8| {
        let mut at = 1;
        while at < rest.len() && rest[at] != quote {
            at += if rest[at] == b'\\' { 2 } else { 1 };
        }
        (at + 1).min(rest.len())
    };
    match *rest {
        [b'"', ..] => Some(quoted(b'"')),
        [b'\'', b'\\', ..] => Some(quoted(b'\'')),
        [b'\'', first, ..] => {
            // One character and a closing quote; else it is a lifetime.
            let len = 1 + if first < 0x80 { 1 } else { first.leading_ones() as usize };
            (rest.get(len) == Some(&b'\'')).then_some(len + 1)
        }
        [b'r' | b'b' | b'c', ..] if !inside_word => {
            let raw = 1 + usize::from(rest[0] != b'r' && rest.get(1) == Some(&b'r'));
            let hashes = rest[raw..].iter().take_while(|&&byte| byte == b'#').count();
            if rest[raw - 1] != b'r' || rest.get(raw + hashes) != Some(&b'"') {
                return None;
            }
            let body = raw + hashes + 1;
            let close = [&b"\""[..], &b"#".repeat(hashes)].concat();
            let end = rest[body..].windows(close.len()).position(|window| window == close);
            Some(end.map_or(rest.len(), |end| body + end + close.len()))
        }
        _ => None,
    }
}

/// Items behind `#[cfg(test)]`, attributes included.
fn test_items(code: &[u8]) -> Vec<Range<usize>> {
    let (mut out, mut at) = (Vec::new(), 0);
    while at < code.len() {
        if !code[at..].starts_with(b"#[cfg(test)]") && !code[at..].starts_with(b"#[cfg(all(test") {
            at += 1;
            continue;
        }
        let (start, mut depth) = (at, 0);
        while at < code.len() {
            let byte = code[at];
            at += 1;
            match byte {
                b'(' | b'[' | b'{' => depth += 1,
                b')' | b']' | b'}' => depth -= 1,
                _ => {}
            }
            if depth == 0 && matches!(byte, b'}' | b';') {
                break;
            }
        }
        out.push(start..at);
    }
    out
}

fn blank(bytes: &mut [u8]) {
    bytes.iter_mut().filter(|byte| **byte != b'\n').for_each(|byte| *byte = b' ');
}

fn is_name(token: &str) -> bool {
    token.bytes().next().is_some_and(|byte| is_word(byte) && !byte.is_ascii_digit())
}

pub(crate) fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(code: &str) -> Vec<String> {
        paths(&production(code, false)).iter().map(|path| path.segments.join("::")).collect()
    }

    #[test]
    fn use_trees_are_flattened() {
        let code = "use crate::{chunk::{self, rpc::{A, B as C}}, ids::*};\npub(crate) use super::time::Instant;";
        assert_eq!(
            named(code),
            ["crate::chunk", "crate::chunk::rpc::A", "crate::chunk::rpc::B", "crate::ids::*", "super::time::Instant"]
        );
        let aliased = paths("use a::{B as C, D};");
        assert_eq!(aliased.iter().map(|path| path.name).collect::<Vec<_>>(), ["C", "D"]);
    }

    #[test]
    fn inline_paths_are_found_and_lines_counted() {
        let found = paths("fn f() -> impl Sized + use<'a> {\n    crate::session::go::<crate::ids::MemberId>()\n}");
        let found: Vec<_> = found.iter().map(|path| (path.line, path.segments.join("::"))).collect();
        assert_eq!(found, [(2, "crate::session::go".into()), (2, "crate::ids::MemberId".into())]);
    }

    #[test]
    fn comments_literals_and_tests_are_no_code() {
        let code = r####"
            //! crate::a::X
            /* crate::b::X /* crate::c::X */ crate::d::X */
            const S: &str = "crate::e::X \" // crate::f::X";
            const R: &str = r#"crate::g::X "quoted" // "#;
            const C: (char, u8) = ('"', b'\'');
            fn f<'a>(x: &'a str, n: [u8; 2]) -> &'a str { crate::real::f(x) }
            #[cfg(test)]
            #[expect(dead_code, reason = "}")]
            mod tests { fn t() { let _ = "}"; crate::h::X; } }
            #[cfg(test)]
            use crate::i::X;
            use crate::kept::X;
        "####;
        assert_eq!(named(code), ["crate::real::f", "crate::kept::X"]);
    }

    #[test]
    fn literals_can_be_kept() {
        let code = production("let a = \"// text\"; // comment", true);
        assert_eq!(code.trim_end(), "let a = \"// text\";");
    }

    #[test]
    fn broken_source_ends() {
        for code in ["use crate::{a, {b", "use crate::{a; }", "\"", "r#\"", "/*", "'", "#[cfg(test)]", "'\\"] {
            named(code);
        }
    }
}
