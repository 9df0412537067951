//! Large unreliable messages, put together again.
//!
//! The rule everything here serves: **a message whose fragments were all acknowledged was delivered.** The sender reports a
//! message as delivered on exactly that evidence. A receiver that forgets half a message must therefore never acknowledge
//! the other half. It does not remember each message it gave up; it remembers the highest group among them, and takes no
//! fragment of that group or a lower one unless that group is still in the table. A fragment that is not taken costs its
//! whole packet, which stays unacknowledged, so that what else was in it is sent again.
//!
//! Groups are given up when their oldest fragment came in a packet more than [`limits::PACKET_WINDOW`] behind the newest, or
//! when the table is full and a fragment of a younger group arrives. A younger group never yields to an older one.

use super::super::frame::Fragment;
use super::super::packet::expand;
use super::super::pool::Pool;
use super::super::stats::Cause;
use crate::limits;

const WINDOW: u64 = limits::PACKET_WINDOW as u64;

/// A message that is not complete.
#[derive(Debug)]
struct Partial {
    group: u64,
    channel: u8,
    count: u8,
    /// One bit per fragment that is here.
    present: u32,
    /// Lowest number of a packet that brought one.
    order: u64,
    /// All fragments in place; those that are not here are zeros.
    bytes: Vec<u8>,
    /// Length of the message, once the last fragment is here.
    len: usize,
}

/// The messages of one connection that are not complete.
#[derive(Debug)]
#[repr(C)]
pub(in crate::carrier) struct Reassembly {
    /// Ascending by group.
    partial: Vec<Partial>,
    /// Groups below this are not begun any more.
    floor: u64,
    /// One more than the highest group seen.
    end: u64,
}

impl Reassembly {
    pub(in crate::carrier) const fn new(first: u64) -> Self {
        Self { partial: Vec::new(), floor: first, end: first }
    }

    /// Whether a fragment in packet `number` may be taken when `newest` is the newest packet, that one included. Changes
    /// nothing. `last` is the group of the fragment before it in the packet; groups must ascend, which is what makes it
    /// enough to ask for each fragment on its own.
    pub(in crate::carrier) fn check(
        &self,
        channel: u8,
        fragment: &Fragment<'_>,
        newest: u64,
        last: &mut Option<u64>,
    ) -> Result<(), Cause> {
        let group = expand(u64::from(fragment.group), 16, self.end).ok_or(Cause::Malformed)?;
        if last.replace(group).is_some_and(|last| last >= group) {
            return Err(Cause::Malformed);
        }
        if let Some(partial) = self.partial.iter().find(|partial| partial.group == group) {
            let fits = partial.channel == channel
                && partial.count == fragment.count
                && partial.present & 1 << fragment.index == 0;
            return match (fits, is_expired(partial, newest)) {
                (false, _) => Err(Cause::Malformed),
                (true, true) => Err(Cause::StaleFragment),
                (true, false) => Ok(()),
            };
        }
        let expired = self.partial.iter().filter(|partial| is_expired(partial, newest));
        let floor = expired.map(|partial| partial.group + 1).fold(self.floor, u64::max);
        // Full of younger groups: the oldest in the table is younger than this one.
        let full = self.partial.len() == limits::REASSEMBLIES
            && self.partial.iter().all(|partial| partial.group > group && !is_expired(partial, newest));
        if group < floor || full { Err(Cause::StaleFragment) } else { Ok(()) }
    }

    /// Gives up what is too old when `newest` is the newest packet.
    pub(in crate::carrier) fn expire(&mut self, newest: u64, pool: &mut Pool) {
        while let Some(index) = self.partial.iter().position(|partial| is_expired(partial, newest)) {
            self.give_up(index, pool);
        }
    }

    /// Takes a fragment that [`check`](Self::check) let through. Returns the message and its order when it is complete.
    pub(in crate::carrier) fn insert(
        &mut self,
        channel: u8,
        fragment: &Fragment<'_>,
        number: u64,
        pool: &mut Pool,
    ) -> Option<(Vec<u8>, u64)> {
        let group = expand(u64::from(fragment.group), 16, self.end)?;
        let index = match self.partial.binary_search_by_key(&group, |partial| partial.group) {
            Ok(index) => index,
            Err(_) => self.begin(group, channel, fragment.count, number, pool),
        };
        let partial = &mut self.partial[index];
        let start = usize::from(fragment.index) * limits::FRAGMENT_BYTES;
        partial.bytes.get_mut(start..start + fragment.bytes.len())?.copy_from_slice(fragment.bytes);
        partial.present |= 1 << fragment.index;
        partial.order = partial.order.min(number);
        if fragment.index + 1 == fragment.count {
            partial.len = start + fragment.bytes.len();
        }
        if partial.present.count_ones() < u32::from(partial.count) {
            return None;
        }
        let mut done = self.partial.remove(index);
        done.bytes.truncate(done.len);
        Some((done.bytes, done.order))
    }

    /// Bytes of memory in incomplete messages.
    pub(in crate::carrier) fn held(&self) -> usize {
        self.partial.iter().map(|partial| partial.bytes.capacity()).sum()
    }

