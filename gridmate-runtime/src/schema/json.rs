//! A [`Snapshot`] as JSON: for tools, and for files that people review.
//!
//! One line for each dataset and RPC, so that a line of a version-control diff is one change:
//!
//! ```json
//! {
//!   "fingerprint": "58b27d37c21d5bd0",
//!   "chunks": [
//!     {
//!       "name": "door",
//!       "datasets": [
//!         { "name": "open", "shape": "bool" }
//!       ],
//!       "rpcs": [
//!         { "name": "knock", "args": [{ "name": "times", "shape": "u8" }], "flags": "reliable" }
//!       ]
//!     }
//!   ]
//! }
//! ```
//!
//! A chunk type that only a host creates has `"flags": "host_only",` behind its name.
//!
//! The parser takes exactly this: members in this order and no others, chunks sorted by name, the fingerprint that of the
//! rest. White space is free. The shape has a fixed depth, so nothing recurses; what is read is never larger than the text.

use core::fmt::Write;

use super::{ChunkSnapshot, FieldSnapshot, RpcSnapshot, Snapshot};
use crate::limits;

/// Why a text is not a snapshot, and where.
///
/// ```
/// use gridmate_runtime::schema::Snapshot;
///
/// let error = Snapshot::from_json("{\n  \"chunks\": []\n}").unwrap_err();
/// assert_eq!((error.line, error.column), (2, 3));
/// assert_eq!(error.to_string(), "line 2, column 3: expected \"fingerprint\"");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {kind}")]
pub struct JsonError {
    /// The line, from 1.
    pub line: usize,
    /// The character in that line, from 1.
    pub column: usize,
    /// What is wrong there.
    pub kind: JsonErrorKind,
}

/// What is wrong at the place of a [`JsonError`].
///
/// ```
/// use gridmate_runtime::schema::{ChunkSnapshot, JsonErrorKind, Snapshot};
///
/// let door = ChunkSnapshot { name: "door".to_owned(), ..ChunkSnapshot::default() };
/// let doors = Snapshot { chunks: vec![door] };
/// let edited = doors.to_json().replace("door", "gate"); // by hand, without the fingerprint
/// let gates = doors.to_string().replace("door", "gate");
/// let error = Snapshot::from_json(&edited).unwrap_err();
/// # use gridmate_runtime::schema::{FNV_OFFSET, fnv1a};
/// assert_eq!(error.kind, JsonErrorKind::Fingerprint(fnv1a(gates.as_bytes(), FNV_OFFSET)));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum JsonErrorKind {
    /// Something else should be here.
    #[error("expected {0}")]
    Expected(&'static str),
    /// A backslash followed by what it cannot be followed by.
    #[error("no such escape")]
    Escape,
    /// Chunk types are listed in the order of their names, each once.
    #[error("this chunk does not come after the one before it in the order of names")]
    Order,
    /// The fingerprint is not that of the chunk types: the text was changed by hand, or merged.
    #[error("the fingerprint should be {0:016x}")]
    Fingerprint(u64),
    /// More than [`limits::SCHEMA_JSON_BYTES`].
    #[error("longer than {} bytes", limits::SCHEMA_JSON_BYTES)]
    TooLong,
}

use JsonErrorKind::{Escape, Expected, Fingerprint, Order, TooLong};

impl Snapshot {
    /// As JSON, in the one form that [`from_json`](Self::from_json) takes.
    pub fn to_json(&self) -> String {
        let mut out = format!("{{\n  \"fingerprint\": \"{:016x}\",\n  \"chunks\": [", self.fingerprint());
        lines(&mut out, 4, &self.chunks, |out, chunk| {
            out.push_str("{\n      \"name\": ");
            string(out, &chunk.name);
            if !chunk.flags.is_empty() {
                out.push_str(",\n      \"flags\": ");
                string(out, &chunk.flags);
            }
            out.push_str(",\n      \"datasets\": [");
            lines(out, 8, &chunk.datasets, field);
            out.push_str("],\n      \"rpcs\": [");
            lines(out, 8, &chunk.rpcs, rpc);
            out.push_str("]\n    }");
        });
        out.push_str("]\n}\n");
        out
    }

