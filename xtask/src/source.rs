//! Rust source as the checks see it: tokens without comments and unit tests, and the paths among them.

/// A word, `::`, a literal or a single punctuation character.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Token<'a> {
    pub(crate) line: usize,
    pub(crate) text: &'a str,
}

/// A path with at least two segments, as written: `crate::wire::BitWriter`, or one leaf of a `use`.
#[derive(Debug)]
pub(crate) struct NamedPath<'a> {
    pub(crate) line: usize,
    pub(crate) segments: Vec<&'a str>,
    /// What a `use` calls it; else the last segment.
    pub(crate) name: &'a str,
}

/// All paths in code.
pub(crate) fn paths<'a>(tokens: &[Token<'a>]) -> Vec<NamedPath<'a>> {
    let text = |at: usize| tokens.get(at).map_or("", |token| token.text);
    let (mut out, mut at) = (Vec::new(), 0);
    while at < tokens.len() {
        if text(at) == "use" && text(at + 1) != "<" {
            at += 1;
            use_tree(tokens, &mut at, &[], &mut out);
        } else if is_name(text(at)) && text(at + 1) == "::" {
            let (line, mut segments) = (tokens[at].line, vec![text(at)]);
            while text(at + 1) == "::" && is_name(text(at + 2)) {
                at += 2;
                segments.push(text(at));
            }
            out.push(NamedPath { line, name: text(at), segments });
            at += 1;
        } else {
            at += 1;
        }
    }
    out
}

