//! The bits of hellos, welcomes and control messages. All are whole bytes long; names are UTF-8.
//!
//! ```text
//! hello   = length:varint name  length:varint credentials  [claim]
//! welcome = member:32 session:64
//! control = 1:8 member:32 length:varint name        someone has joined
//!         | 2:8 member:32 reason:8                  someone has left
//! ```
//!
//! What a claim is, is the schema's business.

use super::LeaveReason;
use crate::ids::MemberId;
use crate::limits;
use crate::wire::{BitReader, BitWriter, WireError};

#[derive(Debug, PartialEq, Eq)]
pub(super) struct Hello<'a> {
    pub(super) name: &'a str,
    /// What the joiner has to show.
    pub(super) credentials: &'a [u8],
    /// What the joiner has in common with the host; empty if that is everything.
    pub(super) claim: &'a [u8],
}

#[derive(Debug, PartialEq, Eq)]
pub(super) struct Welcome {
    pub(super) member: MemberId,
    pub(super) session: u64,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum ControlMessage<'a> {
    Joined { member: MemberId, name: &'a str },
    Left { member: MemberId, reason: LeaveReason },
}

impl<'a> Hello<'a> {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut w = BitWriter::new();
        write_name(self.name, &mut w);
        let credentials = &self.credentials[..self.credentials.len().min(limits::CREDENTIALS_BYTES)];
        w.varint(credentials.len() as u64);
        w.bytes(credentials);
        w.bytes(self.claim);
        w.finish().to_vec()
    }

    pub(super) fn decode(bytes: &'a [u8]) -> Result<Self, WireError> {
        let (name, rest) = take_name(bytes, &mut BitReader::new(bytes))?;
        let (credentials, claim) = take_bytes(rest, &mut BitReader::new(rest), limits::CREDENTIALS_BYTES)?;
        Ok(Self { name, credentials, claim })
    }
}

impl Welcome {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut w = BitWriter::new();
        w.bits(u64::from(self.member.0), 32);
        w.bits(self.session, 64);
        w.finish().to_vec()
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<Self, WireError> {
        let mut r = BitReader::new(bytes);
        let member = read_member(&mut r)?;
        let session = r.bits(64)?;
        end(&r)?;
        Ok(Self { member, session })
    }
}

impl<'a> ControlMessage<'a> {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut w = BitWriter::new();
        match *self {
            Self::Joined { member, name } => {
                w.bits(1, 8);
                w.bits(u64::from(member.0), 32);
                write_name(name, &mut w);
            }
            Self::Left { member, reason } => {
                w.bits(2, 8);
                w.bits(u64::from(member.0), 32);
                w.bits(u64::from(reason.to_wire()), 8);
            }
        }
        w.finish().to_vec()
    }

    pub(super) fn decode(bytes: &'a [u8]) -> Result<Self, WireError> {
        let mut r = BitReader::new(bytes);
        match r.bits(8)? {
            1 => {
                let member = read_member(&mut r)?;
                Ok(Self::Joined { member, name: read_name(bytes, &mut r)? })
            }
            2 => {
                let member = read_member(&mut r)?;
                let [reason, ..] = r.bits(8)?.to_le_bytes();
                end(&r)?;
                Ok(Self::Left { member, reason: LeaveReason::from_wire(reason).ok_or(WireError::Invalid)? })
            }
            _ => Err(WireError::Invalid),
        }
    }
}

/// The longest start of `name` that fits, cut between characters.
pub(crate) fn clip_name(name: &str) -> &str {
    &name[..name.floor_char_boundary(limits::NAME_BYTES)]
}

fn write_name(name: &str, w: &mut BitWriter) {
    let name = clip_name(name);
    w.varint(name.len() as u64);
    w.bytes(name.as_bytes());
}

/// A name is the last thing in every control message that has one.
fn read_name<'a>(bytes: &'a [u8], r: &mut BitReader<'_>) -> Result<&'a str, WireError> {
    match take_name(bytes, r)? {
        (name, []) => Ok(name),
        _ => Err(WireError::Invalid),
    }
}

/// A name, and what follows it.
fn take_name<'a>(bytes: &'a [u8], r: &mut BitReader<'_>) -> Result<(&'a str, &'a [u8]), WireError> {
    let (name, rest) = take_bytes(bytes, r, limits::NAME_BYTES)?;
    Ok((core::str::from_utf8(name).map_err(|_| WireError::NotUtf8)?, rest))
}

/// As many bytes as `r`, which reads `bytes`, says next, at most `limit`; and what follows them.
fn take_bytes<'a>(bytes: &'a [u8], r: &mut BitReader<'_>, limit: usize) -> Result<(&'a [u8], &'a [u8]), WireError> {
    let length = r.varint()?;
    let rest = &bytes[r.position() / 8..];
    let length = usize::try_from(length).ok().filter(|length| *length <= limit).ok_or(WireError::TooLong)?;
    rest.split_at_checked(length).ok_or(WireError::UnexpectedEnd)
}

fn read_member(r: &mut BitReader<'_>) -> Result<MemberId, WireError> {
    let id = u32::try_from(r.bits(32)?).map_err(|_| WireError::Invalid)?;
    if id == 0 { Err(WireError::Invalid) } else { Ok(MemberId(id)) }
}

fn end(r: &BitReader<'_>) -> Result<(), WireError> {
    if r.remaining() == 0 { Ok(()) } else { Err(WireError::Invalid) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn messages_come_back_and_prefixes_do_not(name in "\\PC{0,16}", id in 1u32.., session in any::<u64>(), reason in 0u8..5, claim in prop::collection::vec(any::<u8>(), 0..9), credentials in prop::collection::vec(any::<u8>(), 0..257)) {
            let member = MemberId(id);
            let joined = ControlMessage::Joined { member, name: &name };
            let left = ControlMessage::Left { member, reason: LeaveReason::from_wire(reason).unwrap() };
            let welcome = Welcome { member, session };
            let (joined_bytes, left_bytes, hello) = (joined.encode(), left.encode(), Hello { name: &name, credentials: &credentials, claim: &claim }.encode());
            let welcome_bytes = welcome.encode();
            prop_assert_eq!(ControlMessage::decode(&joined_bytes), Ok(joined));
            prop_assert_eq!(ControlMessage::decode(&left_bytes), Ok(left));
            prop_assert_eq!(Welcome::decode(&welcome_bytes), Ok(welcome));
            prop_assert_eq!(Hello::decode(&hello), Ok(Hello { name: &name, credentials: &credentials, claim: &claim }));
            for bytes in [joined_bytes, left_bytes] {
                for cut in 0..bytes.len() {
                    prop_assert!(ControlMessage::decode(&bytes[..cut]).is_err());
                }
            }
            for cut in 0..12 {
                prop_assert!(Welcome::decode(&welcome_bytes[..cut]).is_err());
            }
        }

        #[test]
        fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
            let _ = (Hello::decode(&bytes), Welcome::decode(&bytes), ControlMessage::decode(&bytes));
        }
    }
}
