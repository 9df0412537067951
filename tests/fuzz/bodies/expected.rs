//! What a connection has to make of the packets it gets, in plain maps: which it takes, which it drops and why, and which messages
//! come of them.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use gridmate_runtime::carrier::ChannelKind;
use gridmate_runtime::limits;

use super::packets::{Context, largest, nearest};
use super::reader::{Data, Item, frames, sequence_width, width};

/// What may become of a packet: nothing for one that is taken, else the cause.
pub(crate) type Verdicts = Vec<Option<&'static str>>;

/// The receiving end of a connection.
pub(crate) struct Expected {
    kinds: Vec<ChannelKind>,
    first: u64,
    /// One more than the newest packet, and all packets.
    end: u64,
    taken: BTreeSet<u64>,
    /// One more than the newest packet it has sent.
    pub(crate) sent: u64,
    sequenced: BTreeMap<u8, u64>,
    reliable: BTreeMap<u8, Reliable>,
    groups: BTreeMap<u64, Group>,
    /// Messages of unreliable channels that have to come up next.
    coming: VecDeque<(u8, Vec<u8>)>,
}

struct Reliable {
    ordered: bool,
    /// The first number that has not come.
    next: u64,
    segments: BTreeMap<u64, Segment>,
    /// Segments whose message was delivered. On ordered channels all below the first of them.
    delivered: BTreeSet<u64>,
    cursor: u64,
}

#[derive(Default)]
struct Segment {
    half: Option<(u8, usize, Vec<u8>)>,
    whole: Option<(bool, bool, Vec<u8>)>,
}

struct Group {
    channel: u8,
    count: u8,
    fragments: BTreeMap<u8, Vec<u8>>,
}

impl Expected {
    pub(crate) fn new(kinds: &[ChannelKind], first: u64) -> Self {
        let reliable = (0..).zip(kinds).filter(|(_, kind)| kind.is_reliable()).map(|(channel, kind)| {
            let ordered = *kind == ChannelKind::ReliableOrdered;
            let (segments, delivered) = (BTreeMap::new(), BTreeSet::new());
            (channel, Reliable { ordered, next: first, segments, delivered, cursor: first })
        });
        Self {
            kinds: kinds.to_vec(),
            first,
            end: first,
            taken: BTreeSet::new(),
            sent: first,
            sequenced: BTreeMap::new(),
            reliable: reliable.collect(),
            groups: BTreeMap::new(),
            coming: VecDeque::new(),
        }
    }

    /// The number of the next packet if nothing is lost.
    pub(crate) const fn next(&self) -> u64 {
        self.end
    }

    pub(crate) fn has_taken(&self, number: u64) -> bool {
        self.taken.contains(&number)
    }

    /// The number of the next segment of a channel, or group of fragments.
    pub(crate) fn next_of(&self, channel: u8) -> u64 {
        match self.reliable.get(&channel) {
            Some(reliable) => reliable.next,
            None => self.group_end(),
        }
    }

