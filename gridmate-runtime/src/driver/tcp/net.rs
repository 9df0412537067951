//! All connections and what is done with them. Called by the network thread's loop, never waits.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio::net::TcpStream;

use super::TcpConfig;
use super::connection::{Common, Connection, End, READ_BYTES, Setup, Sink, Turn};
use super::dialed::Dialed;
use super::pool::Pool;
use super::ready::Ready;
use super::records::{self, Kind};
use super::shared::{Shared, count};
use super::table::Table;
use crate::driver::canonical;
use crate::time::Instant;

/// Connections that have something new to write before it is written, count: as many buffers are in use at once.
const DIRTY_MAX: usize = 256;

/// Received and not yet handed over, above which it is handed over before more is read, bytes.
const STAGED_BYTES: usize = 64 << 10;

/// The smallest hand-over ring, bytes: an empty one takes all that is collected at once. The worst that one read can bring is
/// datagrams of one byte.
pub(super) const RING_BYTES_MIN: usize = 256 << 10;

const _: () = assert!(STAGED_BYTES + (READ_BYTES / 3 + 1) * (records::HEAD_BYTES + 1) + 2_048 <= RING_BYTES_MIN);

pub(super) struct Net {
    pub(super) now: Instant,
    pub(super) ready: Arc<Ready>,
    config: TcpConfig,
    shared: Arc<Shared>,
    table: Table,
    dialed: Dialed,
    arrivals: Arrivals,
    pool: Pool,
    scratch: Box<[u8]>,
    /// Connections with something new to write.
    dirty: Vec<u32>,
    /// Connections that were not read because the game takes nothing.
    paused: Vec<u32>,
}

struct Arrivals {
    sender: records::Sender,
    /// Nothing more fits.
    full: bool,
}

impl Sink for Arrivals {
    fn has_room(&mut self) -> bool {
        self.full = self.full || (self.sender.staged() >= STAGED_BYTES && !self.sender.push());
        !self.full
    }

    fn datagram(&mut self, from: SocketAddr, datagram: &[u8]) {
        self.sender.stage(Kind::Datagram, from, datagram);
    }
}

impl Net {
    /// `any`: connections to whatever address something is sent to are opened unasked.
    pub(super) fn new(config: TcpConfig, any: bool, shared: Arc<Shared>, arrived: records::Sender) -> Self {
        Self {
            now: Instant::ZERO,
            ready: Arc::default(),
            config,
            shared,
            table: Table::default(),
            dialed: Dialed::new(config.max_connections, any),
            arrivals: Arrivals { sender: arrived, full: false },
            pool: Pool::default(),
            scratch: vec![0; READ_BYTES].into_boxed_slice(),
            dirty: Vec::new(),
            paused: Vec::new(),
        }
    }

    /// Somebody has connected.
    pub(super) fn accept(&mut self, stream: TcpStream, address: SocketAddr) {
        let address = canonical(address);
        let refused = self.table.len() >= self.config.max_connections
            || self.table.opened_by(address.ip()) >= self.config.max_per_ip
            || self.table.find(address).is_some();
        if refused {
            self.failed();
            return;
        }
        self.table.insert(Connection::accepted(stream, address, self.setup()));
        self.shared.open().insert(address);
    }

    /// A connection failed, or was refused for want of room.
    pub(super) fn failed(&self) {
        count(&self.shared.counts.connection_errors, 1);
    }

    /// Does what the game's side wrote into a record.
    pub(super) fn handle(&mut self, kind: Kind, address: SocketAddr, datagram: &[u8]) {
        match kind {
            Kind::Datagram => self.send(address, datagram),
            Kind::Connect if self.table.find(address).is_some() => {}
            Kind::Connect => {
                if !self.dialed.allow(address, self.now) {
                    self.failed();
                } else if self.dialed.is_due(address, self.now) {
                    self.dial(address);
                }
            }
            Kind::Disconnect => {
                self.dialed.forget(address);
                if let Some(index) = self.table.find(address) {
                    self.write(index);
                    self.end(index, &End::Closed);
                }
            }
        }
    }

    /// Writes to every connection that has something new.
    pub(super) fn write_dirty(&mut self) {
        let mut dirty = core::mem::take(&mut self.dirty);
        for index in dirty.drain(..) {
            self.write(index);
        }
        self.dirty = dirty;
    }

    /// Gives one connection that rang its turn.
    pub(super) fn look_at(&mut self, index: u32) {
        let mut turn = Turn::default();
        let Some(connection) = self.table.get(index) else { return };
        connection.answer();
        let common = &mut Common { now: self.now, pool: &mut self.pool, scratch: &mut self.scratch };
        let result = connection.write(common, &mut turn).and_then(|()| connection.read(common, &mut self.arrivals));
        if self.arrivals.full && !connection.paused {
            connection.paused = true;
            self.paused.push(index);
        }
        self.settle(index, &turn, result);
    }