    /// Gives everything up.
    pub(in crate::carrier) fn clear(&mut self, pool: &mut Pool) {
        self.partial.drain(..).for_each(|partial| pool.give(partial.bytes));
    }

    fn begin(&mut self, group: u64, channel: u8, count: u8, order: u64, pool: &mut Pool) -> usize {
        if self.partial.len() == limits::REASSEMBLIES {
            self.give_up(0, pool);
        }
        self.end = self.end.max(group + 1);
        let size = usize::from(count) * limits::FRAGMENT_BYTES;
        let mut bytes = pool.take(size);
        bytes.resize(size, 0);
        let index = self.partial.partition_point(|partial| partial.group < group);
        self.partial.insert(index, Partial { group, channel, count, present: 0, order, bytes, len: 0 });
        index
    }

    fn give_up(&mut self, index: usize, pool: &mut Pool) {
        let partial = self.partial.remove(index);
        self.floor = self.floor.max(partial.group + 1);
        pool.give(partial.bytes);
    }
}

const fn is_expired(partial: &Partial, newest: u64) -> bool {
    partial.order + WINDOW < newest
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(group: u16, index: u8, count: u8) -> Fragment<'static> {
        static FULL: [u8; limits::FRAGMENT_BYTES] = [9; limits::FRAGMENT_BYTES];
        Fragment { group, index, count, bytes: if index + 1 == count { &FULL[..10] } else { &FULL } }
    }

    struct Table(Reassembly, Pool, u64);

    impl Table {
        fn offer(&mut self, number: u64, fragment: Fragment<'_>) -> Result<Option<u64>, Cause> {
            let newest = self.2.max(number);
            self.0.check(2, &fragment, newest, &mut None)?;
            self.2 = newest;
            self.0.expire(newest, &mut self.1);
            Ok(self.0.insert(2, &fragment, number, &mut self.1).map(|(_, order)| order))
        }
    }

    fn table() -> Table {
        Table(Reassembly::new(0), Pool::default(), 0)
    }

    #[test]
    fn fragments_come_in_any_order_and_the_lowest_packet_counts() {
        let mut t = table();
        assert_eq!(t.offer(7, part(0, 2, 3)), Ok(None));
        assert_eq!(t.offer(6, part(0, 0, 3)), Ok(None));
        assert_eq!(t.offer(8, part(0, 0, 3)), Err(Cause::Malformed), "twice");
        assert_eq!(t.offer(8, part(0, 1, 4)), Err(Cause::Malformed), "another count");
        assert_eq!(t.offer(9, part(0, 1, 3)), Ok(Some(6)));
        assert!(t.0.partial.is_empty());
    }

    #[test]
    fn the_rest_of_a_message_given_up_is_never_taken() {
        let mut t = table();
        for group in 0..8 {
            assert_eq!(t.offer(u64::from(group), part(group, 0, 2)), Ok(None));
        }
        assert_eq!(t.offer(8, part(8, 0, 2)), Ok(None), "the youngest replaces the oldest");
        assert_eq!(t.offer(9, part(0, 1, 2)), Err(Cause::StaleFragment));
        assert_eq!(t.offer(9, part(1, 1, 2)), Ok(Some(1)));
        assert_eq!(t.offer(10, part(0, 1, 2)), Err(Cause::StaleFragment), "not even when there is room");
    }

    #[test]
    fn age_gives_up_too() {
        let mut t = table();
        assert_eq!(t.offer(1, part(0, 0, 2)), Ok(None));
        assert_eq!(t.offer(1 + WINDOW, part(1, 0, 2)), Ok(None));
        assert_eq!(t.0.partial.len(), 2);
        assert_eq!(t.offer(2 + WINDOW, part(0, 1, 2)), Err(Cause::StaleFragment), "this very packet makes it too old");
        assert_eq!(t.offer(2 + WINDOW, part(1, 1, 2)), Ok(Some(1 + WINDOW)));
        assert_eq!(t.offer(900, part(0, 1, 2)), Err(Cause::StaleFragment), "nor in a packet within the window");
        assert_eq!(t.0.held(), 0);
    }

    #[test]
    fn a_full_table_refuses_what_is_older_than_all_of_it() {
        let mut t = table();
        for group in 10..18 {
            t.offer(u64::from(group), part(group, 0, 2)).unwrap();
        }
        assert_eq!(t.offer(20, part(9, 0, 2)), Err(Cause::StaleFragment));
        assert_eq!(t.offer(20, part(10, 1, 2)), Ok(Some(10)));
        assert_eq!(t.offer(21, part(9, 0, 2)), Ok(None), "nothing of it was given up, so it may still begin");
    }

    #[test]
    fn groups_wrap() {
        let mut t = Table(Reassembly::new(0xFFFE), Pool::default(), 0);
        for i in 0..10_u16 {
            let group = 0xFFFE_u16.wrapping_add(i);
            assert_eq!(t.offer(u64::from(i) * 2, part(group, 0, 2)), Ok(None));
            assert_eq!(t.offer(u64::from(i) * 2 + 1, part(group, 1, 2)), Ok(Some(u64::from(i) * 2)));
        }
    }
}
