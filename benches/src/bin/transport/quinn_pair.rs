//! quinn on tokio's single-threaded runtime: a stream for what is reliable, datagrams for the rest. The far end connects.

use std::net::UdpSocket;
use std::sync::Arc;
use std::time::{Duration, Instant};

use quinn::{
    ClientConfig, Connection, Endpoint, EndpointConfig, RecvStream, SendStream, ServerConfig, TokioRuntime,
    TransportConfig,
};
use rustls::RootCertStore;
use rustls::pki_types::PrivatePkcs8KeyDer;
use tokio::runtime::Runtime;
use tokio::time::{sleep, timeout};

use crate::pair::{End, FRAME, Kind, Pair, socket};

/// How long an unreliable message may take: it may also be lost.
const PATIENCE: Duration = Duration::from_millis(20);

/// As often as the others make sure that the peer is still there; without it a silent connection ends.
const KEEP_ALIVE: Duration = Duration::from_secs(1);

/// A connection with a stream that goes both ways.
pub struct Quinn {
    runtime: Runtime,
    connections: [Connection; 2],
    streams: [(SendStream, RecvStream); 2],
    kind: Kind,
    queued: [Vec<u8>; 2],
    buffer: Vec<u8>,
    _endpoints: [Endpoint; 2],
}

impl Quinn {
    /// Connected when it returns.
    pub fn new(kind: Kind) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let (connections, streams, endpoints) = runtime.block_on(connect());
        Self {
            runtime,
            connections,
            streams,
            kind,
            queued: [(); 2].map(|()| Vec::new()),
            buffer: vec![0; kind.size],
            _endpoints: endpoints,
        }
    }
}

async fn connect() -> ([Connection; 2], [(SendStream, RecvStream); 2], [Endpoint; 2]) {
    let certified = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    let certificate = certified.cert.der().clone();
    let key = PrivatePkcs8KeyDer::from(certified.signing_key.serialize_der());
    let mut transport = TransportConfig::default();
    transport.keep_alive_interval(Some(KEEP_ALIVE));
    let transport = Arc::new(transport);

    let mut server = ServerConfig::with_single_cert(vec![certificate.clone()], key.into()).expect("a certificate");
    server.transport_config(Arc::clone(&transport));
    let mut roots = RootCertStore::empty();
    roots.add(certificate).expect("a certificate");
    let mut client = ClientConfig::with_root_certificates(Arc::new(roots)).expect("a configuration");
    client.transport_config(transport);

    let near = endpoint(socket().expect("a socket"), Some(server));
    let far = endpoint(socket().expect("a socket"), None);
    let address = near.local_addr().expect("an address");
    let connecting = far.connect_with(client, address, "localhost").expect("an endpoint that can connect");
    let accepting = async { near.accept().await.expect("one who connects").await };
    let (far_connection, near_connection) = tokio::join!(connecting, accepting);
    let connections = [near_connection.expect("a connection"), far_connection.expect("a connection")];

    // A stream exists for the other end once something came by it.
    let (mut near_send, mut near_receive) = connections[0].open_bi().await.expect("a stream");
    near_send.write_all(b"!").await.expect("a stream");
    let (mut far_send, mut far_receive) = connections[1].accept_bi().await.expect("a stream");
    far_send.write_all(b"!").await.expect("a stream");
    for stream in [&mut near_receive, &mut far_receive] {
        stream.read_exact(&mut [0]).await.expect("a byte");
    }
    // Until the size of datagrams is settled.
    sleep(Duration::from_millis(200)).await;
    (connections, [(near_send, near_receive), (far_send, far_receive)], [near, far])
}

fn endpoint(socket: UdpSocket, server: Option<ServerConfig>) -> Endpoint {
    Endpoint::new(EndpointConfig::default(), server, socket, Arc::new(TokioRuntime)).expect("an endpoint")
}

impl Pair for Quinn {
    fn send(&mut self, from: End, message: &[u8]) {
        if self.kind.reliable {
            self.queued[from as usize].extend_from_slice(message);
        } else {
            let message = message.to_vec().into();
            self.connections[from as usize].send_datagram(message).expect("a datagram that fits");
        }
    }

    fn flush(&mut self, end: End) {
        let Self { runtime, streams, kind, queued, .. } = self;
        let queued = &mut queued[end as usize];
        if !queued.is_empty() {
            // Returns when the connection has them; its tasks send while the other end waits for them.
            runtime.block_on(async {
                for message in queued.chunks(kind.size) {
                    streams[end as usize].0.write_all(message).await.expect("a connection");
                }
            });
            queued.clear();
        }
    }

    fn receive(&mut self, end: End, expected: usize, sink: &mut dyn FnMut(&[u8])) {
        if expected == 0 {
            return;
        }
        let Self { runtime, connections, streams, kind, buffer, .. } = self;
        let (connection, stream) = (&connections[end as usize], &mut streams[end as usize].1);
        if kind.reliable {
            runtime.block_on(async {
                for _ in 0..expected {
                    stream.read_exact(buffer).await.expect("a message");
                    sink(buffer);
                }
            });
        } else {
            let all = async {
                for _ in 0..expected {
                    sink(&connection.read_datagram().await.expect("a datagram"));
                }
            };
            // What has not come by then is lost, which the harness counts.
            let _ = runtime.block_on(async { timeout(PATIENCE, all).await });
        }
    }

    /// There is no other clock than the real one here.
    fn idle(&mut self) -> Duration {
        let start = Instant::now();
        self.runtime.block_on(async { sleep(FRAME).await });
        start.elapsed()
    }

    fn idle_for(&self) -> Duration {
        Duration::from_secs(6)
    }
}
