//! What benchmarks have in common: an allocator that counts, figures and how they are printed, and a pair of replica managers.

pub mod counting;
pub mod report;

use std::collections::VecDeque;
use std::error::Error;
use std::time::{Duration, Instant as Clock};

use gridmate_runtime::prelude::*;
use gridmate_runtime::replica::{PeerId, PeerRole};

/// Bytes of a state message, at most.
const MESSAGE_BYTES: usize = 1_180;

/// A host and a client without a carrier between them: messages arrive at once, receipts come back after some ticks.
pub struct Pair {
    pub host: ReplicaManager,
    pub client: ReplicaManager,
    /// The client, as the host knows it.
    pub to_client: PeerId,
    /// Spent so far, by the host in writing and by the client in reading.
    pub encoding: Duration,
    pub decoding: Duration,
    to_host: PeerId,
    round_trip: usize,
    under_way: VecDeque<Vec<u64>>,
    order: u64,
    message: Vec<u8>,
}

impl Pair {
    /// The receipt of a message is there after `round_trip` ticks.
    pub fn new(registry: Registry, round_trip: usize) -> Self {
        let (mut host, mut client) = (ReplicaManager::new(registry.clone(), 1), ReplicaManager::new(registry, 2));
        client.set_local_member(MemberId(2));
        let to_client = host.add_peer(MemberId(2), PeerRole::Client);
        let to_host = client.add_peer(MemberId::HOST, PeerRole::Host);
        Self {
            host,
            client,
            to_client,
            encoding: Duration::ZERO,
            decoding: Duration::ZERO,
            to_host,
            round_trip,
            under_way: VecDeque::new(),
            order: 0,
            message: Vec::new(),
        }
    }

    /// One tick: all that the host has to say, read by the client. Returns how many bytes of messages that were.
    pub fn tick(&mut self) -> Result<usize, Box<dyn Error>> {
        let (mut bytes, mut tokens) = (0, Vec::new());
        let mut start = Clock::now();
        self.host.prepare();
        while let Some(sent) = self.host.marshal(self.to_client, MESSAGE_BYTES, &mut self.message) {
            self.encoding += start.elapsed();
            tokens.push(sent.token);
            bytes += self.message.len();
            self.order += 1;
            start = Clock::now();
            let _ = self.client.handle_state(self.to_host, self.order, &self.message)?;
            self.decoding += start.elapsed();
            start = Clock::now();
        }
        self.under_way.push_back(tokens);
        if self.under_way.len() >= self.round_trip {
            for token in self.under_way.pop_front().into_iter().flatten() {
                self.host.handle_receipt(self.to_client, token, true);
            }
        }
        Ok(bytes)
    }
}
