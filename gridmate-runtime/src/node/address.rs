//! Whom a message is for, and whom it is from: a byte or two at its end.
//!
//! ```text
//! client to host   message [id u32] address      address = 2 × member + 1 if there is an id; member 0: everyone
//! host to client   message          source       the member that sent it, the host's own number for the host
//!                  report           0            what became of messages that the receiver had sent through the host
//! ```
//!
//! Who sent a client's message is never part of it: the host knows whose connection it came over, and writes that. All this is at
//! the end so that whoever passes on a long message need not move it. Numbers are read from the end, too: seven bits at a time, the
//! lowest first, the top bit set if another byte comes before.

use super::UserChannel;
use crate::ids::MemberId;

/// What a message that does not look like one costs its sender the connection for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Malformed;

/// Bytes of the longest number: a bit more than 32.
const NUMBER_BYTES: usize = 5;

/// Where a client wants its message to go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Destination {
    /// [`MemberId::NONE`]: everyone but the sender.
    pub(super) to: MemberId,
    /// The host is to say what became of it, by this name.
    pub(super) id: Option<u32>,
}

impl Destination {
    pub(super) fn write(self, out: &mut Vec<u8>) {
        if let Some(id) = self.id {
            out.extend_from_slice(&id.to_le_bytes());
        }
        write_number(u64::from(self.to.0) << 1 | u64::from(self.id.is_some()), out);
    }

    /// Takes it off a message.
    pub(super) fn take(message: &mut Vec<u8>) -> Result<Self, Malformed> {
        let number = take_number(message)?;
        let to = MemberId(u32::try_from(number >> 1).map_err(|_| Malformed)?);
        let id = if number & 1 == 0 { None } else { Some(take_word(message)?) };
        // Of what goes to the host its carrier tells; of what goes to everyone nobody does.
        if id.is_some() && (to == MemberId::HOST || to == MemberId::NONE) {
            Err(Malformed)
        } else {
            Ok(Self { to, id })
        }
    }
}

/// Writes who a message is from; [`MemberId::NONE`] for a report.
pub(super) fn write_source(from: MemberId, out: &mut Vec<u8>) {
    write_number(u64::from(from.0), out);
}

/// Takes off a message who it is from.
pub(super) fn take_source(message: &mut Vec<u8>) -> Result<MemberId, Malformed> {
    take_number(message).and_then(|number| u32::try_from(number).map(MemberId).map_err(|_| Malformed))
}

/// What a host tells of messages that it was to pass on.
///
/// ```text
/// report = 0 id u32                      it was not delivered
///        | 1 id u32                      it was
///        | 2 channel u8  member u32      a reliable message without an id was not delivered to this member
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Report {
    Receipt { id: u32, delivered: bool },
    Undelivered { channel: UserChannel, to: MemberId },
}

impl Report {
    pub(super) fn write(self, out: &mut Vec<u8>) {
        let word = match self {
            Self::Receipt { id, delivered } => {
                out.push(u8::from(delivered));
                id
            }
            Self::Undelivered { channel, to } => {
                out.extend([2, channel.id().0]);
                to.0
            }
        };
        out.extend_from_slice(&word.to_le_bytes());
    }

    pub(super) fn read(bytes: &[u8]) -> Result<Self, Malformed> {
        match *bytes {
            [kind @ 0..=1, a, b, c, d] => {
                Ok(Self::Receipt { id: u32::from_le_bytes([a, b, c, d]), delivered: kind == 1 })
            }
            [2, channel, a, b, c, d] => {
                let channel = UserChannel::of(crate::carrier::ChannelId(channel)).filter(|c| c.is_reliable());
                let to = MemberId(u32::from_le_bytes([a, b, c, d]));
                if to == MemberId::NONE {
                    Err(Malformed)
                } else {
                    Ok(Self::Undelivered { channel: channel.ok_or(Malformed)?, to })
                }
            }
            _ => Err(Malformed),
        }
    }
}