    /// The numbers that the connection will complete those in a packet to; or why it cannot.
    pub(crate) fn complete(&self, data: &Data<'_>) -> Result<Context, &'static str> {
        let bits = 8 * u32::try_from(width(data.wide)).expect("1 or 2");
        let number = nearest(data.number, bits, self.end).ok_or("too_old")?;
        let acked = match &data.ack {
            Some(ack) => {
                let last = self.sent.checked_sub(1).ok_or("ack_future")?;
                largest(ack.newest, bits, last).filter(|newest| *newest >= self.first).ok_or("ack_future")?
            }
            None => 0,
        };
        let sole = data.content.checked_sub(1).and_then(|channel| self.reliable.get(&channel));
        let sequence = match sole {
            Some(reliable) if data.content < 6 => {
                let width = sequence_width(data.wide);
                let low = data.rest.get(..width).ok_or("malformed")?;
                let low = low.iter().rev().fold(0, |low, byte| low << 8 | u64::from(*byte));
                nearest(low, 8 * u32::try_from(width).expect("1 or 3"), reliable.next).ok_or("too_old")?
            }
            _ => 0,
        };
        Ok(Context { number, acked, sequence })
    }

    /// What may become of a packet that was sealed with `context`.
    pub(crate) fn verdicts(&self, packet: &[u8], id_len: u8, context: Context) -> Verdicts {
        let only = |cause| vec![Some(cause)];
        let Some(data) = Data::read(packet, id_len) else { return only("malformed") };
        let completed = match self.complete(&data) {
            Ok(completed) => completed,
            Err(cause) => return only(cause),
        };
        if completed != context {
            return only("bad_tag");
        }
        let number = context.number;
        if number < self.first || number + (limits::PACKET_WINDOW as u64) < self.end {
            return only("too_old");
        }
        if self.taken.contains(&number) {
            return only("duplicate");
        }
        if data.ack.as_ref().is_some_and(|ack| ack.all(context.acked, self.first).is_none()) {
            return only("ack_future");
        }
        let Some((items, sound)) = self.items(&data, context) else { return only("malformed") };
        let (mut verdicts, mut last) = (Vec::new(), None);
        for item in items {
            match item {
                Item::Segment { channel, sequence, .. } => {
                    let behind = |next| nearest(sequence.into(), 24, next).is_none_or(|sequence| sequence < next);
                    let next = self.reliable[&channel].next;
                    let ahead = u64::from(sequence).wrapping_sub(next) & 0xFF_FFFF;
                    if !behind(next) && ahead >= limits::RELIABLE_WINDOW as u64 {
                        verdicts.push(Some("beyond_window"));
                        return verdicts;
                    }
                }
                Item::Fragment { channel, group, index, count, .. } => {
                    let Some(group) = nearest(group.into(), 16, self.group_end()) else { return only("malformed") };
                    let fits = self.groups.get(&group).is_none_or(|known| {
                        known.channel == channel && known.count == count && !known.fragments.contains_key(&index)
                    });
                    if last.replace(group).is_some_and(|last| last >= group) {
                        verdicts.push(Some("malformed"));
                        return verdicts;
                    }
                    // Which of them it has given up, it decides by rules of its own.
                    verdicts.push(Some("stale_fragment"));
                    if !fits {
                        verdicts.push(Some("malformed"));
                        return verdicts;
                    }
                }
                Item::Message { .. } | Item::Word { .. } => {}
            }
        }
        verdicts.push(if sound { None } else { Some("malformed") });
        verdicts
    }

    /// It has taken a packet that it was to take.
    pub(crate) fn take(&mut self, packet: &[u8], id_len: u8, context: Context) {
        let number = context.number;
        self.taken.insert(number);
        self.end = self.end.max(number + 1);
        let Some(data) = Data::read(packet, id_len) else { return };
        let Some((items, _)) = self.items(&data, context) else { return };
        for item in items {
            match item {
                Item::Message { channel, bytes } => {
                    if self.kinds[usize::from(channel)] == ChannelKind::UnreliableSequenced {
                        let newest = self.sequenced.entry(channel).or_insert(0);
                        if number < *newest {
                            continue;
                        }
                        *newest = number;
                    }
                    self.coming.push_back((channel, bytes.to_vec()));
                }
                Item::Segment { channel, sequence, half, part, more, bytes } => {
                    let reliable = self.reliable.get_mut(&channel).expect("a reliable channel");
                    reliable.take(sequence, half, part, more, bytes);
                }
                Item::Fragment { channel, group, index, count, bytes } => {
                    let group = nearest(group.into(), 16, self.group_end()).expect("checked");
                    let fragments = BTreeMap::new();
                    let known = self.groups.entry(group).or_insert(Group { channel, count, fragments });
                    known.fragments.insert(index, bytes.to_vec());
                    if known.fragments.len() == usize::from(count) {
                        let message = known.fragments.values().flatten().copied().collect();
                        self.coming.push_back((channel, message));
                    }
                }
                Item::Word { .. } => {}
            }
        }
    }

    /// A message came up.
    pub(crate) fn message(&mut self, channel: u8, bytes: &[u8]) {
        if let Some(reliable) = self.reliable.get_mut(&channel) {
            assert!(reliable.deliver(bytes), "channel {channel}: {bytes:?} is not what was sent next");
        } else {
            assert_eq!(self.coming.pop_front(), Some((channel, bytes.to_vec())), "what was sent, once, in order");
        }
    }

    /// All messages of the packets so far came up. Reliable ones that are whole and in order did, too.
    pub(crate) fn nothing_is_missing(&mut self) {
        assert_eq!(self.coming, [], "every message that is here comes up");
        for (channel, reliable) in &self.reliable {
            let waits = reliable.chain(reliable.cursor).filter(|_| reliable.ordered);
            assert_eq!(waits, None, "channel {channel}: the next message is here and does not come up");
        }
    }

    fn group_end(&self) -> u64 {
        self.groups.last_key_value().map_or(self.first, |(group, _)| group + 1)
    }

    /// What a packet brings, and whether all of it is well-formed. `None` when not even its channel is one.
    fn items<'a>(&self, data: &Data<'a>, context: Context) -> Option<(Vec<Item<'a>>, bool)> {
        if data.content == 6 {
            // The two have agreed on no compressor.
            return None;
        }
        let Some(channel @ 0..5) = data.content.checked_sub(1) else { return Some(frames(data.rest, &self.kinds)) };
        let kind = self.kinds.get(usize::from(channel))?;
        let item = if kind.is_reliable() {
            let bytes = data.rest.get(sequence_width(data.wide)..)?;
            let sequence = u32::try_from(context.sequence & 0xFF_FFFF).expect("24 bits");
            Item::Segment { channel, sequence, half: None, part: false, more: false, bytes }
        } else {
            Item::Message { channel, bytes: data.rest }
        };
        Some((vec![item], true))
    }
}