    /// Reads what [`to_json`](Self::to_json) wrote. Never panics, whatever the text.
    ///
    /// # Errors
    /// [`JsonError`], with the place.
    pub fn from_json(text: &str) -> Result<Self, JsonError> {
        let mut parser = Parser { text, at: 0 };
        parser.snapshot().map_err(|kind| {
            let before = &text[..text.floor_char_boundary(parser.at)];
            let line_start = before.rfind('\n').map_or(0, |at| at + 1);
            JsonError {
                line: before.bytes().filter(|&byte| byte == b'\n').count() + 1,
                column: before[line_start..].chars().count() + 1,
                kind,
            }
        })
    }
}

/// The items of a list, a line each, and the white space before its closing bracket.
fn lines<T>(out: &mut String, indent: usize, items: &[T], write: impl Fn(&mut String, &T)) {
    for (i, item) in items.iter().enumerate() {
        let _ = write!(out, "{}\n{:indent$}", if i > 0 { "," } else { "" }, "");
        write(out, item);
    }
    if !items.is_empty() {
        let _ = write!(out, "\n{:1$}", "", indent - 2);
    }
}

fn field(out: &mut String, field: &FieldSnapshot) {
    out.push_str("{ \"name\": ");
    string(out, &field.name);
    out.push_str(", \"shape\": ");
    string(out, &field.shape);
    out.push_str(" }");
}

fn rpc(out: &mut String, rpc: &RpcSnapshot) {
    out.push_str("{ \"name\": ");
    string(out, &rpc.name);
    out.push_str(", \"args\": [");
    for (i, arg) in rpc.args.iter().enumerate() {
        out.push_str(if i > 0 { ", " } else { "" });
        field(out, arg);
    }
    out.push_str("], \"flags\": ");
    string(out, &rpc.flags);
    out.push_str(" }");
}

fn string(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            '\n' => out.push_str("\\n"),
            '\u{0}'..='\u{1f}' => {
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            _ => out.push(c),
        }
    }
    out.push('"');
}

struct Parser<'a> {
    text: &'a str,
    /// Where the next thing, or the mistake, is.
    at: usize,
}

