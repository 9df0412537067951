//! As much of a schema as fits one datagram, so that who is refused for its schema learns what differs.
//!
//! A host sends it with its refusal; the joiner compares it with its own. Small registries travel in full. Larger ones go
//! through [forms](FORMS) that say less and less; the last says nothing, and then the fingerprints are all there is.
//!
//! Integers are little-endian. A host that is [tolerant](super::tolerance) says something before it.
//!
//! ```text
//! digest  = form:u8  count:u16  chunk*
//! chunk   = name  datasets:u16  rpcs:u16  member*       forms 1 to 3: text and text, text and hash, hash and hash
//!         | name  hash:u32                              form 4: of everything in it
//! member  = name  layout
//! text    = length:u16  UTF-8
//! ```

use super::Snapshot;
use super::diff::{SchemaDifference, differences};
use super::outline::{ChunkOutline, Form, Label, Member, Outline, Part, body};
use super::tolerance::digest_of;

/// Form 1 and so on, from the one that says most.
const FORMS: [Form; 4] = [
    Form::FULL,
    Form { chunk: Part::Text, members: Some([Part::Text, Part::Hash(4)]) },
    Form { chunk: Part::Text, members: Some([Part::Hash(2); 2]) },
    Form { chunk: Part::Hash(4), members: None },
];

impl Snapshot {
    /// What can be said of it in `limit` bytes. Empty when there is not room for anything useful.
    pub fn digest(&self, limit: usize) -> Vec<u8> {
        (1..).zip(FORMS).find_map(|(number, form)| self.encode(number, form, limit)).unwrap_or_default()
    }

    /// The first thing that differs here from what a host says of the schema there: a `digest`, or what tolerant hosts put
    /// before it and a digest. `None` when it says nothing, or nothing that differs, or is no digest.
    pub fn first_difference(&self, digest: &[u8]) -> Option<SchemaDifference> {
        let (form, there) = decode(digest_of(digest))?;
        differences(&Outline::of(self, form), &there).into_iter().next()
    }

    fn encode(&self, number: u8, form: Form, limit: usize) -> Option<Vec<u8>> {
        let mut out = vec![number];
        put_count(&mut out, self.chunks.len())?;
        for chunk in &self.chunks {
            let chunk = ChunkOutline::of(chunk, form);
            put(&mut out, form.chunk, &chunk.name)?;
            match (&chunk.members, form.members) {
                (Some(members), Some(parts)) => {
                    put_count(&mut out, members[0].len())?;
                    put_count(&mut out, members[1].len())?;
                    for member in members.iter().flatten() {
                        put(&mut out, parts[0], &member.name)?;
                        put(&mut out, parts[1], &member.shape)?;
                    }
                }
                _ => put(&mut out, form.chunk, &Label { key: chunk.body, text: None })?,
            }
            if out.len() > limit {
                return None;
            }
        }
        (out.len() <= limit).then_some(out)
    }
}

fn put_count(out: &mut Vec<u8>, count: usize) -> Option<()> {
    out.extend_from_slice(&u16::try_from(count).ok()?.to_le_bytes());
    Some(())
}

fn put(out: &mut Vec<u8>, part: Part, label: &Label) -> Option<()> {
    match (part, &label.text) {
        (Part::Hash(bytes), _) => out.extend_from_slice(&label.key.to_le_bytes()[..bytes]),
        (Part::Text, text) => {
            let text = text.as_deref()?;
            put_count(out, text.len())?;
            out.extend_from_slice(text.as_bytes());
        }
    }
    Some(())
}

/// Every item takes bytes, so what comes out is bounded by what goes in.
pub(super) fn decode(mut digest: &[u8]) -> Option<(Form, Outline)> {
    let input = &mut digest;
    let form = *FORMS.get(usize::from(take(input, 1)?[0]).checked_sub(1)?)?;
    let mut chunks = Vec::new();
    for _ in 0..take_count(input)? {
        let name = take_label(input, form.chunk)?;
        chunks.push(match form.members {
            Some(parts) => {
                let counts = [take_count(input)?, take_count(input)?];
                let [datasets, rpcs] = counts.map(|count| take_members(input, count, parts));
                let members = [datasets?, rpcs?];
                ChunkOutline { name, body: body(&members), members: Some(members) }
            }
            None => ChunkOutline { name, body: take_label(input, form.chunk)?.key, members: None },
        });
    }
    input.is_empty().then_some((form, Outline { chunks }))
}

fn take_members(input: &mut &[u8], count: u16, parts: [Part; 2]) -> Option<Vec<Member>> {
    (0..count)
        .map(|_| Some(Member { name: take_label(input, parts[0])?, shape: take_label(input, parts[1])? }))
        .collect()
}

/// People will read the texts, in logs and terminals: none may hold what those would act on.
fn take_label(input: &mut &[u8], part: Part) -> Option<Label> {
    match part {
        Part::Hash(bytes) => {
            let mut key = [0; 8];
            key[..bytes].copy_from_slice(take(input, bytes)?);
            Some(Label { key: u64::from_le_bytes(key), text: None })
        }
        Part::Text => {
            let length = take_count(input)?;
            let text = core::str::from_utf8(take(input, usize::from(length))?).ok()?;
            if text.contains(char::is_control) { None } else { Some(part.label(text.to_owned())) }
        }
    }
}

fn take_count(input: &mut &[u8]) -> Option<u16> {
    let bytes = take(input, 2)?;
    Some(u16::from_le_bytes([bytes[0], bytes[1]]))
}

fn take<'a>(input: &mut &'a [u8], count: usize) -> Option<&'a [u8]> {
    input.split_off(..count)
}