fn use_tree<'a>(tokens: &[Token<'a>], at: &mut usize, prefix: &[&'a str], out: &mut Vec<NamedPath<'a>>) {
    let line = tokens.get(*at).map_or(0, |token| token.line);
    let (mut segments, mut alias) = (prefix.to_vec(), None);
    let next_is = |at: usize, any: &[&str]| tokens.get(at).is_some_and(|token| any.contains(&token.text));
    while *at < tokens.len() && !next_is(*at, &[",", "}", ";"]) {
        match tokens[*at].text {
            "{" => {
                *at += 1;
                while *at < tokens.len() && !next_is(*at, &["}", ";"]) {
                    use_tree(tokens, at, &segments, out);
                    *at += usize::from(next_is(*at, &[","]));
                }
                *at += usize::from(next_is(*at, &["}"]));
                return;
            }
            "as" => {
                *at += 1;
                alias = tokens.get(*at).map(|token| token.text);
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

/// The tokens of `text` without those of `#[cfg(test)]` items.
pub(crate) fn production(text: &str) -> Vec<Token<'_>> {
    let (tokens, mut out, mut at) = (lex(text), Vec::new(), 0);
    while at < tokens.len() {
        if !starts_with(&tokens[at..], "#[cfg(test)]") && !starts_with(&tokens[at..], "#[cfg(all(test") {
            out.push(tokens[at]);
            at += 1;
            continue;
        }
        // To the end of the item: a `;` or `}` outside of all brackets.
        let mut depth = 0;
        while let Some(token) = tokens.get(at) {
            at += 1;
            match token.text {
                "(" | "[" | "{" => depth += 1,
                ")" | "]" | "}" => depth -= 1,
                _ => {}
            }
            if depth == 0 && matches!(token.text, "}" | ";") {
                break;
            }
        }
    }
    out
}

/// Whether `tokens` begins with those of `code`.
pub(crate) fn starts_with(tokens: &[Token<'_>], code: &str) -> bool {
    if !tokens.first().is_some_and(|token| code.starts_with(token.text)) {
        return false;
    }
    let code = lex(code);
    tokens.len() >= code.len() && tokens.iter().zip(&code).all(|(token, wanted)| token.text == wanted.text)
}

/// Every token but comments.
pub(crate) fn lex(text: &str) -> Vec<Token<'_>> {
    let (bytes, mut out) = (text.as_bytes(), Vec::new());
    let (mut line, mut at) = (1, 0);
    while at < bytes.len() {
        let rest = &bytes[at..];
        let comment = comment_len(rest);
        let word = rest.iter().take_while(|&&byte| is_word(byte)).count();
        let len = match comment.or_else(|| literal_len(rest)) {
            Some(len) => len,
            None if rest.starts_with(b"::") => 2,
            None => word.max(1),
        };
        let token = &text[at..at + len];
        if comment.is_none() && !token.trim().is_empty() {
            out.push(Token { line, text: token });
        }
        line += token.matches('\n').count();
        at += len;
    }
    out
}

fn comment_len(rest: &[u8]) -> Option<usize> {
    if rest.starts_with(b"//") {
        return Some(rest.iter().position(|&byte| byte == b'\n').unwrap_or(rest.len()));
    }
    let (mut depth, mut at) = (usize::from(rest.starts_with(b"/*")), 2);
    if depth == 0 {
        return None;
    }
    while depth > 0 && at < rest.len() {
        match rest[at..] {
            [b'/', b'*', ..] => (depth, at) = (depth + 1, at + 2),
            [b'*', b'/', ..] => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
    }
    Some(at)
}

fn literal_len(rest: &[u8]) -> Option<usize> {
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
        [b'r', ..] => raw_len(rest, 1),
        [b'b' | b'c', b'r', ..] => raw_len(rest, 2),
        [b'b' | b'c', b'"', ..] | [b'b', b'\'', ..] => literal_len(&rest[1..]).map(|len| len + 1),
        _ => None,
    }
}

fn raw_len(rest: &[u8], prefix: usize) -> Option<usize> {
    let hashes = rest[prefix..].iter().take_while(|&&byte| byte == b'#').count();
    let body = prefix + hashes + 1;
    if rest.get(body - 1) != Some(&b'"') {
        return None;
    }
    let close = [&b"\""[..], &b"#".repeat(hashes)].concat();
    let end = rest[body..].windows(close.len()).position(|window| window == close);
    Some(end.map_or(rest.len(), |end| body + end + close.len()))
}

fn is_name(token: &str) -> bool {
    token.bytes().all(is_word) && !token.starts_with(|first: char| first.is_ascii_digit()) && !token.is_empty()
}

pub(crate) fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(code: &str) -> Vec<String> {
        paths(&production(code)).iter().map(|path| path.segments.join("::")).collect()
    }

    #[test]
    fn use_trees_are_flattened() {
        let code = "use crate::{chunk::{self, rpc::{A, B as C}}, ids::*};\npub(crate) use super::time::Instant;";
        assert_eq!(
            named(code),
            ["crate::chunk", "crate::chunk::rpc::A", "crate::chunk::rpc::B", "crate::ids::*", "super::time::Instant"]
        );
        let aliased = paths(&lex("use a::{B as C, D};"));
        assert_eq!(aliased.iter().map(|path| path.name).collect::<Vec<_>>(), ["C", "D"]);
    }

    #[test]
    fn inline_paths_are_found_and_lines_counted() {
        let found =
            paths(&lex("fn f() -> impl Sized + use<'a> {\n    crate::session::go::<crate::ids::MemberId>()\n}"));
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
    fn literals_are_one_token() {
        let texts = |code| lex(code).iter().map(|token| token.text).collect::<Vec<_>>();
        assert_eq!(texts("a(\"// text\", b'x'); // comment"), ["a", "(", "\"// text\"", ",", "b'x'", ")", ";"]);
        assert_eq!(
            texts("r#\"a\"# br\"\\\" r#type 'a 'é'"),
            ["r#\"a\"#", "br\"\\\"", "r", "#", "type", "'", "a", "'é'"]
        );
    }

    #[test]
    fn broken_source_ends() {
        for code in ["use crate::{a, {b", "use crate::{a; }", "\"", "r#\"", "/*", "'", "#[cfg(test)]", "'\\"] {
            named(code);
        }
    }
}