impl Parser<'_> {
    fn snapshot(&mut self) -> Result<Snapshot, JsonErrorKind> {
        if self.text.len() > limits::SCHEMA_JSON_BYTES {
            return Err(TooLong);
        }
        self.expect("{")?;
        self.key("\"fingerprint\"")?;
        self.space();
        let start = self.at;
        let fingerprint = self.string()?;
        self.expect(",")?;
        self.key("\"chunks\"")?;
        let mut chunks: Vec<ChunkSnapshot> = Vec::new();
        self.list(|parser| {
            parser.space();
            let start = parser.at;
            let chunk = parser.chunk()?;
            if chunks.last().is_some_and(|last| last.name >= chunk.name) {
                parser.at = start;
                return Err(Order);
            }
            chunks.push(chunk);
            Ok(())
        })?;
        self.expect("}")?;
        self.space();
        if self.at < self.text.len() {
            return Err(Expected("the end"));
        }
        let snapshot = Snapshot { chunks };
        let right = snapshot.fingerprint();
        if fingerprint != format!("{right:016x}") {
            self.at = start;
            return Err(Fingerprint(right));
        }
        Ok(snapshot)
    }

    fn chunk(&mut self) -> Result<ChunkSnapshot, JsonErrorKind> {
        self.expect("{")?;
        self.key("\"name\"")?;
        let name = self.string()?;
        self.expect(",")?;
        let mut flags = String::new();
        if self.expect("\"flags\"").is_ok() {
            self.expect(":")?;
            self.space();
            let start = self.at;
            flags = self.string()?;
            if flags.is_empty() {
                self.at = start;
                return Err(Expected("flags"));
            }
            self.expect(",")?;
        }
        self.key("\"datasets\"")?;
        let datasets = self.fields()?;
        self.expect(",")?;
        self.key("\"rpcs\"")?;
        let mut rpcs = Vec::new();
        self.list(|parser| {
            rpcs.push(parser.rpc()?);
            Ok(())
        })?;
        self.expect("}")?;
        Ok(ChunkSnapshot { name, flags, datasets, rpcs })
    }

    fn rpc(&mut self) -> Result<RpcSnapshot, JsonErrorKind> {
        self.expect("{")?;
        self.key("\"name\"")?;
        let name = self.string()?;
        self.expect(",")?;
        self.key("\"args\"")?;
        let args = self.fields()?;
        self.expect(",")?;
        self.key("\"flags\"")?;
        let flags = self.string()?;
        self.expect("}")?;
        Ok(RpcSnapshot { name, args, flags })
    }

    fn fields(&mut self) -> Result<Vec<FieldSnapshot>, JsonErrorKind> {
        let mut fields = Vec::new();
        self.list(|parser| {
            parser.expect("{")?;
            parser.key("\"name\"")?;
            let name = parser.string()?;
            parser.expect(",")?;
            parser.key("\"shape\"")?;
            let shape = parser.string()?;
            parser.expect("}")?;
            fields.push(FieldSnapshot { name, shape });
            Ok(())
        })?;
        Ok(fields)
    }

    fn list(&mut self, mut item: impl FnMut(&mut Self) -> Result<(), JsonErrorKind>) -> Result<(), JsonErrorKind> {
        self.expect("[")?;
        if self.expect("]").is_ok() {
            return Ok(());
        }
        loop {
            item(self)?;
            if self.expect("]").is_ok() {
                return Ok(());
            }
            self.expect(",").map_err(|_| Expected("`,` or `]`"))?;
        }
    }

    fn key(&mut self, quoted: &'static str) -> Result<(), JsonErrorKind> {
        self.expect(quoted)?;
        self.expect(":")
    }

    fn expect(&mut self, what: &'static str) -> Result<(), JsonErrorKind> {
        self.space();
        if !self.rest().starts_with(what) {
            return Err(Expected(what));
        }
        self.at += what.len();
        Ok(())
    }

    fn space(&mut self) {
        let rest = self.rest();
        self.at += rest.len() - rest.trim_start_matches([' ', '\t', '\r', '\n']).len();
    }

    fn string(&mut self) -> Result<String, JsonErrorKind> {
        self.space();
        if !self.rest().starts_with('"') {
            return Err(Expected("a string"));
        }
        self.at += 1;
        let mut out = String::new();
        while let Some(c) = self.rest().chars().next() {
            match c {
                '"' => {
                    self.at += 1;
                    return Ok(out);
                }
                '\\' => out.push(self.escape()?),
                '\u{0}'..='\u{1f}' => break,
                _ => {
                    self.at += c.len_utf8();
                    out.push(c);
                }
            }
        }
        Err(Expected("the end of the string"))
    }

    fn escape(&mut self) -> Result<char, JsonErrorKind> {
        let c = match self.rest().as_bytes().get(1).ok_or(Escape)? {
            b'"' => '"',
            b'\\' => '\\',
            b'/' => '/',
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => {
                let first = self.unit(0).ok_or(Escape)?;
                if let Some(c) = char::from_u32(first) {
                    self.at += 6;
                    return Ok(c);
                }
                // The first half of a character beyond the first 65,536: the other follows.
                let second = self.unit(6).filter(|second| (0xDC00..0xE000).contains(second)).ok_or(Escape)?;
                let code = 0x1_0000 + ((first - 0xD800) << 10) + (second - 0xDC00);
                let c = char::from_u32(code).filter(|_| first < 0xDC00).ok_or(Escape)?;
                self.at += 12;
                return Ok(c);
            }
            _ => return Err(Escape),
        };
        self.at += 2;
        Ok(c)
    }

    /// The four digits of a `\u` that is `ahead` bytes further on.
    fn unit(&self, ahead: usize) -> Option<u32> {
        let digits = self.rest().get(ahead..ahead + 6)?.strip_prefix("\\u")?;
        if digits.bytes().all(|byte| byte.is_ascii_hexdigit()) { u32::from_str_radix(digits, 16).ok() } else { None }
    }

    fn rest(&self) -> &str {
        &self.text[self.at..]
    }
}