    /// Hands over what was received. When the game's side has no room for it, nothing more is read until it has.
    pub(super) fn publish(&mut self) {
        if !self.arrivals.sender.push() {
            // Said before the last attempt, so that the game's side either made room for that or sees this. Should it miss
            // both by a hair, it sees this the next time it receives.
            self.shared.paused.store(true, Ordering::Release);
            self.arrivals.full = !self.arrivals.sender.push();
        } else {
            self.arrivals.full = false;
        }
        if !self.arrivals.full {
            for index in self.paused.drain(..) {
                if let Some(connection) = self.table.get(index) {
                    connection.paused = false;
                    connection.ring();
                }
            }
        }
    }

    /// Ends what has taken too long.
    pub(super) fn sweep(&mut self) {
        let (now, config) = (self.now, &self.config);
        let late = |connection: &Connection| {
            let limit = if connection.is_open() { config.idle_timeout } else { config.connect_timeout };
            now - connection.moved >= limit
        };
        let late: Vec<_> =
            self.table.iter().filter(|(_, it)| late(it)).map(|(index, it)| (index, it.is_open())).collect();
        for (index, open) in late {
            self.end(index, if open { &End::Closed } else { &End::Failed });
        }
        self.dialed.sweep(now);
    }

    /// Writes what waits anywhere; false when some of it could not be.
    pub(super) fn write_all(&mut self) -> bool {
        let waiting: Vec<_> =
            self.table.iter().filter(|(_, it)| !it.outbox.is_empty()).map(|(index, _)| index).collect();
        for index in waiting {
            if let Some(connection) = self.table.get(index) {
                connection.answer();
            }
            self.write(index);
        }
        self.table.iter().all(|(_, it)| it.outbox.is_empty())
    }

    /// Closes all connections.
    pub(super) fn close(&mut self) {
        for index in self.table.indices().collect::<Vec<_>>() {
            self.end(index, &End::Closed);
        }
    }

    fn send(&mut self, address: SocketAddr, datagram: &[u8]) {
        let mut found = self.table.find(address);
        if found.is_none() && self.dialed.is_due(address, self.now) {
            found = self.dial(address);
        }
        if let Some(index) = found
            && let Some(connection) = self.table.get(index)
            && connection.outbox.push(datagram, self.config.send_queue_bytes, &mut self.pool)
        {
            if !connection.dirty {
                connection.dirty = true;
                self.dirty.push(index);
                if self.dirty.len() >= DIRTY_MAX {
                    self.write_dirty();
                }
            }
        } else {
            count(&self.shared.counts.send_dropped, 1);
        }
    }

    fn dial(&mut self, address: SocketAddr) -> Option<u32> {
        let index = self.table.next_index();
        let result = if self.table.len() < self.config.max_connections {
            Connection::dial(address, self.setup()).ok()
        } else {
            None
        };
        if let Some(connection) = result {
            self.table.insert(connection);
            return Some(index);
        }
        self.failed();
        self.dialed.ended(address, false, self.now);
        None
    }

    fn setup(&self) -> Setup<'_> {
        Setup {
            index: self.table.next_index(),
            ready: &self.ready,
            now: self.now,
            max_datagram: self.config.max_datagram,
        }
    }

    fn write(&mut self, index: u32) {
        let mut turn = Turn::default();
        let Some(connection) = self.table.get(index) else { return };
        connection.dirty = false;
        let common = &mut Common { now: self.now, pool: &mut self.pool, scratch: &mut self.scratch };
        let result = connection.write(common, &mut turn);
        if turn.opened {
            // Reading starts with the next turn.
            connection.ring();
        }
        self.settle(index, &turn, result);
    }

    fn settle(&mut self, index: u32, turn: &Turn, result: Result<(), End>) {
        count(&self.shared.counts.sent, turn.written.datagrams);
        count(&self.shared.counts.sent_bytes, turn.written.bytes);
        if turn.opened
            && let Some(connection) = self.table.get(index)
        {
            self.shared.open().insert(connection.address);
        }
        if let Err(end) = result {
            self.end(index, &end);
        }
    }

    fn end(&mut self, index: u32, end: &End) {
        let Some(connection) = self.table.remove(index) else { return };
        let (address, open) = (connection.address, connection.is_open());
        if connection.ours {
            self.dialed.ended(address, connection.heard, self.now);
        }
        // All is counted before anybody can see that the connection is gone.
        let common = &mut Common { now: self.now, pool: &mut self.pool, scratch: &mut self.scratch };
        let counts = &self.shared.counts;
        count(&counts.send_dropped, connection.close(common));
        if matches!(end, End::BadFrames) {
            count(&counts.receive_dropped, 1);
        }
        if !matches!(end, End::Closed) {
            self.failed();
        }
        if open {
            self.shared.open().remove(&address);
        }
    }
}