impl Reliable {
    fn take(&mut self, sequence: u32, half: Option<(u8, usize)>, part: bool, more: bool, bytes: &[u8]) {
        let Some(sequence) = nearest(sequence.into(), 24, self.next).filter(|sequence| *sequence >= self.next) else {
            return;
        };
        let segment = self.segments.entry(sequence).or_default();
        if segment.whole.is_some() {
            return;
        }
        segment.whole = match (half, segment.half.take()) {
            (None, _) => Some((part, more, bytes.to_vec())),
            (Some((half, _)), Some((other, len, there))) if other == half => {
                segment.half = Some((other, len, there));
                None
            }
            (Some((0, _)), Some((_, _, there))) => Some((part, more, [bytes, &there].concat())),
            (Some(_), Some((_, _, there))) => Some((part, more, [&there, bytes].concat())),
            (Some((half, len)), None) => {
                segment.half = Some((half, len, bytes.to_vec()));
                None
            }
        };
        while self.segments.get(&self.next).is_some_and(|segment| segment.whole.is_some()) {
            self.next += 1;
        }
    }

    /// The message that begins with a segment, if all of it is here, and where it ends.
    fn chain(&self, first: u64) -> Option<(u64, Vec<u8>)> {
        let (mut message, mut at) = (Vec::new(), first);
        loop {
            let (part, more, bytes) = self.segments.get(&at)?.whole.as_ref()?;
            if *part != (at != first) || self.delivered.contains(&at) {
                return None;
            }
            message.extend_from_slice(bytes);
            at += 1;
            if !more {
                return Some((at, message));
            }
        }
    }

    fn deliver(&mut self, bytes: &[u8]) -> bool {
        let is_it = |first: &u64| self.chain(*first).is_some_and(|(_, message)| message == bytes);
        let found =
            if self.ordered { Some(self.cursor).filter(is_it) } else { self.segments.keys().copied().find(is_it) };
        let Some((first, (end, _))) = found.and_then(|first| Some((first, self.chain(first)?))) else { return false };
        if self.ordered {
            self.cursor = end;
        } else {
            self.delivered.extend(first..end);
        }
        true
    }
}
