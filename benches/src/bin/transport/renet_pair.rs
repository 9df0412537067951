//! renet over netcode, unsecured tokens, which encrypts all the same. The near end is the server.

use std::time::Duration;

use renet::{ConnectionConfig, DefaultChannel, RenetClient, RenetServer};
use renet_netcode::{
    ClientAuthentication, NetcodeClientTransport, NetcodeServerTransport, ServerAuthentication, ServerConfig,
};

use crate::pair::{End, FRAME, Pair, socket};

const CLIENT: u64 = 7;
const PROTOCOL: u64 = 1;

/// Of a channel's memory and of a tick's traffic: the defaults carry neither a megabyte nor 64 messages of 1000 bytes.
const ROOM: usize = 64 << 20;

/// A server and its one client.
pub struct Renet {
    server: RenetServer,
    server_transport: NetcodeServerTransport,
    client: RenetClient,
    client_transport: NetcodeClientTransport,
    channel: u8,
}

impl Renet {
    /// Connected when it returns.
    pub fn new(reliable: bool) -> Self {
        let (near, far) = (socket().expect("a socket"), socket().expect("a socket"));
        let address = near.local_addr().expect("an address");
        let server_config = ServerConfig {
            current_time: Duration::ZERO,
            max_clients: 1,
            protocol_id: PROTOCOL,
            public_addresses: vec![address],
            authentication: ServerAuthentication::Unsecure,
        };
        let authentication = ClientAuthentication::Unsecure {
            protocol_id: PROTOCOL,
            client_id: CLIENT,
            server_addr: address,
            user_data: None,
        };
        let channel = if reliable { DefaultChannel::ReliableOrdered } else { DefaultChannel::Unreliable };
        let mut pair = Self {
            server: RenetServer::new(config()),
            server_transport: NetcodeServerTransport::new(server_config, near).expect("a server"),
            client: RenetClient::new(config()),
            client_transport: NetcodeClientTransport::new(Duration::ZERO, authentication, far).expect("a client"),
            channel: channel.into(),
        };
        for _ in 0..100 {
            pair.idle();
            if pair.client.is_connected() && pair.server.is_connected(CLIENT) {
                return pair;
            }
        }
        panic!("renet did not connect");
    }
}

fn config() -> ConnectionConfig {
    let mut config = ConnectionConfig { available_bytes_per_tick: ROOM as u64, ..ConnectionConfig::default() };
    for channel in config.server_channels_config.iter_mut().chain(&mut config.client_channels_config) {
        channel.max_memory_usage_bytes = ROOM;
    }
    config
}

impl Pair for Renet {
    fn send(&mut self, from: End, message: &[u8]) {
        match from {
            End::Near => self.server.send_message(CLIENT, self.channel, message.to_vec()),
            End::Far => self.client.send_message(self.channel, message.to_vec()),
        }
    }

    fn flush(&mut self, end: End) {
        match end {
            End::Near => self.server_transport.send_packets(&mut self.server),
            // Fails only until it is connected.
            End::Far => drop(self.client_transport.send_packets(&mut self.client)),
        }
    }

    fn receive(&mut self, end: End, _: usize, sink: &mut dyn FnMut(&[u8])) {
        match end {
            End::Near => {
                self.server.update(FRAME);
                self.server_transport.update(FRAME, &mut self.server).expect("a server that runs");
                while let Some(message) = self.server.receive_message(CLIENT, self.channel) {
                    sink(&message);
                }
            }
            End::Far => {
                self.client.update(FRAME);
                self.client_transport.update(FRAME, &mut self.client).expect("a client that runs");
                while let Some(message) = self.client.receive_message(self.channel) {
                    sink(&message);
                }
            }
        }
    }

    fn idle(&mut self) -> Duration {
        for end in [End::Near, End::Far] {
            self.receive(end, 0, &mut |_| {});
            self.flush(end);
        }
        FRAME
    }
}