fn write_number(number: u64, out: &mut Vec<u8>) {
    let groups = (64 - number.leading_zeros()).div_ceil(7).max(1);
    for group in (0..groups).rev() {
        let [low, ..] = (number >> (7 * group)).to_le_bytes();
        let more = if group + 1 < groups { 0x80 } else { 0 };
        out.push(low & 0x7F | more);
    }
}

fn take_number(message: &mut Vec<u8>) -> Result<u64, Malformed> {
    let mut number = 0;
    for group in 0..NUMBER_BYTES {
        let byte = message.pop().ok_or(Malformed)?;
        number |= u64::from(byte & 0x7F) << (7 * group);
        if byte & 0x80 == 0 {
            // One form for each number.
            return if byte == 0 && group > 0 { Err(Malformed) } else { Ok(number) };
        }
    }
    Err(Malformed)
}

fn take_word(message: &mut Vec<u8>) -> Result<u32, Malformed> {
    let word = *message.last_chunk().ok_or(Malformed)?;
    message.truncate(message.len() - size_of_val(&word));
    Ok(u32::from_le_bytes(word))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn most_addresses_are_a_byte() {
        let len = |write: &dyn Fn(&mut Vec<u8>)| {
            let mut out = Vec::new();
            write(&mut out);
            out.len()
        };
        for (member, there, back) in [(1, 1, 1), (63, 1, 1), (64, 2, 1), (127, 2, 1), (128, 2, 2), (u32::MAX, 5, 5)] {
            let to = MemberId(member);
            assert_eq!(len(&|out| Destination { to, id: None }.write(out)), there, "{member}");
            assert_eq!(len(&|out| write_source(to, out)), back, "{member}");
        }
        assert!(
            len(&|out| Destination { to: MemberId(u32::MAX), id: Some(7) }.write(out)) <= crate::limits::ADDRESS_BYTES
        );
    }

    proptest! {
        #[test]
        fn addresses_come_back(bytes in prop::collection::vec(any::<u8>(), 0..20), to in any::<u32>(), id in any::<Option<u32>>()) {
            let id = id.filter(|_| to > 1);
            let address = Destination { to: MemberId(to), id };
            let mut message = bytes.clone();
            address.write(&mut message);
            prop_assert_eq!(Destination::take(&mut message), Ok(address));
            prop_assert_eq!(&message, &bytes);
            write_source(MemberId(to), &mut message);
            prop_assert_eq!(take_source(&mut message), Ok(MemberId(to)));
            prop_assert_eq!(message, bytes);
        }

        #[test]
        fn what_is_read_is_what_would_be_written(bytes in prop::collection::vec(any::<u8>(), 0..12)) {
            let mut rest = bytes.clone();
            if let Ok(address) = Destination::take(&mut rest) {
                address.write(&mut rest);
                prop_assert_eq!(&rest, &bytes);
            }
            let mut rest = bytes.clone();
            if let Ok(from) = take_source(&mut rest) {
                write_source(from, &mut rest);
                prop_assert_eq!(&rest, &bytes);
            }
            if let Ok(report) = Report::read(&bytes) {
                let mut again = Vec::new();
                report.write(&mut again);
                prop_assert_eq!(again, bytes);
            }
        }

        #[test]
        fn reports_come_back(id in any::<u32>(), delivered in any::<bool>(), bulk in any::<bool>(), to in 1u32..) {
            let channel = if bulk { UserChannel::Bulk } else { UserChannel::Ordered };
            for report in [Report::Receipt { id, delivered }, Report::Undelivered { channel, to: MemberId(to) }] {
                let mut bytes = Vec::new();
                report.write(&mut bytes);
                prop_assert_eq!(Report::read(&bytes), Ok(report));
                for cut in 0..bytes.len() {
                    prop_assert!(Report::read(&bytes[..cut]).is_err());
                }
            }
        }
    }
}
