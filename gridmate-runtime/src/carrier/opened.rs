//! A packet that has arrived, before anything of it is acted on: numbers, tag, compression, frames, windows.

use super::channel::Channel;
use super::compress::Compression;
use super::config::ChannelKind;
use super::connection::{Connection, Outcome};
use super::frame::{Item, Items, Segment};
use super::packet::{self, COMPRESSED_URGENT, Content, Context, Data, number_bits, sequence_bits};
use super::stats::Cause;

/// A packet whose tag matched.
#[derive(Clone, Copy, Debug)]
pub(super) struct Opened<'a> {
    pub(super) data: Data<'a>,
    pub(super) number: u64,
    pub(super) acked: Option<u64>,
    /// Of a packet that is one reliable message.
    sequence: u64,
    pub(super) len: usize,
}

/// What an endpoint needs to read the packets of any connection, and what reading this one leads to.
#[derive(Debug)]
pub(super) struct Reading<'a> {
    pub(super) kinds: &'a [ChannelKind],
    pub(super) compression: Option<&'a mut Compression>,
    /// In place, since it is looked at at once, and would otherwise be copied just before.
    pub(super) outcome: &'a mut Outcome,
}

impl Connection {
    /// Completes the numbers of a packet, and looks at its tag. Nothing is changed.
    pub(super) fn open<'a>(&self, datagram: &'a [u8]) -> Result<Opened<'a>, Cause> {
        // Not a `Result`, whose parts would be copied as they were not written, which the processor has to wait for.
        let Some(data) = Data::parse(datagram, self.names.ours.len) else { return Err(Cause::Malformed) };
        let number =
            packet::expand(data.number, number_bits(data.wide), self.received.expected()).ok_or(Cause::TooOld)?;
        let acked = data.ack.as_ref().map(|ack| self.sent.expand(ack, data.wide)).transpose()?;
        let sequence = self.sole_sequence(&data)?;
        let context = Context { number, acked: acked.unwrap_or(0), sequence };
        if !self.receive_key.opens_data(context, datagram) {
            return Err(Cause::BadTag);
        }
        Ok(Opened { data, number, acked, sequence, len: datagram.len() })
    }

    /// The frames of a packet whose content they are, compressed, and whether it is to be acknowledged at once.
    #[cold] // The others must not pay for it.
    #[inline(never)]
    pub(super) fn inflate<'a>(
        &self,
        content: &'a [u8],
        compression: Option<&'a mut Compression>,
    ) -> Result<(&'a [u8], bool), Cause> {
        let compression = compression.filter(|_| self.names.compressed).ok_or(Cause::Malformed)?;
        match content.split_first() {
            Some((0, short)) => Ok((compression.inflate(short)?, false)),
            Some((&COMPRESSED_URGENT, short)) => Ok((compression.inflate(short)?, true)),
            _ => Err(Cause::Malformed),
        }
    }

    /// The whole sequence number of a packet that is one reliable message; 0 of any other.
    fn sole_sequence(&self, data: &Data<'_>) -> Result<u64, Cause> {
        let Content::Sole(channel) = data.content else { return Ok(0) };
        let Some(Channel::Reliable(reliable)) = self.channels.get(channel) else { return Ok(0) };
        let bits = sequence_bits(data.wide);
        let low = packet::Reader(data.rest).low(bits).ok_or(Cause::Malformed)?;
        reliable.receiver.expand(low, bits).ok_or(Cause::TooOld)
    }

    /// The one message that a packet consists of.
    pub(super) fn sole<'a>(&self, opened: &Opened<'a>, kinds: &[ChannelKind]) -> Result<Option<Item<'a>>, Cause> {
        let Content::Sole(channel) = opened.data.content else { return Ok(None) };
        let kind = kinds.get(usize::from(channel)).ok_or(Cause::Malformed)?;
        let bytes = opened.data.rest;
        if !kind.is_reliable() {
            return Ok(Some(Item::Message { channel, bytes }));
        }
        let bytes = bytes.get(sequence_bits(opened.data.wide) as usize / 8..).ok_or(Cause::Malformed)?;
        let sequence = (opened.sequence & 0xFF_FFFF) as u32;
        Ok(Some(Item::Segment { channel, segment: Segment { sequence, part: false, more: false, bytes } }))
    }

    pub(super) fn check_frames(&self, number: u64, frames: &[u8], kinds: &[ChannelKind]) -> Result<(), Cause> {
        let mut last_group = None;
        for item in Items::new(frames, kinds) {
            self.check_item(item.map_err(|_| Cause::Malformed)?, number, &mut last_group)?;
        }
        Ok(())
    }

    pub(super) fn check_item(&self, item: Item<'_>, number: u64, last_group: &mut Option<u64>) -> Result<(), Cause> {
        match item {
            Item::Segment { channel, segment } | Item::Half { channel, segment, .. } => {
                if let Some(Channel::Reliable(reliable)) = self.channels.get(channel)
                    && !reliable.receiver.check(segment.sequence)
                {
                    return Err(Cause::BeyondWindow);
                }
            }
            Item::Fragment { channel, fragment } => {
                let newest = number.max(self.received.expected().saturating_sub(1));
                self.reassembly.check(channel, &fragment, newest, last_group)?;
            }
            Item::Message { .. } | Item::Control(_) => {}
        }
        Ok(())
    }
}
