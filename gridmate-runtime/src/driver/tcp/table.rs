//! The connections there are: by number, by address, and how many there are from one IP.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use super::connection::Connection;

#[derive(Default)]
pub(super) struct Table {
    slots: Vec<Option<Connection>>,
    vacant: Vec<u32>,
    by_address: BTreeMap<SocketAddr, u32>,
    /// Connections that others opened, count.
    by_ip: BTreeMap<IpAddr, usize>,
}

impl Table {
    /// Connections, open and opening, count.
    pub(super) fn len(&self) -> usize {
        self.by_address.len()
    }

    /// The number of the connection to `address`.
    pub(super) fn find(&self, address: SocketAddr) -> Option<u32> {
        self.by_address.get(&address).copied()
    }

    pub(super) fn get(&mut self, index: u32) -> Option<&mut Connection> {
        self.slots.get_mut(index as usize)?.as_mut()
    }

    /// Connections that `ip` opened, count.
    pub(super) fn opened_by(&self, ip: IpAddr) -> usize {
        self.by_ip.get(&ip).copied().unwrap_or(0)
    }

    /// The number that the next connection gets.
    pub(super) fn next_index(&self) -> u32 {
        self.vacant.last().copied().unwrap_or_else(|| u32::try_from(self.slots.len()).unwrap_or(u32::MAX))
    }

    /// Adds one that was made with [`next_index`](Self::next_index). Its address is not in the table.
    pub(super) fn insert(&mut self, connection: Connection) {
        let index = self.next_index();
        let previous = self.by_address.insert(connection.address, index);
        debug_assert!(previous.is_none(), "one connection per address");
        if !connection.ours {
            *self.by_ip.entry(connection.address.ip()).or_default() += 1;
        }
        match self.vacant.pop() {
            Some(index) => self.slots[index as usize] = Some(connection),
            None => self.slots.push(Some(connection)),
        }
    }

    pub(super) fn remove(&mut self, index: u32) -> Option<Connection> {
        let connection = self.slots.get_mut(index as usize)?.take()?;
        self.vacant.push(index);
        self.by_address.remove(&connection.address);
        let ip = connection.address.ip();
        if !connection.ours
            && let Some(count) = self.by_ip.get_mut(&ip)
        {
            *count -= 1;
            if *count == 0 {
                self.by_ip.remove(&ip);
            }
        }
        Some(connection)
    }

    /// Every number in use.
    pub(super) fn indices(&self) -> impl Iterator<Item = u32> {
        (0..).zip(&self.slots).filter(|(_, slot)| slot.is_some()).map(|(index, _)| index)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (u32, &Connection)> {
        (0..).zip(&self.slots).filter_map(|(index, slot)| Some((index, slot.as_ref()?)))
    }
}
